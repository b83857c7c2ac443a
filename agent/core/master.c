// SPDX-License-Identifier: GPL-2.0
/*
 * The master's door: events in. Each handler takes the event into the stage
 * that it concerns and marks what has to be looked at; master_pump.c does the
 * looking. Must never know a socket, a file or a clock.
 */
#include "master_state.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Silence is judged at least so often, deadlines at their own instant. */
#define TICK_MS		100

int master_new(const struct master_config *config, struct mono_ms now,
	       struct master **ret)
{
	const struct bridge_config bridge = {
		.incarnation = config->incarnation,
		.lease_ms = config->lease_ms,
		.lease_ms_before = config->lease_ms_before,
		.retry_ms = config->retry_ms,
		.drain_ms = config->drain_ms,
	};
	struct master *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->config = *config;
	m->dirty_head = INDEX_NONE;
	m->dirty_tail = INDEX_NONE;
	m->work_head = INDEX_NONE;
	m->move.vol = INDEX_NONE;
	m->move.tried = UINT64_MAX;
	m->move.next_balance.v = now.v + config->rebalance_cooldown_ms;
	m->volumes = calloc(config->volumes_max, sizeof(*m->volumes));
	m->hosts = calloc(config->hosts_max, sizeof(*m->hosts));
	m->active = calloc(config->volumes_max, sizeof(*m->active));
	if (!m->volumes || !m->hosts || !m->active ||
	    registry_init(&m->registry, config->volumes_max,
			  config->hosts_max) ||
	    observation_init(&m->observation, &m->registry,
			     config->freshness_ms, config->grace_ms, now) ||
	    controller_init(&m->controller, &m->registry) ||
	    publisher_new(&m->registry, &m->publisher) ||
	    bridge_init(&m->bridge, &m->registry, &bridge, now)) {
		master_free(m);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < config->volumes_max; i++) {
		m->volumes[i].active_at = INDEX_NONE;
		m->volumes[i].holder = -1;
	}
	*ret = m;
	return 0;
}

void master_free(struct master *m)
{
	if (!m)
		return;
	bridge_exit(&m->bridge);
	publisher_free(m->publisher);
	controller_exit(&m->controller);
	observation_exit(&m->observation);
	registry_exit(&m->registry);
	free(m->volumes);
	free(m->hosts);
	free(m->active);
	free(m);
}

int master_add_host(struct master *m, const struct host_id *host)
{
	return registry_add_host(&m->registry, host, true);
}

int master_find_host(const struct master *m, const struct host_id *host)
{
	return registry_find_host(&m->registry, host);
}

int master_find_volume(const struct master *m, const struct volume_id *volume)
{
	return registry_find_volume(&m->registry, volume);
}

/* The observation judges floors by it, and must not know the publisher. */
static void keep_floor(struct master *m, uint32_t vol)
{
	m->registry.volumes[vol].floor_epoch =
		publisher_floor_epoch(m->publisher, vol);
}

static int reload_deleted(struct master *m, const struct record *record,
			  struct mono_ms now)
{
	int vol = registry_add_deleted(&m->registry, &record->volume, now);

	if (vol < 0)
		return vol;
	publisher_reload(m->publisher, (uint32_t)vol, record);
	keep_floor(m, (uint32_t)vol);
	bridge_reload_without_line(&m->bridge, (uint32_t)vol, now);
	return vol;
}

int master_reload(struct master *m, const struct record *record,
		  struct mono_ms now)
{
	struct topology topology;
	struct line line;
	int vol;

	if (record->kind == RECORD_TOMBSTONE)
		return reload_deleted(m, record, now);
	if (record->kind != RECORD_VOLUME)
		return -EINVAL;
	topology = record_topology(record);
	line = record_line(record);
	vol = registry_add_volume(&m->registry, &record->volume, &topology,
				  now);
	if (vol < 0)
		return vol;
	m->registry.volumes[vol].in_doubt = record_is_in_doubt(record);
	publisher_reload(m->publisher, (uint32_t)vol, record);
	keep_floor(m, (uint32_t)vol);
	bridge_reload(&m->bridge, (uint32_t)vol, &line, now);
	m->volumes[vol].holder =
		(int8_t)topology_slot_of_replica(&topology, &line.primary);
	master_mark(m, (uint32_t)vol);
	return vol;
}

