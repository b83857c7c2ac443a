// SPDX-License-Identifier: GPL-2.0
/*
 * What changes a gate: attach, fence, open, close, the lease's end, the drain
 * and its deadline. It must never know disks or netlink, nor wait for I/O.
 *
 * A grant ends in three steps, none of which waits in a command:
 *   1. unpublish: ->admits goes to NULL and grant->ended to true;
 *   2. one expedited RCU grace period, in the gate's work: whoever had read
 *      the old ->admits has left its RCU section, so the count of started I/O
 *      is complete and no longer moves;
 *   3. drain: each I/O that ends and finds grant->ended queues the work, which
 *      compares the sums and, when equal, completes the proof.
 * No wake-up is lost: an I/O counts its end and then reads grant->ended in one
 * RCU section. If that section began before the grace period did, the sum that
 * is taken after the grace period contains this end; if it began later, it
 * sees grant->ended.
 */
#include "fence.h"
#include "lab.h"
#include "trace.h"

static void (*gate_event)(struct gate *gate, enum bfence_event event);

static void gate_tell(struct gate *gate, enum bfence_event event)
{
	lockdep_assert_held(&gate->lock);
	gate_event(gate, event);
}

static void gate_set_state(struct gate *gate, enum bfence_state state)
{
	lockdep_assert_held(&gate->lock);
	gate->v.state = state;
	gate->proof.since_ns = ktime_get_boottime_ns();
}

/* Elapsed since the command; at least 1, as 0 says "not yet". */
static u64 gate_elapsed_ns(const struct gate *gate)
{
	return max_t(u64, 1, ktime_get_boottime_ns() - gate->proof.asked_ns);
}

static void gate_expect_proof(struct gate *gate, enum bfence_reason reason,
			      u32 drain_ms)
{
	WRITE_ONCE(gate->proof.reason, reason);
	gate->proof.from = gate->v.authority;
	gate->proof.asked_ns = ktime_get_boottime_ns();
	gate->proof.close_ns = 0;
	gate->proof.drain_ns = 0;
	gate->proof.drain_ms = drain_ms;
}

/* A command that was taken: who gave it, and whether it overrode a master. */
static void gate_accept(struct gate *gate, const struct verdict_ask *ask)
{
	bfence_host_saw(ask->incarnation);
	gate->proof.incarnation =
		max(gate->proof.incarnation, ask->incarnation);
	if (ask->primary && !gate->v.primary[0])
		strscpy(gate->v.primary, ask->primary, sizeof(gate->v.primary));
}

static void gate_start_drain(struct gate *gate)
{
	u64 drain_ns = (u64)gate->proof.drain_ms * NSEC_PER_MSEC;

	gate_set_state(gate, BFENCE_STATE_DRAINING);
	gate->deadline_ns = gate->proof.asked_ns + drain_ns;
	if (!bfence_gate_get(gate))
		return;
	if (mod_delayed_work(bfence_wq, &gate->overdue,
			     nsecs_to_jiffies(drain_ns) + 1))
		bfence_gate_put(gate);	/* it held one already */
}

/*
 * Steps 1 and, by the work, 2 and 3. ->ended before ->admits or after makes no
 * difference: the grace period follows both.
 */
static void gate_unpublish(struct gate *gate)
{
	WRITE_ONCE(gate->grant->ended, true);
	rcu_assign_pointer(gate->admits, NULL);
	gate->ended_ns = ktime_get_boottime_ns();
	gate_start_drain(gate);
	bfence_gate_kick(gate);
}

static void gate_end(struct gate *gate, enum bfence_reason reason)
{
	gate_expect_proof(gate, reason, gate->proof.drain_ms);
	gate_unpublish(gate);
	trace_bfence_close(gate->volume, &gate->v.authority, reason);
	gate_tell(gate, BFENCE_EVENT_CLOSED);
}

/* Let the state say what the lease's end has done already. */
void bfence_gate_settle(struct gate *gate)
{
	lockdep_assert_held(&gate->lock);
	if (gate->v.state != BFENCE_STATE_OPEN || !gate->grant->lease ||
	    !bfence_lease_is_over(gate->grant->lease))
		return;
	gate->mark_dead = false;
	gate_end(gate, BFENCE_REASON_LEASE);
}

