// SPDX-License-Identifier: GPL-2.0
/*
 * The master's edge in this world, step by step as the daemon's: what the
 * core orders is carried out in its order, and between any two actions the
 * process may die. Must never decide.
 */
#include "sim.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Raised durably before anything is said. */
static uint64_t raise_incarnation(struct sim *s, int node, struct reload *r,
				  uint32_t *ret_lease_before)
{
	const struct manager *m = sim_manager(s, node);
	const struct record newest = record_table_at(r->table, 0)->record;
	const struct incarnation before = record_incarnation(&newest);
	struct incarnation next = { .value = before.value + 1,
				    .lease_ms = m->config.lease_ms };
	struct record record;

	if (next.lease_ms < before.lease_ms)
		next.lease_ms = before.lease_ms;
	*ret_lease_before = before.lease_ms;
	record = record_of_incarnation(newest.write_seq + 1, &next);
	disk_append(s, node, &record);
	return next.value;
}

static void reload_lines(struct sim *s, int node, struct reload *r)
{
	struct manager *m = sim_manager(s, node);
	const struct mono_ms now = node_now(s, node);

	for (size_t i = 1; i < record_table_nr(r->table); i++) {
		const struct record_entry *e = record_table_at(r->table, i);

		if (e->damaged || e->record.kind == RECORD_UNSPEC)
			continue;
		if (master_reload(m->master, &e->record, now) < 0)
			sim_fail(s, "reload: volume %s is not taken",
				 e->record.volume.s);
	}
	for (size_t i = 0; i < r->nr_skips; i++)
		if (r->skips[i].class == STORE_SKIP_CORRUPT &&
		    r->skips[i].volume.s[0])
			master_reload_corrupt(m->master, &r->skips[i].volume,
					      r->skips[i].write_seq, now);
}

void master_start(struct sim *s, int node)
{
	struct manager *m = sim_manager(s, node);
	struct node *n = &s->nodes[node];
	struct reload r;

	disk_load(s, node, &r);
	check_lines_loaded(s, node, &r);
	m->config.store = n->disk.store;
	/* Whoever starts it may give it another lease. */
	if (n->life && rng_one_in(&n->rng, 2))
		m->config.lease_ms =
			2000 + 1000 * (uint32_t)rng_below(&n->rng, 4);
	m->config.incarnation =
		raise_incarnation(s, node, &r, &m->config.lease_ms_before);
	assert(master_new(&m->config, node_now(s, node), &m->master) == 0);
	for (int i = 0; i < s->nr_hosts; i++) {
		const struct host_id id = sim_host_id(i);

		assert(master_add_host(m->master, &id) == i);
		m->heard_ms[i] = 0;
	}
	m->started_ms = node_now(s, node).v;
	reload_lines(s, node, &r);
	reload_exit(&r);
	n->up = true;
	n->life++;
	n->timer_ms = 0;
	sim_trace(s, "%s starts, incarnation %llu", sim_node_name(s, node),
		  (unsigned long long)m->config.incarnation);
	master_feed(s, node, (struct master_event){ .type = MASTER_TICK });
}

/* False: it died on the way. */
static bool carry_out(struct sim *s, int node, int *ret_persist_error)
{
	const struct master_update *u = s->master_update;

	for (unsigned int i = 0; i < u->nr_notes; i++)
		sim_trace(s, "%s: %s", sim_node_name(s, node),
			  u->notes[i].text);
	if (u->nr_persist) {
		*ret_persist_error =
			disk_commit(s, node, u->persist, u->nr_persist);
		if (node_burns(s, node))
			return false;
	}
	for (unsigned int i = 0; i < u->nr_sends; i++) {
		const struct master_send *send = &u->sends[i];

		check_master_says(s, node, &send->message);
		net_send_to_host(s, node, (int)send->host, &send->message,
				 send->close);
		if (node_burns(s, node))
			return false;
	}
	for (unsigned int i = 0; i < u->nr_answers; i++)
		check_answer(s, &u->answers[i]);
	return true;
}

void master_feed(struct sim *s, int node, struct master_event event)
{
	struct manager *m = sim_manager(s, node);
	uint32_t life = s->nodes[node].life;
	int error = 0;

	do {
		event.now = node_now(s, node);
		assert(master_step(m->master, &event, s->master_update) == 0);
		if (!carry_out(s, node, &error))
			return;
		memset(&event, 0, sizeof(event));
		event.type = error ? MASTER_PERSISTED : MASTER_TICK;
		event.persist_error = error;
		if (!error && !s->master_update->more)
			break;
		error = 0;
	} while (s->nodes[node].life == life);
	node_arm(s, node, s->master_update->timer);
	check_master(s, node);
}
