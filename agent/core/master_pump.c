// SPDX-License-Identifier: GPL-2.0
/*
 * What follows from an event: each volume that was touched goes through the
 * stages once, then hosts get their SYNC and their LEASE. Must never take in
 * an event.
 *
 * Order within an update: every FENCE that the facts call for leaves before
 * any LEASE does, so that a host which comes back has its old grants ended
 * before its lease runs again.
 */
#include "master_state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void master_note(struct master_update *update, const char *format, ...)
{
	va_list args;

	if (update->nr_notes == MASTER_NOTES_MAX)
		return;
	va_start(args, format);
	vsnprintf(update->notes[update->nr_notes++].text,
		  sizeof(update->notes[0].text), format, args);
	va_end(args);
}

struct master_send *master_new_send(struct master_update *update, uint32_t host,
				    enum message_kind kind)
{
	struct master_send *send = &update->sends[update->nr_sends++];

	assert(update->nr_sends <= MASTER_SENDS_MAX);
	send->host = host;
	send->close = false;
	send->message.kind = kind;
	return send;
}

const char *master_volume_name(const struct master *m, uint32_t vol)
{
	return m->registry.volumes[vol].id.s;
}

void master_mark(struct master *m, uint32_t vol)
{
	struct volume_state *v = &m->volumes[vol];

	if (v->dirty)
		return;
	v->dirty = true;
	v->next_dirty = INDEX_NONE;
	if (m->dirty_tail == INDEX_NONE)
		m->dirty_head = vol;
	else
		m->volumes[m->dirty_tail].next_dirty = vol;
	m->dirty_tail = vol;
}

void master_mark_host(struct master *m, uint32_t host)
{
	uint32_t slot = m->registry.hosts[host].first_slot;

	for (; slot != INDEX_NONE; slot = m->registry.next_slot[slot])
		master_mark(m, slot / REPLICA_SLOTS);
}

void master_host_work(struct master *m, uint32_t host)
{
	struct host_state *h = &m->hosts[host];

	if (h->has_work)
		return;
	h->has_work = true;
	h->next_work = m->work_head;
	m->work_head = host;
}

void master_sync_hosts(struct master *m, uint32_t vol)
{
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		uint32_t host = m->registry.volumes[vol].hosts[i];

		if (host == INDEX_NONE)
			continue;
		/* One that runs begins anew: its place may be gone. */
		m->hosts[host].sync_due = true;
		m->hosts[host].sync_running = false;
		master_host_work(m, host);
	}
}

static uint32_t pop_dirty(struct master *m)
{
	uint32_t vol = m->dirty_head;

	m->dirty_head = m->volumes[vol].next_dirty;
	if (m->dirty_head == INDEX_NONE)
		m->dirty_tail = INDEX_NONE;
	m->volumes[vol].dirty = false;
	return vol;
}

/* --- the timed volumes ------------------------------------------------------ */

static void set_deadline(struct master *m, uint32_t vol, struct mono_ms at)
{
	struct volume_state *v = &m->volumes[vol];
	bool timed = at.v != UINT64_MAX;

	v->deadline = at;
	if (timed && v->active_at == INDEX_NONE) {
		v->active_at = m->nr_active;
		m->active[m->nr_active++] = vol;
	} else if (!timed && v->active_at != INDEX_NONE) {
		uint32_t last = m->active[--m->nr_active];

		m->active[v->active_at] = last;
		m->volumes[last].active_at = v->active_at;
		v->active_at = INDEX_NONE;
	}
	if (timed && at.v < m->next_tick.v)
		m->next_tick = at;
}

static struct mono_ms next_look(const struct master *m, const struct view *view,
				struct mono_ms bridge_deadline,
				struct mono_ms now)
{
	struct mono_ms at = bridge_deadline;
	struct mono_ms other =
		convergence_deadline(&m->volumes[view->vol].desired,
				     m->config.retry_ms);

	if (other.v < at.v)
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

static void decide(struct master *m, const struct view *view,
		   struct mono_ms now, struct master_update *update)
{
	struct volume_state *v = &m->volumes[view->vol];
	struct decision decision = controller_decide(&m->controller, view);
	const char *name = master_volume_name(m, view->vol);
	bool none = decision.reason == DECISION_NO_CANDIDATE;
	enum ask_refusal refusal;

	if (none && !v->no_candidate)
		master_note(update, "no-candidate volume=%s covered=%d", name,
			    view->nr_covered);
	v->no_candidate = none;
	if (!convergence_want(&v->desired, &decision, now)) {
		if (v->desired.phase != CONVERGENCE_ASKING)
			publisher_withdraw(m->publisher, view->vol);
		return;
	}
	refusal = publisher_ask(m->publisher, view->vol, &decision.ask);
	if (refusal != (enum ask_refusal)v->desired.refusal ||
	    refusal == ASK_TAKEN)
		master_note(update,
			    "ask volume=%s intent=%s target=%s why=\"%s\" answer=\"%s\"",
			    name, ask_intent_name(decision.ask.intent),
			    m->registry.volumes[view->vol]
				    .topology.slots[decision.ask.slot]
				    .replica.s,
			    decision_name(decision.reason),
			    ask_refusal_name(refusal));
	convergence_answered(&v->desired, refusal);
}

/* Where the volume's primary is, or is about to be. */
static void count_load(struct master *m, const struct view *view)
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

/* Its hosts are told of it; of a damaged one, to hear what they know. */
static bool is_named(const struct master *m, uint32_t vol)
{
	if (!registry_is_placed(&m->registry, vol))
		return false;
	return publisher_exists(m->publisher, vol) ||
	       m->registry.volumes[vol].corrupt;
}

static void evaluate(struct master *m, uint32_t vol, struct mono_ms now,
		     struct master_update *update)
{
	struct bridge_orders orders;
	struct view view;

