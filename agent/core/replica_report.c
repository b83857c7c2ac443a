// SPDX-License-Identifier: GPL-2.0
/*
 * What the master is told, and when: an inventory once, then what has changed
 * or nothing. Must never know what the master makes of it.
 */
#include "replica_state.h"

#include <string.h>

bool replica_may_report(const struct replica *r)
{
	const struct session *s = &r->session;

	/* A master that hears us commands us: its incarnation is durable
	 * before. With a log that is closed it hears so with each answer. */
	return s->state == SESSION_WELCOME && s->synced &&
	       (r->host.incarnation == s->incarnation || r->host.store_error);
}

bool replica_slot_changed(const struct replica *r, const struct slot *slot)
{
	struct slot_fact fact;

	if (!slot->held)
		return false;
	adapter_fact(&slot->adapter, &r->config, &fact);
	return !slot->is_told || !slot_fact_equal(&fact, &slot->told);
}

static void tell(struct replica *r, struct slot *slot, struct report *report)
{
	if (slot->is_told)
		r->session.digest ^= slot_fact_digest(&slot->told);
	adapter_fact(&slot->adapter, &r->config, &slot->told);
	slot->is_told = true;
	r->session.digest ^= slot_fact_digest(&slot->told);
	report->slots[report->nr_slots++] = slot->told;
}

/* The digest covers what was told, so that it is true of what the master has
 * heard even while slots change between two parts. */
static void report_end(struct replica *r, struct report *report)
{
	struct session *s = &r->session;

	report->seq = ++s->seq;
	report->digest = s->digest;
	s->sent_at[s->seq % REPORTS_REMEMBERED] = r->host.now;
	s->next_heartbeat.v = r->host.now.v + s->heartbeat_ms;
}

/* --- inventory ----------------------------------------------------------- */

static uint32_t next_held(const struct replica *r, uint32_t at)
{
	while (at < r->nr_slots && !r->slots[at].held)
		at++;
	return at;
}

static void inventory_start(struct replica *r)
{
	for (uint32_t i = 0; i < r->nr_slots; i++)
		r->slots[i].is_told = false;
	r->session.digest = 0;
	r->session.inventory_at = next_held(r, 0);
	r->session.inventory_due = false;
}

/* An empty inventory has one part too. */
static void inventory_send(struct replica *r, struct replica_update *update)
{
	struct session *s = &r->session;
	bool first = s->inventory_due;

	if (first)
		inventory_start(r);
	while (s->inventory_at != SLOT_NONE &&
	       update->nr_send < REPLICA_UPDATE_MAX) {
		struct report *report =
			&replica_push_message(update, MESSAGE_REPORT)->report;

		report->full = true;
		report->first = first;
		first = false;
		while (s->inventory_at < r->nr_slots &&
		       report->nr_slots < MESSAGE_SLOTS_MAX) {
			tell(r, &r->slots[s->inventory_at], report);
			s->inventory_at = next_held(r, s->inventory_at + 1);
		}
		report->last = s->inventory_at == r->nr_slots;
		report_end(r, report);
		if (report->last)
			s->inventory_at = SLOT_NONE;
	}
}

/* --- heartbeat ----------------------------------------------------------- */

/* At most one a step: what does not fit follows in the next. */
static void heartbeat_send(struct replica *r, struct replica_update *update)
{
	bool due = r->host.now.v >= r->session.next_heartbeat.v;
	struct report *report;
	struct slot *slot;

	if ((!due && r->head[LIST_CHANGED] == SLOT_NONE) ||
	    update->nr_send == REPLICA_UPDATE_MAX)
		return;
	report = &replica_push_message(update, MESSAGE_REPORT)->report;
	while (report->nr_slots < MESSAGE_SLOTS_MAX &&
	       (slot = replica_dequeue(r, LIST_CHANGED)))
		if (replica_slot_changed(r, slot))
			tell(r, slot, report);
	if (due || report->nr_slots)
		report_end(r, report);
	else
		update->nr_send--;	/* it has changed back */
}

void replica_report(struct replica *r, struct replica_update *update)
{
	/* The kernel's answers that are on their way belong into it. */
	if (!replica_may_report(r) || r->nr_ops)
		return;
	if (r->session.inventory_due || r->session.inventory_at != SLOT_NONE)
		inventory_send(r, update);
	else
		heartbeat_send(r, update);
}
