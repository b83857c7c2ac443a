// SPDX-License-Identifier: GPL-2.0
/*
 * The way from one log to the next: commits go on meanwhile, a crash at any
 * step leaves one whole log, and a log that cannot be made costs nothing.
 */
#include "store_world.h"

/* --- the world --------------------------------------------------------------- */

/*
 * A compaction goes step by step: what its ops bring is kept back until
 * step(), and for the store they are in flight meanwhile.
 */
static struct {
	struct fixture *f;
	void (*on_op)(struct loop_op *op, int res);
	void (*on_sync)(struct loop_op *op, int res);
	int res;
	int sync_res;
	bool is_kept;
	/* Given in place of a result in that phase. */
	enum compact_phase phase;
	int wrong_res;
	int wrong_sync_res;
} kept;

static void keep(void)
{
	struct compaction *c = &kept.f->store->next;

	if (c->op.in_flight || c->sync_op.in_flight)
		return;
	kept.is_kept = true;
	c->op.in_flight = true;
	c->sync_op.in_flight = c->sync;
	loop_stop(kept.f->loop);
}

static void keep_op(struct loop_op *op, int res)
{
	(void)op;
	kept.res = res;
	keep();
}

static void keep_sync(struct loop_op *op, int res)
{
	(void)op;
	kept.sync_res = res;
	keep();
}

static void watch(struct fixture *f)
{
	struct compaction *c = &f->store->next;

	memset(&kept, 0, sizeof(kept));
	kept.f = f;
	kept.on_op = c->op.done;
	kept.on_sync = c->sync_op.done;
	c->op.done = keep_op;
	c->sync_op.done = keep_sync;
}

static void unwatch(struct fixture *f)
{
	f->store->next.op.done = kept.on_op;
	f->store->next.sync_op.done = kept.on_sync;
}

static void make_wrong(const struct compaction *c)
{
	if (c->phase != kept.phase)
		return;
	if (kept.wrong_res) {
		kept.res = kept.wrong_res;
		kept.sync_res = -ECANCELED;
	} else if (kept.wrong_sync_res && c->sync) {
		kept.sync_res = kept.wrong_sync_res;
	} else {
		return;
	}
	kept.phase = COMPACT_IDLE;
}

static void wait_for_end(struct fixture *f)
{
	while (!kept.is_kept)
		assert_int_equal(loop_run(f->loop), 0);
}

static void step(struct fixture *f)
{
	struct compaction *c = &f->store->next;
	bool sync = c->sync;

	/* A group in flight is waited for. */
	if (!store_swap_flies(f->store)) {
		assert_int_equal(loop_run(f->loop), 0);
		return;
	}
	wait_for_end(f);
	kept.is_kept = false;
	make_wrong(c);
	c->op.in_flight = false;
	kept.on_op(&c->op, kept.res);
	if (!sync)
		return;
	c->sync_op.in_flight = false;
	kept.on_sync(&c->sync_op, kept.sync_res);
}

static bool is_compacting(struct fixture *f)
{
	return store_status(f->store).compacts;
}

static void run_to(struct fixture *f, enum compact_phase phase)
{
	while (is_compacting(f) && f->store->next.phase != phase)
		step(f);
	assert_int_equal(f->store->next.phase, phase);
}

/* So that the next commit finds the log three quarters full. */
static uint64_t fill_most(struct fixture *f, uint64_t epoch)
{
	while (store_log_left(f->store) > f->store->nr_frames / 4) {
		uint64_t nr =
			store_log_left(f->store) - f->store->nr_frames / 4;

		if (nr > STORE_GROUP_MAX)
			nr = STORE_GROUP_MAX;
		fill_group(f, nr, epoch++);
		assert_int_equal(commit(f, f->group, nr), 0);
	}
	return epoch;
}

/* Begins with the volume `first` at write_seq 1, in the first slice. */
static uint64_t begin(struct fixture *f)
{
	uint64_t epoch;

	assert_int_equal(open_store(f), 0);
	assert_int_equal(commit_one(f, record_of("first", 1, 1)), 0);
	epoch = fill_most(f, 1);
	assert_false(is_compacting(f));
	watch(f);
	assert_int_equal(commit_one(f, record_of("last", 1, 1)), 0);
	assert_true(is_compacting(f));
	return epoch;
}

