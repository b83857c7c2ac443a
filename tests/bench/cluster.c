// SPDX-License-Identifier: GPL-2.0
/*
 * Each slot's fact is what its host would report. Must never know what is
 * measured, nor decide anything of the master's.
 */
#include "cluster.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "edge/clock.h"
#include "edge/store.h"

#include "engine.h"

#define RING_ENTRIES	256
#define BEGIN_MS	1000000
#define MOMENT_MS	101		/* more than the master's tick */
#define STEPS_MAX	16		/* of a rollout, from host to host */

struct host {
	uint64_t seq;
	uint64_t digest;
	uint32_t first;			/* in by_host[] */
	uint32_t nr;
	bool lost;
};

struct cluster {
	struct cluster_config config;
	struct master *master;
	size_t master_bytes;
	struct master_update *update;
	struct mono_ms now;
	struct slot_fact *facts;	/* by volume * REPLICA_SLOTS + slot */
	bool *changed;			/* not reported yet */
	struct host *hosts;
	uint32_t *by_host;		/* facts, host by host */
	struct message message;		/* what is said next, */
	uint32_t speaker;		/* and who says it */

	struct loop *loop;		/* with a store */
	struct store *store;
	struct loop_op persisted;
	struct loop_op pause;
	bool in_flight;
	size_t nr_in_flight;
	size_t nr_durable;
	size_t nr_groups;
	size_t nr_awaited;
	uint64_t durable_ns;		/* when they were */
	int error;
};

uint64_t cluster_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint32_t host_of(const struct cluster *c, uint32_t fact)
{
	return fact % c->config.nr_hosts;
}

static struct host_id host_id(uint32_t host)
{
	struct host_id id = { 0 };

	snprintf(id.s, sizeof(id.s), "host-%05u", host);
	return id;
}

/* --- hosts that obey -------------------------------------------------------- */

static void change(struct cluster *c, uint32_t at, const struct slot_fact *next)
{
	struct host *host = &c->hosts[host_of(c, at)];

	host->digest ^= slot_fact_digest(&c->facts[at]);
	c->facts[at] = *next;
	host->digest ^= slot_fact_digest(&c->facts[at]);
	c->changed[at] = true;
}

static void obey(struct cluster *c, const struct command *command)
{
	int vol = master_find_volume(c->master, &command->volume);
	uint32_t at = (uint32_t)vol * REPLICA_SLOTS;
	struct slot_fact next;

	while (!replica_id_equal(&c->facts[at].replica, &command->replica))
		at++;
	if (c->hosts[host_of(c, at)].lost)
		return;
	next = c->facts[at];
	next.authority = command->lineage;
	next.floor = command->lineage;
	if (command->kind == COMMAND_OPEN) {
		next.state = GATE_OPEN;
		next.applied = command->lineage;
		next.served = command->lineage;
		next.role =
			replica_id_equal(&command->primary, &command->replica) ?
				ROLE_PRIMARY :
				ROLE_CANDIDATE;
	} else {
		next.state = GATE_CLOSED;
		next.applied = (struct lineage){ 0 };
		next.role = ROLE_NONE;
	}
	change(c, at, &next);
}

/* --- carrying out ----------------------------------------------------------- */

static void carry_out(struct cluster *c)
{
	const struct master_update *u = c->update;

	for (unsigned int i = 0; i < u->nr_answers; i++)
		if (u->answers[i].error)
			c->error = u->answers[i].error;
	for (unsigned int i = 0; i < u->nr_sends; i++)
		if (u->sends[i].message.kind == MESSAGE_COMMAND)
			obey(c, &u->sends[i].message.command);
	if (u->nr_persist == 0)
		return;
	c->in_flight = true;
	c->nr_in_flight = u->nr_persist;
	if (c->store)
		c->error = store_commit(c->store, u->persist, u->nr_persist,
					&c->persisted);
}

static void feed(struct cluster *c, struct master_event event)
{
	bool more = true;

	while (more && !c->error) {
		event.now = c->now;
		c->error = master_step(c->master, &event, c->update);
		carry_out(c);
		more = c->update->more;
		event = (struct master_event){ .type = MASTER_TICK };
	}
}

static void end_group(struct cluster *c, int res)
{
	c->in_flight = false;
	if (res)
		c->error = res;
	c->nr_groups++;
	c->nr_durable += c->nr_in_flight;
	c->durable_ns = cluster_clock_ns();
	feed(c, (struct master_event){ .type = MASTER_PERSISTED,
				       .persist_error = res });
}

static void on_persisted(struct loop_op *op, int res)
{
	struct cluster *c = loop_container(op, struct cluster, persisted);

	end_group(c, res);
	if (!c->in_flight || c->error || c->nr_durable >= c->nr_awaited)
		loop_stop(c->loop);
}

/* Until so many are durable, or nothing is on its way any more. */
static int run(struct cluster *c, size_t nr_awaited)
{
	c->nr_awaited = nr_awaited;
	while (c->in_flight && !c->error && c->nr_durable < nr_awaited) {
		if (c->store)
			c->error = loop_run(c->loop);
		else
			end_group(c, 0);
	}
	return c->error;
}

