// SPDX-License-Identifier: GPL-2.0
/*
 * What follows from an event, and in which order: each volume that was touched
 * is looked at once, then hosts get their SYNC and their LEASE, then what was
 * asked goes to the store. Must never take in an event.
 *
 * Order within an update: every FENCE that the facts call for leaves before
 * any LEASE does, so that a host which comes back has its old grants ended
 * before its lease runs again.
 */
#include "master_state.h"

#include <assert.h>
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

/* One that runs begins anew: its place may be gone. */
static void sync_anew(struct master *m, uint32_t host)
{
	m->hosts[host].sync_due = true;
	m->hosts[host].sync_running = false;
	master_host_work(m, host);
}

void master_sync_hosts(struct master *m, uint32_t vol)
{
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		uint32_t host = m->registry.volumes[vol].hosts[i];

		if (host != INDEX_NONE)
			sync_anew(m, host);
	}
}

void master_sync_all(struct master *m)
{
	for (uint32_t i = 0; i < m->registry.nr_hosts; i++)
		sync_anew(m, i);
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

void master_set_deadline(struct master *m, uint32_t vol, struct mono_ms at)
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
			master_look(m, pop_dirty(m), now, update);
			continue;
		}
		if (!master_serve_host(m, host, now, update)) {
			update->more = true;
			break;
		}
		m->work_head = m->hosts[host].next_work;
		m->hosts[host].has_work = false;
	}
	if (m->move.due && m->dirty_head == INDEX_NONE) {
		m->move.due = false;
		master_look_for_move(m, now, update);
	}
	if (m->group_in_flight)
		return;
	update->nr_persist = publisher_take_group(m->publisher, update->persist,
						  MASTER_PERSIST_MAX);
	m->group_in_flight = update->nr_persist > 0;
}
