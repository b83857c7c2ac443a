// SPDX-License-Identifier: GPL-2.0
/*
 * Group commit: one write on the loop that syncs what it writes, one such in
 * flight, and the marker that follows at an idle moment. Must never know what
 * a record decides.
 */
#include "store.h"
#include "store_state.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "edge/clock.h"

static void on_timer(struct loop_op *op, int res);

bool store_group_flies(const struct store *store)
{
	return store->write_op.in_flight;
}

bool store_group_is_held(const struct store *store)
{
	return store_group_flies(store) || store->timer.in_flight;
}

void store_group_arm(struct store *store)
{
	if (!store->behind || store->closed || store->timer.in_flight)
		return;
	loop_timer(store->loop, &store->timer,
		   store->idle_since + STORE_MARKER_MS);
}

/* --- what a caller gives --------------------------------------------------- */

/* The entry is made at once, so that what is synced has its place. */
static int check_one(struct store *store, const struct record *record,
		     struct record_entry **ret)
{
	struct record_entry *entry;

	if (!record_is_valid(record) || record->kind == RECORD_MARKER)
		return -EINVAL;
	entry = record_table_take(store->reload.table, &record->volume);
	if (!entry)
		return -ENOSPC;
	if (entry->group == store->group_count ||
	    record->write_seq <= entry->record.write_seq ||
	    record_entry_goes_down(entry, record))
		return -EINVAL;
	entry->group = store->group_count;
	*ret = entry;
	return 0;
}

static int take_group(struct store *store, const struct record *records,
		      size_t nr)
{
	if (nr == 0 || nr > RECORD_GROUP_MAX)
		return -EINVAL;
	store->group_count++;
	/* Most of the time of a large group would be waits for its entries. */
	for (size_t i = 0; i < nr; i++)
		record_table_fetch(store->reload.table, &records[i].volume);
	for (size_t i = 0; i < nr; i++) {
		int ret = check_one(store, &records[i], &store->entries[i]);

		if (ret)
			return ret;
	}
	memcpy(store->group, records, nr * sizeof(*records));
	store->nr_group = nr;
	return 0;
}

static void encode(struct store *store, const struct record *records, size_t nr)
{
	struct record_frame at = { .store = store->reload.store,
				   .log_seq = store->next_seq,
				   .durable_through = store->next_seq - 1,
				   .group_last = store->next_seq + nr - 1 };

	for (size_t i = 0; i < nr; i++, at.log_seq++)
		record_encode(&records[i], &at,
			      store->frames + i * RECORD_FRAME_SIZE);
}

static bool has_room(const struct store *store, size_t nr)
{
	return store_log_left(store) >= nr;
}

/* The group is synced: now its records are the newest. */
static void apply(struct store *store)
{
	for (size_t i = 0; i < store->nr_group; i++) {
		const struct record *record = &store->group[i];
		struct record_entry *entry = store->entries[i];

		assert(record->write_seq > entry->record.write_seq);
		record_entry_put(entry, record, store->next_seq + i);
		store_compact_changed(store, entry);
	}
	store->next_seq += store->nr_group;
	store->idle_since = clock_now().v;
	store->behind = true;
}

/* --- on the loop ------------------------------------------------------------ */

static int fly(struct store *store, const struct record *records, size_t nr)
{
	uint64_t offset = store_log_offset(store, store->next_seq);
	struct io_uring_sqe *sqe;

	encode(store, records, nr);
	store->nr_flying = nr;
	sqe = loop_sqe(store->loop, &store->write_op);
	io_uring_prep_write(sqe, store->log_fd, store->frames,
			    (unsigned int)(nr * RECORD_FRAME_SIZE), offset);
	sqe->rw_flags = RWF_DSYNC;
	/* It waits for the disk on any file system: never on the loop. */
	sqe->flags |= IOSQE_ASYNC;
	if (store_group_flies(store))
		return 0;
	/* The loop ends and takes nothing any more. */
	store->closed = true;
	return -ECANCELED;
}

/* Sends the group that waits, unless something is in its way that ends with
 * a call from there. An error closes the store. */
