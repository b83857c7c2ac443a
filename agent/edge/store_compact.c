// SPDX-License-Identifier: GPL-2.0
/*
 * What the next log holds, slice by slice, and the way to it for who may
 * wait. Must never know what a record decides, nor the loop.
 *
 * The table is walked once while commits go on in the old log. A volume that
 * changes behind the walk is queued and copied again, after its older frame,
 * over spare space that is already there: a reload takes the later one. The
 * opening frame comes last, when it is known how far the copies reach.
 */
#include "store_state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* --- what was committed meanwhile ------------------------------------------ */

void store_compact_changed(struct store *store, struct record_entry *entry)
{
	struct record_table *table = store->reload.table;
	struct compaction *c = &store->next;
	uint32_t at = record_table_index(table, entry);

	if (c->phase == COMPACT_IDLE || at >= c->cursor || entry->is_queued)
		return;
	entry->is_queued = true;
	entry->next = RECORD_NO_ENTRY;
	if (c->nr_changed)
		record_table_at(table, c->changed_last)->next = at;
	else
		c->changed = at;
	c->changed_last = at;
	c->nr_changed++;
}

static struct record_entry *take_changed(struct store *store)
{
	struct compaction *c = &store->next;
	struct record_entry *entry;

	if (c->nr_changed == 0)
		return NULL;
	entry = record_table_at(store->reload.table, c->changed);
	c->changed = entry->next;
	c->nr_changed--;
	entry->is_queued = false;
	return entry;
}

/* --- slices ------------------------------------------------------------------ */

/* It counts as synced in what it says: nobody reads it before. */
static struct record_frame place_of(const struct store *store, uint64_t frame)
{
	uint64_t log_seq = store->next.first_seq + frame;

	return (struct record_frame){ .store = store->reload.store,
				      .log_seq = log_seq,
				      .durable_through = log_seq,
				      .group_last = log_seq };
}

static int copy_entry(struct store *store, struct record_entry *entry)
{
	struct compaction *c = &store->next;
	const struct record_frame at = place_of(store, c->nr_copied);
	uint8_t *frame = c->frames + c->nr * RECORD_FRAME_SIZE;
	int ret;

	if (entry->damaged) {
		ret = store_file_read(store->log_fd, frame, RECORD_FRAME_SIZE,
				      store_log_offset(store, entry->log_seq));
		if (ret)
			return ret;
		record_keep_damaged(&entry->record, &at, frame);
	} else {
		record_encode(&entry->record, &at, frame);
	}
	entry->log_seq_next = at.log_seq;
	c->nr_copied++;
	c->nr++;
	return 0;
}

static bool is_written(const struct record_entry *entry)
{
	return entry->log_seq != 0;
}

static int copy_table(struct store *store)
{
	struct record_table *table = store->reload.table;
	struct compaction *c = &store->next;
	bool waited = false;

	c->at = c->nr_copied;
	while (!waited && c->nr < STORE_SLICE &&
	       c->cursor < record_table_nr(table)) {
		struct record_entry *entry = record_table_at(table, c->cursor);
		int ret;

		c->cursor++;
		if (!is_written(entry))
			continue;
		ret = copy_entry(store, entry);
		if (ret)
			return ret;
		waited = entry->damaged; /* for the disk, once a slice */
	}
	if (c->cursor < record_table_nr(table))
		return 0;
	/* New volumes come in as changed ones from now on. */
	c->cursor = SIZE_MAX;
	c->nr_zeroed = c->nr_copied;
	c->phase = COMPACT_ZERO;
	return 0;
}

static void put_zeros(struct store *store)
{
	struct compaction *c = &store->next;

	c->at = c->nr_zeroed;
	c->nr = STORE_SLICE;
	if (c->nr > c->nr_frames - c->at)
		c->nr = (size_t)(c->nr_frames - c->at);
	memset(c->frames, 0, c->nr * RECORD_FRAME_SIZE);
	c->nr_zeroed += c->nr;
	if (c->nr_zeroed < c->nr_frames)
		return;
	c->sync = true;
	c->phase = COMPACT_CATCH_UP;
}

static int copy_changed(struct store *store)
{
	struct compaction *c = &store->next;
	int ret = 0;

	c->at = c->nr_copied;
	while (ret == 0 && c->nr < STORE_SLICE && c->nr_changed)
		ret = copy_entry(store, take_changed(store));
	return ret;
}

/* Whatever the copies lose later is damage: it says how far they reach. */
static void put_opening(struct store *store)
{
	struct compaction *c = &store->next;
	const struct record opening = record_of_marker(c->nr_frames);
	struct record_frame at = place_of(store, 0);

	at.durable_through = c->first_seq + c->nr_copied - 1;
	at.group_last = at.durable_through;
	record_encode(&opening, &at, c->frames);
	c->at = 0;
	c->nr = 1;
	c->sync = true;
	c->phase = COMPACT_WHOLE;
}

