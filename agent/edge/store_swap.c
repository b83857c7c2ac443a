// SPDX-License-Identifier: GPL-2.0
/*
 * The way from one log to the next while the loop serves: one slice a turn,
 * written by the ring, then the name. Must never know what the slices hold.
 *
 * What fails before the rename has touched nothing of the log: it is told
 * by store_status(), commits go on, and another file is tried later; only a
 * full log cannot wait for that. A rename or an fsync of the folder that
 * fails closes the store, because nobody knows which of the two logs a crash
 * would leave, and what one is told the other would not have.
 */
#include "store_state.h"

#include <errno.h>

#include "edge/clock.h"

bool store_swap_flies(const struct store *store)
{
	return store->next.op.in_flight || store->next.sync_op.in_flight;
}

bool store_swap_is_held(const struct store *store)
{
	return store_swap_flies(store) || store->next.close_op.in_flight;
}

bool store_swap_holds(const struct store *store)
{
	return store->next.phase >= COMPACT_HOLD;
}

/* --- the file of a log that is no more ------------------------------------------ */

/* Its last close frees its space, which takes long: not on the loop. */
static void close_old(struct store *store)
{
	struct compaction *c = &store->next;
	struct io_uring_sqe *sqe;

	if (c->old_fd < 0 || c->close_op.in_flight)
		return;
	sqe = loop_sqe(store->loop, &c->close_op);
	io_uring_prep_close(sqe, c->old_fd);
	sqe->flags |= IOSQE_ASYNC;
	if (!c->close_op.in_flight)
		store_file_close(&c->old_fd);
}

static void on_close(struct loop_op *op, int res)
{
	struct store *store = loop_container(op, struct store, next.close_op);

	if (res == -ECANCELED)
		store_file_close(&store->next.old_fd);
	store->next.old_fd = -1;
	if (store->ended)
		store_release(store);
}

/* --- step by step ----------------------------------------------------------------- */

/* The second op follows when the first one did all that it was asked. */
static int fly(struct store *store)
{
	if (store->next.op.in_flight)
		return 0;
	/* The loop ends and takes nothing any more. */
	store->closed = true;
	return -ECANCELED;
}

static int fly_slice(struct store *store)
{
	struct compaction *c = &store->next;
	int ret = store_compact_slice(store);
	struct io_uring_sqe *sqe;

	if (ret)
		return ret;
	loop_reserve(store->loop, 2);
	sqe = loop_sqe(store->loop, &c->op);
	io_uring_prep_write(sqe, c->fd, c->frames,
			    (unsigned int)(c->nr * RECORD_FRAME_SIZE),
			    c->at * RECORD_FRAME_SIZE);
	if (!c->sync)
		return fly(store);
	sqe->flags |= IOSQE_IO_LINK;
	sqe = loop_sqe(store->loop, &c->sync_op);
	io_uring_prep_fsync(sqe, c->fd, IORING_FSYNC_DATASYNC);
	return fly(store);
}

static int fly_name(struct store *store)
{
	struct compaction *c = &store->next;
	struct io_uring_sqe *sqe;

	c->phase = COMPACT_NAME;
	c->nr = 0;
	c->sync = true;
	loop_reserve(store->loop, 2);
	sqe = loop_sqe(store->loop, &c->op);
	io_uring_prep_renameat(sqe, store->dir_fd, STORE_LOG_NEW_NAME,
			       store->dir_fd, STORE_LOG_NAME, 0);
	sqe->flags |= IOSQE_IO_LINK;
	sqe = loop_sqe(store->loop, &c->sync_op);
	io_uring_prep_fsync(sqe, store->dir_fd, 0);
	return fly(store);
}

/* Commits are held for the last group's worth, not before; when the log has
 * no room for them, they are anyway. */
static bool is_time_to_hold(const struct store *store)
{
	return store->next.phase == COMPACT_CATCH_UP &&
	       (store->next.nr_changed <= RECORD_GROUP_MAX ||
		store_log_left(store) < RECORD_GROUP_MAX);
}

static int step(struct store *store)
{
	struct compaction *c = &store->next;

	if (store->closed)
		return -EROFS;
	if (is_time_to_hold(store))
		c->phase = COMPACT_HOLD;
	/* Its records are to be copied too: go_on() follows. */
	if (c->phase == COMPACT_HOLD && store_group_flies(store))
		return 0;
	return c->phase == COMPACT_WHOLE ? fly_name(store) : fly_slice(store);
}

static void drop(struct store *store, int error)
{
	store_compact_drop(store, error);
	store->next.retry_at = clock_now().v + STORE_RETRY_MS;
	close_old(store);
}

static int step_or_drop(struct store *store)
{
	int ret = step(store);

	if (ret)
		drop(store, ret);
	return ret;
}

static int result(const struct compaction *c)
{
	if (c->res < 0)
		return c->res;
	if ((size_t)c->res != c->nr * RECORD_FRAME_SIZE)
		return -EIO;
	return c->sync ? c->sync_res : 0;
}

static void finish(struct store *store)
{
	struct compaction *c = &store->next;
	int error = result(c);

	if (store->ended) {
		store_release(store);
		return;
	}
	if (c->phase == COMPACT_NAME && error) {
		c->error = error;
		store->closed = true;
	} else if (c->phase == COMPACT_NAME) {
		store_compact_switch(store);
		close_old(store);
	} else if (error) {
		drop(store, error);
	} else {
		error = step_or_drop(store);
	}
	if (error || c->phase == COMPACT_IDLE)
		store_group_go_on(store, error);
}

static void on_op(struct loop_op *op, int res)
{
	struct store *store = loop_container(op, struct store, next.op);

	store->next.res = res;
	if (!store_swap_flies(store))
		finish(store);
}

static void on_sync(struct loop_op *op, int res)
{
	struct store *store = loop_container(op, struct store, next.sync_op);

	store->next.sync_res = res;
	if (!store_swap_flies(store))
		finish(store);
}

void store_swap_init(struct store *store)
{
	store->next.fd = -1;
	store->next.old_fd = -1;
	store->next.op.done = on_op;
	store->next.sync_op.done = on_sync;
	store->next.close_op.done = on_close;
}

/* --- the doors -------------------------------------------------------------------- */

static int begin(struct store *store)
{
	int ret = store_compact_begin(store);

	if (ret == 0)
		return step_or_drop(store);
	store->next.error = ret;
	store->next.retry_at = clock_now().v + STORE_RETRY_MS;
	return ret;
}

int store_swap_need(struct store *store)
{
	return store->next.phase == COMPACT_IDLE ? begin(store) : 0;
}

/* The last quarter is what commits have while the next log is written. */
static bool is_nearly_full(const struct store *store)
{
	return store_log_left(store) < store->nr_frames / 4;
}

void store_swap_go_on(struct store *store)
{
	const struct compaction *c = &store->next;

	if (c->phase == COMPACT_HOLD && !store_swap_flies(store))
		step_or_drop(store);
	else if (c->phase == COMPACT_IDLE && c->old_fd < 0 && !store->closed &&
		 is_nearly_full(store) &&
		 (!c->error || clock_now().v >= c->retry_at))
		begin(store);
}
