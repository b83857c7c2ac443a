// SPDX-License-Identifier: GPL-2.0
/*
 * A replica's edge in this world, step by step as the daemon's. Must never
 * decide.
 */
#include "sim.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_US		(5000 * MS)

/* A fact about a slot that is not this host's, on its own connection. */
static void lie(struct sim *s, int host, struct message *message)
{
	struct report *r = &message->report;
	struct slot_fact *fact = &r->slots[r->nr_slots];
	const struct host_id id = sim_host_id(host);
	const struct volume *v;

	if (s->hosts[host].claims < 0 || message->kind != MESSAGE_REPORT ||
	    r->nr_slots == MESSAGE_SLOTS_MAX)
		return;
	v = &s->volumes[s->hosts[host].claims];
	if (topology_slot_of_host(&v->topology, &id) >= 0)
		return;
	memset(fact, 0, sizeof(*fact));
	fact->volume = v->id;
	fact->replica = v->topology.slots[0].replica;
	snprintf(fact->data_addr.s, ADDR_SIZE, "10.9.9.9:1");
	snprintf(fact->ctrl_addr.s, ADDR_SIZE, "10.9.9.9:2");
	fact->state = GATE_OPEN;
	fact->role = ROLE_PRIMARY;
	fact->backing_ok = true;
	fact->authority = fact->floor = fact->applied = fact->served =
		(struct lineage){ 900, 1 };
	if (fact->replica.s[0])
		r->nr_slots++;
}

/* False: it died on the way. */
static bool carry_out(struct sim *s, int host, struct replica_event *done,
		      unsigned int *nr_done, int *ret_persist_error)
{
	struct replica_update *u = s->replica_update;

	for (unsigned int i = 0; i < u->nr_notes; i++)
		sim_trace(s, "%s: %s", sim_node_name(s, host),
			  u->notes[i].text);
	for (unsigned int i = 0; i < u->nr_kernel; i++) {
		struct replica_event *d = &done[(*nr_done)++];

		assert(*nr_done <= REPLICA_UPDATE_MAX);
		memset(d, 0, sizeof(*d));
		d->type = REPLICA_KERNEL_DONE;
		d->kernel.op = u->kernel[i];
		check_op(s, host, &u->kernel[i]);
		d->kernel.error = kernel_do(s, host, &u->kernel[i],
					    &d->kernel.gate, &d->kernel.reason);
		if (d->kernel.op.kind != KERNEL_LEASE)
			check_volume(s,
				     (uint32_t)
					     sim_volume_index(s,
							      &d->kernel.op
								       .volume));
		if (node_burns(s, host))
			return false;
	}
	if (u->nr_persist) {
		*ret_persist_error =
			disk_commit(s, host, u->persist, u->nr_persist);
		if (node_burns(s, host))
			return false;
	}
	for (unsigned int i = 0; i < u->nr_send; i++) {
		check_replica_says(s, host, &u->send[i]);
		lie(s, host, &u->send[i]);
		net_send_to_master(s, host, &u->send[i]);
		if (node_burns(s, host))
			return false;
	}
	return true;
}

void replica_feed(struct sim *s, int host, struct replica_event event)
{
	struct replica_event done[REPLICA_UPDATE_MAX];
	unsigned int nr_done = 0, done_at = 0;
	bool reset = false, more;
	int error = 0;

	do {
		event.now = node_now(s, host);
		assert(replica_step(s->hosts[host].replica, &event,
				    s->replica_update) == 0);
		reset |= s->replica_update->reset_link;
		more = s->replica_update->more;
		if (!carry_out(s, host, done, &nr_done, &error))
			return;
		if (done_at < nr_done) {
			event = done[done_at++];
			if (done_at == nr_done)
				done_at = nr_done = 0;
			continue;
		}
		memset(&event, 0, sizeof(event));
		event.type = REPLICA_TICK;
		if (error) {
			event.type = REPLICA_PERSISTED;
			event.persist_error = error;
			error = 0;
		} else if (!more) {
			break;
		}
	} while (true);
	node_arm(s, host, s->replica_update->timer);
	check_fences(s, host);
	if (reset)
		net_drop_at_host(s, host, true);
}