/* --- what it holds --------------------------------------------------------------- */

static void full_log_is_compacted_and_keeps_every_volume(void **state)
{
	struct fixture *f = *state;
	struct record record, incarnation = incarnation_of(3);
	struct record_frame place;
	struct stat st;
	uint64_t epoch, left;

	assert_int_equal(open_store(f), 0);
	assert_int_equal(store_commit_now(f->store, &incarnation), 0);
	assert_int_equal(commit_one(f, record_of("lone", 77, 77)), 0);
	left = STORE_SPARE_MIN - 2 - 3 * STORE_GROUP_MAX;
	epoch = fill_log(f, 1);
	assert_false(file_exists(f, "log.new"));
	assert_int_equal(stat(path_of(f, "log"), &st), 0);
	/* Opening, lone, a group; what the old log could still bring; the
	 * spare, in which the incarnation is. */
	assert_int_equal(st.st_size,
			 (1 + 1 + STORE_GROUP_MAX + left + STORE_SPARE_MIN) *
				 RECORD_FRAME_SIZE);
	assert_true(st.st_blocks * 512 >= st.st_size);
	/* No log_seq is used twice, and none is left out but by a switch. */
	assert_int_equal(decode(f, 0, &record, &place), RECORD_OK);
	assert_int_equal(record.kind, RECORD_MARKER);
	assert_int_equal(place.log_seq, 1 + 1 + STORE_SPARE_MIN);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(nr_records(f), STORE_GROUP_MAX + 1);
		assert_int_equal(epoch_of(f, "v0"), epoch - 1);
		assert_int_equal(epoch_of(f, "v1023"), epoch - 1);
		assert_int_equal(epoch_of(f, "lone"), 77);
		incarnation = store_incarnation(f->store);
		assert_int_equal(record_incarnation(&incarnation).value, 3);
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
	assert_int_equal(commit_one(f, record_of("bad", 60, 60)), 0);
	close_store(f);
	damage(f, 3, IMAGE_BODY_BYTE);
	read_frame(f, 3, before);
	assert_int_equal(open_store(f), 0);
	fill_log(f, 1);
	for (int i = 0; i < 2; i++) {
		expect_quarantined(f, "bad");
		assert_int_equal(commit_one(f, record_of("bad", 60, 1)),
				 -EINVAL);
		store_skips(f->store, &skips);
		read_frame(f, skips[0].offset / RECORD_FRAME_SIZE, after);
		assert_memory_equal(after + 132, before + 132, 380);
		assert_memory_not_equal(after, before, 132);
		reopen(f);
	}
}

/* --- commits meanwhile -------------------------------------------------------------- */

static void commits_go_on_in_the_old_log_and_are_in_the_new_one(void **state)
{
	struct fixture *f = *state;
	struct record record;
	struct record_frame place;
	struct stat before, after;
	uint64_t epoch = begin(f), seq = f->store->next_seq;

	assert_int_equal(stat(path_of(f, "log"), &before), 0);
	/* Behind the walk, twice; not known to it; before its end. */
	run_to(f, COMPACT_ZERO);
	assert_int_equal(commit_one(f, record_of("first", 2, 2)), 0);
	assert_int_equal(commit_one(f, record_of("first", 3, 3)), 0);
	assert_int_equal(commit_one(f, record_of("new", 1, 1)), 0);
	assert_int_equal(f->store->next_seq, seq + 3);
	assert_int_equal(f->store->next.nr_changed, 2);
	assert_int_equal(decode(f, seq + 2 - f->store->first_seq, &record,
				&place),
			 RECORD_OK);
	assert_string_equal(record.volume.s, "new");
	run_to(f, COMPACT_IDLE);
	assert_int_equal(stat(path_of(f, "log"), &after), 0);
	assert_true(before.st_ino != after.st_ino);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(epoch_of(f, "first"), 3);
		assert_int_equal(epoch_of(f, "new"), 1);
		assert_int_equal(epoch_of(f, "last"), 1);
		assert_int_equal(epoch_of(f, "v0"), epoch - 1);
		reopen(f);
	}
}

