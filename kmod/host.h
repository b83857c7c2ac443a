/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all gates of a host share: the highest incarnation seen, the boot id
 * and the lease. It must never know a gate.
 */
#ifndef BFENCE_HOST_H
#define BFENCE_HOST_H

#include <linux/atomic.h>
#include <linux/kref.h>
#include <linux/rcupdate.h>
#include <linux/timekeeping.h>
#include <linux/uuid.h>
#include <linux/workqueue.h>

#include "verdict.h"

/*
 * One lease, from its start until it is over. It may be made longer while it
 * runs; once over it stays over for every grant that was opened under it, and
 * the next renewal starts another lease.
 */
struct lease {
	atomic64_t deadline_ns;		/* CLOCK_BOOTTIME; 0: over */
	struct kref ref;
	struct rcu_head rcu;
};

/*
 * Whoever finds the deadline passed ends the lease, be it an I/O, a command
 * or the timer: a late timer admits nothing, and a late renewal, which must
 * exchange the same word, revives nothing.
 */
static inline bool bfence_lease_is_over(struct lease *lease)
{
	s64 deadline_ns = atomic64_read(&lease->deadline_ns);

	while (deadline_ns) {
		if (ktime_get_boottime_ns() < (u64)deadline_ns)
			return false;
		if (atomic64_try_cmpxchg(&lease->deadline_ns, &deadline_ns, 0))
			break;
	}
	return true;
}

struct lease *bfence_lease_get(void);	/* NULL: none is running */
void bfence_lease_put(struct lease *lease);
int bfence_lease_set(u64 deadline_ns);
u64 bfence_lease_deadline_ns(void);	/* 0: none is running */

struct verdict_host bfence_host_view(void);
void bfence_host_saw(u64 incarnation);
const char *bfence_host_boot_id(void);

int bfence_host_init(struct work_struct *on_lease_end);
void bfence_host_exit(void);

#endif /* BFENCE_HOST_H */
