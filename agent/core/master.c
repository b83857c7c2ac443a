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
#include <stdarg.h>
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

int master_reload(struct master *m, const struct record *record,
		  struct mono_ms now)
{
	const struct line *line = &record->volume_state.line;
	int vol;

	if (record->kind != RECORD_VOLUME)
		return -EINVAL;
	vol = registry_add_volume(&m->registry, &record->volume,
				  &record->volume_state.topology, now);
	if (vol < 0)
		return vol;
	publisher_reload(m->publisher, (uint32_t)vol, record);
	bridge_reload(&m->bridge, (uint32_t)vol, line, now);
	m->volumes[vol].holder =
		(int8_t)topology_slot_of_replica(&record->volume_state.topology,
						 &line->primary);
	master_mark(m, (uint32_t)vol);
	return vol;
}

int master_reload_corrupt(struct master *m, const struct volume_id *volume,
			  struct mono_ms now)
{
	return registry_add_corrupt(&m->registry, volume, now);
}

/* --- the store ---------------------------------------------------------------- */

static void answer_create(struct master *m, uint32_t vol, int error,
			  struct master_update *update)
{
	struct volume_state *v = &m->volumes[vol];
	struct master_answer *a;

	if (!v->create_token)
		return;
	a = &update->answers[update->nr_answers++];
	a->token = v->create_token;
	a->error = error;
	snprintf(a->text, sizeof(a->text),
		 error ? "volume %s: the authority log refused the write (errno %d) and is closed" :
			 "volume %s created",
		 master_volume_name(m, vol), -error);
	v->create_token = 0;
}

static void on_published(struct master *m, uint32_t vol, struct mono_ms now,
			 struct master_update *update)
{
	const struct line *line = publisher_line(m->publisher, vol);
	const struct registry_volume *volume = &m->registry.volumes[vol];
	struct volume_state *v = &m->volumes[vol];

	if (lineage_is_none(line->lineage)) {
		master_note(update, "created volume=%s", volume->id.s);
		for (int i = 0; i < REPLICA_SLOTS; i++) {
			m->hosts[volume->hosts[i]].sync_due = true;
			master_host_work(m, volume->hosts[i]);
		}
		return;
	}
	bridge_publish(&m->bridge, vol, line, v->holder, now);
	v->holder = (int8_t)topology_slot_of_replica(&volume->topology,
						     &line->primary);
	convergence_minted(&v->desired);
	master_note(update,
		    "minted volume=%s lineage=%" PRIu64 ".%" PRIu64
		    " primary=%s host=%s why=\"%s\"",
		    volume->id.s, line->lineage.epoch,
		    line->lineage.endpoint_version, line->primary.s,
		    volume->topology.slots[v->holder].host.s,
		    decision_name(v->desired.reason));
}

static void on_persisted(struct master *m, int error, struct mono_ms now,
			 struct master_update *update)
{
	const uint32_t *vols;
	size_t nr = publisher_persisted(m->publisher, error, &vols);

	m->group_in_flight = false;
	for (size_t i = 0; i < nr; i++) {
		if (error)
			convergence_answered(&m->volumes[vols[i]].desired,
					     ASK_STORE_CLOSED);
		else
			on_published(m, vols[i], now, update);
		answer_create(m, vols[i], error, update);
		master_mark(m, vols[i]);
	}
	if (error)
		master_note(update, "store-closed errno=%d volumes=%zu", -error,
			    nr);
}

/* --- the operator ------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static void
refuse_create(const struct master_event *event, struct master_update *update,
	      int error, const char *format, ...)
{
	struct master_answer *a = &update->answers[update->nr_answers++];
	va_list args;

	a->token = event->create.token;
	a->error = error;
	va_start(args, format);
	vsnprintf(a->text, sizeof(a->text), format, args);
	va_end(args);
}

/* True, and answered, when the hosts cannot carry a volume. */
static bool hosts_refused(const struct master *m,
			  const struct master_event *event,
			  struct master_update *update)
{
	const struct host_id *hosts = event->create.hosts;

	for (int i = 0; i < REPLICA_SLOTS; i++) {
		int at = registry_find_host(&m->registry, &hosts[i]);

		if (at < 0 || !m->registry.hosts[at].configured) {
			refuse_create(
				event, update, -ENOENT,
				"host %s is unknown: it has no key on this master",
				hosts[i].s);
			return true;
		}
		for (int j = 0; j < i; j++) {
			if (!host_id_equal(&hosts[i], &hosts[j]))
				continue;
			refuse_create(
				event, update, -EINVAL,
				"host %s is named twice: three slots need three hosts",
				hosts[i].s);
			return true;
		}
	}
	return false;
}

static void on_create(struct master *m, const struct master_event *event,
		      struct master_update *update)
{
	struct topology topology = { .guard = event->create.guard };
	int vol;

	if (hosts_refused(m, event, update))
		return;
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		topology.slots[i].host = event->create.hosts[i];
		snprintf(topology.slots[i].replica.s, REPLICA_ID_SIZE, "r%d",
			 i + 1);
	}
	if (publisher_is_closed(m->publisher)) {
		refuse_create(event, update, -EROFS, "volume %s: %s",
			      event->create.volume.s,
			      ask_refusal_name(ASK_STORE_CLOSED));
		return;
	}
	vol = registry_add_volume(&m->registry, &event->create.volume,
				  &topology, event->now);
	if (vol < 0) {
		refuse_create(event, update, vol,
			      vol == -EEXIST ?
				      "volume %s exists already" :
				      "volume %s: no room, volumes_max is reached",
			      event->create.volume.s);
		return;
	}
	publisher_create(m->publisher, (uint32_t)vol);
	m->volumes[vol].create_token = event->create.token;
}

/* --- time --------------------------------------------------------------------- */

static void on_time(struct master *m, struct mono_ms now,
		    struct master_update *update)
{
	if (now.v < m->next_tick.v)
		return;
	m->next_tick.v = now.v + TICK_MS;
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
		on_create(m, event, update);
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