int master_reload_corrupt(struct master *m, const struct volume_id *volume,
			  uint64_t write_seq, struct mono_ms now)
{
	int vol = registry_add_corrupt(&m->registry, volume, now);

	if (vol < 0)
		return vol;
	publisher_reload_corrupt(m->publisher, (uint32_t)vol, write_seq);
	keep_floor(m, (uint32_t)vol);
	bridge_reload_without_line(&m->bridge, (uint32_t)vol, now);
	return vol;
}

/* --- the store ---------------------------------------------------------------- */

static void on_created(struct master *m, uint32_t vol,
		       struct master_update *update)
{
	master_note(update, "created volume=%s", master_volume_name(m, vol));
	master_sync_hosts(m, vol);
}

/* Any host may have served it till now, and is told just now that it is no
 * longer to be left as it is. */
static void end_damage(struct master *m, uint32_t vol, struct mono_ms now)
{
	registry_end_corrupt(&m->registry, vol);
	bridge_reload_without_line(&m->bridge, vol, now);
	master_sync_all(m);
}

static void on_deleted(struct master *m, uint32_t vol, struct mono_ms now,
		       struct master_update *update)
{
	struct volume_state *v = &m->volumes[vol];
	bool damaged = m->registry.volumes[vol].corrupt;

	master_note(update, "deleted volume=%s floor_epoch=%" PRIu64,
		    master_volume_name(m, vol),
		    publisher_floor_epoch(m->publisher, vol));
	bridge_end(&m->bridge, vol, v->holder);
	master_sync_hosts(m, vol);
	registry_delete(&m->registry, vol);
	keep_floor(m, vol);
	observation_forget(&m->observation, vol);
	if (damaged)
		end_damage(m, vol, now);
	controller_count(&m->controller, vol, INDEX_NONE);
	v->desired = (struct desired){ 0 };
	v->no_candidate = false;
	v->held_back = false;
	v->damper = (struct damper){ 0 };
	v->holder = -1;
}

/* Its plan begins anew, and with it what this master wants of it. */
static void on_recovered(struct master *m, uint32_t vol, struct mono_ms now)
{
	if (m->registry.volumes[vol].corrupt)
		end_damage(m, vol, now);
	m->registry.volumes[vol].in_doubt = false;
	bridge_recover(&m->bridge, vol, publisher_line(m->publisher, vol), now);
	convergence_follow(&m->volumes[vol].desired, DECISION_RECOVERY, now);
}

static void on_minted(struct master *m, uint32_t vol, struct mono_ms now,
		      struct master_update *update)
{
	const struct line *line = publisher_line(m->publisher, vol);
	const struct topology *topology = &m->registry.volumes[vol].topology;
	struct volume_state *v = &m->volumes[vol];

	if (publisher_recovery(m->publisher, vol).write_seq ==
	    publisher_write_seq(m->publisher, vol)) {
		on_recovered(m, vol, now);
	} else {
		bridge_publish(&m->bridge, vol, line, v->holder, now);
		if (v->desired.reason == DECISION_FAILOVER)
			damper_note_failover(&v->damper,
					     m->config.min_epoch_interval_ms,
					     now);
		convergence_minted(&v->desired);
	}
	v->holder = (int8_t)topology_slot_of_replica(topology, &line->primary);
	master_note(update,
		    "minted volume=%s lineage=%" PRIu64 ".%" PRIu64
		    " primary=%s host=%s why=\"%s\"",
		    master_volume_name(m, vol), line->lineage.epoch,
		    line->lineage.endpoint_version, line->primary.s,
		    topology->slots[v->holder].host.s,
		    decision_name(v->desired.reason));
}

