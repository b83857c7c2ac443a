/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A store on a real folder and a real ring, and hands on its file behind its
 * back, for the tests of the store.
 */
#ifndef BFENCE_TEST_STORE_WORLD_H
#define BFENCE_TEST_STORE_WORLD_H

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
#include <sys/resource.h>
#include <sys/stat.h>
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

static inline void on_done(struct loop_op *op, int res)
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

static inline void on_alarm(struct loop_op *op, int res)
{
	struct fixture *f = loop_container(op, struct fixture, alarm);

	(void)res;
	loop_stop(f->loop);
}

static inline void ignore(struct loop_op *op, int res)
{
	(void)op;
	(void)res;
}

static inline const char *path_of(struct fixture *f, const char *name)
{
	snprintf(f->path, sizeof(f->path), "%s/%s", f->dir, name);
	return f->path;
}

static inline int open_store(struct fixture *f)
{
	const struct store_config config = { .dir = f->dir,
					     .volumes_max = VOLUMES_MAX };

	f->err.text[0] = '\0';
	return store_open(&config, f->loop, &f->store, &f->err);
}

static inline void close_store(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
}

static inline void reopen(struct fixture *f)
{
	close_store(f);
	if (open_store(f))
		fail_msg("%s", f->err.text);
}

static inline int commit(struct fixture *f, const struct record *records,
			 size_t nr)
{
	int ret = store_commit(f->store, records, nr, &f->op);

	if (ret)
		return ret;
	f->res = UNDONE;
	while (f->res == UNDONE)
		assert_int_equal(loop_run(f->loop), 0);
	return f->res;
}

static inline int commit_one(struct fixture *f, struct record record)
{
	return commit(f, &record, 1);
}

static inline void run_ms(struct fixture *f, uint64_t ms)
{
	loop_timer(f->loop, &f->alarm, clock_now().v + ms);
	assert_int_equal(loop_run(f->loop), 0);
}

static inline int setup(void **state)
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

static inline int teardown(void **state)
{
	static const char *const names[] = { "log", "log.new", "lock", "id",
					     "id.new" };
	struct fixture *f = *state;

	store_close(f->store);
	loop_free(f->loop);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path_of(f, names[i]));
	rmdir(f->dir);
	free(f);
	return 0;
}

static inline const struct record *find(struct fixture *f, const char *name)
{
	const struct volume_id id = volume_of(name);
	const struct record *record;

	for (size_t at = 0; (record = store_next_record(f->store, &at));)
		if (volume_id_equal(&record->volume, &id))
			return record;
	return NULL;
}

static inline uint64_t epoch_of(struct fixture *f, const char *name)
{
	const struct record *record = find(f, name);

	return record ? record_line(record).lineage.epoch : 0;
}

static inline size_t nr_records(struct fixture *f)
{
	size_t nr = 0;

	for (size_t at = 0; store_next_record(f->store, &at);)
		nr++;
	return nr;
}

/* Volumes v0, v1 ... at that epoch, in f->group. */
static inline void fill_group(struct fixture *f, size_t nr, uint64_t epoch)
{
	char name[24];

	for (size_t i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "v%zu", i);
		f->group[i] = record_of(name, epoch, epoch);
	}
}

/* So many groups that the next one finds no room. */
static inline uint64_t fill_log(struct fixture *f, uint64_t epoch)
{
	for (int i = 0; i < STORE_SPARE_MIN / STORE_GROUP_MAX; i++) {
		fill_group(f, STORE_GROUP_MAX, epoch++);
		assert_int_equal(commit(f, f->group, STORE_GROUP_MAX), 0);
	}
	return epoch;
}

/* --- the file, behind the store's back ------------------------------------- */

static inline void write_file(struct fixture *f, const char *name,
			      const char *text)
{
	int fd = open(path_of(f, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static inline void read_text(struct fixture *f, const char *name, char *ret,
			     size_t size)
{
	int fd = open(path_of(f, name), O_RDONLY);
	ssize_t len = read(fd, ret, size - 1);

	assert_true(fd >= 0);
	assert_true(len >= 0);
	ret[len] = '\0';
	close(fd);
}

static inline bool file_exists(struct fixture *f, const char *name)
{
	return access(path_of(f, name), F_OK) == 0;
}

static inline void read_frame(struct fixture *f, uint64_t at,
			      uint8_t frame[RECORD_FRAME_SIZE])
{
	int fd = open(path_of(f, "log"), O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, frame, RECORD_FRAME_SIZE,
			       (off_t)at * RECORD_FRAME_SIZE),
			 RECORD_FRAME_SIZE);
	close(fd);
}

static inline void write_frame(struct fixture *f, uint64_t at,
			       const uint8_t frame[RECORD_FRAME_SIZE])
{
	int fd = open(path_of(f, "log"), O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, frame, RECORD_FRAME_SIZE,
				(off_t)at * RECORD_FRAME_SIZE),
			 RECORD_FRAME_SIZE);
	close(fd);
}

static inline void damage(struct fixture *f, uint64_t at, int byte)
{
	uint8_t frame[RECORD_FRAME_SIZE];

	read_frame(f, at, frame);
	frame[byte] ^= 1;
	write_frame(f, at, frame);
}

static inline enum record_verdict decode(struct fixture *f, uint64_t at,
					 struct record *record,
					 struct record_frame *place)
{
	uint8_t frame[RECORD_FRAME_SIZE];

	read_frame(f, at, frame);
	return record_decode(frame, record, place);
}

static inline void expect_refused(struct fixture *f, int code,
				  const char *words)
{
	assert_int_equal(open_store(f), code);
	assert_int_equal(f->err.code, code);
	assert_non_null(strstr(f->err.text, f->dir));
	if (!strstr(f->err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", f->err.text, words);
}

static inline void expect_quarantined(struct fixture *f, const char *name)
{
	const struct store_skip *skips;

	assert_null(find(f, name));
	assert_int_equal(store_skips(f->store, &skips), 1);
	assert_int_equal(skips[0].class, STORE_SKIP_CORRUPT);
	assert_string_equal(skips[0].volume.s, name);
}

static inline void limit_files(uint64_t nr_frames)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = nr_frames ? nr_frames * RECORD_FRAME_SIZE :
				     limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static inline void expect_closed_for_good(struct fixture *f)
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
