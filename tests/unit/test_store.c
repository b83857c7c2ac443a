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

#include <sys/prctl.h>
#include <sys/wait.h>

#include "store_world.h"

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
	assert_int_equal(unlink(path_of(f, "id")), 0);
	assert_int_equal(open_store(f), 0);
	two = store_identity(f->store);
	assert_false(store_id_equal(&one, &two));
}

static void id_line_of(struct fixture *f, char ret[STORE_ID_TEXT_SIZE + 1])
{
	struct store_id id = store_identity(f->store);

	store_id_print(&id, ret);
	strcat(ret, "\n");
}

static void id_of_the_store_stands_beside_its_log(void **state)
{
	char line[STORE_ID_TEXT_SIZE + 1], found[64];
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(open_store(f), 0);
	id_line_of(f, line);
	assert_int_equal(strlen(line), 33);
	read_text(f, "id", found, sizeof(found));
	assert_string_equal(found, line);
	assert_int_equal(stat(path_of(f, "id"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_false(file_exists(f, "id.new"));
	/* As a crash before it was written leaves the folder. */
	close_store(f);
	assert_int_equal(unlink(path_of(f, "id")), 0);
	write_file(f, "id.new", "half of it, and of another store");
	assert_int_equal(open_store(f), 0);
	read_text(f, "id", found, sizeof(found));
	assert_string_equal(found, line);
	assert_false(file_exists(f, "id.new"));
}

static void folder_that_lost_its_log_is_no_new_store(void **state)
{
	char line[STORE_ID_TEXT_SIZE + 1], from[80];
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	assert_int_equal(commit_one(f, record_of("v1", 4, 4)), 0);
	id_line_of(f, line);
	line[32] = '\0';
	close_store(f);
	snprintf(from, sizeof(from), "%s", path_of(f, "log"));
	assert_int_equal(rename(from, path_of(f, "lost")), 0);
	for (int i = 0; i < 2; i++) {
		expect_refused(f, -EBADMSG, "/log is missing");
		assert_non_null(strstr(f->err.text, line));
		assert_non_null(strstr(f->err.text, "bfenced store backup"));
		assert_non_null(strstr(f->err.text, "bfenced store salvage"));
		assert_false(file_exists(f, "log"));
		assert_false(file_exists(f, "log.new"));
	}
	assert_int_equal(rename(path_of(f, "lost"), from), 0);
	assert_int_equal(open_store(f), 0);
	assert_int_equal(epoch_of(f, "v1"), 4);
}

static void log_of_another_store_is_refused(void **state)
{
	static const char other[] = "00112233445566778899aabbccddeeff\n";
	uint8_t before[RECORD_FRAME_SIZE], after[RECORD_FRAME_SIZE];
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	assert_int_equal(commit_one(f, record_of("v1", 1, 1)), 0);
	close_store(f);
	read_frame(f, 1, before);
	write_file(f, "id", other);
	expect_refused(f, -EBADMSG, "/log: offset 0: frame of a foreign store");
	assert_non_null(
		strstr(f->err.text, "00112233445566778899aabbccddeeff"));
	read_frame(f, 1, after);
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(unlink(path_of(f, "id")), 0);
	assert_int_equal(open_store(f), 0);
	assert_int_equal(epoch_of(f, "v1"), 1);
}

static void id_that_is_none_is_refused(void **state)
{
	static const char *const lines[] = {
		"",
		"\n",
		"00112233445566778899aabbccddeeff",
		"00112233445566778899AABBCCDDEEFF\n",
		"00112233445566778899aabbccddeef\n\n",
		"00112233445566778899aabbccddeeff\n\n",
		"0011223344556677 899aabbccddeeff\n",
		"00000000000000000000000000000000\n",
	};
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	close_store(f);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		write_file(f, "id", lines[i]);
		expect_refused(f, -EBADMSG, "/id is not one line of 32");
	}
	assert_int_equal(unlink(path_of(f, "log")), 0);
	expect_refused(f, -EBADMSG, "/id is not one line of 32");
	assert_false(file_exists(f, "log"));
}

static void store_whose_id_cannot_be_written_is_not_served(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdir(path_of(f, "id.new"), 0700), 0);
	expect_refused(f, -EISDIR, "/id: not written");
	assert_int_equal(rmdir(path_of(f, "id.new")), 0);
	assert_int_equal(open_store(f), 0);
	assert_true(file_exists(f, "id"));
}

/* As a frame says it: a struct has bytes that nobody wrote. */
static void expect_same(const struct record *one, const struct record *two)
{
	const struct record_frame at = { .store = image_store,
					 .log_seq = 1,
					 .group_last = 1 };
	uint8_t a[RECORD_FRAME_SIZE], b[RECORD_FRAME_SIZE];

	record_encode(one, &at, a);
	record_encode(two, &at, b);
	assert_memory_equal(a, b, sizeof(a));
}

static void reopened_store_serves_the_same_records(void **state)
{
	struct fixture *f = *state;
	const struct record v1 = record_of("v1", 8, 7);
	const struct record incarnation = incarnation_of(3);
	struct record found;
	struct store_id id, id_before;

	assert_int_equal(open_store(f), 0);
	id_before = store_identity(f->store);
	assert_int_equal(commit_one(f, record_of("v1", 6, 6)), 0);
	assert_int_equal(commit_one(f, record_of("v2", 1, 1)), 0);
	assert_int_equal(store_commit_now(f->store, &incarnation), 0);
	assert_int_equal(commit_one(f, v1), 0);
	for (int i = 0; i < 2; i++) {
		id = store_identity(f->store);
		assert_true(store_id_equal(&id, &id_before));
		assert_int_equal(nr_records(f), 2);
		expect_same(find(f, "v1"), &v1);
		assert_int_equal(epoch_of(f, "v2"), 1);
		found = store_incarnation(f->store);
		expect_same(&found, &incarnation);
		reopen(f);
	}
}

/* No name is made of another one, and none is cut or folded. */
static void names_that_look_alike_are_different_volumes(void **state)
{
	static const char *const names[] = {
		"a",
		"A",
		"a.b",
		"a-b",
		"a_b",
		"ab",
		"a_2db",
		"a_5f2db",
		"v01",
		"v1",
		"v10",
		"log",
		"lock",
		"log.new",
		"v-01234567890123456789012345678901234567890123456789012345-end1",
		"v-01234567890123456789012345678901234567890123456789012345-end2",
	};
	const size_t nr = sizeof(names) / sizeof(names[0]);
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	for (size_t i = 0; i < nr; i++)
		assert_int_equal(commit_one(f,
					    record_of(names[i], i + 1, i + 1)),
				 0);
	reopen(f);
	assert_int_equal(nr_records(f), nr);
	for (size_t i = 0; i < nr; i++)
		assert_int_equal(epoch_of(f, names[i]), i + 1);
}

static void time_of_the_file_is_irrelevant(void **state)
{
	const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	assert_int_equal(commit_one(f, record_of("v1", 4, 4)), 0);
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

static void damaged_volume_is_not_taken_for_a_new_one(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	assert_int_equal(commit_one(f, record_of("v1", 1, 1)), 0);
	assert_int_equal(commit_one(f, record_of("v1", 7, 7)), 0);
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
	assert_int_equal(commit_one(f, record_of("v1", 8, 8)), 0);
	reopen(f);
	assert_int_equal(epoch_of(f, "v1"), 8);
}

/* --- commit ------------------------------------------------------------------ */

static void group_is_one_write_that_syncs_itself(void **state)
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
	assert_ptr_equal(last, first + 2);
	assert_int_equal(first[1].opcode, IORING_OP_WRITE);
	assert_int_equal(first[1].off, RECORD_FRAME_SIZE);
	assert_int_equal(first[1].len, STORE_GROUP_MAX * RECORD_FRAME_SIZE);
	assert_int_equal(first[1].rw_flags, RWF_DSYNC);
	assert_int_equal(first[1].flags, IOSQE_ASYNC);
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

/* Whatever the publisher does, a line never goes down. */
static void line_that_goes_down_is_not_written(void **state)
{
	const struct volume_id volume = volume_of("v1");
	const struct record tombstone = record_of_tombstone(&volume, 6, 4);
	const struct record lower = record_of("v1", 9, 4);
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	assert_int_equal(commit_one(f, record_of("v1", 5, 5)), 0);
	assert_int_equal(commit_one(f, lower), -EINVAL);
	assert_int_equal(commit_one(f, tombstone), -EINVAL);
	assert_int_equal(store_commit_now(f->store, &lower), -EINVAL);
	reopen(f);
	assert_int_equal(commit_one(f, lower), -EINVAL);
	assert_int_equal(epoch_of(f, "v1"), 5);
	assert_int_equal(commit_one(f, record_of("v1", 6, 6)), 0);
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
	assert_int_equal(commit_one(f, record_of("v1", 5, 5)), -EINVAL);
	assert_int_equal(commit_one(f, record_of("v1", 4, 4)), -EINVAL);
	assert_int_equal(commit_one(f, record_of("v/1", 9, 9)), -EINVAL);
	assert_int_equal(commit_one(f, record_of_marker(0)), -EINVAL);
	assert_int_equal(nr_records(f), 1);
	assert_int_equal(epoch_of(f, "v1"), 5);
	assert_int_equal(decode(f, 2, &found, &place), RECORD_ZERO);
	/* It is none the worse for it. */
	assert_int_equal(commit_one(f, record_of("v1", 9, 9)), 0);
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

/* --- failure --------------------------------------------------------------------- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(absent_folder_becomes_an_empty_store),
		TEST(two_stores_have_two_ids),
		TEST(id_of_the_store_stands_beside_its_log),
		TEST(folder_that_lost_its_log_is_no_new_store),
		TEST(log_of_another_store_is_refused),
		TEST(id_that_is_none_is_refused),
		TEST(store_whose_id_cannot_be_written_is_not_served),
		TEST(reopened_store_serves_the_same_records),
		TEST(names_that_look_alike_are_different_volumes),
		TEST(time_of_the_file_is_irrelevant),
		TEST(folder_that_cannot_be_one_is_refused),
		TEST(second_process_is_refused_with_the_pid_of_the_first),
		TEST(second_open_of_the_same_process_is_refused),
		TEST(removed_lock_file_makes_no_second_owner),
		TEST(left_over_lock_and_log_new_do_not_block),
		TEST(damage_without_a_volume_refuses_and_frees_the_lock),
		TEST(file_that_does_not_end_with_a_frame_refuses),
		TEST(damaged_volume_is_not_taken_for_a_new_one),
		TEST(group_is_one_write_that_syncs_itself),
		TEST(one_group_is_in_flight_at_a_time),
		TEST(done_may_commit_again),
		TEST(line_that_goes_down_is_not_written),
		TEST(malformed_group_is_refused_and_nothing_is_written),
		TEST(volume_more_than_configured_is_refused),
		TEST(log_seq_has_no_gap_across_reopens),
		TEST(torn_group_is_reported_and_the_log_goes_on),
		TEST(marker_follows_after_an_idle_second_and_once),
		TEST(commit_that_meets_a_marker_waits_for_it),
		TEST(failed_write_closes_the_store_for_good),
		TEST(failed_waiting_write_closes_the_store_for_good),
		TEST(group_written_in_part_leaves_old_or_new_records),
		TEST(killed_owner_leaves_the_old_or_the_new_record),
		TEST(close_amid_a_commit_reports_nothing_and_tears_nothing),
		TEST(commit_on_a_loop_that_ends_is_refused),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