static int send_group(struct store *store)
{
	int ret;

	if (store_group_flies(store) || store_swap_holds(store))
		return 0;
	if (!has_room(store, store->nr_group)) {
		ret = store_swap_need(store);
	} else {
		store->group_waits = false;
		store->marker_flies = false;
		ret = fly(store, store->group, store->nr_group);
	}
	if (ret)
		store->closed = true;
	return ret;
}

static void tell(struct store *store, int error)
{
	struct loop_op *op = store->waiter;

	store->waiter = NULL;
	store->group_waits = false;
	op->in_flight = false;
	op->done(op, error);
}

/* A sync that failed is told instead of the bytes that were written. */
static int error_of(const struct store *store, int res)
{
	if (res < 0)
		return res;
	return (size_t)res == store->nr_flying * RECORD_FRAME_SIZE ? 0 : -EIO;
}

/* The last thing that each way does is tell(), whose callee may commit. */
static void finish(struct store *store, int error)
{
	if (store->ended) {
		store_release(store);
		return;
	}
	if (error) {
		store->closed = true;
	} else if (store->marker_flies) {
		store->next_seq++;
		store->behind = false;
	} else {
		apply(store);
	}
	store_swap_go_on(store);
	if (!error && store->group_waits) {
		error = send_group(store);
		if (!error)
			return;
	}
	store_group_arm(store);
	if (store->waiter)
		tell(store, error);
}

/* Where there is room, what became of the next log does not matter yet. */
void store_group_go_on(struct store *store, int error)
{
	if (store->group_waits && !store->closed &&
	    (!error || has_room(store, store->nr_group)))
		error = send_group(store);
	if (!error)
		return;
	if (!store->group_waits) {
		store_group_arm(store);
		return;
	}
	store->closed = true;
	tell(store, error);
}

static void on_write(struct loop_op *op, int res)
{
	struct store *store = loop_container(op, struct store, write_op);

	finish(store, error_of(store, res));
}

/* A log without room for it has a new one made, which says that all of the
 * old one is synced. */
static void write_marker(struct store *store)
{
	static const struct record marker = { .kind = RECORD_MARKER };

	if (!has_room(store, 1)) {
		store_swap_go_on(store);
		return;
	}
	if (store_swap_holds(store))
		return;
	store->marker_flies = true;
	fly(store, &marker, 1);
}

static void on_timer(struct loop_op *op, int res)
{
	struct store *store = loop_container(op, struct store, timer);

	if (store->ended) {
		store_release(store);
		return;
	}
	/* A group in flight arms the timer anew when it is done. */
	if (res != -ETIME || store->closed || store_group_flies(store))
		return;
	if (clock_now().v < store->idle_since + STORE_MARKER_MS)
		store_group_arm(store);
	else if (store->behind)
		write_marker(store);
}

void store_group_init(struct store *store)
{
	store->write_op.done = on_write;
	store->timer.done = on_timer;
	store->idle_since = clock_now().v;
}

/* --- the doors -------------------------------------------------------------- */

int store_commit(struct store *store, const struct record *records, size_t nr,
		 struct loop_op *op)
{
	int ret;

	assert(op->done);
	assert(!op->in_flight);
	if (store->closed)
		return -EROFS;
	if (store->waiter)
		return -EBUSY;
	ret = take_group(store, records, nr);
	if (ret)
		return ret;
	store->group_waits = true;
	ret = send_group(store);
	if (ret) {
		store->group_waits = false;
		return ret;
	}
	store->waiter = op;
	op->in_flight = true;
	return 0;
}

static int append_now(struct store *store)
{
	int ret = 0;

	if (!has_room(store, 1))
		ret = store_compact_now(store);
	if (ret)
		return ret;
	encode(store, store->group, 1);
	return store_log_append(store, store->frames, 1);
}

int store_commit_now(struct store *store, const struct record *record)
{
	int ret;

	if (store->closed)
		return -EROFS;
	if (store->waiter || store_group_flies(store) ||
	    store_swap_flies(store))
		return -EBUSY;
	ret = take_group(store, record, 1);
	if (ret)
		return ret;
	ret = append_now(store);
	if (ret) {
		store->closed = true;
		return ret;
	}
	apply(store);
	store_group_arm(store);
	return 0;
}
