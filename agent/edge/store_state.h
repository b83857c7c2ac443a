/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the store share: its state and the doors between
 * store.c (life), store_group.c (commits on the loop), store_log.c (the file
 * at open and at compaction) and store_lock.c. For no other file.
 */
#ifndef BFENCE_STORE_STATE_H
#define BFENCE_STORE_STATE_H

#include "core/reload.h"
#include "edge/loop.h"
#include "err.h"

#define STORE_MARKER_MS		1000	/* idle time before the marker */
#define STORE_SPARE_MIN		4096	/* frames; at least one group */

struct store {
	struct loop *loop;
	size_t volumes_max;
	int dir_fd;
	int lock_fd;
	int log_fd;
	struct reload reload;		/* the newest records, the skips */
	struct record *view;		/* of store_records() */

	/* Of the present log. Idle, all below next_seq is synced. */
	uint64_t first_seq;
	uint64_t next_seq;
	uint64_t nr_frames;
	bool behind;			/* no frame says that the last one is
					 * synced */

	/* The caller's group, from store_commit() until done(). */
	struct record *group;
	size_t nr_group;
	uint64_t group_count;
	struct loop_op *waiter;

	/* What the loop carries. */
	uint8_t *frames;		/* RECORD_GROUP_MAX of them */
	size_t nr_flying;		/* frames of the write in flight */
	bool marker_flies;		/* it is the marker, not the group */
	int write_res;
	int sync_res;
	struct loop_op write_op;
	struct loop_op sync_op;
	struct loop_op timer;
	uint64_t idle_since;		/* ms */

	bool closed;			/* for good, after a failed write */
	bool ended;			/* by store_close() */
};

/* --- store_lock.c --------------------------------------------------------- */

/* Makes the folder if absent, opens and locks it; fills dir_fd, lock_fd. */
int store_lock(struct store *store, const char *dir, struct err *err);

/* --- store_log.c ---------------------------------------------------------- */

/* Opens or makes the log, judges it, makes what it adopts durable. */
int store_log_load(struct store *store, const char *dir, struct err *err);

/* Replaces the log by one of the newest records. After an error the store
 * must not be written any more. */
int store_log_compact(struct store *store);

/* Writes the frames at their place and syncs, waiting. */
int store_log_append(struct store *store, const uint8_t *frames, size_t nr);

uint64_t store_log_offset(const struct store *store, uint64_t log_seq);

/* --- store_group.c -------------------------------------------------------- */

void store_group_init(struct store *store);
/* Has the marker written when its time has come. */
void store_group_arm(struct store *store);
/* Whether the loop still holds an op that writes; or any. */
bool store_group_flies(const struct store *store);
bool store_group_is_held(const struct store *store);

/* --- store.c -------------------------------------------------------------- */

/* After store_close(): lets go of what no op in flight needs any more. */
void store_release(struct store *store);

#endif
