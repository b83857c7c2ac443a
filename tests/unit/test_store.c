// SPDX-License-Identifier: GPL-2.0
/*
 * The durable log on a real folder and a real ring: one owner, what was
 * acknowledged is there again, and a write that fails ends it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "edge/clock.h"
#include "edge/store.h"
#include "edge/store_state.h"
#include "log_image.h"

#define VOLUMES_MAX	1100
#define UNDONE		12345

struct fixture {
	char dir[64];
	char path[80];		/* of a file in it */
	struct loop *loop;
	struct store *store;
	struct err err;
	struct loop_op op;
	int res;
	struct loop_op alarm;
	struct record group[STORE_GROUP_MAX];
	struct record *again;	/* committed by the first done() */
};

/* --- the world --------------------------------------------------------------- */

static void on_done(struct loop_op *op, int res)
{
	struct fixture *f = loop_container(op, struct fixture, op);

	f->res = res;
	if (f->again) {
		struct record *again = f->again;

		f->again = NULL;
		f->res = store_commit(f->store, again, 1, &f->op);
		assert_int_equal(f->res, 0);
		return;
	}
	loop_stop(f->loop);
}

static void on_alarm(struct loop_op *op, int res)
{
	struct fixture *f = loop_container(op, struct fixture, alarm);

	(void)res;
	loop_stop(f->loop);
}

static void ignore(struct loop_op *op, int res)
{
	(void)op;
	(void)res;
}

static const char *path_of(struct fixture *f, const char *name)
{
	snprintf(f->path, sizeof(f->path), "%s/%s", f->dir, name);
	return f->path;
}

static int open_store(struct fixture *f)
{
	const struct store_config config = { .dir = f->dir,
					     .volumes_max = VOLUMES_MAX };

	f->err.text[0] = '\0';
	return store_open(&config, f->loop, &f->store, &f->err);
}

static void close_store(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
}

static void reopen(struct fixture *f)
{
	close_store(f);
	if (open_store(f))
		fail_msg("%s", f->err.text);
}

static int commit(struct fixture *f, const struct record *records, size_t nr)
{
	int ret = store_commit(f->store, records, nr, &f->op);

	if (ret)
		return ret;
	f->res = UNDONE;
	assert_int_equal(loop_run(f->loop), 0);
	return f->res;
}

static int commit_one(struct fixture *f, struct record record)
{
	return commit(f, &record, 1);
}

static void run_ms(struct fixture *f, uint64_t ms)
{
	loop_timer(f->loop, &f->alarm, clock_now().v + ms);
	assert_int_equal(loop_run(f->loop), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "%s/bfence-store-XXXXXX",
		 tmp ? tmp : "/tmp");
	if (!mkdtemp(f->dir))
		return -1;
	f->op.done = on_done;
	f->alarm.done = on_alarm;
	*state = f;
	return loop_new(64, &f->loop);
}

static int teardown(void **state)
{
	static const char *const names[] = { "log", "log.new", "lock" };
	struct fixture *f = *state;

	store_close(f->store);
	loop_free(f->loop);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path_of(f, names[i]));
	rmdir(f->dir);
	free(f);
	return 0;
}

static const struct record *find(struct fixture *f, const char *name)
{
	const struct volume_id id = volume_of(name);
	const struct record *records;
	size_t nr = store_records(f->store, &records);

	for (size_t i = 0; i < nr; i++)
		if (volume_id_equal(&records[i].volume, &id))
			return &records[i];
	return NULL;
}

static uint64_t epoch_of(struct fixture *f, const char *name)
{
	const struct record *record = find(f, name);

	return record ? record->volume_state.line.lineage.epoch : 0;
}

static size_t nr_records(struct fixture *f)
{
	const struct record *records;

	return store_records(f->store, &records);
}

/* Volumes v0, v1 ... at that epoch, in f->group. */
static void fill_group(struct fixture *f, size_t nr, uint64_t epoch)
{
	char name[24];

	for (size_t i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "v%zu", i);
		f->group[i] = record_of(name, epoch, epoch);
	}
}

/* So many groups that the next one finds no room. */
static uint64_t fill_log(struct fixture *f, uint64_t epoch)
{
	for (int i = 0; i < STORE_SPARE_MIN / STORE_GROUP_MAX; i++) {
		fill_group(f, STORE_GROUP_MAX, epoch++);
		assert_int_equal(commit(f, f->group, STORE_GROUP_MAX), 0);
	}
	return epoch;
}

/* --- the file, behind the store's back ------------------------------------- */

