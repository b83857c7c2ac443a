// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a grant and the sums of its per-CPU counts. It must never know
 * when a grant begins or ends: that is the gate's.
 */
#include <linux/slab.h>

#include "grant.h"

struct grant *bfence_grant_new(struct gate *gate, const struct lineage *lineage,
			       u32 access, struct lease *lease)
{
	struct grant *grant = kzalloc(sizeof(*grant), GFP_KERNEL);

	if (!grant)
		return NULL;
	grant->counts = alloc_percpu(struct grant_counts);
	if (!grant->counts) {
		kfree(grant);
		return NULL;
	}
	grant->gate = gate;
	grant->lineage = *lineage;
	grant->access = access;
	if (lease)
		kref_get(&lease->ref);
	grant->lease = lease;
	kref_init(&grant->ref);
	return grant;
}

static void grant_free(struct rcu_head *rcu)
{
	struct grant *grant = container_of(rcu, struct grant, rcu);

	bfence_lease_put(grant->lease);
	free_percpu(grant->counts);
	kfree(grant);
}

static void grant_release(struct kref *ref)
{
	struct grant *grant = container_of(ref, struct grant, ref);

	/* The last I/O may still read ->ended in its RCU section. */
	call_rcu(&grant->rcu, grant_free);
}

void bfence_grant_get(struct grant *grant)
{
	kref_get(&grant->ref);
}

void bfence_grant_put(struct grant *grant)
{
	if (grant)
		kref_put(&grant->ref, grant_release);
}

/*
 * Never less than what was in flight at some instant of the call. The ends are
 * summed first: an I/O that starts meanwhile is then counted as in flight,
 * while the other order could count its end without its start and hide an
 * older one. All possible CPUs: what started on one that went away counts too.
 */
u64 bfence_grant_inflight(const struct grant *grant)
{
	unsigned long started = 0;
	unsigned long done = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		done += READ_ONCE(per_cpu_ptr(grant->counts, cpu)->done);
	smp_rmb();	/* ends before starts; see above */
	for_each_possible_cpu(cpu)
		started += READ_ONCE(per_cpu_ptr(grant->counts, cpu)->started);
	return started - done;
}

u64 bfence_grant_admitted(const struct grant *grant)
{
	unsigned long returned = 0;
	unsigned long started = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		returned +=
			READ_ONCE(per_cpu_ptr(grant->counts, cpu)->returned);
	smp_rmb();	/* an I/O given back was counted before */
	for_each_possible_cpu(cpu)
		started += READ_ONCE(per_cpu_ptr(grant->counts, cpu)->started);
	return started - returned;
}
