// SPDX-License-Identifier: GPL-2.0
/*
 * A whole log composed, written to a real folder and read back, beside a
 * writer that is amid a group too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/reload.h"
#include "edge/store.h"
#include "edge/store_image.h"
#include "log_image.h"

#define VOLUMES_MAX	100

struct fixture {
	char dir[64];
	char path[80];
	struct image log;	/* as a store would write it */
	struct store_image image;
	struct err err;
};

static const char *path_of(struct fixture *f, const char *name)
{
	snprintf(f->path, sizeof(f->path), "%s/%s", f->dir, name);
	return f->path;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "%s/bfence-image-XXXXXX",
		 tmp ? tmp : "/tmp");
	if (!mkdtemp(f->dir))
		return -1;
	image_init(&f->log, 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "log", "log.new", "lock", "id",
					     "id.new" };
	struct fixture *f = *state;

	store_image_free(&f->image);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path_of(f, names[i]));
	rmdir(f->dir);
	free(f);
	return 0;
}

static void put_bytes(struct fixture *f, const void *bytes, size_t len)
{
	int fd = open(path_of(f, "log"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void put_log(struct fixture *f)
{
	put_bytes(f, f->log.bytes, sizeof(f->log.bytes));
}

static void read_image(struct fixture *f)
{
	if (store_image_read(f->dir, &f->image, &f->err))
		fail_msg("%s", f->err.text);
}

static void expect_as_put(struct fixture *f)
{
	read_image(f);
	assert_int_equal(f->image.nr_frames, IMAGE_FRAMES);
	assert_memory_equal(f->image.bytes, f->log.bytes, sizeof(f->log.bytes));
}

static void compose(struct fixture *f)
{
	const struct record records[] = { incarnation_of(5),
					  record_of("v1", 8, 7),
					  record_of("v2", 1, 1) };
	struct store_image_new new;

	assert_int_equal(store_image_start(&new, &image_store, 3), 0);
	for (int i = 0; i < 3; i++)
		store_image_put(&new, &records[i]);
	f->image = store_image_end(&new);
}

/* --- composing ---------------------------------------------------------------- */

static void composed_log_holds_exactly_its_records(void **state)
{
	struct fixture *f = *state;
	struct reload r;
	const struct record v1 = record_of("v1", 8, 7);

	compose(f);
	assert_int_equal(reload_init(&r, VOLUMES_MAX), 0);
	assert_int_equal(reload_judge(&r, f->image.bytes, f->image.nr_frames),
			 0);
	assert_int_equal(record_table_nr(r.table), 3);
	assert_int_equal(record_incarnation(
				 &record_table_at(r.table, 0)->record)
				 .value,
			 5);
	assert_memory_equal(&record_table_at(r.table, 1)->record, &v1,
			    sizeof(v1));
	assert_true(store_id_equal(&r.store, &image_store));
	assert_int_equal(r.nr_skips, 0);
	assert_int_equal(r.last_seq, 4);
	assert_int_equal(r.durable_through, 4);
	assert_int_equal(store_image_used(&f->image), 4);
	assert_true(f->image.nr_frames >= 4 + RECORD_GROUP_MAX);
	reload_exit(&r);
}

static void damaged_record_stays_damaged(void **state)
{
	struct fixture *f = *state;
	const struct record v1 = record_of("v1", 8, 7);
	const struct record_frame at = { .store = image_store,
					 .log_seq = 9,
					 .group_last = 9 };
	uint8_t frame[RECORD_FRAME_SIZE], kept[RECORD_FRAME_SIZE];
	struct store_image_new new;
	struct reload r;

	record_encode(&v1, &at, frame);
	frame[IMAGE_BODY_BYTE] ^= 1;
	assert_int_equal(store_image_start(&new, &image_store, 1), 0);
	store_image_put_damaged(&new, &v1, frame);
	f->image = store_image_end(&new);
	memcpy(kept, f->image.bytes + RECORD_FRAME_SIZE, sizeof(kept));
	assert_memory_equal(kept + 132, frame + 132, RECORD_FRAME_SIZE - 132);
	assert_int_equal(reload_init(&r, VOLUMES_MAX), 0);
	assert_int_equal(reload_judge(&r, f->image.bytes, f->image.nr_frames),
			 0);
	assert_int_equal(r.nr_skips, 1);
	assert_int_equal(r.skips[0].class, STORE_SKIP_CORRUPT);
	assert_string_equal(r.skips[0].volume.s, "v1");
	assert_true(record_table_at(r.table, 1)->damaged);
	reload_exit(&r);
}

/* --- writing ------------------------------------------------------------------ */

static void written_log_is_read_back_and_served(void **state)
{
	struct fixture *f = *state;
	const struct store_config config = { .dir = f->dir,
					     .volumes_max = VOLUMES_MAX };
	struct store_image back;
	struct store *store;
	size_t nr = 0;
	struct loop *loop;
	struct stat st;

	compose(f);
	assert_int_equal(rmdir(f->dir), 0);
	if (store_image_write(f->dir, &f->image, &f->err))
		fail_msg("%s", f->err.text);
	assert_int_equal(stat(f->dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(stat(path_of(f, "log"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(st.st_blocks * 512 >= st.st_size);
	assert_int_equal(access(path_of(f, "log.new"), F_OK), -1);
	assert_int_equal(store_image_read(f->dir, &back, &f->err), 0);
	assert_int_equal(back.nr_frames, f->image.nr_frames);
	assert_memory_equal(back.bytes, f->image.bytes,
			    back.nr_frames * RECORD_FRAME_SIZE);
	store_image_free(&back);
	assert_int_equal(loop_new(8, &loop), 0);
	if (store_open(&config, loop, &store, &f->err))
		fail_msg("%s", f->err.text);
	for (size_t at = 0; store_next_record(store, &at);)
		nr++;
	assert_int_equal(nr, 2);
	store_close(store);
	loop_free(loop);
}

static void folder_with_a_log_is_refused_untouched(void **state)
{
	struct fixture *f = *state;

	compose(f);
	put_log(f);
	assert_int_equal(store_image_write(f->dir, &f->image, &f->err),
			 -EEXIST);
	assert_non_null(strstr(f->err.text, f->dir));
	assert_int_equal(access(path_of(f, "lock"), F_OK), -1);
	store_image_free(&f->image);
	expect_as_put(f);
}

static void write_id(struct fixture *f, const char *line)
{
	int fd = open(path_of(f, "id"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, line, strlen(line)), strlen(line));
	close(fd);
}

#define ID_LINE		"0b0f0100000000000000000000000000\n"
#define OTHER_LINE	"0b0f0200000000000000000000000000\n"

static void log_comes_with_its_id(void **state)
{
	struct fixture *f = *state;
	char line[64] = "";
	int fd;

	compose(f);
	assert_int_equal(store_image_write(f->dir, &f->image, &f->err), 0);
	fd = open(path_of(f, "id"), O_RDONLY);
	assert_int_equal(read(fd, line, sizeof(line)), 33);
	close(fd);
	assert_string_equal(line, ID_LINE);
	store_image_free(&f->image);
	read_image(f);
	assert_true(store_id_equal(&f->image.named, &image_store));
}

/* A folder that lost its log gets that store's again and no other. */
static void folder_of_another_store_is_refused(void **state)
{
	static const char *const lines[] = { OTHER_LINE, "unknown\n" };
	struct fixture *f = *state;

	compose(f);
	for (size_t i = 0; i < 2; i++) {
		write_id(f, lines[i]);
		assert_int_equal(store_image_write(f->dir, &f->image, &f->err),
				 i ? -EBADMSG : -EEXIST);
		assert_non_null(strstr(f->err.text, f->dir));
		assert_int_equal(access(path_of(f, "log"), F_OK), -1);
	}
	write_id(f, ID_LINE);
	assert_int_equal(store_image_write(f->dir, &f->image, &f->err), 0);
}

static void folder_that_is_owned_is_refused(void **state)
{
	struct fixture *f = *state;
	int fd = open(f->dir, O_RDONLY | O_DIRECTORY);

	compose(f);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(store_image_write(f->dir, &f->image, &f->err), -EBUSY);
	assert_int_equal(access(path_of(f, "log"), F_OK), -1);
	close(fd);
	assert_int_equal(store_image_write(f->dir, &f->image, &f->err), 0);
}

static void left_over_of_a_crash_does_not_block(void **state)
{
	struct fixture *f = *state;
	int fd = open(path_of(f, "log.new"), O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	/* Longer than the new one. */
	assert_int_equal(ftruncate(fd, 64 << 20), 0);
	close(fd);
	compose(f);
	assert_int_equal(store_image_write(f->dir, &f->image, &f->err), 0);
	store_image_free(&f->image);
	read_image(f);
	assert_int_equal(store_image_used(&f->image), 4);
	assert_true(f->image.nr_frames < (64 << 20) / RECORD_FRAME_SIZE);
}

static void failed_write_leaves_no_log(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, small;

	compose(f);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 100 * RECORD_FRAME_SIZE;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(store_image_write(f->dir, &f->image, &f->err), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_non_null(strstr(f->err.text, path_of(f, "log")));
	assert_int_equal(access(path_of(f, "log"), F_OK), -1);
	assert_int_equal(access(path_of(f, "log.new"), F_OK), -1);
	assert_int_equal(store_image_write(f->dir, &f->image, &f->err), 0);
}

/* --- reading ------------------------------------------------------------------ */

static void what_is_no_log_is_a_sentence(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_image_read(f->dir, &f->image, &f->err), -ENOENT);
	assert_non_null(strstr(f->err.text, path_of(f, "log")));
	assert_int_equal(store_image_read("/nowhere/store", &f->image, &f->err),
			 -ENOENT);
	assert_non_null(strstr(f->err.text, "/nowhere/store"));
	assert_int_equal(mkdir(path_of(f, "log"), 0700), 0);
	assert_int_not_equal(store_image_read(f->dir, &f->image, &f->err), 0);
	assert_int_equal(rmdir(path_of(f, "log")), 0);
}

static void whole_last_group_is_part_of_it(void **state)
{
	struct fixture *f = *state;
	const struct record group[] = { record_of("v1", 1, 1),
					record_of("v2", 1, 1) };

	image_one(&f->log, incarnation_of(1));
	image_group(&f->log, group, 2);
	put_log(f);
	expect_as_put(f);
}

static void damage_is_given_as_it_is(void **state)
{
	static const uint64_t places[] = { 1, 2, 3, 4, IMAGE_FRAMES };
	struct fixture *f = *state;

	image_one(&f->log, incarnation_of(1));
	image_one(&f->log, record_of("v1", 1, 1));
	image_one(&f->log, record_of("v1", 2, 2));
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		image_frame(&f->log, places[i])[IMAGE_HEADER_BYTE] ^= 1;
		put_log(f);
		expect_as_put(f);
		store_image_free(&f->image);
		image_frame(&f->log, places[i])[IMAGE_HEADER_BYTE] ^= 1;
	}
}

static void bytes_after_the_last_frame_are_counted(void **state)
{
	struct fixture *f = *state;

	put_bytes(f, f->log.bytes, 5 * RECORD_FRAME_SIZE + 100);
	read_image(f);
	assert_int_equal(f->image.nr_frames, 5);
	assert_int_equal(f->image.nr_extra, 100);
}

/* --- beside a writer ---------------------------------------------------------- */

/* The last group of the fixture's log, of two frames, as a child writes it:
 * the second frame changes for a while, then `end` decides. */
struct writer {
	struct fixture *f;
	uint64_t torn_seq;
	void (*end)(struct writer *w, int fd);
	pid_t pid;
};

static void write_at(struct fixture *f, int fd, uint64_t log_seq,
		     const uint8_t *frame)
{
	assert_int_equal(pwrite(fd, frame, RECORD_FRAME_SIZE,
				(off_t)image_offset(&f->log, log_seq)),
			 RECORD_FRAME_SIZE);
}

static void write_torn(struct writer *w, int begun)
{
	int fd = open(path_of(w->f, "log"), O_WRONLY);
	uint8_t frame[RECORD_FRAME_SIZE];

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || fd < 0)
		_exit(1);
	memcpy(frame, image_frame(&w->f->log, w->torn_seq), sizeof(frame));
	for (int i = 0; i < 60; i++) {
		snprintf((char *)frame + IMAGE_BODY_BYTE, 8, "%d", i);
		write_at(w->f, fd, w->torn_seq, frame);
		if (i == 0 && write(begun, "x", 1) != 1)
			_exit(1);
		poll(NULL, 0, 1);
	}
	w->end(w, fd);
	_exit(0);
}

static void start_writer(struct writer *w)
{
	int begun[2];
	char byte;

	put_log(w->f);
	assert_int_equal(pipe(begun), 0);
	w->pid = fork();
	assert_true(w->pid >= 0);
	if (w->pid == 0)
		write_torn(w, begun[1]);
	close(begun[1]);
	assert_int_equal(read(begun[0], &byte, 1), 1);
	close(begun[0]);
}

static void end_writer(struct writer *w)
{
	int status;

	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	assert_int_equal(status, 0);
}

static void put_group_of_two(struct fixture *f)
{
	const struct record group[] = { record_of("v1", 1, 1),
					record_of("v2", 1, 1) };

	image_one(&f->log, incarnation_of(1));
	image_group(&f->log, group, 2);
}

static void end_whole(struct writer *w, int fd)
{
	write_at(w->f, fd, w->torn_seq, image_frame(&w->f->log, w->torn_seq));
}

static void torn_group_is_read_again_until_it_is_whole(void **state)
{
	struct fixture *f = *state;
	struct writer w = { .f = f, .torn_seq = 4, .end = end_whole };

	put_group_of_two(f);
	start_writer(&w);
	expect_as_put(f);
	end_writer(&w);
}

/* The torn frame is done, and the next group has begun and stays torn. */
static void end_with_the_next_group(struct writer *w, int fd)
{
	struct image next = w->f->log;
	const struct record group[] = { record_of("v1", 2, 2),
					record_of("v2", 2, 2) };
	uint8_t torn[RECORD_FRAME_SIZE];

	end_whole(w, fd);
	image_group(&next, group, 2);
	memcpy(torn, image_frame(&next, 6), sizeof(torn));
	torn[IMAGE_BODY_BYTE] ^= 1;
	write_at(w->f, fd, 6, torn);
	write_at(w->f, fd, 5, image_frame(&next, 5));
}

static void log_is_cut_above_what_a_later_group_says_is_synced(void **state)
{
	struct fixture *f = *state;
	struct writer w = { .f = f,
			    .torn_seq = 4,
			    .end = end_with_the_next_group };

	put_group_of_two(f);
	start_writer(&w);
	/* Without the group that had begun. */
	expect_as_put(f);
	end_writer(&w);
}

/* Behind a whole group lies the torn begin of the next one. */
static void torn_frame_behind_a_whole_group_is_no_damage(void **state)
{
	struct fixture *f = *state;
	struct writer w = { .f = f, .torn_seq = 5, .end = end_whole };
	const struct record group[] = { record_of("v1", 2, 2),
					record_of("v2", 2, 2) };

	put_group_of_two(f);
	image_group(&f->log, group, 2);
	start_writer(&w);
	expect_as_put(f);
	end_writer(&w);
}

/* What the reader's first pread() gives, and what is written behind it. */
static struct {
	struct fixture *f;	/* NULL: not amid the test */
	size_t len;
} race;

ssize_t pread(int fd, void *to, size_t len, off_t offset)
{
	struct fixture *f = race.f;
	ssize_t n;

	if (f && len > race.len)
		len = race.len;
	n = syscall(SYS_pread64, fd, to, len, offset);
	race.f = NULL;
	if (f)
		put_log(f);
	return n;
}

/* The first pass sees the torn frame, then the later group that says it is
 * synced: no look at the tail would find it. */
static void frame_torn_before_its_successor_is_read_again(void **state)
{
	struct fixture *f = *state;

	put_group_of_two(f);
	image_frame(&f->log, 4)[IMAGE_BODY_BYTE] ^= 1;
	put_log(f);
	image_frame(&f->log, 4)[IMAGE_BODY_BYTE] ^= 1;
	image_one(&f->log, record_of("v1", 2, 2));
	race.len = 4 * RECORD_FRAME_SIZE;
	race.f = f;
	expect_as_put(f);
	assert_null(race.f);
}

/* A real store: 1024 volumes a group, a compaction every few groups. */
struct busy {
	struct loop *loop;
	struct loop_op op;
	uint64_t *acked;	/* shared: write_seq of each volume */
	int res;
};

static void on_done(struct loop_op *op, int res)
{
	struct busy *b = loop_container(op, struct busy, op);

	b->res = res;
	loop_stop(b->loop);
}

static void commit_forever(struct busy *b, struct store *store)
{
	static struct record group[RECORD_GROUP_MAX];
	char name[24];

	for (uint64_t seq = 1;; seq++) {
		for (size_t i = 0; i < RECORD_GROUP_MAX; i++) {
			snprintf(name, sizeof(name), "v%zu", i);
			group[i] = record_of(name, seq, seq);
		}
		if (store_commit(store, group, RECORD_GROUP_MAX, &b->op) ||
		    loop_run(b->loop) || b->res)
			_exit(1);
		__atomic_store_n(b->acked, seq, __ATOMIC_SEQ_CST);
	}
}

static void be_busy(struct fixture *f, uint64_t *acked)
{
	const struct store_config config = { .dir = f->dir,
					     .volumes_max = RECORD_GROUP_MAX };
	struct busy b = { .op = { .done = on_done }, .acked = acked };
	struct store *store;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || loop_new(8, &b.loop) ||
	    store_open(&config, b.loop, &store, &f->err))
		_exit(1);
	commit_forever(&b, store);
}

static void expect_one_sound_log(struct fixture *f, uint64_t acked)
{
	struct reload r;

	read_image(f);
	assert_int_equal(reload_init(&r, RECORD_GROUP_MAX), 0);
	if (reload_judge(&r, f->image.bytes, f->image.nr_frames))
		fail_msg("offset %lu: %s", (unsigned long)r.bad_offset,
			 r.bad_reason);
	assert_int_equal(record_table_nr(r.table), 1 + RECORD_GROUP_MAX);
	for (size_t i = 1; i <= RECORD_GROUP_MAX; i++) {
		const struct record_entry *entry = record_table_at(r.table, i);

		assert_false(entry->damaged);
		assert_true(entry->record.write_seq >= acked);
	}
	reload_exit(&r);
	store_image_free(&f->image);
}

static void log_beside_a_busy_store_is_always_sound(void **state)
{
	struct fixture *f = *state;
	uint64_t *acked = mmap(NULL, sizeof(*acked), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t first = 0;
	pid_t pid = fork();

	assert_true(acked != MAP_FAILED);
	if (pid == 0)
		be_busy(f, acked);
	for (int i = 0; i < 60; i++) {
		uint64_t before;

		while ((before = __atomic_load_n(acked, __ATOMIC_SEQ_CST)) == 0)
			assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		first = first ? first : before;
		expect_one_sound_log(f, before);
	}
	/* It was at work all the time, and over several logs. */
	assert_true(__atomic_load_n(acked, __ATOMIC_SEQ_CST) > first + 8);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	munmap(acked, sizeof(*acked));
}

int main(void)
{
#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(composed_log_holds_exactly_its_records),
		TEST(damaged_record_stays_damaged),
		TEST(written_log_is_read_back_and_served),
		TEST(folder_with_a_log_is_refused_untouched),
		TEST(log_comes_with_its_id),
		TEST(folder_of_another_store_is_refused),
		TEST(folder_that_is_owned_is_refused),
		TEST(left_over_of_a_crash_does_not_block),
		TEST(failed_write_leaves_no_log),
		TEST(what_is_no_log_is_a_sentence),
		TEST(whole_last_group_is_part_of_it),
		TEST(damage_is_given_as_it_is),
		TEST(bytes_after_the_last_frame_are_counted),
		TEST(torn_group_is_read_again_until_it_is_whole),
		TEST(log_is_cut_above_what_a_later_group_says_is_synced),
		TEST(torn_frame_behind_a_whole_group_is_no_damage),
		TEST(frame_torn_before_its_successor_is_read_again),
		TEST(log_beside_a_busy_store_is_always_sound),
	};

	return cmocka_run_group_tests_name("store_image", tests, NULL, NULL);
}
