// SPDX-License-Identifier: GPL-2.0
/*
 * The fence plan of each volume and the leases of each host. Must never mint,
 * and never know a socket.
 */
#include "bridge.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BIT(i)		((uint8_t)(1u << (i)))
#define ALL_SLOTS	((uint8_t)((1u << REPLICA_SLOTS) - 1))

/* When no lease that any incarnation gave before now can run. */
static struct mono_ms all_over(const struct bridge_config *config,
			       struct mono_ms now)
{
	uint32_t lease = config->lease_ms > config->lease_ms_before ?
				 config->lease_ms :
				 config->lease_ms_before;

	return (struct mono_ms){ now.v + lease + bridge_margin_ms(lease) };
}

int bridge_init(struct bridge *b, const struct registry *r,
		const struct bridge_config *config, struct mono_ms now)
{
	memset(b, 0, sizeof(*b));
	b->registry = r;
	b->config = *config;
	b->plans = calloc(r->volumes_max, sizeof(*b->plans));
	b->leases = calloc(r->hosts_max, sizeof(*b->leases));
	if (!b->plans || !b->leases) {
		bridge_exit(b);
		return -ENOMEM;
	}
	/* An earlier incarnation may have renewed any host just now. */
	for (uint32_t i = 0; i < r->hosts_max; i++)
		b->leases[i].over = all_over(config, now);
	return 0;
}

void bridge_exit(struct bridge *b)
{
	free(b->plans);
	free(b->leases);
	memset(b, 0, sizeof(*b));
}

static void plan_start(struct plan *plan, const struct line *line,
		       struct mono_ms now)
{
	uint8_t maybe = plan->maybe_primary;
	struct mono_ms not_before = plan->not_before;

	memset(plan, 0, sizeof(*plan));
	plan->lineage = line->lineage;
	plan->not_before = not_before;
	plan->maybe_primary = maybe;
	plan->since = now;
}

void bridge_reload(struct bridge *b, uint32_t vol, const struct line *line,
		   struct mono_ms now)
{
	bool is_first = line->lineage.epoch <= 1 &&
			line->lineage.endpoint_version <= 1;

	plan_start(&b->plans[vol], line, now);
	/* Before 1.1 there was no primary. Before any other there may have
	 * been one on a host that holds no slot now: of an earlier life. */
	if (is_first)
		return;
	b->plans[vol].maybe_primary = ALL_SLOTS;
	b->plans[vol].not_before = all_over(&b->config, now);
}

void bridge_recover(struct bridge *b, uint32_t vol, const struct line *line,
		    struct mono_ms now)
{
	plan_start(&b->plans[vol], line, now);
	b->plans[vol].maybe_primary = ALL_SLOTS;
}

void bridge_reload_without_line(struct bridge *b, uint32_t vol,
				struct mono_ms now)
{
	b->plans[vol].not_before = all_over(&b->config, now);
}

void bridge_end(struct bridge *b, uint32_t vol, int holder)
{
	const struct registry_volume *volume = &b->registry->volumes[vol];
	struct plan *plan = &b->plans[vol];
	struct mono_ms not_before = plan->not_before;
	uint8_t maybe = plan->maybe_primary;

	if (holder >= 0)
		maybe |= BIT(holder);
	for (int i = 0; i < REPLICA_SLOTS && volume->hosts[i] != INDEX_NONE;
	     i++)
		if ((maybe & BIT(i)) &&
		    not_before.v < b->leases[volume->hosts[i]].over.v)
			not_before = b->leases[volume->hosts[i]].over;
	memset(plan, 0, sizeof(*plan));
	plan->not_before = not_before;
}

void bridge_publish(struct bridge *b, uint32_t vol, const struct line *line,
		    int before, struct mono_ms now)
{
	plan_start(&b->plans[vol], line, now);
	if (before >= 0)
		b->plans[vol].maybe_primary |= BIT(before);
}

/* Closed and drained at the line, durably, or open at exactly the line. */
static bool is_fenced(const struct slot_obs *obs, struct lineage line)
{
	if (!obs || obs->wrong_replica || lineage_cmp(obs->authority, line) ||
	    lineage_cmp(obs->floor, line))
		return false;
	switch ((enum gate_state)obs->state) {
	case GATE_CLOSED:
		return true;
	case GATE_OPEN:
		return lineage_cmp(obs->applied, line) == 0;
	case GATE_ABSENT:
	case GATE_DRAINING:
	case GATE_QUARANTINED:
		break;
	}
	return false;
}

