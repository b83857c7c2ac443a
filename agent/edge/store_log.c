// SPDX-License-Identifier: GPL-2.0
/*
 * The log as a file at open: found or made, reloaded slice by slice, and
 * appended to where the caller waits. Must never know what a record decides.
 */
#include "store_state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "edge/clock.h"

/* --- writing -------------------------------------------------------------- */

uint64_t store_log_offset(const struct store *store, uint64_t log_seq)
{
	assert(log_seq >= store->first_seq);
	return (log_seq - store->first_seq) * RECORD_FRAME_SIZE;
}

uint64_t store_log_left(const struct store *store)
{
	return store->first_seq + store->nr_frames - store->next_seq;
}

int store_log_append(struct store *store, const uint8_t *frames, size_t nr)
{
	int ret = store_file_write(store->log_fd, frames,
				   nr * RECORD_FRAME_SIZE,
				   store_log_offset(store, store->next_seq));

	return ret ? ret : store_file_sync_data(store->log_fd);
}

/* --- reload --------------------------------------------------------------- */

static int make_first(struct store *store, const char *dir, struct err *err)
{
	int ret = clock_random(&store->reload.store, STORE_ID_SIZE);

	store->first_seq = 1;
	store->next_seq = 1;
	if (ret == 0)
		ret = store_compact_now(store);
	if (ret)
		return err_set(err, ret, "%s/%s: not made: %s", dir,
			       STORE_LOG_NAME, strerror(-ret));
	return 0;
}

/* Writes the frames up to last again, those without an end as markers. */
static int rewrite_group(struct store *store, uint64_t last)
{
	const struct record marker = record_of_marker(0);
	struct record_frame at = { .store = store->reload.store,
				   .durable_through = store->next_seq - 1,
				   .group_last = last };
	size_t nr = last - store->next_seq + 1;
	int ret = store_file_read(store->log_fd, store->frames,
				  nr * RECORD_FRAME_SIZE,
				  store_log_offset(store, store->next_seq));

	if (ret)
		return ret;
	for (size_t i = 0; i < nr; i++) {
		uint8_t *frame = store->frames + i * RECORD_FRAME_SIZE;
		struct record record;
		struct record_frame found;

		if (record_decode(frame, &record, &found) == RECORD_OK ||
		    !record_is_cut_short(frame))
			continue;
		at.log_seq = store->next_seq + i;
		record_encode(&marker, &at, frame);
	}
	ret = store_log_append(store, store->frames, nr);
	if (ret == 0)
		store->next_seq += nr;
	return ret;
}

/*
 * What the reload adopts may be in the page cache alone, and a later write
 * would say that it was synced: so it is written again. A crash amid this
 * leaves a last group like before. Pieces of a group that left nothing whole
 * follow as a group of markers: spare space is zeros.
 */
static int adopt_last_group(struct store *store)
{
	const struct reload *r = &store->reload;
	int ret = 0;

	store->next_seq = r->durable_through + 1;
	store->behind = r->has_news || r->cut_seq > r->last_seq;
	if (r->last_seq > r->durable_through)
		ret = rewrite_group(store, r->last_seq);
	if (ret == 0 && r->cut_seq > r->last_seq)
		ret = rewrite_group(store, r->cut_seq);
	return ret;
}

static int refuse_reload(const struct store *store, const char *dir, int code,
			 struct err *err)
{
	return err_set(err, code, "%s/%s: offset %" PRIu64 ": %s", dir,
		       STORE_LOG_NAME, store->reload.bad_offset,
		       store->reload.bad_reason);
}

static int refuse_file(const char *dir, int code, const char *what,
		       struct err *err)
{
	return err_set(err, code, "%s/%s: %s: %s", dir, STORE_LOG_NAME, what,
		       strerror(-code));
}

static int read_slice(struct store *store, const char *dir, uint64_t at,
		      size_t nr, struct err *err)
{
	int ret = store_file_read(store->log_fd, store->frames,
				  nr * RECORD_FRAME_SIZE,
				  at * RECORD_FRAME_SIZE);

	return ret ? refuse_file(dir, ret, "not read", err) : 0;
}

static size_t slice_of(uint64_t nr_frames)
{
	return nr_frames < RECORD_GROUP_MAX ? (size_t)nr_frames :
					      RECORD_GROUP_MAX;
}

static int survey(struct store *store, const char *dir, struct err *err)
{
	struct reload *r = &store->reload;
	int ret = 0;

	while (ret == 0 && !reload_is_surveyed(r)) {
		size_t nr = slice_of(r->nr_unsurveyed);

		ret = read_slice(store, dir, r->nr_unsurveyed - nr, nr, err);
		if (ret)
			return ret;
		ret = reload_survey(r, store->frames, nr);
	}
	return ret ? refuse_reload(store, dir, ret, err) : 0;
}

