/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A gate: authority, state and the one grant that it admits. It must never
 * know disks, netlink or how gates are found.
 */
#ifndef BFENCE_GATE_H
#define BFENCE_GATE_H

#include <linux/cache.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/seqlock.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "grant.h"
#include "verdict.h"

struct gate_stats {
	u64 rejected[NR_REJECTS];
	u64 io_errors;
};

/* What the last command or event that changed the gate has to prove. */
struct gate_proof {
	enum bfence_reason reason;
	struct lineage from;		/* the authority before */
	bool forced;
	u64 incarnation;		/* highest that changed this gate */
	u64 since_ns;			/* boottime of the last change */
	u64 asked_ns;			/* boottime of the command */
	u64 close_ns;
	u64 drain_ns;			/* 0: not yet */
	u64 drained;			/* in flight when it was closed */
	u32 drain_ms;
};

struct gate {
	/* read by every I/O, written by commands alone */
	struct grant __rcu *admits;	/* NULL: nothing */
	struct gate_stats __percpu *stats;
	struct backing backing;

	/* constant from attach to detach */
	char volume[BFENCE_VOLUME_LEN + 1] ____cacheline_aligned;
	char replica[BFENCE_REPLICA_LEN + 1];
	char path[BFENCE_BACKING_LEN + 1];
	u32 id;				/* never used twice while attached */

	struct mutex lock;		/* protects all below, to the blank */
	seqcount_mutex_t authority_seq;	/* for who reads it without */
	struct verdict_gate v;
	struct gate_proof proof;
	struct grant *grant;		/* open or draining. NULL: neither */
	bool grace_over;		/* no I/O can be let in by ->grant */
	bool detached;
	bool keep_disk;			/* the next grant may take it over */
	bool mark_dead;			/* asked for the disks of this end */
	u64 ended_ns;			/* boottime, when ->grant was */
	u64 deadline_ns;		/* boottime, of the drain */
	u64 admitted_past;		/* by grants that are drained */

	struct stamped *stamped;	/* stamped.c's; NULL: detached */
	struct list_head disks;		/* disk.c's, under its lock */
	struct hlist_node node;		/* attach.c's, under its lock */
	struct kref ref;
	struct work_struct work;	/* ends leased grants, drains */
	struct delayed_work overdue;	/* holds a reference while pending */
	struct rcu_work free;
};

extern struct workqueue_struct *bfence_wq;

int bfence_gate_init(void);
void bfence_gate_exit(void);

/* Gives one reference to a gate that is closed and not attached yet. */
struct gate *bfence_gate_new(const char *volume, const char *replica,
			     const char *path);
void bfence_gate_set_authority(struct gate *gate, const struct lineage *to);
bool bfence_gate_get(struct gate *gate);	/* false: it is being freed */
void bfence_gate_put(struct gate *gate);
void bfence_gate_kick(struct gate *gate);

/*
 * One I/O. Enter gives the grant under which it was admitted, which stays
 * until leave; NULL says *@why.
 */
struct grant *bfence_gate_enter(struct gate *gate, struct grant __rcu **bound,
				bool is_write, enum verdict_reject *why);
void bfence_gate_leave(struct grant *grant);
/* The same with a lineage of the I/O's own. */
struct grant *bfence_gate_enter_stamped(struct gate *gate,
					const struct lineage *stamp,
					bool is_write,
					enum verdict_reject *why);
/* In the place of leave: it was let in and came to nothing. */
void bfence_gate_give_back(struct grant *grant);

/* Sums for the proof, the first two under gate->lock. */
u64 bfence_gate_admitted(const struct gate *gate);
u64 bfence_gate_inflight(const struct gate *gate);
u64 bfence_gate_rejected(const struct gate *gate, enum verdict_reject why);
u64 bfence_gate_io_errors(const struct gate *gate);

#endif /* BFENCE_GATE_H */