static void volume_that_changes_amid_the_walk_is_copied_as_it_is(void **state)
{
	struct fixture *f = *state;
	uint64_t epoch = begin(f);

	/* The walk has the first slice; v1000 is far ahead of it. */
	assert_int_equal(f->store->next.phase, COMPACT_COPY);
	assert_in_range(f->store->next.cursor, 1, 1000);
	assert_int_equal(commit_one(f, record_of("v1000", epoch, epoch)), 0);
	assert_int_equal(f->store->next.nr_changed, 0);
	assert_int_equal(commit_one(f, record_of("first", 2, 2)), 0);
	assert_int_equal(f->store->next.nr_changed, 1);
	run_to(f, COMPACT_IDLE);
	reopen(f);
	assert_int_equal(epoch_of(f, "v1000"), epoch);
	assert_int_equal(epoch_of(f, "first"), 2);
}

static void commit_that_meets_the_switch_waits_for_it(void **state)
{
	struct fixture *f = *state;
	const struct record v = record_of("first", 2, 2);

	begin(f);
	run_to(f, COMPACT_WHOLE);
	assert_int_equal(store_commit(f->store, &v, 1, &f->op), 0);
	f->res = UNDONE;
	run_to(f, COMPACT_NAME);
	assert_int_equal(f->res, UNDONE);
	assert_false(store_group_flies(f->store));
	assert_int_equal(store_commit_now(f->store, &v), -EBUSY);
	run_to(f, COMPACT_IDLE);
	assert_true(store_group_flies(f->store));
	while (f->res == UNDONE)
		assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(f->res, 0);
	reopen(f);
	assert_int_equal(epoch_of(f, "first"), 2);
}

static void group_in_flight_when_commits_are_held_is_copied_too(void **state)
{
	struct fixture *f = *state;
	const struct record v = record_of("first", 2, 2);

	begin(f);
	while (f->store->next.nr_zeroed < f->store->next.nr_frames)
		step(f);
	wait_for_end(f);
	assert_int_equal(store_commit(f->store, &v, 1, &f->op), 0);
	assert_true(store_group_flies(f->store));
	f->res = UNDONE;
	step(f);
	assert_int_equal(f->store->next.phase, COMPACT_HOLD);
	/* It waits for the group: nothing of its own is in flight. */
	assert_false(store_swap_flies(f->store));
	assert_true(store_group_flies(f->store));
	run_to(f, COMPACT_IDLE);
	assert_int_equal(f->res, 0);
	reopen(f);
	assert_int_equal(epoch_of(f, "first"), 2);
}

/* The old log is filled by hand faster than the new one can be made. */
static void full_log_lets_commits_wait_for_the_new_one(void **state)
{
	struct fixture *f = *state;
	uint64_t epoch = begin(f);
	size_t left = store_log_left(f->store);
	const struct record straw = record_of("straw", 1, 1);
	struct stat st;
	ino_t old;
	int nr;

	assert_int_equal(stat(path_of(f, "log"), &st), 0);
	old = st.st_ino;
	assert_in_range(left, 1, STORE_GROUP_MAX);
	fill_group(f, STORE_GROUP_MAX, epoch);
	assert_int_equal(store_commit(f->store, f->group, left, &f->op), 0);
	f->res = UNDONE;
	while (f->res == UNDONE)
		assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(f->res, 0);
	assert_int_equal(store_log_left(f->store), 0);
	assert_true(is_compacting(f));
	assert_int_equal(store_commit(f->store, &straw, 1, &f->op), 0);
	f->res = UNDONE;
	for (nr = 0; f->res == UNDONE; nr++)
		step(f);
	assert_int_equal(f->res, 0);
	assert_true(nr > (int)(f->store->nr_frames / STORE_SLICE));
	assert_int_equal(stat(path_of(f, "log"), &st), 0);
	assert_true(st.st_ino != old);
	reopen(f);
	assert_int_equal(epoch_of(f, "straw"), 1);
	assert_int_equal(epoch_of(f, "v0"), epoch);
}

