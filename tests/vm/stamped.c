// SPDX-License-Identifier: GPL-2.0
/*
 * stamped: I/O that carries its lineage itself, lawful and hostile.
 *
 *   stamped read|write|flush|discard|write_zeroes DEV [OPTION...]
 *   stamped load DEV --run-id ID --lineage E.V [--depth D] [--count N]
 *   stamped race DEV --field FIELD --bad VALUE [OPTION...]
 *   stamped batch DEV
 *
 * One command prints its result, the gate's epoch and, for a read, the byte
 * that all of the buffer is (-1: it is not). "load" writes iogen's blocks as
 * fast as it can and goes on through refusals. "race" writes again and again
 * while a thread changes one field of the SQE back and forth, and prints how
 * often each result came. "batch" takes a verb and its options from each line
 * of its input. DEV may be "fd:3". It must never know what a gate is.
 */
#include <pthread.h>
#include <sys/wait.h>

#include "iogen_block.h"
#include "stamped_options.h"

#define ERRNO_MAX	256
#define BUFFER_BYTES	(2U << 20)
#define PAGE_BYTES	4096
#define WORDS_MAX	24
#define RACE_PATIENCE	50

static int device(const struct options *o)
{
	int fd;

	if (!strncmp(o->path, "fd:", 3))
		return (int)number(o->path + 3);
	fd = open(o->path, (o->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (fd < 0) {
		printf("{\"open\": \"%s\"}\n", strerrorname_np(errno));
		exit(1);
	}
	return fd;
}

static bool has_buffer(const struct options *o)
{
	return o->cmd_op == BFENCE_IO_READ || o->cmd_op == BFENCE_IO_WRITE;
}

static _Noreturn void die(const char *what, int ret)
{
	fprintf(stderr, "stamped: %s: %s\n", what, strerror(-ret));
	exit(1);
}

/* An SQE of a ring with room for the command: two of the usual ones. */
static struct bfence_io *prepare(const struct options *o,
				 struct io_uring_sqe *sqe, int fd)
{
	struct bfence_io *io;

	if (!sqe)
		die("no SQE is free", -EBUSY);
	io = (struct bfence_io *)sqe->cmd;
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->flags = o->sqe_flags;
	sqe->cmd_op = o->cmd_op;
	if (o->fixed)
		sqe->rw_flags = IORING_URING_CMD_FIXED;
	*io = o->io;
	return io;
}

static void ring_init(const struct options *o, struct io_uring *ring)
{
	int ret = io_uring_queue_init(DEPTH_MAX, ring, o->ring_flags);

	if (ret)
		die("io_uring", ret);
}

static struct io_uring_cqe *reap(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int ret = io_uring_wait_cqe(ring, &cqe);

	if (ret)
		die("wait", ret);
	return cqe;
}

static char *buffer_new(const struct options *o, struct io_uring *ring)
{
	char *buffer = aligned_alloc(PAGE_BYTES, BUFFER_BYTES);
	struct iovec iov = { buffer, BUFFER_BYTES };
	int ret;

	memset(buffer, o->fill, BUFFER_BYTES);
	if (o->fixed) {
		ret = io_uring_register_buffers(ring, &iov, 1);
		if (ret)
			die("register", ret);
	}
	return buffer;
}

/*
 * The next command is issued when somebody has written to the fifo, and not
 * before, although it is submitted with the wait.
 */
static void wait_first(const struct options *o, struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	int fd = open(o->after, O_RDWR | O_CLOEXEC);
	static char byte;

	if (fd < 0 || !sqe)
		die(o->after, -errno);
	io_uring_prep_read(sqe, fd, &byte, 1, 0);
	sqe->flags = IOSQE_IO_HARDLINK;
}

/* --- one command --------------------------------------------------------- */

static int same_byte(const char *buffer, uint64_t length)
{
	for (uint64_t i = 1; i < length; i++)
		if (buffer[i] != buffer[0])
			return -1;
	return (unsigned char)buffer[0];
}

static int run_one(struct options *o)
{
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	char *buffer;
	int fd = device(o), ret = 0;

	ring_init(o, &ring);
	buffer = buffer_new(o, &ring) + o->skew;
	if (!o->own_addr && has_buffer(o))
		o->io.addr = (uintptr_t)buffer;
	for (uint64_t i = 0; i < o->count; i++) {
		if (o->after)
			wait_first(o, &ring);
		prepare(o, io_uring_get_sqe(&ring), fd);
		ret = io_uring_submit(&ring);
		if (ret < 1)
			die("submit", ret);
		if (o->after)
			io_uring_cqe_seen(&ring, reap(&ring));
		cqe = reap(&ring);
		ret = cqe->res;
		if (i + 1 == o->count) {
			printf("{\"res\": \"%s\", \"bytes\": %d",
			       ret < 0 ? strerrorname_np(-ret) : "OK", ret);
			if (o->ring_flags & IORING_SETUP_CQE32)
				printf(", \"epoch\": %llu",
				       (unsigned long long)cqe->big_cqe[0]);
		}
		io_uring_cqe_seen(&ring, cqe);
	}
	if (ret > 0 && o->cmd_op == BFENCE_IO_READ)
		printf(", \"byte\": %d", same_byte(buffer, o->io.length));
	printf("}\n");
	return ret < 0 ? 1 : 0;
}

/* --- many ---------------------------------------------------------------- */

static void print_results(const uint64_t *errors, uint64_t ok)
{
	printf("{\"OK\": %llu", (unsigned long long)ok);
	for (int i = 0; i < ERRNO_MAX; i++)
		if (errors[i])
			printf(", \"%s\": %llu", strerrorname_np(i),
			       (unsigned long long)errors[i]);
	printf("}\n");
}

struct load {
	const struct options *opt;
	struct io_uring	ring;
	struct block	*blocks;	/* one a slot */
	int		fd;
	uint64_t	next;
};

static void load_issue(struct load *load, uint64_t slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&load->ring);
	struct bfence_io *io = prepare(load->opt, sqe, load->fd);

	block_fill(&load->blocks[slot], load->opt->run_id, load->opt->lineage,
		   load->next);
	io->offset = load->next++ * BLOCK_BYTES;
	io->length = BLOCK_BYTES;
	io->addr = (uintptr_t)&load->blocks[slot];
	sqe->user_data = slot;
	io_uring_submit(&load->ring);
}

static int run_load(const struct options *o)
{
	static uint64_t errors[ERRNO_MAX];
	struct load load = { .opt = o, .fd = device(o) };
	struct io_uring_cqe *cqe;
	uint64_t ok = 0, slot;

	ring_init(o, &load.ring);
	load.blocks = aligned_alloc(PAGE_BYTES, DEPTH_MAX * BLOCK_BYTES);
	for (slot = 0; slot < o->depth && slot < o->count; slot++)
		load_issue(&load, slot);
	for (uint64_t done = 0; done < o->count; done++) {
		cqe = reap(&load.ring);
		slot = cqe->user_data;
		if (cqe->res == BLOCK_BYTES)
			ok++;
		else
			errors[-cqe->res & (ERRNO_MAX - 1)]++;
		io_uring_cqe_seen(&load.ring, cqe);
		if (load.next < o->count)
			load_issue(&load, slot);
	}
	print_results(errors, ok);
	return 0;
}

/* --- race ---------------------------------------------------------------- */

struct flipper {
	volatile uint64_t *field;	/* of the SQE */
	uint64_t	values[2];
	volatile bool	stop;
};

static void *flip(void *arg)
{
	struct flipper *f = arg;

	for (unsigned int i = 0; !f->stop; i++)
		*f->field = f->values[i & 1];
	return NULL;
}

static uint64_t *field_of(struct bfence_io *io, const char *name)
{
	if (!strcmp(name, "epoch"))
		return (uint64_t *)&io->epoch;
	if (!strcmp(name, "offset"))
		return (uint64_t *)&io->offset;
	if (!strcmp(name, "length"))
		return (uint64_t *)&io->length;
	return (uint64_t *)&io->reserved[3];
}

/*
 * A ring of one entry: each command is in the same place. At least count of
 * them, and more on a machine that is too busy to let the thread run.
 */
static int run_race(struct options *o)
{
	static uint64_t errors[ERRNO_MAX];
	struct flipper f = { 0 };
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	pthread_t thread;
	int fd = device(o);
	uint64_t ok = 0;
	int ret;

	ret = io_uring_queue_init(1, &ring, o->ring_flags);
	if (ret)
		die("io_uring", ret);
	o->io.addr = (uintptr_t)buffer_new(o, &ring);
	f.values[0] = *field_of(&o->io, o->field);
	f.values[1] = o->bad;
	sqe = ring.sq.sqes;
	f.field = field_of((struct bfence_io *)sqe->cmd, o->field);
	pthread_create(&thread, NULL, flip, &f);
	for (uint64_t i = 0;
	     i < o->count || ((!ok || ok == i) && i < RACE_PATIENCE * o->count);
	     i++) {
		prepare(o, io_uring_get_sqe(&ring), fd);
		io_uring_submit(&ring);
		cqe = reap(&ring);
		if (cqe->res >= 0 && (uint64_t)cqe->res == o->io.length)
			ok++;
		else if (cqe->res >= 0)
			errors[EMSGSIZE]++;
		else
			errors[-cqe->res & (ERRNO_MAX - 1)]++;
		io_uring_cqe_seen(&ring, cqe);
	}
	f.stop = true;
	pthread_join(thread, NULL);
	print_results(errors, ok);
	return 0;
}

/* --- command line -------------------------------------------------------- */

static int run(int argc, char **argv)
{
	struct options o = {
		.io = { .epoch = 1, .endpoint_version = 1 },
		.run_id = "",
		.lineage = "1.1",
		.field = "epoch",
		.count = 1,
		.depth = 32,
		.ring_flags = IORING_SETUP_SQE128 | IORING_SETUP_CQE32,
	};

	if (!options_parse(argc, argv, &o))
		return 2;
	if (!strcmp(o.verb, "load"))
		return run_load(&o);
	if (!strcmp(o.verb, "race"))
		return run_race(&o);
	return run_one(&o);
}

/* Each in a process of its own: what one leaves behind is gone. */
static int run_batch(char *program, char *device)
{
	char *argv[WORDS_MAX + 1] = { program }, *word, *rest;
	char line[256];
	int argc;

	while (fgets(line, sizeof(line), stdin)) {
		argc = 1;
		for (word = strtok_r(line, " \n", &rest);
		     word && argc < WORDS_MAX - 1;
		     word = strtok_r(NULL, " \n", &rest))
			argv[argc++] = word;
		argv[argc++] = device;
		fflush(NULL);
		if (!fork())
			exit(run(argc, argv));
		wait(NULL);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "batch"))
		return run_batch(argv[0], argv[2]);
	return run(argc, argv);
}