static bool is_open_at(const struct slot_obs *obs, struct lineage line)
{
	return obs && obs->state == GATE_OPEN &&
	       lineage_cmp(obs->applied, line) == 0;
}

/* What the facts add to the plan. None of it is ever taken back but `opened`
 * and `member`: a fence that was acknowledged stays so. */
static void learn(struct plan *plan, const struct view *view)
{
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		const struct slot_obs *obs = view->slots[i].obs;

		if (!obs)
			continue;
		if (is_fenced(obs, plan->lineage))
			plan->acked |= BIT(i);
		if (!obs->wrong_replica &&
		    lineage_cmp(obs->authority, plan->lineage) >= 0)
			plan->maybe_primary &= (uint8_t)~BIT(i);
		if (is_open_at(obs, plan->lineage)) {
			plan->opened |= BIT(i);
		} else if (plan->opened & BIT(i)) {
			/* It missed what was written since. */
			plan->opened &= (uint8_t)~BIT(i);
			if (i != view->primary)
				plan->member &= (uint8_t)~BIT(i);
		}
	}
}

static bool guard_holds(const struct bridge *b, const struct view *view,
			const struct plan *plan, struct mono_ms now)
{
	const struct registry_volume *volume = &b->registry->volumes[view->vol];

	if (volume->topology.guard == GUARD_QUORUM)
		return true;
	if (now.v < plan->not_before.v)
		return false;
	for (int i = 0; i < REPLICA_SLOTS; i++)
		if ((plan->maybe_primary & BIT(i)) &&
		    now.v < b->leases[volume->hosts[i]].over.v)
			return false;
	return true;
}

/* Who serves the line from its start. After a restart of the master the
 * replicas remember it; else it is whoever was fenced in time. */
static uint8_t first_members(const struct view *view, const struct plan *plan)
{
	uint8_t served = 0;

	for (int i = 0; i < REPLICA_SLOTS; i++) {
		const struct slot_obs *obs = view->slots[i].obs;

		if (obs && lineage_cmp(obs->served, plan->lineage) == 0)
			served |= BIT(i);
	}
	if (served || plan->opened)
		return served | BIT(view->primary);
	return plan->acked;
}

static void advance(struct bridge *b, const struct view *view,
		    struct plan *plan, struct mono_ms now)
{
	learn(plan, view);
	if (!plan->guarded)
		plan->guarded = guard_holds(b, view, plan, now);
	if (plan->serving || !plan->guarded ||
	    !(plan->acked & BIT(view->primary)) ||
	    __builtin_popcount(plan->acked) < FENCE_QUORUM)
		return;
	plan->serving = true;
	plan->member = first_members(view, plan);
}

/* The command that would bring the slot nearer to the line. */
static enum command_kind wanted(const struct bridge *b, const struct view *view,
				const struct plan *plan, int slot,
				struct mono_ms now)
{
	const struct slot_view *s = &view->slots[slot];
	const struct slot_obs *obs = s->obs;

	if (!obs || obs->wrong_replica || obs->state == GATE_ABSENT)
		return COMMAND_UNSPEC;
	if (lineage_cmp(obs->authority, plan->lineage) < 0 ||
	    lineage_cmp(obs->floor, plan->lineage) < 0)
		return COMMAND_FENCE;
	if (!plan->serving || !is_fenced(obs, plan->lineage) ||
	    is_open_at(obs, plan->lineage))
		return COMMAND_UNSPEC;
	if (slot == view->primary &&
	    b->registry->volumes[view->vol].topology.guard == GUARD_LEASE &&
	    !bridge_lease_runs(b, s->host, now))
		return COMMAND_UNSPEC;
	return COMMAND_OPEN;
}

static void fill_command(const struct bridge *b, const struct view *view,
			 const struct plan *plan, int slot,
			 struct command *command)
{
	const struct registry_volume *volume = &b->registry->volumes[view->vol];

	*command = (struct command){
		.kind = (enum command_kind)plan->slots[slot].sent,
		.volume = volume->id,
		.replica = volume->topology.slots[slot].replica,
		.lineage = plan->lineage,
		.primary = view->line->primary,
		.incarnation = b->config.incarnation,
		.drain_ms = b->config.drain_ms,
		.keep_disk = plan->lineage.endpoint_version > 1 &&
			     view->slots[slot].obs->authority.epoch ==
				     plan->lineage.epoch,
		.leased = slot == view->primary &&
			  volume->topology.guard == GUARD_LEASE,
		.late = !(plan->member & BIT(slot)),
	};
}

