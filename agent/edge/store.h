/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The durable log of a directory that one process owns: lock, reload, group
 * commit on the loop's io_uring, compaction. Serves the master's authority
 * and a replica's floors alike. Must never know what a record decides.
 *
 * DIR/lock     exclusive flock for the life of the process; holds its pid.
 *              DIR itself is locked too, should somebody remove the file
 * DIR/log      frames of record.h, spare space zeroed ahead; judged by the
 *              rules of reload.h
 * DIR/log.new  the next log while it is made; removed when left over
 * DIR/id       the store's id in hex, written once the first log is durable:
 *              a folder that has it and not that log is no new store
 *
 * Order: store_open() reloads everything, and makes what it adopted durable,
 * before it returns. store_commit() makes one group durable with one write
 * that syncs its own bytes, and what of the file it takes to read them again
 * (RWF_DSYNC). An fdatasync of the whole log would do no more: one group is
 * in flight at a time, and whatever lies before it (spare space, copies of a
 * compaction, what a reload adopted) was synced before a group was written.
 * A second after the last group a marker frame says that it was synced.
 * After a failed or short write, and a sync that fails is a failed write, the
 * store is closed for good: every later commit is -EROFS, nothing is written
 * any more and no sync is tried again, for after the first failure its
 * success would mean nothing.
 *
 * How long a commit takes: no group waits for company. It waits for its own
 * write, behind a marker's at most, and at the switch of logs
 * for two groups' worth of copying, two fdatasyncs, a rename and an fsync.
 *
 * A log three quarters full is replaced by one of the newest records while
 * commits go on in it: the last quarter is for them. When they have filled
 * that too, they wait for the new log. One that cannot be made (ENOSPC, EIO)
 * touches nothing: commits go on in the old log, the errno is in
 * store_status(), and ten seconds later the next commit begins another. The
 * store closes for good when the old log is full and the new one cannot be
 * made, or when the rename or the fsync of the folder failed: then nobody
 * knows which of the two a crash would leave.
 */
#ifndef BFENCE_STORE_H
#define BFENCE_STORE_H

#include "core/record.h"
#include "core/reload.h"
#include "edge/loop.h"
#include "err.h"

#define STORE_GROUP_MAX		RECORD_GROUP_MAX	/* records */

struct store;

struct store_config {
	const char *dir;		/* borrowed; created 0700 if absent */
	size_t volumes_max;
};

/*
 * Gives an open, locked, reloaded store. -EBUSY: the sentence names the pid
 * that holds it. -EBADMSG: damage that no volume can be blamed for, with its
 * offset; the log is gone, or is another store's. -EPROTONOSUPPORT: a later format. -ENOSPC: more volumes than
 * volumes_max. Borrows the loop, which lives until store_close().
 */
int store_open(const struct store_config *config, struct loop *loop,
	       struct store **ret, struct err *err);

/*
 * NULL is fine; not from a done(). A commit in flight is not reported any
 * more: its records are adopted or skipped by the next reload, as after a
 * crash. The lock is free when this returns, with a commit in flight when
 * that has ended; the last memory goes with the last op in the loop.
 */
void store_close(struct store *store);

struct store_id store_identity(const struct store *store);

/*
 * One after the other, from *at = 0 on: the newest valid record of each
 * volume, none for the volumes of store_skips(); then NULL. Borrowed until
 * the next done() or store_commit_now().
 */
const struct record *store_next_record(const struct store *store, size_t *at);
/* Kind RECORD_UNSPEC when there is none. */
struct record store_incarnation(const struct store *store);
/* What the reload skipped; a superseded damage names no volume. */
size_t store_skips(const struct store *store, const struct store_skip **ret);

/*
 * Makes the group durable; done(op, res) follows on the loop: 0, or the
 * negative errno after which the store is closed for good. -EBUSY while one
 * is in flight, -EINVAL for an empty or oversize group, two records of one
 * volume, an invalid record, a write_seq that does not rise or a line that
 * goes down, -ENOSPC for one volume too many; these change nothing that is served or durable.
 * -EROFS: closed for good before; any other errno: closed for good now.
 * Borrows the records for the call only.
 */
int store_commit(struct store *store, const struct record *records, size_t nr,
		 struct loop_op *op);

/* The same, waiting, for use before the loop runs (incarnation at start);
 * -EBUSY while a log is being replaced, too. */
int store_commit_now(struct store *store, const struct record *record);

struct store_status {
	bool closed;			/* for good */
	bool compacts;			/* the next log is being made */
	int compaction_error;		/* of the last one, negative errno */
	uint64_t nr_frames;		/* of the log */
	uint64_t nr_free;
};

struct store_status store_status(const struct store *store);

#endif