static void on_pause(struct loop_op *op, int res)
{
	struct cluster *c = loop_container(op, struct cluster, pause);

	(void)res;
	loop_stop(c->loop);
}

/* Nobody asks for a while: what the store does by itself ends. */
static int rest(struct cluster *c)
{
	while (!c->error && c->store && store_status(c->store).compacts) {
		loop_timer(c->loop, &c->pause, clock_now().v + 1);
		c->error = loop_run(c->loop);
	}
	return c->error;
}

/* --- what is said ----------------------------------------------------------- */

void cluster_wait_ms(struct cluster *c, uint64_t ms)
{
	c->now.v += ms;
}

static struct report *new_report(struct cluster *c, uint32_t host)
{
	struct report *report = &c->message.report;

	c->speaker = host;
	c->message.kind = MESSAGE_REPORT;
	report->seq = ++c->hosts[host].seq;
	report->full = false;
	report->first = false;
	report->last = false;
	report->digest = c->hosts[host].digest;
	report->nr_slots = 0;
	return report;
}

void cluster_prepare_beat(struct cluster *c, uint32_t host, uint32_t nr_slots)
{
	struct report *report = new_report(c, host);
	const struct host *h = &c->hosts[host];

	for (uint32_t i = 0; i < nr_slots; i++)
		report->slots[report->nr_slots++] =
			c->facts[c->by_host[h->first + i]];
}

void cluster_beat(struct cluster *c)
{
	feed(c, (struct master_event){ .type = MASTER_MESSAGE,
				       .host = c->speaker,
				       .message = &c->message });
}

void cluster_tick(struct cluster *c)
{
	feed(c, (struct master_event){ .type = MASTER_TICK });
}

/* All of it, or what changed; in as many reports as that takes. */
static void tell(struct cluster *c, uint32_t host, bool full)
{
	const struct host *h = &c->hosts[host];
	struct report *report = new_report(c, host);

	report->full = full;
	report->first = full;
	for (uint32_t i = 0; i < h->nr; i++) {
		uint32_t at = c->by_host[h->first + i];

		if (!full && !c->changed[at])
			continue;
		if (report->nr_slots == MESSAGE_SLOTS_MAX) {
			cluster_beat(c);
			report = new_report(c, host);
			report->full = full;
		}
		c->changed[at] = false;
		report->slots[report->nr_slots++] = c->facts[at];
	}
	report->last = full;
	cluster_beat(c);
}

static bool has_changed(const struct cluster *c, uint32_t host)
{
	const struct host *h = &c->hosts[host];

	for (uint32_t i = 0; i < h->nr; i++)
		if (c->changed[c->by_host[h->first + i]])
			return true;
	return false;
}

int cluster_settle(struct cluster *c)
{
	bool changed = true;

	for (int step = 0; changed && !c->error; step++) {
		if (step == STEPS_MAX)
			c->error = -ELOOP;
		run(c, SIZE_MAX);
		changed = false;
		for (uint32_t i = 0; i < c->config.nr_hosts; i++) {
			if (c->hosts[i].lost || !has_changed(c, i))
				continue;
			changed = true;
			tell(c, i, false);
		}
	}
	run(c, SIZE_MAX);
	return rest(c);
}

void cluster_lose(struct cluster *c, uint32_t host)
{
	c->hosts[host].lost = true;
}

int cluster_tick_until_durable(struct cluster *c, size_t nr, uint64_t *ret_ns)
{
	size_t nr_awaited = c->nr_durable + nr;
	uint64_t begin = cluster_clock_ns();

	cluster_tick(c);
	run(c, nr_awaited);
	if (!c->error && c->nr_durable < nr_awaited)
		c->error = -ENODATA;
	*ret_ns = c->durable_ns - begin;
	return c->error;
}

/* --- the beginning ---------------------------------------------------------- */

static void create_volumes(struct cluster *c)
{
	for (uint32_t vol = 0; vol < c->config.nr_volumes && !c->error; vol++) {
		struct master_event event = {
			.type = MASTER_CREATE,
			.ask = { .token = vol + 1, .guard = GUARD_LEASE },
		};

		engine_id(vol, event.ask.volume.s);
		for (uint32_t i = 0; i < REPLICA_SLOTS; i++) {
			uint32_t at = vol * REPLICA_SLOTS + i;
			struct slot_fact *fact = &c->facts[at];

			event.ask.hosts[i] = host_id(host_of(c, at));
			fact->volume = event.ask.volume;
			snprintf(fact->replica.s, REPLICA_ID_SIZE, "r%u",
				 i + 1);
			snprintf(fact->data_addr.s, ADDR_SIZE, "host-%05u:4420",
				 host_of(c, at));
			snprintf(fact->ctrl_addr.s, ADDR_SIZE, "host-%05u:7000",
				 host_of(c, at));
			fact->state = GATE_CLOSED;
			fact->backing_ok = true;
		}
		feed(c, event);
		/* No more than a group waits. */
		if (vol % ENGINE_BATCH == 0)
			run(c, SIZE_MAX);
	}
	run(c, SIZE_MAX);
}