static void write_file(struct fixture *f, const char *name, const char *text)
{
	int fd = open(path_of(f, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static bool file_exists(struct fixture *f, const char *name)
{
	return access(path_of(f, name), F_OK) == 0;
}

static void read_frame(struct fixture *f, uint64_t at,
		       uint8_t frame[RECORD_FRAME_SIZE])
{
	int fd = open(path_of(f, "log"), O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, frame, RECORD_FRAME_SIZE,
			       (off_t)at * RECORD_FRAME_SIZE),
			 RECORD_FRAME_SIZE);
	close(fd);
}

static void write_frame(struct fixture *f, uint64_t at,
			const uint8_t frame[RECORD_FRAME_SIZE])
{
	int fd = open(path_of(f, "log"), O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, frame, RECORD_FRAME_SIZE,
				(off_t)at * RECORD_FRAME_SIZE),
			 RECORD_FRAME_SIZE);
	close(fd);
}

static void damage(struct fixture *f, uint64_t at, int byte)
{
	uint8_t frame[RECORD_FRAME_SIZE];

	read_frame(f, at, frame);
	frame[byte] ^= 1;
	write_frame(f, at, frame);
}

static enum record_verdict decode(struct fixture *f, uint64_t at,
				  struct record *record,
				  struct record_frame *place)
{
	uint8_t frame[RECORD_FRAME_SIZE];

	read_frame(f, at, frame);
	return record_decode(frame, record, place);
}

static void expect_refused(struct fixture *f, int code, const char *words)
{
	assert_int_equal(open_store(f), code);
	assert_int_equal(f->err.code, code);
	assert_non_null(strstr(f->err.text, f->dir));
	if (!strstr(f->err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", f->err.text, words);
}

/* --- open ------------------------------------------------------------------ */

static void absent_folder_becomes_an_empty_store(void **state)
{
	struct fixture *f = *state;
	const struct store_skip *skips;
	const struct store_id none = { 0 };
	struct store_id id;
	struct stat st;

	assert_int_equal(rmdir(f->dir), 0);
	assert_int_equal(open_store(f), 0);
	assert_int_equal(stat(f->dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(nr_records(f), 0);
	assert_int_equal(store_skips(f->store, &skips), 0);
	assert_int_equal(store_incarnation(f->store).kind, RECORD_UNSPEC);
	id = store_identity(f->store);
	assert_false(store_id_equal(&id, &none));
	assert_false(file_exists(f, "log.new"));
	assert_int_equal(stat(path_of(f, "log"), &st), 0);
	assert_int_equal(st.st_size, (1 + STORE_SPARE_MIN) * RECORD_FRAME_SIZE);
	/* Zeroed by writing, not by promise: no block is yet to come. */
	assert_true(st.st_blocks * 512 >= st.st_size);
}

static void two_stores_have_two_ids(void **state)
{
	struct fixture *f = *state;
	struct store_id one, two;

	assert_int_equal(open_store(f), 0);
	one = store_identity(f->store);
	close_store(f);
	assert_int_equal(unlink(path_of(f, "log")), 0);
	assert_int_equal(open_store(f), 0);
	two = store_identity(f->store);
	assert_false(store_id_equal(&one, &two));
}

static void reopened_store_serves_the_same_records(void **state)
{
	struct fixture *f = *state;
	const struct record v1 = record_of("v1", 2, 7);
	const struct record incarnation = incarnation_of(3);
	struct record found;
	struct store_id id, id_before;

	assert_int_equal(open_store(f), 0);
	id_before = store_identity(f->store);
	assert_int_equal(commit_one(f, record_of("v1", 1, 6)), 0);
	assert_int_equal(commit_one(f, record_of("v2", 1, 1)), 0);
	assert_int_equal(store_commit_now(f->store, &incarnation), 0);
	assert_int_equal(commit_one(f, v1), 0);
	for (int i = 0; i < 2; i++) {
		id = store_identity(f->store);
		assert_true(store_id_equal(&id, &id_before));
		assert_int_equal(nr_records(f), 2);
		assert_memory_equal(find(f, "v1"), &v1, sizeof(v1));
		assert_int_equal(epoch_of(f, "v2"), 1);
		found = store_incarnation(f->store);
		assert_memory_equal(&found, &incarnation, sizeof(found));
		reopen(f);
	}
}

static void time_of_the_file_is_irrelevant(void **state)
{
	const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	assert_int_equal(commit_one(f, record_of("v1", 1, 4)), 0);
	close_store(f);
	assert_int_equal(utimensat(AT_FDCWD, path_of(f, "log"), old, 0), 0);
	assert_int_equal(open_store(f), 0);
	assert_int_equal(epoch_of(f, "v1"), 4);
}

static void folder_that_cannot_be_one_is_refused(void **state)
{
	struct store_config config = { .dir = "", .volumes_max = 1 };
	struct fixture *f = *state;
	struct err err;

	assert_int_equal(store_open(&config, f->loop, &f->store, &err),
			 -EINVAL);
	config.dir = "/proc/version";
	assert_int_equal(store_open(&config, f->loop, &f->store, &err),
			 -ENOTDIR);
	assert_non_null(strstr(err.text, "/proc/version"));
	config.dir = f->dir;
	config.volumes_max = 0;
	assert_int_equal(store_open(&config, f->loop, &f->store, &err),
			 -EINVAL);
}

/* --- one owner --------------------------------------------------------------- */

/* A child that does not outlive a test that fails. */
static pid_t fork_owner(struct fixture *f, void (*live)(struct fixture *, int),
			int ends[2])
{
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		live(f, ends[1]);
	}
	close(ends[1]);
	return pid;
}

/* Opens the store, says so, and lives until it is killed. */
static void own_for_ever(struct fixture *f, int tell)
{
	struct loop *loop;
	const struct store_config config = { .dir = f->dir, .volumes_max = 1 };

	if (loop_new(4, &loop) == 0 &&
	    store_open(&config, loop, &f->store, NULL) == 0 &&
	    write(tell, "x", 1) == 1)
		for (;;)
			pause();
	_exit(1);
}

static void second_process_is_refused_with_the_pid_of_the_first(void **state)
{
	struct fixture *f = *state;
	char byte, words[40];
	int ends[2];
	pid_t pid = fork_owner(f, own_for_ever, ends);

	assert_int_equal(read(ends[0], &byte, 1), 1);
	snprintf(words, sizeof(words), "process %d", (int)pid);
	expect_refused(f, -EBUSY, words);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(ends[0]);
	/* The lock file is left over, with the pid of a dead process. */
	assert_int_equal(open_store(f), 0);
}

static void second_open_of_the_same_process_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store *first;
	char words[40];

	assert_int_equal(open_store(f), 0);
	first = f->store;
	snprintf(words, sizeof(words), "process %d", (int)getpid());
	expect_refused(f, -EBUSY, words);
	f->store = first;
	assert_int_equal(commit_one(f, record_of("v1", 1, 1)), 0);
	/* Free at once, though the marker's timer still runs. */
	close_store(f);
	assert_int_equal(open_store(f), 0);
}

static void removed_lock_file_makes_no_second_owner(void **state)
{
	struct fixture *f = *state;
	struct store *first;

	assert_int_equal(open_store(f), 0);
	first = f->store;
	assert_int_equal(unlink(path_of(f, "lock")), 0);
	expect_refused(f, -EBUSY, "not told its pid");
	f->store = first;
}

static void left_over_lock_and_log_new_do_not_block(void **state)
{
	struct fixture *f = *state;
	const struct store_skip *skips;

	write_file(f, "lock", "1\n");
	write_file(f, "log.new", "half of a log");
	assert_int_equal(open_store(f), 0);
	assert_false(file_exists(f, "log.new"));
	assert_int_equal(commit_one(f, record_of("v1", 1, 1)), 0);
	close_store(f);
	write_file(f, "log.new", "half of a log");
	assert_int_equal(open_store(f), 0);
	assert_false(file_exists(f, "log.new"));
	assert_int_equal(epoch_of(f, "v1"), 1);
	assert_int_equal(store_skips(f->store, &skips), 0);
}

/* --- damage ------------------------------------------------------------------ */

static void damage_without_a_volume_refuses_and_frees_the_lock(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	fill_group(f, 3, 1);
	assert_int_equal(commit(f, f->group, 3), 0);
	assert_int_equal(commit_one(f, record_of("x", 1, 1)), 0);
	close_store(f);
	damage(f, 2, IMAGE_HEADER_BYTE);
	expect_refused(f, -EBADMSG, "offset 1024");
	damage(f, 2, IMAGE_HEADER_BYTE);
	assert_int_equal(open_store(f), 0);
	assert_int_equal(nr_records(f), 4);
}

static void file_that_does_not_end_with_a_frame_refuses(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	close_store(f);
	assert_int_equal(truncate(path_of(f, "log"), 1025), 0);
	expect_refused(f, -EBADMSG, "offset 1024");
	assert_int_equal(truncate(path_of(f, "log"), 0), 0);
	expect_refused(f, -EBADMSG, "empty");
}

static void expect_quarantined(struct fixture *f, const char *name)
{
	const struct store_skip *skips;

	assert_null(find(f, name));
	assert_int_equal(store_skips(f->store, &skips), 1);
	assert_int_equal(skips[0].class, STORE_SKIP_CORRUPT);
	assert_string_equal(skips[0].volume.s, name);
}

static void damaged_volume_is_not_taken_for_a_new_one(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	assert_int_equal(commit_one(f, record_of("v1", 1, 1)), 0);
	assert_int_equal(commit_one(f, record_of("v1", 2, 7)), 0);
	assert_int_equal(commit_one(f, record_of("v2", 1, 1)), 0);
	close_store(f);
	damage(f, 2, IMAGE_BODY_BYTE);
	assert_int_equal(open_store(f), 0);
	expect_quarantined(f, "v1");
	assert_int_equal(epoch_of(f, "v2"), 1);
	/* As it would be bound for the first time. */
	assert_int_equal(commit_one(f, record_of("v1", 1, 1)), -EINVAL);
	reopen(f);
	expect_quarantined(f, "v1");
	/* An operator who raises it writes above what was lost. */
	assert_int_equal(commit_one(f, record_of("v1", 3, 8)), 0);
	reopen(f);
	assert_int_equal(epoch_of(f, "v1"), 8);
}

/* --- commit ------------------------------------------------------------------ */

static void group_is_one_write_linked_with_one_fdatasync(void **state)
{
	struct fixture *f = *state;
	struct loop_op probe = { .done = ignore };
	struct io_uring_sqe *first, *last;

	assert_int_equal(open_store(f), 0);
	fill_group(f, STORE_GROUP_MAX, 1);
	/* What lies between two SQEs of ours is what the store submits. */
	first = loop_sqe(f->loop, &probe);
	assert_int_equal(store_commit(f->store, f->group, STORE_GROUP_MAX,
				      &f->op),
			 0);
	last = loop_sqe(f->loop, &f->alarm);
	assert_ptr_equal(last, first + 3);
	assert_int_equal(first[1].opcode, IORING_OP_WRITE);
	assert_int_equal(first[1].off, RECORD_FRAME_SIZE);
	assert_int_equal(first[1].len, STORE_GROUP_MAX * RECORD_FRAME_SIZE);
	assert_true(first[1].flags & IOSQE_IO_LINK);
	assert_int_equal(first[2].opcode, IORING_OP_FSYNC);
	assert_int_equal(first[2].fsync_flags, IORING_FSYNC_DATASYNC);
	assert_int_equal(first[2].fd, first[1].fd);
	f->res = UNDONE;
	while (f->res == UNDONE || f->alarm.in_flight)
		assert_int_equal(loop_run(f->loop), 0);
	assert_false(probe.in_flight);
	assert_int_equal(f->res, 0);
	reopen(f);
	assert_int_equal(nr_records(f), STORE_GROUP_MAX);
}

static void one_group_is_in_flight_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct loop_op second = { .done = ignore };
	const struct record v1 = record_of("v1", 1, 1);
	const struct record v2 = record_of("v2", 1, 1);

	assert_int_equal(open_store(f), 0);
	assert_int_equal(store_commit(f->store, &v1, 1, &f->op), 0);
	assert_true(f->op.in_flight);
	assert_int_equal(store_commit(f->store, &v2, 1, &second), -EBUSY);
	assert_int_equal(store_commit_now(f->store, &v2), -EBUSY);
	assert_false(second.in_flight);
	/* Not served before it is durable. */
	assert_int_equal(nr_records(f), 0);
	f->res = UNDONE;
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(f->res, 0);
	assert_false(f->op.in_flight);
	assert_int_equal(nr_records(f), 1);
	assert_int_equal(commit_one(f, v2), 0);
}

static void done_may_commit_again(void **state)
{
	struct fixture *f = *state;
	struct record v1 = record_of("v1", 2, 2);

	assert_int_equal(open_store(f), 0);
	f->again = &v1;
	assert_int_equal(commit_one(f, record_of("v1", 1, 1)), 0);
	assert_int_equal(epoch_of(f, "v1"), 2);
	assert_null(f->again);
}

static void malformed_group_is_refused_and_nothing_is_written(void **state)
{
	struct fixture *f = *state;
	struct record_frame place;
	struct record found;

	assert_int_equal(open_store(f), 0);
	assert_int_equal(commit_one(f, record_of("v1", 5, 5)), 0);
	fill_group(f, STORE_GROUP_MAX, 9);
	assert_int_equal(commit(f, f->group, 0), -EINVAL);
	assert_int_equal(commit(f, f->group, STORE_GROUP_MAX + 1), -EINVAL);
	f->group[2] = f->group[0];
	assert_int_equal(commit(f, f->group, 3), -EINVAL);
	assert_int_equal(commit_one(f, record_of("v1", 5, 9)), -EINVAL);
	assert_int_equal(commit_one(f, record_of("v1", 4, 9)), -EINVAL);
	assert_int_equal(commit_one(f, record_of("v/1", 6, 9)), -EINVAL);
	assert_int_equal(commit_one(f, marker_of(0)), -EINVAL);
	assert_int_equal(nr_records(f), 1);
	assert_int_equal(epoch_of(f, "v1"), 5);
	assert_int_equal(decode(f, 2, &found, &place), RECORD_ZERO);
	/* It is none the worse for it. */
	assert_int_equal(commit_one(f, record_of("v1", 6, 9)), 0);
}

static void volume_more_than_configured_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	fill_group(f, STORE_GROUP_MAX, 1);
	assert_int_equal(commit(f, f->group, STORE_GROUP_MAX), 0);
	for (int i = STORE_GROUP_MAX; i < VOLUMES_MAX; i++)
		snprintf(f->group[i - STORE_GROUP_MAX].volume.s, VOLUME_ID_SIZE,
			 "w%d", i);
	assert_int_equal(commit(f, f->group, VOLUMES_MAX - STORE_GROUP_MAX), 0);
	assert_int_equal(commit_one(f, record_of("straw", 1, 1)), -ENOSPC);
	assert_int_equal(store_commit_now(f->store,
					  &(struct record){
						  .kind = RECORD_INCARNATION,
						  .write_seq = 1 }),
			 0);
	reopen(f);
	assert_int_equal(nr_records(f), VOLUMES_MAX);
}

static void log_seq_has_no_gap_across_reopens(void **state)
{
	struct fixture *f = *state;
	struct record_frame place;
	struct record record;
	uint64_t at = 0;

	assert_int_equal(open_store(f), 0);
	for (uint64_t i = 1; i <= 5; i++) {
		assert_int_equal(commit_one(f, record_of("v1", i, i)), 0);
		fill_group(f, 3, i);
		assert_int_equal(commit(f, f->group + 2, 1), 0);
		reopen(f);
		assert_int_equal(find(f, "v1")->write_seq, i);
	}
	for (; decode(f, at, &record, &place) == RECORD_OK; at++) {
		assert_int_equal(place.log_seq, at + 1);
		/* A commit says that the one before it was synced. */
		assert_int_equal(place.durable_through, at ? at : 1);
	}
	assert_int_equal(at, 11);
	assert_int_equal(decode(f, at, &record, &place), RECORD_ZERO);
}

/* --- the last group ----------------------------------------------------------- */

static void torn_group_is_reported_and_the_log_goes_on(void **state)
{
	const uint8_t zero[RECORD_FRAME_SIZE] = { 0 };
	struct fixture *f = *state;
	const struct store_skip *skips;

	assert_int_equal(open_store(f), 0);
	fill_group(f, 3, 1);
	assert_int_equal(commit(f, f->group, 3), 0);
	fill_group(f, 3, 2);
	assert_int_equal(commit(f, f->group, 3), 0);
	close_store(f);
	write_frame(f, 5, zero);	/* v1 at epoch 2 */
	assert_int_equal(open_store(f), 0);
	assert_int_equal(store_skips(f->store, &skips), 1);
	assert_int_equal(skips[0].class, STORE_SKIP_UNWRITTEN);
	assert_int_equal(skips[0].offset, 5 * RECORD_FRAME_SIZE);
	assert_int_equal(epoch_of(f, "v0"), 2);
	assert_int_equal(epoch_of(f, "v1"), 1);
	assert_int_equal(epoch_of(f, "v2"), 2);
	/* What was adopted is now below durable_through, without a hole. */
	assert_int_equal(commit_one(f, record_of("v1", 2, 2)), 0);
	reopen(f);
	assert_int_equal(store_skips(f->store, &skips), 0);
	assert_int_equal(epoch_of(f, "v1"), 2);
}

static void marker_follows_after_an_idle_second_and_once(void **state)
{
	struct fixture *f = *state;
	struct record record;
	struct record_frame place;

	assert_int_equal(open_store(f), 0);
	assert_int_equal(commit_one(f, record_of("v1", 1, 1)), 0);
	run_ms(f, STORE_MARKER_MS / 2);
	/* Idle is counted from the last commit. */
	assert_int_equal(commit_one(f, record_of("v1", 2, 2)), 0);
	run_ms(f, STORE_MARKER_MS * 3 / 4);
	assert_int_equal(decode(f, 3, &record, &place), RECORD_ZERO);
	run_ms(f, STORE_MARKER_MS * 7 / 4);
	assert_int_equal(decode(f, 3, &record, &place), RECORD_OK);
	assert_int_equal(record.kind, RECORD_MARKER);
	assert_int_equal(place.durable_through, 3);
	assert_int_equal(decode(f, 4, &record, &place), RECORD_ZERO);
	reopen(f);
	run_ms(f, STORE_MARKER_MS * 3 / 2);
	assert_int_equal(decode(f, 4, &record, &place), RECORD_ZERO);
	assert_int_equal(commit_one(f, record_of("v1", 3, 3)), 0);
}

/* The moment is made by hand: it lasts no longer than one fdatasync. */
static void commit_that_meets_a_marker_waits_for_it(void **state)
{
	struct fixture *f = *state;
	const struct record v1 = record_of("v1", 1, 1);
	const struct record v2 = record_of("v2", 1, 1);
	struct record record;
	struct record_frame place;

	assert_int_equal(open_store(f), 0);
	assert_int_equal(store_commit_now(f->store, &v1), 0);
	f->store->idle_since = 0;
	f->store->timer.done(&f->store->timer, -ETIME);
	assert_true(store_group_flies(f->store));
	assert_int_equal(commit_one(f, v2), 0);
	assert_int_equal(decode(f, 2, &record, &place), RECORD_OK);
	assert_int_equal(record.kind, RECORD_MARKER);
	assert_int_equal(decode(f, 3, &record, &place), RECORD_OK);
	assert_string_equal(record.volume.s, "v2");
	assert_int_equal(place.durable_through, 3);
	reopen(f);
	assert_int_equal(nr_records(f), 2);
}

/* --- compaction ---------------------------------------------------------------- */

static void full_log_is_compacted_and_keeps_every_volume(void **state)
{
	struct fixture *f = *state;
	struct record record, incarnation = incarnation_of(3);
	struct record_frame place;
	struct stat st;
	uint64_t epoch;

	assert_int_equal(open_store(f), 0);
	assert_int_equal(store_commit_now(f->store, &incarnation), 0);
	assert_int_equal(commit_one(f, record_of("lone", 1, 77)), 0);
	epoch = fill_log(f, 1);
	assert_false(file_exists(f, "log.new"));
	assert_int_equal(stat(path_of(f, "log"), &st), 0);
	/* Opening, incarnation, lone, three groups; then all once, a group,
	 * the spare. */
	assert_int_equal(st.st_size,
			 (1 + 1 + 1 + STORE_GROUP_MAX + STORE_SPARE_MIN) *
				 RECORD_FRAME_SIZE);
	assert_int_equal(decode(f, 0, &record, &place), RECORD_OK);
	assert_int_equal(record.kind, RECORD_MARKER);
	assert_int_equal(place.log_seq, 1 + 2 + 3 * STORE_GROUP_MAX + 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(nr_records(f), STORE_GROUP_MAX + 1);
		assert_int_equal(epoch_of(f, "v0"), epoch - 1);
		assert_int_equal(epoch_of(f, "v1023"), epoch - 1);
		assert_int_equal(epoch_of(f, "lone"), 77);
		assert_int_equal(store_incarnation(f->store).incarnation.value,
				 3);
		reopen(f);
	}
}

static void compaction_keeps_a_quarantined_frame(void **state)
{
	struct fixture *f = *state;
	uint8_t before[RECORD_FRAME_SIZE], after[RECORD_FRAME_SIZE];
	const struct store_skip *skips;

	assert_int_equal(open_store(f), 0);
	/* Where x has one frame only, the damaged one gets another place. */
	assert_int_equal(commit_one(f, record_of("x", 1, 1)), 0);
	assert_int_equal(commit_one(f, record_of("x", 2, 1)), 0);
	assert_int_equal(commit_one(f, record_of("bad", 6, 60)), 0);
	close_store(f);
	damage(f, 3, IMAGE_BODY_BYTE);
	read_frame(f, 3, before);
	assert_int_equal(open_store(f), 0);
	fill_log(f, 1);
	for (int i = 0; i < 2; i++) {
		expect_quarantined(f, "bad");
		assert_int_equal(commit_one(f, record_of("bad", 6, 1)),
				 -EINVAL);
		store_skips(f->store, &skips);
		read_frame(f, skips[0].offset / RECORD_FRAME_SIZE, after);
		assert_memory_equal(after + 132, before + 132, 380);
		assert_memory_not_equal(after, before, 132);
		reopen(f);
	}
}

/* A new log that is whole but for its name is still no log. */
static void unrenamed_new_log_counts_for_nothing(void **state)
{
	struct fixture *f = *state;
	char from[sizeof(f->path)];

	assert_int_equal(open_store(f), 0);
	close_store(f);
	snprintf(from, sizeof(from), "%s", path_of(f, "log"));
	assert_int_equal(rename(from, path_of(f, "log.new")), 0);
	assert_int_equal(open_store(f), 0);
	assert_int_equal(commit_one(f, record_of("v1", 1, 3)), 0);
	reopen(f);
	assert_int_equal(epoch_of(f, "v1"), 3);
}

/* --- failure --------------------------------------------------------------------- */

static void limit_files(uint64_t nr_frames)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = nr_frames ? nr_frames * RECORD_FRAME_SIZE :
				     limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void expect_closed_for_good(struct fixture *f)
{
	const struct record other = record_of("other", 1, 1);

	limit_files(0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(commit_one(f, other), -EROFS);
		assert_int_equal(store_commit_now(f->store, &other), -EROFS);
	}
	reopen(f);
	assert_int_equal(commit_one(f, other), 0);
}

static void failed_write_closes_the_store_for_good(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	assert_int_equal(commit_one(f, record_of("v1", 1, 1)), 0);
	limit_files(2);
	assert_int_equal(commit_one(f, record_of("v1", 2, 2)), -EFBIG);
	assert_int_equal(epoch_of(f, "v1"), 1);
	expect_closed_for_good(f);
	assert_int_equal(epoch_of(f, "v1"), 1);
}

static void failed_waiting_write_closes_the_store_for_good(void **state)
{
	struct fixture *f = *state;
	const struct record v1 = record_of("v1", 1, 1);

	assert_int_equal(open_store(f), 0);
	limit_files(1);
	assert_int_equal(store_commit_now(f->store, &v1), -EFBIG);
	expect_closed_for_good(f);
	assert_int_equal(epoch_of(f, "v1"), 0);
}

static void group_written_in_part_leaves_old_or_new_records(void **state)
{
	struct fixture *f = *state;
	const struct store_skip *skips;

	assert_int_equal(open_store(f), 0);
	fill_group(f, 4, 1);
	assert_int_equal(commit(f, f->group, 4), 0);
	fill_group(f, 4, 2);
	limit_files(7);
	assert_int_equal(commit(f, f->group, 4), -EIO);
	limit_files(0);
	assert_int_equal(commit_one(f, record_of("x", 1, 1)), -EROFS);
	reopen(f);
	assert_int_equal(epoch_of(f, "v0"), 2);
	assert_int_equal(epoch_of(f, "v1"), 2);
	assert_int_equal(epoch_of(f, "v2"), 1);
	assert_int_equal(epoch_of(f, "v3"), 1);
	assert_int_equal(store_skips(f->store, &skips), 2);
	assert_int_equal(skips[1].class, STORE_SKIP_UNWRITTEN);
	assert_int_equal(commit(f, f->group + 2, 2), 0);
	reopen(f);
	assert_int_equal(epoch_of(f, "v3"), 2);
}

static void failed_compaction_closes_and_loses_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t epoch;

	assert_int_equal(open_store(f), 0);
	epoch = fill_log(f, 1);
	fill_group(f, STORE_GROUP_MAX, epoch);
	limit_files(STORE_SPARE_MIN + 2);
	assert_int_equal(commit(f, f->group, STORE_GROUP_MAX), -EFBIG);
	assert_false(f->op.in_flight);
	expect_closed_for_good(f);
	assert_false(file_exists(f, "log.new"));
	assert_int_equal(epoch_of(f, "v0"), epoch - 1);
	assert_int_equal(nr_records(f), STORE_GROUP_MAX + 1);
}