static void gate_drained(struct gate *gate)
{
	struct grant *grant = gate->grant;

	if (grant) {
		gate->admitted_past += bfence_grant_admitted(grant);
		WRITE_ONCE(grant->drained, true);
		gate->grant = NULL;
	}
	if (cancel_delayed_work(&gate->overdue))
		bfence_gate_put(gate);
	gate_set_state(gate, BFENCE_STATE_CLOSED);
	gate->proof.drain_ns = gate_elapsed_ns(gate);
	trace_bfence_drained(gate->volume, &gate->v.authority,
			     gate->proof.drained, gate->proof.drain_ns);
	gate_tell(gate, BFENCE_EVENT_DRAINED);
	/* The unsafe drain is none: what is in flight still looks at it. */
	if (!bfence_unsafe_no_drain)
		bfence_grant_put(grant);
}

static void gate_work(struct work_struct *work)
{
	struct gate *gate = container_of(work, struct gate, work);
	bool needs_grace;

	mutex_lock(&gate->lock);
	bfence_gate_settle(gate);
	needs_grace = gate->grant && gate->grant->ended && !gate->grace_over;
	mutex_unlock(&gate->lock);

	/* Unbounded by itself: the deadline is ->overdue's to keep. */
	if (needs_grace)
		synchronize_rcu_expedited();

	mutex_lock(&gate->lock);
	/* This work alone drains, and is never run twice at a time. */
	if (needs_grace) {
		gate->grace_over = true;
		gate->proof.close_ns = gate_elapsed_ns(gate);
		gate->proof.drained = bfence_grant_inflight(gate->grant);
	}
	if (gate->grant && gate->grace_over &&
	    (bfence_unsafe_no_drain || !bfence_grant_inflight(gate->grant)))
		gate_drained(gate);
	mutex_unlock(&gate->lock);
	bfence_gate_put(gate);
}

static void gate_overdue(struct work_struct *work)
{
	struct gate *gate =
		container_of(to_delayed_work(work), struct gate, overdue);

	mutex_lock(&gate->lock);
	/* It may have waited for the lock while a later drain began. */
	if (gate->v.state == BFENCE_STATE_DRAINING &&
	    ktime_get_boottime_ns() >= gate->deadline_ns) {
		gate_set_state(gate, BFENCE_STATE_QUARANTINED);
		gate_tell(gate, BFENCE_EVENT_QUARANTINED);
	}
	mutex_unlock(&gate->lock);
	bfence_gate_put(gate);
}

/* --- commands ------------------------------------------------------------ */

int bfence_gate_fence(struct gate *gate, const struct gate_ask *ask)
{
	const struct verdict_host host = bfence_host_view();
	const struct verdict_ask *v = &ask->verdict;
	enum verdict verdict = verdict_fence(&gate->v, v, &host);
	bool was_open = gate->v.state == BFENCE_STATE_OPEN;

	lockdep_assert_held(&gate->lock);
	if (verdict == VERDICT_SAME)
		gate_accept(gate, v);
	if (verdict != VERDICT_APPLY)
		return verdict;

	trace_bfence_fence(gate->volume, &gate->v.authority, &v->lineage);
	gate_expect_proof(gate, BFENCE_REASON_FENCED, ask->drain_ms);
	gate->proof.forced = verdict_is_forced(&gate->v, v);
	bfence_gate_set_authority(gate, &v->lineage);
	gate->v.primary[0] = '\0';
	gate->v.access_known = false;
	gate_accept(gate, v);
	gate->keep_disk = (v->flags & BFENCE_F_KEEP_DISK) &&
			  (was_open || gate->keep_disk);
	gate->mark_dead = v->flags & BFENCE_F_MARK_DEAD;

	if (was_open)
		gate_unpublish(gate);
	else if (gate->grant)
		gate_start_drain(gate);	/* the old drain, a new deadline */
	else
		gate->proof.drained = 0;
	/* Nothing was let in even before. */
	if (!was_open && (!gate->grant || gate->grace_over))
		gate->proof.close_ns = gate_elapsed_ns(gate);
	gate_tell(gate, BFENCE_EVENT_FENCED);
	if (!gate->grant)
		gate_drained(gate);
	return 0;
}