static int fill_slice(struct store *store)
{
	struct compaction *c = &store->next;
	int ret;

	switch (c->phase) {
	case COMPACT_COPY:
		return copy_table(store);
	case COMPACT_ZERO:
		put_zeros(store);
		return 0;
	case COMPACT_CATCH_UP:
		return copy_changed(store);
	case COMPACT_HOLD:
		ret = copy_changed(store);
		if (ret == 0 && c->nr == 0)
			put_opening(store);
		return ret;
	case COMPACT_IDLE:
	case COMPACT_WHOLE:
	case COMPACT_NAME:
		break;
	}
	return -EINVAL;
}

int store_compact_slice(struct store *store)
{
	struct compaction *c = &store->next;
	int ret = 0;

	/* Who calls holds the commits when there is nothing to catch up. */
	assert(c->phase != COMPACT_CATCH_UP || c->nr_changed);
	c->nr = 0;
	c->sync = false;
	while (ret == 0 && c->nr == 0)
		ret = fill_slice(store);
	assert(c->nr_copied < c->nr_frames);
	if (++c->nr_unsynced >= STORE_SLICES_A_SYNC)
		c->sync = true;
	if (c->sync)
		c->nr_unsynced = 0;
	return ret;
}

/* --- its life ------------------------------------------------------------------ */

/*
 * Each place that is left in the old log may bring one copy more than the
 * table has now, and the spare space comes on top. No log_seq is used twice.
 */
int store_compact_begin(struct store *store)
{
	struct compaction *c = &store->next;
	uint64_t nr_spare = store->volumes_max;
	int ret;

	assert(c->phase == COMPACT_IDLE);
	if (nr_spare < STORE_SPARE_MIN)
		nr_spare = STORE_SPARE_MIN;
	ret = store_file_remove(store->dir_fd, STORE_LOG_NEW_NAME);
	if (ret)
		return ret;
	c->fd = openat(store->dir_fd, STORE_LOG_NEW_NAME,
		       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (c->fd < 0)
		return -errno;
	c->phase = COMPACT_COPY;
	c->first_seq = store->first_seq + store->nr_frames;
	c->nr_frames = record_table_nr(store->reload.table) +
		       store_log_left(store) + nr_spare;
	c->nr_copied = 1;	/* the opening frame has its place */
	c->nr_zeroed = 0;
	c->cursor = 0;
	c->nr_unsynced = 0;
	return 0;
}

static void end(struct store *store, int *fd)
{
	struct compaction *c = &store->next;

	c->phase = COMPACT_IDLE;
	if (c->old_fd >= 0) {	/* that one is still being closed */
		store_file_close(fd);
		return;
	}
	c->old_fd = *fd;
	*fd = -1;
}

/* A damaged frame has moved, and so has what is reported of it. */
static void move_skips(struct store *store)
{
	struct reload *r = &store->reload;

	for (size_t i = 0; i < r->nr_skips; i++) {
		struct store_skip *skip = &r->skips[i];
		struct record_entry *entry;

		if (skip->volume.s[0] == '\0')
			continue;
		entry = record_table_take(r->table, &skip->volume);
		if (!entry->damaged)
			continue;
		entry->log_seq = entry->log_seq_next;
		skip->offset = store_log_offset(store, entry->log_seq);
	}
}

void store_compact_switch(struct store *store)
{
	struct compaction *c = &store->next;

	assert(c->nr_changed == 0);
	end(store, &store->log_fd);
	store->log_fd = c->fd;
	c->fd = -1;
	c->error = 0;
	store->first_seq = c->first_seq;
	store->next_seq = c->first_seq + c->nr_copied;
	store->nr_frames = c->nr_frames;
	store->behind = false;
	move_skips(store);
}

/* What cannot be removed now is when the next one begins. */
void store_compact_drop(struct store *store, int error)
{
	struct compaction *c = &store->next;

	while (take_changed(store))
		;
	store_file_remove(store->dir_fd, STORE_LOG_NEW_NAME);
	end(store, &c->fd);
	c->error = error;
}

static int write_slice(const struct store *store)
{
	const struct compaction *c = &store->next;
	int ret = store_file_write(c->fd, c->frames, c->nr * RECORD_FRAME_SIZE,
				   c->at * RECORD_FRAME_SIZE);

	if (ret == 0 && c->sync)
		ret = store_file_sync_data(c->fd);
	return ret;
}

/* The new name is durable when the folder is. */
static int name_log(int dir_fd)
{
	if (renameat(dir_fd, STORE_LOG_NEW_NAME, dir_fd, STORE_LOG_NAME))
		return -errno;
	return store_file_sync(dir_fd);
}

int store_compact_now(struct store *store)
{
	struct compaction *c = &store->next;
	int ret = store_compact_begin(store);

	if (ret)
		return ret;
	while (ret == 0 && c->phase != COMPACT_WHOLE) {
		if (c->phase == COMPACT_CATCH_UP)
			c->phase = COMPACT_HOLD;
		ret = store_compact_slice(store);
		if (ret == 0)
			ret = write_slice(store);
	}
	if (ret == 0)
		ret = name_log(store->dir_fd);
	if (ret == 0)
		store_compact_switch(store);
	else
		store_compact_drop(store, ret);
	if (!c->close_op.in_flight)
		store_file_close(&c->old_fd);
	return ret;
}
