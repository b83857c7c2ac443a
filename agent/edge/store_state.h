/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the store share: its state and the doors between
 * store.c (life), store_group.c (commits on the loop), store_log.c (the file
 * at open), store_compact.c (what a next log holds), store_swap.c (its way
 * on the loop), store_id.c (whose folder it is), store_file.c (system calls)
 * and store_lock.c. For no other file.
 */
#ifndef BFENCE_STORE_STATE_H
#define BFENCE_STORE_STATE_H

#include "core/reload.h"
#include "edge/loop.h"
#include "err.h"

#define STORE_MARKER_MS		1000	/* idle time before the marker */
#define STORE_RETRY_MS		10000	/* after a compaction that failed */
#define STORE_SPARE_MIN		4096	/* frames; at least one group */

/* What one turn of the loop does for the next log: a millisecond's worth. */
#define STORE_SLICE		256	/* frames encoded and written */
#define STORE_SLICES_A_SYNC \
	32 /* a commit's fdatasync finds the disk
					 * with no more than these to do */

#define STORE_LOG_NAME		"log"
#define STORE_LOG_NEW_NAME	"log.new"
#define STORE_ID_NAME		"id"
#define STORE_ID_TEXT_SIZE	(2 * STORE_ID_SIZE + 1)

enum compact_phase {
	COMPACT_IDLE,
	COMPACT_COPY,		/* each record of the table, once */
	COMPACT_ZERO,		/* the spare space */
	COMPACT_CATCH_UP,	/* what was committed meanwhile */
	COMPACT_HOLD,		/* the last of it: no commit goes on */
	COMPACT_WHOLE,		/* synced, and nothing is left but ... */
	COMPACT_NAME,		/* ... rename and fsync of the folder */
};

/* The next log while it is made. */
struct compaction {
	enum compact_phase phase;
	int fd;
	uint64_t first_seq;
	uint64_t nr_frames;
	uint64_t nr_copied;	/* frames that have their place */
	uint64_t nr_zeroed;	/* the same, with spare space */
	size_t cursor;		/* entries of the table below it are copied */

	/* Entries copied once that have a newer record, oldest first. */
	uint32_t changed;
	uint32_t changed_last;
	size_t nr_changed;

	/* The slice that is written. */
	uint8_t *frames;	/* STORE_SLICE of them */
	size_t nr;
	uint64_t at;		/* its first frame */
	bool sync;		/* with all before it */
	unsigned int nr_unsynced;	/* slices */

	/* What the loop carries. */
	struct loop_op op;	/* write, or rename */
	struct loop_op sync_op;
	int res;
	int sync_res;

	/* The file of a log that is no more, until it is closed, or -1. */
	int old_fd;
	struct loop_op close_op;

	int error;		/* of the last one */
	uint64_t retry_at;	/* ms, after an error */
};

struct store {
	struct loop *loop;
	size_t volumes_max;
	int dir_fd;
	int lock_fd;
	int log_fd;
	struct reload reload;		/* the newest records, the skips */

	/* Of the present log. Idle, all below next_seq is synced. */
	uint64_t first_seq;
	uint64_t next_seq;
	uint64_t nr_frames;
	bool behind;			/* no frame says that the last one is
					 * synced */

	/* The caller's group, from store_commit() until done(). */
	struct record *group;
	struct record_entry **entries;	/* of its volumes */
	size_t nr_group;
	uint64_t group_count;
	struct loop_op *waiter;
	bool group_waits;		/* for a marker, or for the next log */

	/* What the loop carries. */
	uint8_t *frames;		/* RECORD_GROUP_MAX of them */
	size_t nr_flying;		/* frames of the write in flight */
	bool marker_flies;		/* it is the marker, not the group */
	struct loop_op write_op;
	struct loop_op timer;
	uint64_t idle_since;		/* ms */

	struct compaction next;
	bool closed;			/* for good, after a failed write */
	bool ended;			/* by store_close() */
};

/* --- store_file.c --------------------------------------------------------- */

int store_file_read(int fd, void *to, size_t len, uint64_t offset);
int store_file_write(int fd, const void *from, size_t len, uint64_t offset);
int store_file_sync(int fd);
int store_file_sync_data(int fd);
/* -1 is fine, and what it leaves. */
void store_file_close(int *fd);
/* No such name is fine. */
int store_file_remove(int dir_fd, const char *name);

/* --- store_id.c ----------------------------------------------------------- */

/* -ENOENT: the folder has no id yet; -EBADMSG: what it has is none. */
int store_id_read(int dir_fd, struct store_id *ret);
/* Once the log is durable. Durable itself when it returns 0. */
int store_id_write(int dir_fd, const struct store_id *id);
void store_id_print(const struct store_id *id, char ret[STORE_ID_TEXT_SIZE]);

/* --- store_lock.c --------------------------------------------------------- */

/* Makes the folder if absent, opens and locks it; fills dir_fd, lock_fd. */
int store_lock(struct store *store, const char *dir, struct err *err);

/* --- store_log.c ---------------------------------------------------------- */

/* Opens or makes the log, judges it, makes what it adopts durable. */
int store_log_load(struct store *store, const char *dir, struct err *err);

/* Writes the frames at their place and syncs, waiting. */
int store_log_append(struct store *store, const uint8_t *frames, size_t nr);

uint64_t store_log_offset(const struct store *store, uint64_t log_seq);
/* Frames that are free in it. */
uint64_t store_log_left(const struct store *store);

/* --- store_compact.c ------------------------------------------------------ */

/* Makes log.new, empty. After an error there is none. */
int store_compact_begin(struct store *store);

/* Fills the next slice of log.new; not in COMPACT_WHOLE. */
int store_compact_slice(struct store *store);

/* The entry's record is newer than what log.new may have of it. */
void store_compact_changed(struct store *store, struct record_entry *entry);

/* log.new has got the log's name: it is the log; old_fd is the other. */
void store_compact_switch(struct store *store);

/* Ends one that has no name yet; old_fd is its file. */
void store_compact_drop(struct store *store, int error);

/* All of it, waiting. After an error the store must be written no more. */
int store_compact_now(struct store *store);

/* --- store_swap.c --------------------------------------------------------- */

void store_swap_init(struct store *store);
/* The log is full: the next one is on its way when this is 0. */
int store_swap_need(struct store *store);
/* Nothing is in flight in the log: begins the next one if it is time, goes on
 * with one that waited for that. */
void store_swap_go_on(struct store *store);
/* Whether no commit goes on before the next log is there. */
bool store_swap_holds(const struct store *store);
/* Whether the loop still holds an op that writes; or any. */
bool store_swap_flies(const struct store *store);
bool store_swap_is_held(const struct store *store);

/* --- store_group.c -------------------------------------------------------- */

void store_group_init(struct store *store);
/* Has the marker written when its time has come. */
void store_group_arm(struct store *store);
/* A compaction has ended: the group that waited for it goes on. */
void store_group_go_on(struct store *store, int error);
/* Whether the loop still holds an op that writes; or any. */
bool store_group_flies(const struct store *store);
bool store_group_is_held(const struct store *store);

/* --- store.c -------------------------------------------------------------- */

/* After store_close(): lets go of what no op in flight needs any more. */
void store_release(struct store *store);

#endif
