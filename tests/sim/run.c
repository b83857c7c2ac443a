// SPDX-License-Identifier: GPL-2.0
/*
 * One world from begin to end: volumes are made, faults come, then all but
 * one host is mended, then that too, and each time everything has to become
 * well within a bound. Must never know what a fault does.
 */
#include "sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_US		(250 * MS)
#define DEGRADED_US	(30000 * MS)
#define WELL_US		(40000 * MS)
#define BALANCE_US	(4000 * MS) /* a volume */
#define STAYS_US	(4000 * MS)

static void dispatch(struct sim *s, const struct event *event)
{
	s->result->nr_events++;
	sim_hash(s, event, offsetof(struct event, p));
	if (node_holds(s, event))
		return;
	switch (event->kind) {
	case EVENT_MARKER:
		if (s->nodes[event->node].life == event->life)
			disk_marker(s, event->node);
		break;
	case EVENT_WRITER:
	case EVENT_IO_ARRIVES:
	case EVENT_IO_LANDS:
		io_event(s, event);
		break;
	case EVENT_LEASE:
	case EVENT_GRACE:
	case EVENT_OVERDUE:
	case EVENT_IO_DONE:
		kernel_event(s, event);
		break;
	case EVENT_FAULT:
	case EVENT_FAULT_ENDS:
		faults_event(s, event);
		break;
	case EVENT_NONE:
	case EVENT_LOOK:
		break;
	default:
		agent_event(s, event);
	}
}

static void run_until(struct sim *s, uint64_t until)
{
	struct event event;

	while (sim_next(s, until, &event))
		dispatch(s, &event);
	s->now = until;
}

/* --- the world ------------------------------------------------------------------------ */

static void make_nodes(struct sim *s)
{
	int nr = s->nr_hosts + SIM_MASTERS;
	bool large = sim_is_large(s);

	s->nodes = calloc((size_t)nr, sizeof(*s->nodes));
	s->hosts = calloc((size_t)s->nr_hosts, sizeof(*s->hosts));
	s->kernels = calloc((size_t)s->nr_hosts, sizeof(struct kernel *));
	s->promises = calloc((size_t)s->nr_hosts * s->nr_volumes,
			     sizeof(*s->promises));
	assert(s->nodes && s->hosts && s->kernels && s->promises);
	for (int i = 0; i < nr; i++) {
		struct node *n = &s->nodes[i];

		n->rng = rng_seeded(s->config.seed, (uint64_t)i + 100);
		node_boot_clock(s, i);
		disk_make(s, &n->disk, i < s->nr_hosts ? (uint8_t)(i + 1) : 42,
			  large && i >= s->nr_hosts ? 16384 : 1024);
		if (i >= s->nr_hosts)
			continue;
		s->kernels[i] = kernel_new(s->nr_volumes);
		s->hosts[i].target = sim_master_node(s);
		s->hosts[i].claims = -1;
	}
	disk_make(s, &s->backup, 42, s->nodes[s->nr_hosts].disk.nr_frames);
	disk_copy(&s->backup, &s->nodes[s->nr_hosts].disk);
}

static void make_volumes(struct sim *s)
{
	s->volumes = calloc(s->nr_volumes, sizeof(*s->volumes));
	assert(s->volumes);
	for (uint32_t v = 0; v < s->nr_volumes; v++)
		snprintf(s->volumes[v].id.s, VOLUME_ID_SIZE, "v%u", v + 1);
}

static void configure(struct sim *s)
{
	bool damps = rng_one_in(&s->rng, 2);

	s->balances = rng_one_in(&s->rng, 2) && !sim_is_large(s);
	for (int i = 0; i < SIM_MASTERS; i++)
		s->managers[i].config = (struct master_config){
			.volumes_max = s->nr_volumes,
			.hosts_max = (uint32_t)s->nr_hosts,
			.heartbeat_ms = sim_is_large(s) ? 1000 : 500,
			.lease_ms = 3000,
			.freshness_ms = sim_is_large(s) ? 4000 : 2000,
			.grace_ms = 2000,
			.retry_ms = 1000,
			.drain_ms = 500,
			.min_epoch_interval_ms = damps ? 1500 : 0,
			.rebalance_skew = s->balances ? 1 : 0,
			.rebalance_cooldown_ms = 1500,
		};
	s->lease_ms_max = 5000;
	s->writer_gap_us = sim_is_large(s) ? 2 * MS : 20 * MS;
}