/* Commits rising epochs and tells each once it is durable, until killed. */
static void commit_for_ever(struct fixture *f, int tell)
{
	const struct store_config config = { .dir = f->dir, .volumes_max = 9 };
	uint64_t epoch;

	if (loop_new(8, &f->loop) ||
	    store_open(&config, f->loop, &f->store, NULL))
		_exit(1);
	for (epoch = epoch_of(f, "v1") + 1;; epoch++) {
		struct record v1 = record_of("v1", epoch, epoch);

		f->res = UNDONE;
		if (store_commit(f->store, &v1, 1, &f->op) ||
		    loop_run(f->loop) || f->res ||
		    write(tell, &epoch, sizeof(epoch)) != sizeof(epoch))
			_exit(1);
	}
}

static void killed_owner_leaves_the_old_or_the_new_record(void **state)
{
	struct fixture *f = *state;
	uint64_t acked = 0, told;

	for (int round = 0; round < 8; round++) {
		int ends[2];
		pid_t pid = fork_owner(f, commit_for_ever, ends);

		for (int i = 0; i <= round; i++)
			assert_int_equal(read(ends[0], &told, sizeof(told)),
					 sizeof(told));
		assert_int_equal(kill(pid, SIGKILL), 0);
		while (read(ends[0], &told, sizeof(told)) == sizeof(told))
			assert_true(told > acked);
		acked = told;
		close(ends[0]);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(open_store(f), 0);
		assert_in_range(epoch_of(f, "v1"), acked, acked + 1);
		assert_int_equal(find(f, "v1")->write_seq, epoch_of(f, "v1"));
		acked = epoch_of(f, "v1");
		close_store(f);
	}
}

