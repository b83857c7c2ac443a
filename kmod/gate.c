// SPDX-License-Identifier: GPL-2.0
/*
 * A gate's life, the I/O that it admits or refuses, and their sums. It must
 * never know disks, netlink, or when a grant is opened or ended (fence.c).
 */
#include <linux/slab.h>

#include "gate.h"
#include "trace.h"

struct workqueue_struct *bfence_wq;
static atomic_t nr_gates_alive;		/* attached or not freed yet */

/* --- one I/O ------------------------------------------------------------- */

/*
 * Without gate->lock: of before a fence or of after, and never half of each,
 * by which a stamp of the newest lineage could be called stale.
 */
static struct lineage gate_authority(const struct gate *gate)
{
	struct lineage authority;
	unsigned int seq;

	do {
		seq = read_seqcount_begin(&gate->authority_seq);
		authority = gate->v.authority;
	} while (read_seqcount_retry(&gate->authority_seq, seq));
	return authority;
}

void bfence_gate_set_authority(struct gate *gate, const struct lineage *to)
{
	lockdep_assert_held(&gate->lock);
	write_seqcount_begin(&gate->authority_seq);
	WRITE_ONCE(gate->v.authority.epoch, to->epoch);
	WRITE_ONCE(gate->v.authority.endpoint_version, to->endpoint_version);
	write_seqcount_end(&gate->authority_seq);
}

/*
 * Next to a fence the reason may be that of before. The refusal itself does
 * not depend on it.
 */
static enum verdict_reject gate_reject(const struct gate *gate,
				       const struct grant *grant)
{
	const struct lineage authority = gate_authority(gate);
	bool over = grant->lease && bfence_lease_is_over(grant->lease);

	return verdict_reject(&grant->lineage, &authority, over);
}

/* The grant of the stamp, if there was one, is no longer known. */
static enum verdict_reject gate_reject_stamp(const struct gate *gate,
					     const struct lineage *stamp)
{
	const struct lineage authority = gate_authority(gate);
	bool over = READ_ONCE(gate->proof.reason) == BFENCE_REASON_LEASE;

	return verdict_reject(stamp, &authority, over);
}

static void gate_count_reject(const struct gate *gate,
			      const struct lineage *stamp,
			      enum verdict_reject why)
{
	this_cpu_inc(gate->stats->rejected[why]);
	trace_bfence_reject(gate->volume, stamp, why);
}

static enum verdict_reject gate_admit(struct gate *gate, struct grant *grant,
				      bool is_write)
{
	/*
	 * Refused without being counted: a storm of stale I/O must not move
	 * the sums that the drain compares.
	 */
	if (READ_ONCE(grant->ended))
		return gate_reject(gate, grant);
	if (is_write && (grant->access & BFENCE_F_READ_ONLY))
		return REJECT_READ_ONLY;

	this_cpu_inc(grant->counts->started);
	if (likely(rcu_access_pointer(gate->admits) == grant &&
		   !(grant->lease && bfence_lease_is_over(grant->lease))))
		return REJECT_NONE;
	bfence_gate_give_back(grant);
	return gate_reject(gate, grant);
}

struct grant *bfence_gate_enter(struct gate *gate, struct grant __rcu **bound,
				bool is_write, enum verdict_reject *why)
{
	struct grant *grant;

	rcu_read_lock();
	grant = rcu_dereference(*bound);
	*why = gate_admit(gate, grant, is_write);
	if (unlikely(*why)) {
		gate_count_reject(gate, &grant->lineage, *why);
		grant = NULL;
	}
	rcu_read_unlock();
	return grant;
}

/*
 * A grant's lineage never changes, so that the stamp is its own stays true
 * once it is counted; gate_admit() then looks whether it still admits.
 */
struct grant *bfence_gate_enter_stamped(struct gate *gate,
					const struct lineage *stamp,
					bool is_write, enum verdict_reject *why)
{
	struct grant *grant;

	rcu_read_lock();
	grant = rcu_dereference(gate->admits);
	if (likely(grant && !lineage_cmp(stamp, &grant->lineage)))
		*why = gate_admit(gate, grant, is_write);
	else
		*why = gate_reject_stamp(gate, stamp);
	if (unlikely(*why)) {
		gate_count_reject(gate, stamp, *why);
		grant = NULL;
	}
	rcu_read_unlock();
	return grant;
}

