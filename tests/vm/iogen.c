// SPDX-License-Identifier: GPL-2.0
/*
 * iogen: writes blocks that say who wrote them, and finds them again.
 *
 *   iogen write DEV --run-id ID [--from N] [--count M] [--depth D] [--rate R]
 *                   [--lineage E.V] [--ack-file F] [--keep-going]
 *   iogen verify DEV --run-id ID [--from N] [--count M]
 *   iogen scan FILE [--run-id ID]
 *
 * Block N of a run has sequence N and lies at byte N * 4096. It carries the
 * run, the sequence, a lineage, the moment of its issue (CLOCK_BOOTTIME of its
 * writer) and a CRC32C, so raw bytes testify without their writer's help. Each
 * completed write is a line "RUN SEQUENCE ISSUED_NS" of the ack file, written
 * when it is known and not before. It must never know what a gate is.
 */
#include <getopt.h>
#include <liburing.h>
#include <signal.h>
#include <stdlib.h>

#include "iogen_block.h"

#define DEPTH_MAX	256
#define LINE_BYTES	80	/* of the ack file, at most */
#define ERRNO_MAX	256
#define READ_BLOCKS	64ULL	/* at a time */

struct options {
	const char	*path;
	const char	*run_id;
	const char	*lineage;
	const char	*ack_path;
	uint64_t	from;
	uint64_t	count;		/* 0: to the end of the device */
	uint64_t	rate;		/* blocks a second; 0: no limit */
	unsigned int	depth;
	bool		keep_going;
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

/* --- write --------------------------------------------------------------- */

struct writer {
	const struct options	*opt;
	struct io_uring		ring;
	struct block		*blocks;	/* one a slot */
	unsigned int		free[DEPTH_MAX];
	unsigned int		nr_free;
	unsigned int		nr_inflight;
	int			fd;
	int			ack_fd;
	uint64_t		next;
	uint64_t		end;
	uint64_t		started_ns;
	uint64_t		acked;
	uint64_t		nr_errors;
	uint64_t		errors[ERRNO_MAX];
};

static bool writer_may_issue(const struct writer *w)
{
	uint64_t issued = w->next - w->opt->from;

	if (stopped || w->next == w->end || !w->nr_free)
		return false;
	if (w->nr_errors && !w->opt->keep_going)
		return false;
	return !w->opt->rate ||
	       issued * NS_PER_S / w->opt->rate <= now_ns() - w->started_ns;
}

static void writer_issue(struct writer *w)
{
	struct io_uring_sqe *sqe;
	unsigned int slot;

	while (writer_may_issue(w)) {
		sqe = io_uring_get_sqe(&w->ring);
		if (!sqe)
			break;
		slot = w->free[--w->nr_free];
		block_fill(&w->blocks[slot], w->opt->run_id, w->opt->lineage,
			   w->next);
		io_uring_prep_write(sqe, w->fd, &w->blocks[slot], BLOCK_BYTES,
				    w->next * BLOCK_BYTES);
		sqe->user_data = slot;
		w->nr_inflight++;
		w->next++;
	}
	io_uring_submit(&w->ring);
}

/* Its line's length; 0 for a write that failed. */
static int writer_take(struct writer *w, unsigned int slot, int res, char *line)
{
	struct block *b = &w->blocks[slot];

	w->free[w->nr_free++] = slot;
	w->nr_inflight--;
	if (res == BLOCK_BYTES) {
		w->acked++;
		return snprintf(line, LINE_BYTES, "%.31s %llu %llu\n",
				b->run_id, (unsigned long long)b->sequence,
				(unsigned long long)b->issued_ns);
	}
	w->nr_errors++;
	w->errors[res < 0 && -res < ERRNO_MAX ? -res : EIO]++;
	return 0;
}

/* Waits 20 ms at most, so that a rate and a signal are kept. */
static int writer_reap(struct writer *w)
{
	struct __kernel_timespec patience = { .tv_nsec = 20000000 };
	char lines[DEPTH_MAX * LINE_BYTES];
	struct io_uring_cqe *cqe;
	unsigned int head, seen = 0;
	int used = 0;

	io_uring_wait_cqe_timeout(&w->ring, &cqe, &patience);
	io_uring_for_each_cqe(&w->ring, head, cqe)
	{
		/* Without its answer, a timeout of our own is no write. */
		if (cqe->user_data < w->opt->depth)
			used += writer_take(w, (unsigned int)cqe->user_data,
					    cqe->res, lines + used);
		seen++;
	}
	io_uring_cq_advance(&w->ring, seen);
	if (w->ack_fd < 0 || !used || write(w->ack_fd, lines, used) == used)
		return 0;
	fprintf(stderr, "iogen: %s: %s\n", w->opt->ack_path, strerror(errno));
	return -1;
}

static void writer_report(const struct writer *w)
{
	const char *comma = "";

	printf("{\"issued\": %llu, \"acked\": %llu, \"errors\": {",
	       (unsigned long long)(w->next - w->opt->from),
	       (unsigned long long)w->acked);
	for (int i = 0; i < ERRNO_MAX; i++) {
		if (!w->errors[i])
			continue;
		printf("%s\"%s\": %llu", comma, strerrorname_np(i),
		       (unsigned long long)w->errors[i]);
		comma = ", ";
	}
	printf("}}\n");
}

static int writer_init(struct writer *w, const struct options *o)
{
	uint64_t nr_blocks;
	int ret;

	w->opt = o;
	w->ack_fd = -1;
	w->next = o->from;
	w->fd = device_open(o->path, O_WRONLY, &nr_blocks);
	if (w->fd < 0) {
		w->errors[-w->fd]++;
		writer_report(w);
		return -1;
	}
	if (o->ack_path) {
		w->ack_fd = open(o->ack_path,
				 O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
				 0644);
		if (w->ack_fd < 0) {
			perror(o->ack_path);
			return -1;
		}
	}
	ret = io_uring_queue_init(o->depth, &w->ring, 0);
	if (ret) {
		fprintf(stderr, "iogen: io_uring: %s\n", strerror(-ret));
		return -1;
	}
	w->blocks = aligned_alloc(BLOCK_BYTES, o->depth * sizeof(struct block));
	if (!w->blocks)
		return -1;
	while (w->nr_free < o->depth) {
		w->free[w->nr_free] = w->nr_free;
		w->nr_free++;
	}
	w->end = o->count ? o->from + o->count : nr_blocks;
	w->started_ns = now_ns();
	return 0;
}

static int cmd_write(const struct options *o)
{
	static struct writer writer;
	struct sigaction act = { .sa_handler = on_signal };
	struct writer *w = &writer;

	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	if (writer_init(w, o))
		return 1;
	for (;;) {
		writer_issue(w);
		if (writer_reap(w))
			return 1;
		if (w->nr_inflight)
			continue;
		if (stopped || w->next == w->end)
			break;
		if (w->nr_errors && !o->keep_going)
			break;
	}
	writer_report(w);
	return w->nr_errors ? 1 : 0;
}

/* --- verify and scan ----------------------------------------------------- */

typedef void (*block_fn)(const struct block *b, uint64_t seq, void *arg);

static int each_block(const struct options *o, block_fn fn, void *arg)
{
	uint64_t nr_blocks, seq, end;
	struct block *blocks;
	size_t nr;
	int fd;

	fd = device_open(o->path, O_RDONLY, &nr_blocks);
	if (fd < 0)
		return -1;
	blocks = aligned_alloc(BLOCK_BYTES, READ_BLOCKS * sizeof(*blocks));
	if (!blocks)
		return -1;
	end = o->count ? o->from + o->count : nr_blocks;
	for (seq = o->from; seq < end; seq += nr) {
		nr = end - seq < READ_BLOCKS ? end - seq : READ_BLOCKS;
		if (pread(fd, blocks, nr * sizeof(*blocks),
			  (off_t)(seq * BLOCK_BYTES)) !=
		    (ssize_t)(nr * sizeof(*blocks))) {
			fprintf(stderr, "iogen: %s: blocks from %llu: %s\n",
				o->path, (unsigned long long)seq,
				strerror(errno));
			return -1;
		}
		for (size_t i = 0; i < nr; i++)
			fn(&blocks[i], seq + i, arg);
	}
	free(blocks);
	close(fd);
	return 0;
}

struct verdict {
	const char	*run_id;
	uint64_t	good, missing, bad;
};

static void verify_block(const struct block *b, uint64_t seq, void *arg)
{
	struct verdict *v = arg;

	if (!block_is_ours(b))
		v->missing++;
	else if (!block_is_sound(b, seq))
		v->bad++;
	else if (strncmp(b->run_id, v->run_id, sizeof(b->run_id)))
		v->missing++;
	else
		v->good++;
}

static int cmd_verify(const struct options *o)
{
	struct verdict v = { .run_id = o->run_id };

	if (each_block(o, verify_block, &v))
		return 1;
	printf("{\"good\": %llu, \"missing\": %llu, \"bad\": %llu}\n",
	       (unsigned long long)v.good, (unsigned long long)v.missing,
	       (unsigned long long)v.bad);
	return v.missing || v.bad ? 1 : 0;
}

static void scan_block(const struct block *b, uint64_t seq, void *arg)
{
	const struct options *o = arg;
	static const char *comma = "";

	if (!block_is_ours(b))
		return;
	if (o->run_id && strncmp(b->run_id, o->run_id, sizeof(b->run_id)))
		return;
	printf("%s\n{\"run\": \"%.31s\", \"sequence\": %llu, "
	       "\"lineage\": \"%.31s\", \"issued_ns\": %llu, \"good\": %s}",
	       comma, b->run_id, (unsigned long long)seq, b->lineage,
	       (unsigned long long)b->issued_ns,
	       block_is_sound(b, seq) ? "true" : "false");
	comma = ",";
}

static int cmd_scan(const struct options *o)
{
	printf("[");
	if (each_block(o, scan_block, (void *)o))
		return 1;
	printf("]\n");
	return 0;
}

/* --- command line -------------------------------------------------------- */

static int usage(void)
{
	fprintf(stderr,
		"usage: iogen write|verify|scan PATH [--run-id ID] "
		"[--from N] [--count M]\n       write: [--depth D] [--rate R] "
		"[--lineage E.V] [--ack-file F] [--keep-going]\n");
	return 2;
}

static const struct option longopts[] = {
	{ "from", required_argument, NULL, 'f' },
	{ "count", required_argument, NULL, 'c' },
	{ "depth", required_argument, NULL, 'd' },
	{ "rate", required_argument, NULL, 'r' },
	{ "run-id", required_argument, NULL, 'i' },
	{ "lineage", required_argument, NULL, 'l' },
	{ "ack-file", required_argument, NULL, 'a' },
	{ "keep-going", no_argument, NULL, 'k' },
	{ 0 }
};

static bool options_parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (c) {
		case 'f':
			o->from = strtoull(optarg, NULL, 0);
			break;
		case 'c':
			o->count = strtoull(optarg, NULL, 0);
			break;
		case 'd':
			o->depth = (unsigned int)strtoul(optarg, NULL, 0);
			break;
		case 'r':
			o->rate = strtoull(optarg, NULL, 0);
			break;
		case 'i':
			o->run_id = optarg;
			break;
		case 'l':
			o->lineage = optarg;
			break;
		case 'a':
			o->ack_path = optarg;
			break;
		case 'k':
			o->keep_going = true;
			break;
		default:
			return false;
		}
	}
	if (argc - optind != 2 || !o->depth || o->depth > DEPTH_MAX)
		return false;
	o->path = argv[optind + 1];
	return true;
}

int main(int argc, char **argv)
{
	struct options o = { .depth = 16, .lineage = "" };
	const char *verb;

	if (!options_parse(argc, argv, &o))
		return usage();
	verb = argv[optind];
	if (!strcmp(verb, "scan"))
		return cmd_scan(&o);
	if (!o.run_id)
		return usage();
	if (!strcmp(verb, "write"))
		return cmd_write(&o);
	if (!strcmp(verb, "verify"))
		return cmd_verify(&o);
	return usage();
}