static void say_hello(struct cluster *c, uint32_t host)
{
	c->message.kind = MESSAGE_HELLO;
	c->message.hello = (struct hello){ .version_min = MESSAGE_VERSION_MIN,
					   .version_max = MESSAGE_VERSION_MAX,
					   .host = host_id(host),
					   .boot.s = "first" };
	c->speaker = host;
	cluster_beat(c);
}

static void fill_hosts(struct cluster *c)
{
	uint32_t nr_facts = c->config.nr_volumes * REPLICA_SLOTS;
	uint32_t next = 0;

	for (uint32_t i = 0; i < c->config.nr_hosts; i++) {
		struct host *host = &c->hosts[i];

		host->first = next;
		for (uint32_t at = i; at < nr_facts; at += c->config.nr_hosts)
			c->by_host[next++] = at;
		host->nr = next - host->first;
		for (uint32_t j = host->first; j < next; j++)
			host->digest ^=
				slot_fact_digest(&c->facts[c->by_host[j]]);
	}
}

static int new_master(struct cluster *c)
{
	const struct master_config config = {
		.store = c->store ? store_identity(c->store) :
				    (struct store_id){ .b = { 1 } },
		.incarnation = 1,
		.volumes_max = c->config.nr_volumes,
		.hosts_max = c->config.nr_hosts,
		.heartbeat_ms = 1000,
		.lease_ms = 6000,
		.freshness_ms = c->config.freshness_ms,
		.grace_ms = 10000,
		.retry_ms = 5000,
		.drain_ms = 5000,
	};
	struct mallinfo2 before = mallinfo2();
	int ret = master_new(&config, c->now, &c->master);
	struct mallinfo2 after = mallinfo2();

	c->master_bytes =
		after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
	for (uint32_t i = 0; ret == 0 && i < c->config.nr_hosts; i++) {
		const struct host_id id = host_id(i);

		if (master_add_host(c->master, &id) < 0)
			ret = -ENOSPC;
	}
	return ret;
}

static int open_store(struct cluster *c)
{
	const struct store_config config = {
		.dir = c->config.store,
		.volumes_max = c->config.nr_volumes,
	};
	struct err err;
	int ret = loop_new(RING_ENTRIES, &c->loop);

	if (ret == 0) {
		ret = store_open(&config, c->loop, &c->store, &err);
		if (ret)
			fprintf(stderr, "%s\n", err.text);
	}
	return ret;
}

static int start(struct cluster *c)
{
	uint32_t nr_facts = c->config.nr_volumes * REPLICA_SLOTS;
	int ret = c->config.store ? open_store(c) : 0;

	if (ret)
		return ret;
	c->update = calloc(1, sizeof(*c->update));
	c->facts = calloc(nr_facts, sizeof(*c->facts));
	c->changed = calloc(nr_facts, sizeof(*c->changed));
	c->by_host = calloc(nr_facts, sizeof(*c->by_host));
	c->hosts = calloc(c->config.nr_hosts, sizeof(*c->hosts));
	if (!c->update || !c->facts || !c->changed || !c->by_host || !c->hosts)
		return -ENOMEM;
	ret = new_master(c);
	if (ret)
		return ret;
	create_volumes(c);
	fill_hosts(c);
	for (uint32_t i = 0; i < c->config.nr_hosts && !c->error; i++) {
		say_hello(c, i);
		tell(c, i, true);
	}
	/* What found no room among the asks is asked again a moment later. */
	do {
		cluster_settle(c);
		cluster_wait_ms(c, MOMENT_MS);
		cluster_tick(c);
	} while (c->in_flight && !c->error);
	return c->error;
}

int cluster_new(const struct cluster_config *config, struct cluster **ret)
{
	struct cluster *c = calloc(1, sizeof(*c));
	int error;

	if (!c)
		return -ENOMEM;
	c->config = *config;
	c->now.v = BEGIN_MS;
	c->persisted.done = on_persisted;
	c->pause.done = on_pause;
	error = start(c);
	if (error) {
		cluster_free(c);
		return error;
	}
	*ret = c;
	return 0;
}

void cluster_free(struct cluster *c)
{
	if (!c)
		return;
	store_close(c->store);
	loop_free(c->loop);
	master_free(c->master);
	free(c->update);
	free(c->facts);
	free(c->changed);
	free(c->by_host);
	free(c->hosts);
	free(c);
}

struct master *cluster_master(struct cluster *c)
{
	return c->master;
}

size_t cluster_master_bytes(const struct cluster *c)
{
	return c->master_bytes;
}

uint32_t cluster_nr_slots(const struct cluster *c, uint32_t host)
{
	return c->hosts[host].nr;
}

size_t cluster_nr_groups(const struct cluster *c)
{
	return c->nr_groups;
}