static void on_published(struct master *m, uint32_t vol, struct mono_ms now,
			 struct master_update *update)
{
	if (!publisher_exists(m->publisher, vol))
		on_deleted(m, vol, now, update);
	else if (lineage_is_none(publisher_line(m->publisher, vol)->lineage))
		on_created(m, vol, update);
	else
		on_minted(m, vol, now, update);
}

/* What waits for a group that will never be written. */
static void answer_all(struct master *m, int error,
		       struct master_update *update)
{
	for (uint32_t i = 0; i < m->registry.nr_volumes; i++)
		master_answer_durable(m, i, error, update);
}

static void on_persisted(struct master *m, int error, struct mono_ms now,
			 struct master_update *update)
{
	const uint32_t *vols;
	size_t nr = publisher_persisted(m->publisher, error, &vols);

	m->group_in_flight = false;
	for (size_t i = 0; i < nr; i++) {
		master_mark(m, vols[i]);
		if (error) {
			convergence_answered(&m->volumes[vols[i]].desired,
					     ASK_STORE_CLOSED);
			continue;
		}
		on_published(m, vols[i], now, update);
		master_answer_durable(m, vols[i], 0, update);
	}
	if (!error)
		return;
	answer_all(m, error, update);
	master_note(update, "store-closed errno=%d volumes=%zu", -error, nr);
}

/* --- time --------------------------------------------------------------------- */

static void on_time(struct master *m, struct mono_ms now,
		    struct master_update *update)
{
	if (now.v < m->next_tick.v)
		return;
	m->next_tick.v = now.v + TICK_MS;
	m->move.due = true;
	for (uint32_t i = 0; i < m->registry.nr_hosts; i++) {
		if (!m->hosts[i].fresh ||
		    observation_host_is_fresh(&m->observation, i, now))
			continue;
		m->hosts[i].fresh = false;
		master_note(update, "host-stale host=%s silent_ms=%" PRIu64,
			    m->registry.hosts[i].id.s,
			    now.v - m->observation.hosts[i].last_heard.v);
		master_mark_host(m, i);
	}
	for (uint32_t i = 0; i < m->nr_active; i++) {
		uint32_t vol = m->active[i];

		if (m->volumes[vol].deadline.v <= now.v)
			master_mark(m, vol);
		else if (m->volumes[vol].deadline.v < m->next_tick.v)
			m->next_tick = m->volumes[vol].deadline;
	}
}

static int dispatch(struct master *m, const struct master_event *event,
		    struct master_update *update)
{
	switch (event->type) {
	case MASTER_UP:
		return 0;	/* HELLO follows, and says who it is */
	case MASTER_DOWN:
		master_on_down(m, event->host, update);
		return 0;
	case MASTER_MESSAGE:
		master_on_message(m, event, update);
		return 0;
	case MASTER_PERSISTED:
		on_persisted(m, event->persist_error, event->now, update);
		return 0;
	case MASTER_CREATE:
		master_on_create(m, event, update);
		return 0;
	case MASTER_DELETE:
		master_on_delete(m, event, update);
		return 0;
	case MASTER_RECOVER:
		master_on_recover(m, event, update);
		return 0;
	case MASTER_REASSIGN:
		master_on_reassign(m, event, update);
		return 0;
	case MASTER_DRAIN:
	case MASTER_UNDRAIN:
		master_on_drain(m, event, update);
		return 0;
	case MASTER_TICK:
		return 0;
	case MASTER_UNSPEC:
		break;
	}
	return -EINVAL;
}

int master_step(struct master *m, const struct master_event *event,
		struct master_update *update)
{
	int ret;

	update->nr_persist = 0;
	update->nr_sends = 0;
	update->nr_notes = 0;
	update->nr_answers = 0;
	update->more = false;
	ret = dispatch(m, event, update);
	on_time(m, event->now, update);
	master_pump(m, event->now, update);
	update->timer = m->next_tick;
	return ret;
}