static struct sim *make(const struct sim_config *config,
			struct sim_result *result)
{
	struct sim *s = calloc(1, sizeof(*s));

	assert(s);
	s->config = *config;
	s->result = result;
	s->rng = rng_seeded(config->seed, 0);
	s->nr_hosts = config->nr_hosts;
	s->nr_volumes = (uint32_t)config->nr_volumes;
	s->master_update = malloc(sizeof(*s->master_update));
	s->replica_update = malloc(sizeof(*s->replica_update));
	s->message = malloc(sizeof(*s->message));
	s->asks_max = s->nr_volumes + 4 * SIM_FAULTS_MAX;
	s->asks = calloc(s->asks_max, sizeof(*s->asks));
	assert(s->asks);
	assert(s->master_update && s->replica_update && s->message);
	make_volumes(s);
	make_nodes(s);
	configure(s);
	return s;
}

static void create_all(struct sim *s)
{
	for (uint32_t v = 0; v < s->nr_volumes; v++) {
		struct master_ask ask = { .volume = s->volumes[v].id };

		for (int i = 0; i < REPLICA_SLOTS; i++)
			ask.hosts[i] = sim_home(s, v, i);
		ask.guard = rng_one_in(&s->rng, 3) ? GUARD_QUORUM : GUARD_LEASE;
		operator_asks(s, MASTER_CREATE, &ask);
	}
}

/* --- the way ---------------------------------------------------------------------------- */

/* Within the bound, or it is a failure of the whole. */
static void become_well(struct sim *s, const bool *host_is_down, uint64_t bound,
			const char *what)
{
	uint64_t until = s->now + bound;
	char why[SIM_TEXT / 2] = "";
	uint64_t looks = 0;

	while (s->now < until) {
		run_until(s, s->now + LOOK_US);
		check_all(s);
		if (!host_is_down[s->nr_hosts] && looks++ % 8 == 7)
			operator_mends(s);
		if (check_is_well(s, host_is_down, why, sizeof(why)))
			return;
	}
	sim_fail(s, "live: %s, after %llu s without a fault: %s", what,
		 (unsigned long long)(bound / MS / 1000), why);
}

static void heal_all(struct sim *s)
{
	bool down[SIM_HOSTS_MAX + 1] = { 0 };
	uint64_t minted;
	char why[SIM_TEXT / 2];

	sim_trace(s, "=== all is mended");
	faults_heal(s, -1);
	become_well(s, down, WELL_US, "not well");
	/* Balance has its time, and comes to an end. */
	if (s->balances) {
		run_until(s, s->now + BALANCE_US * s->nr_volumes);
		become_well(s, down, WELL_US, "not well after balance");
	}
	minted = s->result->nr_minted;
	run_until(s, s->now + STAYS_US);
	check_all(s);
	if (s->result->nr_minted != minted)
		sim_fail(s, "I6: a well world has minted by itself");
	if (!check_is_well(s, down, why, sizeof(why)))
		sim_fail(s, "live: it was well and is not any more: %s", why);
}

static void degrade(struct sim *s)
{
	bool down[SIM_HOSTS_MAX + 1] = { 0 };
	int except = (int)rng_below(&s->rng, (uint64_t)s->nr_hosts);

	if (rng_one_in(&s->rng, 2))
		return;
	sim_trace(s, "=== all is mended but %s", sim_node_name(s, except));
	faults_heal(s, except);
	if (rng_one_in(&s->rng, 2))
		s->volumes[0].hung_until = s->now + DEGRADED_US;
	down[except] = true;
	down[s->nr_hosts] = true;
	become_well(s, down, DEGRADED_US, "not well without one host");
}

void sim_run(const struct sim_config *config, struct sim_result *result)
{
	struct sim *s = make(config, result);

	faults_make(s);
	result->nr_faults = s->nr_faults;
	master_start(s, sim_master_node(s));
	for (int h = 0; h < s->nr_hosts; h++)
		replica_start(s, h);
	io_start(s);
	run_until(s, 500 * MS);
	create_all(s);
	run_until(s, s->last_fault / 2);
	if (s->nodes[s->nr_hosts].up && !s->nodes[s->nr_hosts].disk.busy)
		disk_copy(&s->backup, &s->nodes[s->nr_hosts].disk);
	run_until(s, s->last_fault + 2000 * MS);
	s->calm = true;
	s->calm_since = s->now;
	degrade(s);
	heal_all(s);
	result->end_us = s->now;
	sim_trace(s, "=== well");
}