void replica_list(struct sim *s, int host)
{
	uint32_t life = s->nodes[host].life;

	for (uint32_t v = 0; v < s->nr_volumes; v++) {
		struct replica_event event = { .type = REPLICA_GATE };

		if (!kernel_show(s, host, v, &event.gate))
			continue;
		replica_feed(s, host, event);
		if (s->nodes[host].life != life)
			return;
	}
	replica_feed(s, host, (struct replica_event){ .type = REPLICA_LISTED });
	if (s->nodes[host].life == life)
		sim_at(s, s->now + LIST_US,
		       (struct event){ .kind = EVENT_LIST,
				       .node = host,
				       .life = life });
}

/* --- start ---------------------------------------------------------------------------- */

static void tell(struct sim *s, int host, struct replica_event event)
{
	event.now = node_now(s, host);
	if (replica_step(s->hosts[host].replica, &event, s->replica_update))
		sim_fail(s, "start: %s does not take event %d",
			 sim_node_name(s, host), (int)event.type);
}

static bool is_at_home(const struct sim *s, int host, uint32_t vol)
{
	const struct host_id id = sim_host_id(host);

	for (int i = 0; i < REPLICA_SLOTS && sim_is_large(s); i++) {
		const struct host_id home = sim_home(s, vol, i);

		if (host_id_equal(&home, &id))
			return true;
	}
	return !sim_is_large(s);
}

static void tell_backings(struct sim *s, int host)
{
	for (uint32_t v = 0; v < s->nr_volumes; v++)
		if (is_at_home(s, host, v))
			tell(s, host,
			     (struct replica_event){
				     .type = REPLICA_BACKING,
				     .backing = s->volumes[v].id });
}

static void tell_records(struct sim *s, int host, struct reload *r)
{
	for (size_t i = 1; i <= record_table_nr(r->table); i++) {
		/* The incarnation, which is first, is told last. */
		const struct record_entry *e =
			record_table_at(r->table,
					i % record_table_nr(r->table));

		if (e->record.kind == RECORD_UNSPEC)
			continue;
		tell(s, host,
		     (struct replica_event){ .type = REPLICA_RECORD,
					     .record = &e->record });
	}
}

static void tell_gates(struct sim *s, int host)
{
	for (uint32_t v = 0; v < s->nr_volumes; v++) {
		struct replica_event event = { .type = REPLICA_GATE };

		if (kernel_show(s, host, v, &event.gate))
			tell(s, host, event);
	}
}

static void new_core(struct sim *s, int host)
{
	struct replica_config config = { .heartbeat_ms = 500,
					 .slots_max = s->nr_volumes };

	if (sim_is_large(s))
		config.slots_max = 128;
	config.host = sim_host_id(host);
	snprintf(config.boot.s, BOOT_ID_SIZE, "boot-%u", s->nodes[host].boot);
	snprintf(config.data_addr.s, ADDR_SIZE, "10.0.0.%d:%d", host + 1,
		 4420 + s->hosts[host].port);
	snprintf(config.ctrl_addr.s, ADDR_SIZE, "10.0.0.%d:%d", host + 1,
		 7421 + s->hosts[host].port);
	assert(replica_new(&config, &s->hosts[host].replica) == 0);
}

void replica_start(struct sim *s, int host)
{
	struct node *n = &s->nodes[host];
	struct reload r;

	disk_load(s, host, &r);
	check_floors_loaded(s, host, &r);
	new_core(s, host);
	tell_backings(s, host);
	tell_records(s, host, &r);
	reload_exit(&r);
	tell_gates(s, host);
	n->up = true;
	n->life++;
	n->timer_ms = 0;
	sim_trace(s, "%s: agent starts", sim_node_name(s, host));
	replica_feed(s, host, (struct replica_event){ .type = REPLICA_READY });
	if (!n->up)
		return;
	net_dial(s, host, rng_below(&n->rng, 200 * MS));
	sim_at(s, s->now + LIST_US,
	       (struct event){
		       .kind = EVENT_LIST, .node = host, .life = n->life });
}
