// SPDX-License-Identifier: GPL-2.0
/*
 * The log as a file: made, reloaded, compacted, and appended to where the
 * caller waits. Every system call on it but the ones of the loop is here.
 * Must never know what a record decides.
 */
#include "store_state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge/clock.h"

#define LOG_NAME	"log"
#define LOG_NEW_NAME	"log.new"

/* --- system calls -------------------------------------------------------- */

static int read_all(int fd, void *to, size_t len, uint64_t offset)
{
	uint8_t *at = to;

	while (len) {
		ssize_t n = pread(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		at += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int write_all(int fd, const void *from, size_t len, uint64_t offset)
{
	const uint8_t *at = from;

	while (len) {
		ssize_t n = pwrite(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		at += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int sync_file(int fd)
{
	return fsync(fd) ? -errno : 0;
}

static int sync_data(int fd)
{
	return fdatasync(fd) ? -errno : 0;
}

/* The new name is durable when the folder is. */
static int replace_log(int dir_fd)
{
	if (renameat(dir_fd, LOG_NEW_NAME, dir_fd, LOG_NAME))
		return -errno;
	return sync_file(dir_fd);
}

static int remove_left_over(int dir_fd)
{
	if (unlinkat(dir_fd, LOG_NEW_NAME, 0) && errno != ENOENT)
		return -errno;
	return 0;
}

/* --- writing -------------------------------------------------------------- */

uint64_t store_log_offset(const struct store *store, uint64_t log_seq)
{
	assert(log_seq >= store->first_seq);
	return (log_seq - store->first_seq) * RECORD_FRAME_SIZE;
}

int store_log_append(struct store *store, const uint8_t *frames, size_t nr)
{
	int ret = write_all(store->log_fd, frames, nr * RECORD_FRAME_SIZE,
			    store_log_offset(store, store->next_seq));

	return ret ? ret : sync_data(store->log_fd);
}

/* A log while it is made: what is not yet written waits in store->frames. */
struct new_log {
	struct store *store;
	int fd;
	uint64_t nr_written;	/* frames, with those that wait */
	size_t nr_waiting;
	struct record_frame at;	/* of the next frame */
};

static int flush(struct new_log *new)
{
	uint64_t first = new->nr_written - new->nr_waiting;
	int ret = write_all(new->fd, new->store->frames,
			    new->nr_waiting *RECORD_FRAME_SIZE,
			    first * RECORD_FRAME_SIZE);

	new->nr_waiting = 0;
	return ret;
}

static uint8_t *next_frame(struct new_log *new)
{
	new->nr_written++;
	return new->store->frames + new->nr_waiting++ *RECORD_FRAME_SIZE;
}

static int flush_if_full(struct new_log *new)
{
	return new->nr_waiting == RECORD_GROUP_MAX ? flush(new) : 0;
}

static int copy_entry(struct new_log *new, struct record_entry *entry)
{
	const struct store *store = new->store;
	uint8_t *frame = next_frame(new);
	int ret;

	if (entry->damaged) {
		ret = read_all(store->log_fd, frame, RECORD_FRAME_SIZE,
			       store_log_offset(store, entry->log_seq));
		if (ret)
			return ret;
		record_keep_damaged(&entry->record, &new->at, frame);
	} else {
		record_encode(&entry->record, &new->at, frame);
	}
	entry->log_seq = new->at.log_seq++;
	return flush_if_full(new);
}

static bool is_written(const struct record_entry *entry)
{
	return entry->log_seq != 0;
}

/* The frames count as synced in what they say: nobody reads them before. */
static int fill_new(struct new_log *new, uint64_t nr_frames)
{
	struct record_table *table = new->store->reload.table;
	struct record opening = { .kind = RECORD_MARKER };
	int ret = 0;

	opening.marker.nr_frames = nr_frames;
	record_encode(&opening, &new->at, next_frame(new));
	new->at.log_seq++;
	for (size_t i = 0; ret == 0 && i < record_table_nr(table); i++) {
		struct record_entry *entry = record_table_at(table, i);

		if (is_written(entry))
			ret = copy_entry(new, entry);
	}
	while (ret == 0 && new->nr_written < nr_frames) {
		memset(next_frame(new), 0, RECORD_FRAME_SIZE);
		ret = flush_if_full(new);
	}
	if (ret == 0)
		ret = flush(new);
	return ret ? ret : sync_file(new->fd);
}

/* A damaged frame has moved, and so has what is reported of it. */
static void move_skips(struct store *store)
{
	struct record_table *table = store->reload.table;

	for (size_t i = 0; i < record_table_nr(table); i++) {
		const struct record_entry *entry = record_table_at(table, i);

		if (entry->damaged)
			store->reload.skips[entry->skip].offset =
				store_log_offset(store, entry->log_seq);
	}
}

int store_log_compact(struct store *store)
{
	struct record_table *table = store->reload.table;
	struct new_log new = { .store = store };
	uint64_t nr_live = 1, nr_spare = store->volumes_max;
	uint64_t last;
	int ret;

	for (size_t i = 0; i < record_table_nr(table); i++)
		nr_live += is_written(record_table_at(table, i));
	if (nr_spare < STORE_SPARE_MIN)
		nr_spare = STORE_SPARE_MIN;
	last = store->next_seq + nr_live - 1;
	new.at = (struct record_frame){ .store = store->reload.store,
					.log_seq = store->next_seq,
					.durable_through = last,
					.group_last = last };
	new.fd = openat(store->dir_fd, LOG_NEW_NAME,
			O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (new.fd < 0)
		return -errno;
	ret = fill_new(&new, nr_live + nr_spare);
	if (ret == 0)
		ret = replace_log(store->dir_fd);
	if (ret) {
		close(new.fd);
		return ret;
	}
	if (store->log_fd >= 0)
		close(store->log_fd);
	store->log_fd = new.fd;
	store->first_seq = store->next_seq;
	store->next_seq = last + 1;
	store->nr_frames = nr_live + nr_spare;
	store->behind = false;
	move_skips(store);
	return 0;
}

/* --- reload --------------------------------------------------------------- */

static int make_first(struct store *store, const char *dir, struct err *err)
{
	int ret = clock_random(&store->reload.store, STORE_ID_SIZE);

	store->next_seq = 1;
	if (ret == 0)
		ret = store_log_compact(store);
	if (ret)
		return err_set(err, ret, "%s/%s: not made: %s", dir, LOG_NAME,
			       strerror(-ret));
	return 0;
}

/*
 * What the reload adopts may be in the page cache alone, and a later write
 * would say that it was synced: so it is written again, the frames that never
 * arrived as markers. A crash amid this leaves a last group like before.
 */
static int adopt_last_group(struct store *store, uint8_t *image)
{
	const struct reload *r = &store->reload;
	const struct record marker = { .kind = RECORD_MARKER };
	struct record_frame at = { .store = r->store,
				   .durable_through = r->durable_through,
				   .group_last = r->last_seq };
	uint8_t *group =
		image + store_log_offset(store, r->durable_through + 1);
	size_t nr = r->last_seq - r->durable_through;

	store->next_seq = r->durable_through + 1;
	for (size_t i = 0; i < nr; i++) {
		uint8_t *frame = group + i * RECORD_FRAME_SIZE;
		struct record record;
		struct record_frame found;

		if (record_decode(frame, &record, &found) != RECORD_ZERO)
			continue;
		at.log_seq = store->next_seq + i;
		record_encode(&marker, &at, frame);
	}
	if (nr) {
		int ret = store_log_append(store, group, nr);

		if (ret)
			return ret;
	}
	store->next_seq += nr;
	store->behind = r->has_news;
	return 0;
}

static int judge_image(struct store *store, const char *dir, uint8_t *image,
		       struct err *err)
{
	struct reload *r = &store->reload;
	int ret = read_all(store->log_fd, image,
			   store->nr_frames * RECORD_FRAME_SIZE, 0);

	if (ret)
		return err_set(err, ret, "%s/%s: not read: %s", dir, LOG_NAME,
			       strerror(-ret));
	ret = reload_judge(r, image, store->nr_frames);
	if (ret)
		return err_set(err, ret, "%s/%s: offset %" PRIu64 ": %s", dir,
			       LOG_NAME, r->bad_offset, r->bad_reason);
	store->first_seq = r->first_seq;
	ret = adopt_last_group(store, image);
	if (ret)
		return err_set(err, ret, "%s/%s: last group not synced: %s",
			       dir, LOG_NAME, strerror(-ret));
	return 0;
}

static int load_image(struct store *store, const char *dir, struct err *err)
{
	struct stat st;
	uint8_t *image;
	int ret;

	if (fstat(store->log_fd, &st))
		return err_set(err, -errno, "%s/%s: %s", dir, LOG_NAME,
			       strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size % RECORD_FRAME_SIZE)
		return err_set(err, -EBADMSG,
			       "%s/%s: offset %" PRId64
			       ": the file does not end with a whole frame",
			       dir, LOG_NAME,
			       (int64_t)(st.st_size -
					 st.st_size % RECORD_FRAME_SIZE));
	image = malloc((size_t)st.st_size + 1);
	if (!image)
		return err_set(err, -ENOMEM,
			       "%s/%s: no memory for %" PRId64 " bytes", dir,
			       LOG_NAME, (int64_t)st.st_size);
	store->nr_frames = (uint64_t)st.st_size / RECORD_FRAME_SIZE;
	ret = judge_image(store, dir, image, err);
	free(image);
	return ret;
}

int store_log_load(struct store *store, const char *dir, struct err *err)
{
	int ret = remove_left_over(store->dir_fd);

	/* The log that is found may have been renamed just before a crash of
	 * the process: it must not vanish in a later one of the machine. */
	if (ret == 0)
		ret = sync_file(store->dir_fd);
	if (ret)
		return err_set(err, ret, "%s: %s", dir, strerror(-ret));
	store->log_fd = openat(store->dir_fd, LOG_NAME, O_RDWR | O_CLOEXEC);
	if (store->log_fd >= 0)
		return load_image(store, dir, err);
	if (errno != ENOENT)
		return err_set(err, -errno, "%s/%s: not opened: %s", dir,
			       LOG_NAME, strerror(errno));
	return make_first(store, dir, err);
}