static void damage_that_ends_meanwhile_stays_ended(void **state)
{
	struct fixture *f = *state;
	const struct store_skip *skips;

	assert_int_equal(open_store(f), 0);
	assert_int_equal(commit_one(f, record_of("bad", 1, 1)), 0);
	assert_int_equal(commit_one(f, record_of("x", 1, 1)), 0);
	close_store(f);
	damage(f, 1, IMAGE_BODY_BYTE);
	begin(f);
	expect_quarantined(f, "bad");
	run_to(f, COMPACT_ZERO);
	assert_int_equal(commit_one(f, record_of("bad", 2, 2)), 0);
	run_to(f, COMPACT_IDLE);
	assert_int_equal(epoch_of(f, "bad"), 2);
	reopen(f);
	assert_int_equal(epoch_of(f, "bad"), 2);
	assert_int_equal(store_skips(f->store, &skips), 1);
	assert_string_equal(skips[0].volume.s, "");
}

static void each_turn_does_a_slice_and_no_more(void **state)
{
	struct fixture *f = *state;
	struct compaction *c;
	uint64_t copied = 0, zeroed = 0;
	int nr = 0, old;

	begin(f);
	c = &f->store->next;
	for (; is_compacting(f); nr++) {
		assert_in_range(c->nr, 0, STORE_SLICE);
		assert_true(c->nr_copied <= copied + STORE_SLICE + 1);
		if (zeroed)
			assert_true(c->nr_zeroed <= zeroed + STORE_SLICE);
		copied = c->nr_copied;
		zeroed = c->nr_zeroed;
		step(f);
	}
	assert_in_range(nr, c->nr_frames / STORE_SLICE, 1000);
	/* The old file's space is given back elsewhere than on the loop. */
	assert_true(c->close_op.in_flight);
	old = c->old_fd;
	while (c->old_fd >= 0)
		run_ms(f, 0);
	assert_int_equal(fcntl(old, F_GETFD), -1);
}

/* --- crash ------------------------------------------------------------------------ */

static void copy_file(struct fixture *f, struct fixture *to, const char *name)
{
	static uint8_t bytes[8 << 20];
	int fd = open(path_of(f, name), O_RDONLY);
	ssize_t len;

	unlink(path_of(to, name));
	if (fd < 0)
		return;
	len = read(fd, bytes, sizeof(bytes));
	close(fd);
	assert_in_range(len, 0, sizeof(bytes) - 1);
	fd = open(path_of(to, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, bytes, (size_t)len), len);
	close(fd);
}

/* What a process that dies now leaves behind. */
static void expect_whole(struct fixture *f, struct fixture *after,
			 uint64_t epoch, uint64_t first)
{
	const struct store_skip *skips;

	copy_file(f, after, "log");
	copy_file(f, after, "log.new");
	if (open_store(after))
		fail_msg("%s", after->err.text);
	assert_int_equal(store_skips(after->store, &skips), 0);
	assert_int_equal(nr_records(after), STORE_GROUP_MAX + 2);
	assert_int_equal(epoch_of(after, "first"), first);
	assert_int_equal(epoch_of(after, "v0"), epoch - 1);
	assert_int_equal(epoch_of(after, "last"), 1);
	close_store(after);
}

static void crash_at_any_step_leaves_one_whole_log(void **state)
{
	struct fixture *f = *state, *after;
	void *other;
	uint64_t epoch, first = 1;

	assert_int_equal(setup(&other), 0);
	after = other;
	epoch = begin(f);
	while (is_compacting(f)) {
		if (f->store->next.phase < COMPACT_HOLD) {
			first++;
			assert_int_equal(commit_one(f, record_of("first", first,
								 first)),
					 0);
			expect_whole(f, after, epoch, first);
		}
		wait_for_end(f);
		expect_whole(f, after, epoch, first);
		step(f);
	}
	expect_whole(f, after, epoch, first);
	assert_true(first > 10);
	teardown(&other);
}

static void close_amid_a_compaction_leaves_the_old_log(void **state)
{
	struct fixture *f = *state;

	begin(f);
	run_to(f, COMPACT_ZERO);
	step(f);
	unwatch(f);
	close_store(f);
	/* The ring may still write: nobody else may. */
	expect_refused(f, -EBUSY, "process");
	loop_free(f->loop);
	assert_int_equal(loop_new(64, &f->loop), 0);
	assert_int_equal(open_store(f), 0);
	assert_false(file_exists(f, "log.new"));
	assert_int_equal(epoch_of(f, "last"), 1);
}

/* A new log that is whole but for its name is still no log: the first one of
 * a store, before the folder has an id. */