	if (!is_named(m, vol)) {
		set_deadline(m, vol, (struct mono_ms){ UINT64_MAX });
		return;
	}
	snapshot_build(&m->observation, publisher_line(m->publisher, vol), vol,
		       now, &view);
	if (m->registry.volumes[vol].corrupt) {
		set_deadline(m, vol,
			     master_look_at_recovery(m, &view, now, update));
		return;
	}
	judge(m, &view, now, update);
	if (!publisher_in_flight(m->publisher, vol))
		decide(m, &view, now, update);
	count_load(m, &view);
	bridge_plan(&m->bridge, &view, &m->observation, now, &orders);
	send_commands(m, &view, &orders, update);
	set_deadline(m, vol, next_look(m, &view, orders.deadline, now));
}

/* --- hosts ------------------------------------------------------------------ */

/* The next part of the list of slots; true when it was the last one. */
static bool send_sync(struct master *m, uint32_t host,
		      struct master_update *update)
{
	struct host_state *h = &m->hosts[host];
	struct sync *sync =
		&master_new_send(update, host, MESSAGE_SYNC)->message.sync;

	sync->first = !h->sync_running;
	sync->incarnation = m->config.incarnation;
	sync->want_inventory = h->want_inventory;
	sync->nr_slots = 0;
	if (!h->sync_running)
		h->sync_cursor = m->registry.hosts[host].first_slot;
	while (h->sync_cursor != INDEX_NONE &&
	       sync->nr_slots < MESSAGE_SLOTS_MAX) {
		uint32_t vol = h->sync_cursor / REPLICA_SLOTS;
		const struct registry_volume *volume =
			&m->registry.volumes[vol];

		if (is_named(m, vol)) {
			sync->slots[sync->nr_slots].volume = volume->id;
			sync->slots[sync->nr_slots++].replica =
				volume->topology
					.slots[h->sync_cursor % REPLICA_SLOTS]
					.replica;
		}
		h->sync_cursor = m->registry.next_slot[h->sync_cursor];
	}
	sync->last = h->sync_cursor == INDEX_NONE;
	h->sync_running = !sync->last;
	return sync->last;
}

static void send_lease(struct master *m, uint32_t host, struct mono_ms now,
		       struct master_update *update)
{
	struct host_state *h = &m->hosts[host];
	struct lease *lease =
		&master_new_send(update, host, MESSAGE_LEASE)->message.lease;

	lease->seq = h->lease_seq;
	lease->lease_ms = m->config.lease_ms;
	lease->incarnation = m->config.incarnation;
	h->lease_seq = 0;
	/* An OPEN may have waited for it. */
	if (!bridge_lease_runs(&m->bridge, host, now))
		master_mark_host(m, host);
	bridge_renew(&m->bridge, host, now);
}

/* One host's turn; false when the update has no room left. */
static bool serve_host(struct master *m, uint32_t host, struct mono_ms now,
		       struct master_update *update)
{
	struct host_state *h = &m->hosts[host];

	if (!h->greeted) {
		h->sync_due = false;
		h->sync_running = false;
		h->lease_seq = 0;
		return true;
	}
	while (h->sync_due || h->sync_running) {
		if (update->nr_sends + 2 > MASTER_SENDS_MAX)
			return false;
		if (!h->sync_running)
			h->sync_due = false;
		if (send_sync(m, host, update))
			h->want_inventory = false;
	}
	if (h->lease_seq) {
		if (update->nr_sends + 1 > MASTER_SENDS_MAX)
			return false;
		send_lease(m, host, now, update);
	}
	return true;
}

void master_pump(struct master *m, struct mono_ms now,
		 struct master_update *update)
{
	while (m->dirty_head != INDEX_NONE || m->work_head != INDEX_NONE) {
		uint32_t host = m->work_head;

		if (update->nr_sends + REPLICA_SLOTS > MASTER_SENDS_MAX ||
		    update->nr_notes + 8 > MASTER_NOTES_MAX) {
			update->more = true;
			break;
		}
		if (m->dirty_head != INDEX_NONE) {
			evaluate(m, pop_dirty(m), now, update);
			continue;
		}
		if (!serve_host(m, host, now, update)) {
			update->more = true;
			break;
		}
		m->work_head = m->hosts[host].next_work;
		m->hosts[host].has_work = false;
	}
	if (m->group_in_flight)
		return;
	update->nr_persist = publisher_take_group(m->publisher, update->persist,
						  MASTER_PERSIST_MAX);
	m->group_in_flight = update->nr_persist > 0;
}
