// SPDX-License-Identifier: GPL-2.0
/*
 * The life of an agent and of its machine, and who gets which event. Must
 * never decide for the agent.
 */
#include "sim.h"

#include <assert.h>
#include <stdlib.h>

static bool is_host(const struct sim *s, int node)
{
	return node < s->nr_hosts;
}

static void reboot(struct sim *s, int node)
{
	node_freeze(s, node, false);
	node_boot_clock(s, node);
	if (!is_host(s, node))
		return;
	kernel_free(s->kernels[node]);
	s->kernels[node] = kernel_new(s->nr_volumes);
	for (uint32_t v = 0; v < s->nr_volumes; v++)
		sim_promise(s, node, v)->authority = (struct lineage){ 0 };
}

void agent_kill(struct sim *s, int node, bool power)
{
	struct node *n = &s->nodes[node];

	sim_trace(s, "%s %s", sim_node_name(s, node),
		  power ? "loses its power" : "is killed");
	if (n->up) {
		n->up = false;
		n->life++;
		n->fuse = 0;
		disk_crash(s, node, power);
		net_agent_died(s, node);
		if (is_host(s, node))
			replica_free(s->hosts[node].replica);
		else
			master_free(sim_manager(s, node)->master);
	}
	node_stall(s, node, false);
	if (power)
		reboot(s, node);
}

void agent_start(struct sim *s, int node)
{
	if (s->nodes[node].up || s->nodes[node].frozen)
		return;
	if (is_host(s, node))
		replica_start(s, node);
	else
		master_start(s, node);
}

static void on_disk(struct sim *s, int node)
{
	struct disk *d = &s->nodes[node].disk;
	size_t nr = d->nr_group;
	int error = disk_done(s, node);

	if (is_host(s, node)) {
		if (!error)
			check_floors_durable(s, node, d->group, nr);
		replica_feed(s, node,
			     (struct replica_event){ .type = REPLICA_PERSISTED,
						     .persist_error = error });
		return;
	}
	if (!error)
		check_lines_durable(s, node, d->group, nr);
	master_feed(s, node,
		    (struct master_event){ .type = MASTER_PERSISTED,
					   .persist_error = error });
}

static void on_timer(struct sim *s, const struct event *event)
{
	struct node *n = &s->nodes[event->node];
	uint64_t wanted = n->timer_ms;

	if (event->b != n->timer_id)
		return;
	n->timer_ms = 0;
	/* A frozen clock is behind what was reckoned. */
	if (node_now(s, event->node).v < wanted)
		node_arm(s, event->node, (struct mono_ms){ wanted });
	else if (is_host(s, event->node))
		replica_feed(s, event->node,
			     (struct replica_event){ .type = REPLICA_TICK });
	else
		master_feed(s, event->node,
			    (struct master_event){ .type = MASTER_TICK });
}

static void on_notify(struct sim *s, int host, uint32_t vol)
{
	struct replica_event event = { .type = REPLICA_GATE };

	if (!kernel_show(s, host, vol, &event.gate)) {
		event.type = REPLICA_GATE_GONE;
		event.gone = s->volumes[vol].id;
	}
	replica_feed(s, host, event);
}

void agent_event(struct sim *s, const struct event *event)
{
	if (!s->nodes[event->node].up ||
	    s->nodes[event->node].life != event->life)
		return;
	switch (event->kind) {
	case EVENT_TIMER:
		on_timer(s, event);
		break;
	case EVENT_DISK:
		on_disk(s, event->node);
		break;
	case EVENT_NOTIFY:
		on_notify(s, event->node, event->a);
		break;
	case EVENT_LIST:
		replica_list(s, event->node);
		break;
	default:
		net_event(s, event);
	}
}