static void unrenamed_new_log_counts_for_nothing(void **state)
{
	struct fixture *f = *state;
	char from[sizeof(f->path)];

	assert_int_equal(open_store(f), 0);
	close_store(f);
	snprintf(from, sizeof(from), "%s", path_of(f, "log"));
	assert_int_equal(rename(from, path_of(f, "log.new")), 0);
	assert_int_equal(unlink(path_of(f, "id")), 0);
	assert_int_equal(open_store(f), 0);
	assert_int_equal(commit_one(f, record_of("v1", 3, 3)), 0);
	reopen(f);
	assert_int_equal(epoch_of(f, "v1"), 3);
}

/* --- failure --------------------------------------------------------------------- */

/* Commits go on in the old log, and later the next one is made after all. */
static void expect_tried_again(struct fixture *f, int error)
{
	struct store_status status = store_status(f->store);

	assert_false(status.closed);
	assert_false(status.compacts);
	assert_int_equal(status.compaction_error, error);
	assert_false(file_exists(f, "log.new"));
	assert_int_equal(commit_one(f, record_of("first", 2, 2)), 0);
	assert_false(is_compacting(f));
	f->store->next.retry_at = 0;
	while (f->store->next.old_fd >= 0)
		run_ms(f, 0);
	assert_int_equal(commit_one(f, record_of("first", 3, 3)), 0);
	assert_true(is_compacting(f));
	run_to(f, COMPACT_IDLE);
	assert_int_equal(store_status(f->store).compaction_error, 0);
	assert_true(store_log_left(f->store) > STORE_SPARE_MIN / 2);
	reopen(f);
	assert_int_equal(epoch_of(f, "first"), 3);
	assert_int_equal(nr_records(f), STORE_GROUP_MAX + 2);
}

static void new_log_that_finds_no_space_costs_nothing(void **state)
{
	struct fixture *f = *state;

	begin(f);
	kept.phase = COMPACT_ZERO;
	kept.wrong_res = -ENOSPC;
	run_to(f, COMPACT_IDLE);
	expect_tried_again(f, -ENOSPC);
}

static void new_log_that_is_written_in_part_costs_nothing(void **state)
{
	struct fixture *f = *state;

	begin(f);
	kept.phase = COMPACT_ZERO;
	kept.wrong_res = RECORD_FRAME_SIZE;
	run_to(f, COMPACT_IDLE);
	expect_tried_again(f, -EIO);
}

static void new_log_that_is_not_synced_is_thrown_away(void **state)
{
	struct fixture *f = *state;

	begin(f);
	kept.phase = COMPACT_WHOLE;
	kept.wrong_sync_res = -EIO;
	run_to(f, COMPACT_IDLE);
	expect_tried_again(f, -EIO);
}

/* A name that cannot be made: the folder of that name is in its way. */
static void new_log_that_cannot_be_opened_costs_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_store(f), 0);
	assert_int_equal(commit_one(f, record_of("first", 1, 1)), 0);
	fill_most(f, 1);
	watch(f);
	assert_int_equal(mkdir(path_of(f, "log.new"), 0700), 0);
	assert_int_equal(commit_one(f, record_of("last", 1, 1)), 0);
	assert_int_equal(rmdir(path_of(f, "log.new")), 0);
	expect_tried_again(f, -EISDIR);
}

static void full_log_without_a_next_one_closes_the_store(void **state)
{
	struct fixture *f = *state;
	const struct record straw = record_of("straw", 1, 1);
	uint64_t epoch = begin(f);
	size_t left = store_log_left(f->store);

	fill_group(f, left, epoch);
	assert_int_equal(store_commit(f->store, f->group, left, &f->op), 0);
	f->res = UNDONE;
	while (f->res == UNDONE)
		assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(store_commit(f->store, &straw, 1, &f->op), 0);
	f->res = UNDONE;
	kept.phase = f->store->next.phase;
	kept.wrong_res = -ENOSPC;
	run_to(f, COMPACT_IDLE);
	assert_int_equal(f->res, -ENOSPC);
	assert_true(store_status(f->store).closed);
	expect_closed_for_good(f);
	assert_int_equal(epoch_of(f, "v0"), epoch);
	assert_int_equal(epoch_of(f, "straw"), 0);
}