static void sooner(struct mono_ms *deadline, uint64_t at)
{
	if (at < deadline->v)
		deadline->v = at;
}

/* When the command is due: at once (0) if it is another one than the last, or
 * on a new connection; else after the retry time. */
static uint64_t due_at(const struct bridge *b, const struct plan_slot *s,
		       enum command_kind kind, uint32_t inventory)
{
	if (s->sent != kind || s->inventory != inventory)
		return 0;
	return s->sent_at.v + b->config.retry_ms;
}

static void note_guard_deadline(const struct bridge *b, const struct view *view,
				const struct plan *plan, struct mono_ms now,
				struct mono_ms *deadline)
{
	if (plan->guarded)
		return;
	if (now.v < plan->not_before.v)
		sooner(deadline, plan->not_before.v);
	for (int i = 0; i < REPLICA_SLOTS; i++)
		if (plan->maybe_primary & BIT(i))
			sooner(deadline, b->leases[view->slots[i].host].over.v);
}

static void mark_sent(struct plan_slot *s, enum command_kind kind,
		      uint32_t inventory, struct mono_ms now)
{
	s->sent = (uint8_t)kind;
	s->error = 0;
	s->inventory = inventory;
	s->sent_at = now;
}

void bridge_plan(struct bridge *b, const struct view *view,
		 const struct observation *o, struct mono_ms now,
		 struct bridge_orders *ret)
{
	struct plan *plan = &b->plans[view->vol];

	ret->mask = 0;
	ret->deadline.v = UINT64_MAX;
	if (lineage_is_none(plan->lineage) || view->primary < 0 ||
	    (view->reasons & EVIDENCE_BLOCKING))
		return;
	assert(lineage_cmp(plan->lineage, view->line->lineage) == 0);
	advance(b, view, plan, now);
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		const struct host_obs *host = &o->hosts[view->slots[i].host];
		enum command_kind kind = wanted(b, view, plan, i, now);
		struct plan_slot *s = &plan->slots[i];

		if (!kind || !host->connected)
			continue;
		if (due_at(b, s, kind, host->inventory) <= now.v) {
			mark_sent(s, kind, host->inventory, now);
			fill_command(b, view, plan, i, &ret->commands[i]);
			ret->mask |= BIT(i);
		}
		sooner(&ret->deadline, s->sent_at.v + b->config.retry_ms);
	}
	note_guard_deadline(b, view, plan, now, &ret->deadline);
}

void bridge_refused(struct bridge *b, uint32_t vol, int slot, int error)
{
	/* No errno is lower; what is, is not one. */
	b->plans[vol].slots[slot].error = error < INT16_MIN ? -EPROTO :
							      (int16_t)error;
}

enum rollout_step bridge_step(const struct bridge *b, const struct view *view,
			      const struct observation *o)
{
	const struct plan *plan = &b->plans[view->vol];
	const struct slot_view *target;
	bool is_heard;

	if (view->primary < 0)
		return ROLLOUT_NOT_DELIVERED;
	target = &view->slots[view->primary];
	is_heard = o->hosts[target->host].connected && target->covered;
	if (!plan->serving) {
		if (!is_heard)
			return ROLLOUT_NOT_DELIVERED;
		if (!(plan->acked & BIT(view->primary)) ||
		    __builtin_popcount(plan->acked) < FENCE_QUORUM)
			return ROLLOUT_NOT_FENCED;
		return ROLLOUT_LEASE;
	}
	if (!is_heard)
		return ROLLOUT_NOT_DELIVERED;
	if (!is_open_at(target->obs, plan->lineage))
		return ROLLOUT_NOT_OPENED;
	return target->obs->role == ROLE_PRIMARY ? ROLLOUT_DONE :
						   ROLLOUT_NOT_APPLIED;
}

const char *rollout_step_name(enum rollout_step step)
{
	switch (step) {
	case ROLLOUT_DONE:
		return "done";
	case ROLLOUT_NOT_DELIVERED:
		return "not delivered: the target's host is not connected, or silent";
	case ROLLOUT_NOT_FENCED:
		return "not fenced: fewer than two slots, the target among them, have acknowledged";
	case ROLLOUT_LEASE:
		return "lease not over: an older primary may still serve";
	case ROLLOUT_NOT_OPENED:
		return "not opened";
	case ROLLOUT_NOT_APPLIED:
		return "not applied";
	}
	return "?";
}
