/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A grant: one opening of a gate at one lineage, and the count of the I/O that
 * it admitted. It must never know a gate's state, a disk or netlink.
 */
#ifndef BFENCE_GRANT_H
#define BFENCE_GRANT_H

#include <linux/kref.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>

#include "host.h"
#include "verdict.h"

struct gate;

/*
 * Each only ever grows: an I/O may start on one CPU and end on another, and a
 * sum over CPUs taken meanwhile must not miss the start of an end it has seen.
 */
struct grant_counts {
	unsigned long started;
	unsigned long done;
	unsigned long returned;		/* of these, started in vain */
};

struct grant {
	/* read by every I/O */
	bool ended;			/* once true, true for ever */
	u32 access;			/* F_LEASED, F_READ_ONLY */
	struct grant_counts __percpu *counts;
	struct lease *lease;		/* NULL: not leased. Pinned */
	struct gate *gate;		/* outlives the last I/O, see gate.c */

	struct lineage lineage;
	bool drained;			/* written under the gate's lock */
	struct kref ref;
	struct rcu_head rcu;
};

/* Gives one reference. */
struct grant *bfence_grant_new(struct gate *gate, const struct lineage *lineage,
			       u32 access, struct lease *lease);
void bfence_grant_get(struct grant *grant);
void bfence_grant_put(struct grant *grant);

u64 bfence_grant_inflight(const struct grant *grant);
u64 bfence_grant_admitted(const struct grant *grant);

#endif /* BFENCE_GRANT_H */