/* --- close ------------------------------------------------------------------------ */

static void close_amid_a_commit_reports_nothing_and_tears_nothing(void **state)
{
	struct fixture *f = *state;
	const struct record v1 = record_of("v1", 2, 2);

	assert_int_equal(open_store(f), 0);
	assert_int_equal(commit_one(f, record_of("v1", 1, 1)), 0);
	f->res = UNDONE;
	assert_int_equal(store_commit(f->store, &v1, 1, &f->op), 0);
	close_store(f);
	assert_false(f->op.in_flight);
	/* The ring may still write: nobody else may. */
	expect_refused(f, -EBUSY, "process");
	loop_free(f->loop);
	assert_int_equal(f->res, UNDONE);
	assert_int_equal(loop_new(64, &f->loop), 0);
	assert_int_equal(open_store(f), 0);
	assert_in_range(epoch_of(f, "v1"), 1, 2);
}

static void commit_late(struct loop_op *op, int res)
{
	struct fixture *f = loop_container(op, struct fixture, alarm);
	const struct record v1 = record_of("v1", 1, 1);

	assert_int_equal(res, -ECANCELED);
	f->res = store_commit(f->store, &v1, 1, &f->op);
}

static void commit_on_a_loop_that_ends_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	f->alarm.done = commit_late;
	loop_timer(f->loop, &f->alarm, clock_now().v + 3600000);
	loop_free(f->loop);
	assert_int_equal(f->res, -ECANCELED);
	assert_false(f->op.in_flight);
	close_store(f);
	assert_int_equal(loop_new(64, &f->loop), 0);
	assert_int_equal(open_store(f), 0);
	assert_int_equal(nr_records(f), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(absent_folder_becomes_an_empty_store),
		TEST(two_stores_have_two_ids),
		TEST(reopened_store_serves_the_same_records),
		TEST(time_of_the_file_is_irrelevant),
		TEST(folder_that_cannot_be_one_is_refused),
		TEST(second_process_is_refused_with_the_pid_of_the_first),
		TEST(second_open_of_the_same_process_is_refused),
		TEST(removed_lock_file_makes_no_second_owner),
		TEST(left_over_lock_and_log_new_do_not_block),
		TEST(damage_without_a_volume_refuses_and_frees_the_lock),
		TEST(file_that_does_not_end_with_a_frame_refuses),
		TEST(damaged_volume_is_not_taken_for_a_new_one),
		TEST(group_is_one_write_linked_with_one_fdatasync),
		TEST(one_group_is_in_flight_at_a_time),
		TEST(done_may_commit_again),
		TEST(malformed_group_is_refused_and_nothing_is_written),
		TEST(volume_more_than_configured_is_refused),
		TEST(log_seq_has_no_gap_across_reopens),
		TEST(torn_group_is_reported_and_the_log_goes_on),
		TEST(marker_follows_after_an_idle_second_and_once),
		TEST(commit_that_meets_a_marker_waits_for_it),
		TEST(full_log_is_compacted_and_keeps_every_volume),
		TEST(compaction_keeps_a_quarantined_frame),
		TEST(unrenamed_new_log_counts_for_nothing),
		TEST(failed_write_closes_the_store_for_good),
		TEST(failed_waiting_write_closes_the_store_for_good),
		TEST(group_written_in_part_leaves_old_or_new_records),
		TEST(failed_compaction_closes_and_loses_nothing),
		TEST(killed_owner_leaves_the_old_or_the_new_record),
		TEST(close_amid_a_commit_reports_nothing_and_tears_nothing),
		TEST(commit_on_a_loop_that_ends_is_refused),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
