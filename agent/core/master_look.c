// SPDX-License-Identifier: GPL-2.0
/*
 * One volume through the stages: judged, decided on, asked for, counted, and
 * its commands sent. Must never take in an event, nor look at a second volume.
 */
#include "master_state.h"

#include <inttypes.h>

#define NO_ROOM_MS	100	/* until an ask that found none is repeated */

static struct mono_ms next_look(const struct master *m, const struct view *view,
				struct mono_ms bridge_deadline,
				struct mono_ms now)
{
	const struct desired *d = &m->volumes[view->vol].desired;
	struct mono_ms at = bridge_deadline;
	struct mono_ms other = convergence_deadline(d, m->config.retry_ms);

	if (other.v < at.v)
		at = other;
	/* A group makes room, and no event of this volume tells of it. */
	if (d->phase == CONVERGENCE_ASKING && d->refusal == ASK_NO_ROOM &&
	    now.v + NO_ROOM_MS < at.v)
		at.v = now.v + NO_ROOM_MS;
	other = damper_until(&m->volumes[view->vol].damper,
			     m->config.min_epoch_interval_ms);
	if (m->volumes[view->vol].held_back && other.v < at.v)
		at = other;
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		other = observation_deadline(&m->observation, view->vol, i,
					     now);
		if (other.v < at.v)
			at = other;
	}
	/* Never in the past: what is due now was just looked at. */
	if (at.v <= now.v)
		at.v = now.v + 1;
	return at;
}

/* --- one volume through the stages ------------------------------------------ */

static void judge(struct master *m, const struct view *view, struct mono_ms now,
		  struct master_update *update)
{
	struct desired *d = &m->volumes[view->vol].desired;
	const char *name = master_volume_name(m, view->vol);
	uint64_t began = d->since.v;

	switch (convergence_judge(d, view, m->config.retry_ms, now)) {
	case CONVERGENCE_SAME:
	case CONVERGENCE_BEGUN:
		break;
	case CONVERGENCE_CONFIRMED:
		master_note(update,
			    "confirmed volume=%s lineage=%" PRIu64 ".%" PRIu64
			    " primary=%s after_ms=%" PRIu64,
			    name, view->line->lineage.epoch,
			    view->line->lineage.endpoint_version,
			    view->line->primary.s, now.v - began);
		break;
	case CONVERGENCE_SUPERSEDED:
		master_note(update, "superseded volume=%s", name);
		break;
	case CONVERGENCE_STUCK:
		master_note(update, "stuck volume=%s step=\"%s\"", name,
			    d->phase == CONVERGENCE_ASKING ?
				    "not minted" :
				    rollout_step_name(
					    bridge_step(&m->bridge, view,
							&m->observation)));
		break;
	}
}

enum ask_refusal master_ask_line(struct master *m, const struct view *view,
				 const struct decision *decision,
				 struct master_update *update)
{
	struct volume_state *v = &m->volumes[view->vol];
	const struct topology *topology =
		&m->registry.volumes[view->vol].topology;
	enum ask_refusal refusal =
		publisher_ask(m->publisher, view->vol, &decision->ask);

	if (refusal != (enum ask_refusal)v->desired.refusal ||
	    refusal == ASK_TAKEN)
		master_note(update,
			    "ask volume=%s intent=%s target=%s why=\"%s\" answer=\"%s\"",
			    master_volume_name(m, view->vol),
			    ask_intent_name(decision->ask.intent),
			    topology->slots[decision->ask.slot].replica.s,
			    decision_name(decision->reason),
			    ask_refusal_name(refusal));
	convergence_answered(&v->desired, refusal);
	return refusal;
}

/* Too soon after the last one, a failover waits: its host may come and go. */
static void hold_back(struct master *m, const struct view *view,
		      struct decision *decision, struct mono_ms now,
		      struct master_update *update)
{
	struct volume_state *v = &m->volumes[view->vol];
	struct mono_ms until =
		damper_until(&v->damper, m->config.min_epoch_interval_ms);
	bool held = decision->reason == DECISION_FAILOVER && now.v < until.v;