static void rename_that_fails_closes_the_store(void **state)
{
	struct fixture *f = *state;
	const struct record v = record_of("first", 2, 2);

	begin(f);
	run_to(f, COMPACT_WHOLE);
	assert_int_equal(store_commit(f->store, &v, 1, &f->op), 0);
	f->res = UNDONE;
	kept.phase = COMPACT_NAME;
	kept.wrong_res = -EIO;
	while (f->res == UNDONE)
		step(f);
	assert_int_equal(f->res, -EIO);
	expect_closed_for_good(f);
	/* Either log is whole. */
	assert_int_equal(epoch_of(f, "first"), 1);
	assert_int_equal(nr_records(f), STORE_GROUP_MAX + 3);
}

static void folder_that_is_not_synced_closes_the_store(void **state)
{
	struct fixture *f = *state;

	begin(f);
	run_to(f, COMPACT_WHOLE);
	kept.phase = COMPACT_NAME;
	kept.wrong_sync_res = -EIO;
	while (!store_status(f->store).closed)
		step(f);
	assert_int_equal(store_status(f->store).compaction_error, -EIO);
	expect_closed_for_good(f);
	assert_int_equal(epoch_of(f, "first"), 1);
}

/* The group's sync fails while the next log is half made. */
static void (*real_group_write)(struct loop_op *op, int res);

static void fail_group_write(struct loop_op *op, int res)
{
	assert_int_equal(res, RECORD_FRAME_SIZE);
	real_group_write(op, -EIO);
}

static void failed_sync_of_a_group_ends_the_compaction_too(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;
	uint8_t frame[RECORD_FRAME_SIZE], again[RECORD_FRAME_SIZE];
	uint64_t seq;

	begin(f);
	seq = f->store->next_seq - f->store->first_seq;
	assert_int_equal(stat(path_of(f, "log"), &before), 0);
	real_group_write = f->store->write_op.done;
	f->store->write_op.done = fail_group_write;
	assert_int_equal(commit_one(f, record_of("first", 2, 2)), -EIO);
	assert_int_equal(epoch_of(f, "first"), 1);
	read_frame(f, seq, frame);
	/* No marker, no new log, nothing for long. */
	run_to(f, COMPACT_IDLE);
	unwatch(f);
	run_ms(f, STORE_MARKER_MS * 3 / 2);
	assert_false(store_group_is_held(f->store));
	assert_false(store_swap_is_held(f->store));
	assert_false(file_exists(f, "log.new"));
	assert_int_equal(stat(path_of(f, "log"), &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	read_frame(f, seq, again);
	assert_memory_equal(frame, again, sizeof(frame));
	read_frame(f, seq + 1, again);
	memset(frame, 0, sizeof(frame));
	assert_memory_equal(frame, again, sizeof(frame));
	expect_closed_for_good(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(full_log_is_compacted_and_keeps_every_volume),
		TEST(compaction_keeps_a_quarantined_frame),
		TEST(commits_go_on_in_the_old_log_and_are_in_the_new_one),
		TEST(volume_that_changes_amid_the_walk_is_copied_as_it_is),
		TEST(commit_that_meets_the_switch_waits_for_it),
		TEST(group_in_flight_when_commits_are_held_is_copied_too),
		TEST(full_log_lets_commits_wait_for_the_new_one),
		TEST(damage_that_ends_meanwhile_stays_ended),
		TEST(each_turn_does_a_slice_and_no_more),
		TEST(crash_at_any_step_leaves_one_whole_log),
		TEST(close_amid_a_compaction_leaves_the_old_log),
		TEST(unrenamed_new_log_counts_for_nothing),
		TEST(new_log_that_finds_no_space_costs_nothing),
		TEST(new_log_that_is_written_in_part_costs_nothing),
		TEST(new_log_that_is_not_synced_is_thrown_away),
		TEST(new_log_that_cannot_be_opened_costs_nothing),
		TEST(full_log_without_a_next_one_closes_the_store),
		TEST(rename_that_fails_closes_the_store),
		TEST(folder_that_is_not_synced_closes_the_store),
		TEST(failed_sync_of_a_group_ends_the_compaction_too),
	};

	return cmocka_run_group_tests_name("store_compact", tests, NULL, NULL);
}