int bfence_gate_open(struct gate *gate, const struct gate_ask *ask)
{
	const struct verdict_host host = bfence_host_view();
	const struct verdict_ask *v = &ask->verdict;
	enum verdict verdict = verdict_open(&gate->v, v, &host);
	u32 access = v->flags & VERDICT_ACCESS_FLAGS;
	struct lease *lease = NULL;

	lockdep_assert_held(&gate->lock);
	if (verdict == VERDICT_SAME)
		gate_accept(gate, v);
	if (verdict != VERDICT_APPLY)
		return verdict;

	if (access & BFENCE_F_LEASED) {
		lease = bfence_lease_get();
		if (!lease)
			return VERDICT_NO_LEASE;
	}
	gate->grant = bfence_grant_new(gate, &v->lineage, access, lease);
	bfence_lease_put(lease);	/* the grant holds its own */
	if (!gate->grant)
		return -ENOMEM;

	gate_accept(gate, v);
	gate->proof.forced = verdict_is_forced(&gate->v, v);
	gate->proof.reason = BFENCE_REASON_OPENED;
	gate->proof.from = gate->v.authority;
	gate->v.access = access;
	gate->v.access_known = true;
	gate->grace_over = false;
	gate_set_state(gate, BFENCE_STATE_OPEN);
	rcu_assign_pointer(gate->admits, gate->grant);
	return 0;
}

/* No disk came to be: nothing was let in, and nothing has to be kept. */
void bfence_gate_open_failed(struct gate *gate)
{
	gate->v.access_known = false;
	gate->mark_dead = false;
	gate_end(gate, BFENCE_REASON_COMMAND);
}

/* The disk is there as well. */
void bfence_gate_opened(struct gate *gate)
{
	gate->keep_disk = false;
	trace_bfence_open(gate->volume, &gate->v.authority, gate->v.access);
	gate_tell(gate, BFENCE_EVENT_OPENED);
}

int bfence_gate_close(struct gate *gate, const struct gate_ask *ask)
{
	const struct verdict_host host = bfence_host_view();
	const struct verdict_ask *v = &ask->verdict;
	enum verdict verdict = verdict_close(&gate->v, v, &host);

	lockdep_assert_held(&gate->lock);
	if (verdict == VERDICT_SAME)
		gate_accept(gate, v);
	if (verdict != VERDICT_APPLY)
		return verdict;

	gate_accept(gate, v);
	gate->proof.forced = verdict_is_forced(&gate->v, v);
	gate->proof.drain_ms = ask->drain_ms;
	gate->mark_dead = v->flags & BFENCE_F_MARK_DEAD;
	gate_end(gate, BFENCE_REASON_COMMAND);
	return 0;
}

/* The gate is not visible to anybody yet. */
void bfence_fence_init(struct gate *gate)
{
	INIT_WORK(&gate->work, gate_work);
	INIT_DELAYED_WORK(&gate->overdue, gate_overdue);
}

void bfence_fence_set_event(gate_event_fn *on_event)
{
	gate_event = on_event;
}

void bfence_gate_attached(struct gate *gate, const struct gate_ask *ask)
{
	lockdep_assert_held(&gate->lock);
	bfence_gate_set_authority(gate, &ask->verdict.lineage);
	gate->v.managed = ask->verdict.incarnation != 0;
	gate->v.read_only = backing_is_read_only(&gate->backing);
	gate->proof.reason = BFENCE_REASON_ATTACHED;
	gate->proof.drain_ms = BFENCE_DRAIN_MS_DEFAULT;
	gate_accept(gate, &ask->verdict);
	gate_set_state(gate, BFENCE_STATE_CLOSED);
	gate_tell(gate, BFENCE_EVENT_ATTACHED);
}

void bfence_gate_detached(struct gate *gate, const struct gate_ask *ask)
{
	lockdep_assert_held(&gate->lock);
	gate_accept(gate, &ask->verdict);
	gate->proof.forced = verdict_is_forced(&gate->v, &ask->verdict);
	gate->proof.since_ns = ktime_get_boottime_ns();
	WRITE_ONCE(gate->detached, true);
	gate_tell(gate, BFENCE_EVENT_DETACHED);
}