	if (held && !v->held_back)
		master_note(update,
			    "failover-held-back volume=%s left_ms=%" PRIu64,
			    master_volume_name(m, view->vol), until.v - now.v);
	v->held_back = held;
	if (held)
		*decision = (struct decision){ .reason = DECISION_HELD_BACK };
}

static void decide(struct master *m, const struct view *view,
		   struct mono_ms now, struct master_update *update)
{
	struct volume_state *v = &m->volumes[view->vol];
	struct decision decision = controller_decide(&m->controller, view);
	bool none = decision.reason == DECISION_NO_CANDIDATE;

	if (none && !v->no_candidate)
		master_note(update, "no-candidate volume=%s covered=%d",
			    master_volume_name(m, view->vol), view->nr_covered);
	v->no_candidate = none;
	hold_back(m, view, &decision, now, update);
	decision = master_keep_move(m, view, &decision, update);
	if (!convergence_want(&v->desired, &decision, now)) {
		if (v->desired.phase != CONVERGENCE_ASKING)
			publisher_withdraw(m->publisher, view->vol);
		return;
	}
	master_ask_line(m, view, &decision, update);
}

void master_count_load(struct master *m, const struct view *view)
{
	const struct desired *d = &m->volumes[view->vol].desired;
	uint32_t host = INDEX_NONE;

	if (d->phase == CONVERGENCE_ASKING)
		host = view->slots[d->ask.slot].host;
	else if (view->primary >= 0)
		host = view->slots[view->primary].host;
	controller_count(&m->controller, view->vol, host);
}

static void send_commands(struct master *m, const struct view *view,
			  const struct bridge_orders *orders,
			  struct master_update *update)
{
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		const struct command *c = &orders->commands[i];
		struct master_send *send;

		if (!(orders->mask & (1u << i)))
			continue;
		send = master_new_send(update, view->slots[i].host,
				       MESSAGE_COMMAND);
		send->message.command = *c;
		master_note(update,
			    "send command=%s volume=%s replica=%s lineage=%" PRIu64
			    ".%" PRIu64 " host=%s%s",
			    command_name(c->kind),
			    master_volume_name(m, view->vol), c->replica.s,
			    c->lineage.epoch, c->lineage.endpoint_version,
			    m->registry.hosts[send->host].id.s,
			    c->late && c->kind == COMMAND_OPEN ? " late=1" :
								 "");
	}
}

static void count_unsettled(struct master *m, uint32_t vol)
{
	struct volume_state *v = &m->volumes[vol];
	bool unsettled = v->desired.phase != CONVERGENCE_SETTLED;

	if (unsettled == v->unsettled)
		return;
	v->unsettled = unsettled;
	m->nr_unsettled += unsettled ? 1u : -1u;
}

bool master_is_named(const struct master *m, uint32_t vol)
{
	if (!registry_is_placed(&m->registry, vol))
		return false;
	return publisher_exists(m->publisher, vol) ||
	       m->registry.volumes[vol].corrupt;
}

void master_look(struct master *m, uint32_t vol, struct mono_ms now,
		 struct master_update *update)
{
	struct bridge_orders orders;
	struct view view;

	if (!master_is_named(m, vol)) {
		count_unsettled(m, vol);
		master_set_deadline(m, vol, (struct mono_ms){ UINT64_MAX });
		return;
	}
	snapshot_build(&m->observation, publisher_line(m->publisher, vol), vol,
		       now, &view);
	if (m->registry.volumes[vol].corrupt) {
		master_set_deadline(m, vol,
				    master_look_at_recovery(m, &view, now,
							    update));
		return;
	}
	judge(m, &view, now, update);
	if (!publisher_in_flight(m->publisher, vol))
		decide(m, &view, now, update);
	master_count_load(m, &view);
	count_unsettled(m, vol);
	bridge_plan(&m->bridge, &view, &m->observation, now, &orders);
	send_commands(m, &view, &orders, update);
	master_set_deadline(m, vol, next_look(m, &view, orders.deadline, now));
}