/*
 * The grant and its gate are freed a grace period after the drain at the
 * earliest, so both may still be looked at after the end was counted.
 */
void bfence_gate_leave(struct grant *grant)
{
	rcu_read_lock();
	/* What the I/O did is seen by whoever sees its end counted. */
	smp_wmb();
	this_cpu_inc(grant->counts->done);
	if (unlikely(READ_ONCE(grant->ended)))
		bfence_gate_kick(grant->gate);
	rcu_read_unlock();
}

void bfence_gate_give_back(struct grant *grant)
{
	this_cpu_inc(grant->counts->returned);
	bfence_gate_leave(grant);
}

/* --- life ---------------------------------------------------------------- */

static void gate_free(struct work_struct *work)
{
	struct gate *gate = container_of(to_rcu_work(work), struct gate, free);

	free_percpu(gate->stats);
	kfree(gate);
	if (atomic_dec_and_test(&nr_gates_alive))
		wake_up_var(&nr_gates_alive);
}

static void gate_release(struct kref *ref)
{
	struct gate *gate = container_of(ref, struct gate, ref);

	/* The last put may come from an I/O's end, and a late I/O may look. */
	queue_rcu_work(bfence_wq, &gate->free);
}

bool bfence_gate_get(struct gate *gate)
{
	return kref_get_unless_zero(&gate->ref);
}

void bfence_gate_put(struct gate *gate)
{
	kref_put(&gate->ref, gate_release);
}

/* From any context. The work holds a reference of its own. */
void bfence_gate_kick(struct gate *gate)
{
	if (bfence_gate_get(gate) && !queue_work(bfence_wq, &gate->work))
		bfence_gate_put(gate);
}

struct gate *bfence_gate_new(const char *volume, const char *replica,
			     const char *path)
{
	struct gate *gate = kzalloc(sizeof(*gate), GFP_KERNEL);

	if (!gate)
		return NULL;
	gate->stats = alloc_percpu(struct gate_stats);
	if (!gate->stats) {
		kfree(gate);
		return NULL;
	}
	strscpy(gate->volume, volume, sizeof(gate->volume));
	strscpy(gate->replica, replica, sizeof(gate->replica));
	strscpy(gate->path, path, sizeof(gate->path));
	mutex_init(&gate->lock);
	seqcount_mutex_init(&gate->authority_seq, &gate->lock);
	INIT_LIST_HEAD(&gate->disks);
	INIT_HLIST_NODE(&gate->node);
	kref_init(&gate->ref);
	INIT_RCU_WORK(&gate->free, gate_free);
	atomic_inc(&nr_gates_alive);
	return gate;
}

/* --- sums ---------------------------------------------------------------- */

u64 bfence_gate_admitted(const struct gate *gate)
{
	lockdep_assert_held(&gate->lock);
	return gate->admitted_past +
	       (gate->grant ? bfence_grant_admitted(gate->grant) : 0);
}

u64 bfence_gate_inflight(const struct gate *gate)
{
	lockdep_assert_held(&gate->lock);
	return gate->grant ? bfence_grant_inflight(gate->grant) : 0;
}

u64 bfence_gate_rejected(const struct gate *gate, enum verdict_reject why)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(gate->stats, cpu)->rejected[why]);
	return sum;
}

u64 bfence_gate_io_errors(const struct gate *gate)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(gate->stats, cpu)->io_errors);
	return sum;
}

/* --- the room ------------------------------------------------------------ */

int bfence_gate_init(void)
{
	/* Unbound: a drain must not wait behind whoever hogs one CPU. */
	bfence_wq = alloc_workqueue("bfence",
				    WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM,
				    0);
	return bfence_wq ? 0 : -ENOMEM;
}

/* Every gate is detached; some may wait for a grace period to be freed. */
void bfence_gate_exit(void)
{
	wait_var_event(&nr_gates_alive, !atomic_read(&nr_gates_alive));
	destroy_workqueue(bfence_wq);
	rcu_barrier();		/* grant_free() is in this module */
}