static int take(struct store *store, const char *dir, struct err *err)
{
	struct reload *r = &store->reload;
	int ret = 0;

	while (ret == 0 && r->nr_taken < r->nr_frames) {
		size_t nr = slice_of(r->nr_frames - r->nr_taken);

		ret = read_slice(store, dir, r->nr_taken, nr, err);
		if (ret)
			return ret;
		ret = reload_take(r, store->frames, nr);
	}
	return ret ? refuse_reload(store, dir, ret, err) : 0;
}

static int refuse_foreign(const char *dir, const struct store_id *named,
			  struct err *err)
{
	char text[STORE_ID_TEXT_SIZE];

	store_id_print(named, text);
	return err_set(err, -EBADMSG,
		       "%s/%s: offset 0: frame of a foreign store, the folder "
		       "is of store %s (%s/%s)",
		       dir, STORE_LOG_NAME, text, dir, STORE_ID_NAME);
}

static int judge_log(struct store *store, const char *dir,
		     const struct store_id *named, struct err *err)
{
	int ret = read_slice(store, dir, 0, store->nr_frames ? 1 : 0, err);

	if (ret)
		return ret;
	ret = reload_begin(&store->reload, store->frames, store->nr_frames);
	if (ret)
		return refuse_reload(store, dir, ret, err);
	if (!store_id_is_none(named) &&
	    !store_id_equal(named, &store->reload.store))
		return refuse_foreign(dir, named, err);
	ret = survey(store, dir, err);
	return ret ? ret : take(store, dir, err);
}

static int load_log(struct store *store, const char *dir,
		    const struct store_id *named, struct err *err)
{
	struct stat st;
	int ret;

	if (fstat(store->log_fd, &st))
		return refuse_file(dir, -errno, "not judged", err);
	if (!S_ISREG(st.st_mode) || st.st_size % RECORD_FRAME_SIZE)
		return err_set(err, -EBADMSG,
			       "%s/%s: offset %" PRId64
			       ": the file does not end with a whole frame",
			       dir, STORE_LOG_NAME,
			       (int64_t)(st.st_size -
					 st.st_size % RECORD_FRAME_SIZE));
	store->nr_frames = (uint64_t)st.st_size / RECORD_FRAME_SIZE;
	ret = judge_log(store, dir, named, err);
	if (ret)
		return ret;
	store->first_seq = store->reload.first_seq;
	ret = adopt_last_group(store);
	return ret ? refuse_file(dir, ret, "last group not synced", err) : 0;
}

/* Never as a new store, in which no volume was ever bound. */
static int refuse_without_log(const char *dir, const struct store_id *named,
			      struct err *err)
{
	char text[STORE_ID_TEXT_SIZE];

	store_id_print(named, text);
	return err_set(err, -EBADMSG,
		       "%s/%s is missing, and %s/%s says that store %s was "
		       "here: put its log back, or a backup of it (bfenced "
		       "store backup), or what is left of it (bfenced store "
		       "salvage)",
		       dir, STORE_LOG_NAME, dir, STORE_ID_NAME, text);
}

/* None is no error: a store that is not made yet, or of before there were
 * such files. */
static int read_id(struct store *store, const char *dir, struct store_id *ret,
		   struct err *err)
{
	int code = store_id_read(store->dir_fd, ret);

	if (code == 0 || code == -ENOENT)
		return 0;
	if (code == -EBADMSG)
		return err_set(err, code,
			       "%s/%s is not one line of 32 digits in hex: "
			       "remove it if this is the right log (bfenced "
			       "store check)",
			       dir, STORE_ID_NAME);
	return err_set(err, code, "%s/%s: not read: %s", dir, STORE_ID_NAME,
		       strerror(-code));
}

static int open_log(struct store *store, const char *dir,
		    const struct store_id *named, struct err *err)
{
	store->log_fd =
		openat(store->dir_fd, STORE_LOG_NAME, O_RDWR | O_CLOEXEC);
	if (store->log_fd >= 0)
		return load_log(store, dir, named, err);
	if (errno != ENOENT)
		return refuse_file(dir, -errno, "not opened", err);
	if (!store_id_is_none(named))
		return refuse_without_log(dir, named, err);
	return make_first(store, dir, err);
}

int store_log_load(struct store *store, const char *dir, struct err *err)
{
	struct store_id named = { 0 };
	int ret = store_file_remove(store->dir_fd, STORE_LOG_NEW_NAME);

	/* The log that is found may have been renamed just before a crash of
	 * the process: it must not vanish in a later one of the machine. */
	if (ret == 0)
		ret = store_file_sync(store->dir_fd);
	if (ret)
		return err_set(err, ret, "%s: %s", dir, strerror(-ret));
	ret = read_id(store, dir, &named, err);
	if (ret == 0)
		ret = open_log(store, dir, &named, err);
	if (ret || !store_id_is_none(&named))
		return ret;
	/* The log is durable: from now on its absence means something. */
	ret = store_id_write(store->dir_fd, &store->reload.store);
	return ret ? err_set(err, ret, "%s/%s: not written: %s", dir,
			     STORE_ID_NAME, strerror(-ret)) :
		     0;
}
