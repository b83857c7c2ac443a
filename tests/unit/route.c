// SPDX-License-Identifier: GPL-2.0
/*
 * Carries out what the pure machines order, between them. Must never decide.
 */
#include "route.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void master_event(struct route *r, struct master_event event);
static void replica_event(struct route *r, int host,
			  struct replica_event event);

uint64_t route_random(struct route *r, uint64_t below)
{
	/* xorshift64*, Vigna 2016 */
	r->random ^= r->random >> 12;
	r->random ^= r->random << 25;
	r->random ^= r->random >> 27;
	return (r->random * 0x2545f4914f6cdd1dULL >> 33) % below;
}

static struct mono_ms now(const struct route *r)
{
	return (struct mono_ms){ r->now_ms };
}

static struct mono_ms host_now(const struct route *r, int host)
{
	return (struct mono_ms){ r->now_ms - r->hosts[host].lost_ms };
}

static void append(struct route_log *log, const struct record *records,
		   size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		assert(log->nr < ROUTE_RECORDS);
		log->records[log->nr++] = records[i];
	}
}

/* The newest of each volume, as a reload gives them. */
static bool is_newest(const struct route_log *log, unsigned int i)
{
	for (unsigned int j = i + 1; j < log->nr; j++)
		if (volume_id_equal(&log->records[j].volume,
				    &log->records[i].volume))
			return false;
	return true;
}

/* --- what must hold at every instant ------------------------------------------ */

static int volume_index(const struct volume_id *id)
{
	return id->s[1] - '1';
}

/* I5: a gate obeys only what the publisher made durable. */
static void assert_minted(const struct route *r, const struct gate_info *g)
{
	for (unsigned int i = 0; i < r->lines.nr; i++) {
		const struct record *record = &r->lines.records[i];

		if (volume_id_equal(&record->volume, &g->volume) &&
		    record->kind == RECORD_VOLUME &&
		    !lineage_cmp(record_line(record).lineage, g->authority))
			return;
	}
	assert(lineage_is_none(g->authority));
}

static void check_gate(struct route *r, int host, const struct gate_info *g)
{
	struct route_host *h = &r->hosts[host];
	int v = volume_index(&g->volume);

	/* I1: across crashes, restarts and reboots too. */
	assert(lineage_cmp(g->authority, h->highest[v]) >= 0);
	assert_minted(r, g);
	h->highest[v] = g->authority;
}

static int nr_open_below(const struct route *r, const char *name,
			 struct lineage lineage)
{
	int nr = 0;

	for (int h = 0; h < ROUTE_HOSTS; h++) {
		const struct gate_info g = route_gate(r, h, name);

		nr += g.state == GATE_OPEN &&
		      lineage_cmp(g.authority, lineage) < 0;
	}
	return nr;
}

static void check_primaries(const struct route *r, const char *name)
{
	int primaries = 0;

	for (int h = 0; h < ROUTE_HOSTS; h++) {
		const struct gate_info g = route_gate(r, h, name);

		if (g.state != GATE_OPEN ||
		    !replica_id_equal(&g.primary, &g.replica))
			continue;
		primaries++;
		/* I4: beside a primary no older one finds a majority. */
		assert(nr_open_below(r, name, g.authority) < FENCE_QUORUM);
	}
	/* I4, guard lease: no two primaries serve on running clocks. */
	if (r->guard == GUARD_LEASE && r->clocks_run)
		assert(primaries <= 1);
}

static void check(struct route *r)
{
	for (int h = 0; h < ROUTE_HOSTS; h++) {
		const struct gate_model *k = r->hosts[h].kernel;

		for (size_t i = 0; i < gate_model_count(k); i++) {
			const struct gate_info g = gate_model_show(k, i);

			check_gate(r, h, &g);
		}
	}
	for (int v = 0; v < ROUTE_VOLUMES; v++)
		check_primaries(r, v ? "v2" : "v1");
}

/* --- the post ------------------------------------------------------------------- */

/* TCP: in order for each direction of each link, after 1 to 20 ms. */
static void post(struct route *r, int host, bool to_master,
		 const struct message *message)
{
	int len = wire_encode(message, r->bytes, sizeof(r->bytes));
	struct route_letter *letter = malloc(sizeof(*letter) + (size_t)len);
	struct route_letter **at = &r->post;
	uint64_t due = r->now_ms + 1 + route_random(r, 20);

	assert(len > 0 && letter);
	for (; *at; at = &(*at)->next)
		if ((*at)->host == host && (*at)->to_master == to_master &&
		    (*at)->due_ms > due)
			due = (*at)->due_ms;
	*letter = (struct route_letter){ .host = host,
					 .to_master = to_master,
					 .due_ms = due,
					 .len = (size_t)len };
	memcpy(letter->bytes, r->bytes, letter->len);
	*at = letter;
}

static void drop_letters(struct route *r, int host)
{
	struct route_letter **at = &r->post;

	while (*at) {
		struct route_letter *letter = *at;

		if (letter->host != host) {
			at = &letter->next;
			continue;
		}
		*at = letter->next;
		free(letter);
	}
}

static void link_down(struct route *r, int host)
{
	struct route_host *h = &r->hosts[host];

	if (!h->link_up)
		return;
	h->link_up = false;
	drop_letters(r, host);
	if (r->master)
		master_event(r,
			     (struct master_event){ .type = MASTER_DOWN,
						    .host = (uint32_t)host });
	if (h->replica && !h->paused)
		replica_event(r, host,
			      (struct replica_event){ .type = REPLICA_DOWN });
}

static void link_up(struct route *r, int host)
{
	r->hosts[host].link_up = true;
	master_event(r, (struct master_event){ .type = MASTER_UP,
					       .host = (uint32_t)host });
	replica_event(r, host, (struct replica_event){ .type = REPLICA_UP });
}

static void deliver_due(struct route *r)
{
	struct route_letter **at = &r->post;

	while (*at) {
		struct route_letter *letter = *at;
		struct route_host *h = &r->hosts[letter->host];

		if (letter->due_ms > r->now_ms || h->cut ||
		    (!letter->to_master && h->paused)) {
			at = &letter->next;
			continue;
		}
		*at = letter->next;
		assert(wire_decode(letter->bytes, letter->len, &r->message) ==
		       0);
		if (letter->to_master)
			master_event(r, (struct master_event){
						.type = MASTER_MESSAGE,
						.host = (uint32_t)letter->host,
						.message = &r->message });
		else
			replica_event(r, letter->host,
				      (struct replica_event){
					      .type = REPLICA_MESSAGE,
					      .message = &r->message });
		free(letter);
		at = &r->post;	/* the events may have changed the list */
	}
}

/* --- the master's edge ------------------------------------------------------------ */

static void master_one(struct route *r, struct master_event *event)
{
	struct master_update *u = r->master_update;

	event->now = now(r);
	assert(master_step(r->master, event, u) == 0);
	append(&r->lines, u->persist, u->nr_persist);
	for (unsigned int i = 0; i < u->nr_sends; i++) {
		const struct master_send *send = &u->sends[i];

		if (r->hosts[send->host].link_up)
			post(r, (int)send->host, false, &send->message);
	}
	if (u->nr_answers)
		r->answer = u->answers[u->nr_answers - 1];
}

static void master_event(struct route *r, struct master_event event)
{
	struct master_update *u = r->master_update;

	master_one(r, &event);
	while (u->nr_persist || u->more) {
		event = (struct master_event){
			.type = u->nr_persist ? MASTER_PERSISTED : MASTER_TICK,
		};
		master_one(r, &event);
	}
}

/* --- a replica's edge --------------------------------------------------------------- */

static void run_kernel_op(struct route *r, int host, const struct kernel_op *op)
{
	struct replica_event done = { .type = REPLICA_KERNEL_DONE };

	done.kernel.op = *op;
	done.kernel.error = gate_model_do(r->hosts[host].kernel, op,
					  host_now(r, host), &done.kernel.gate,
					  &done.kernel.reason);
	check(r);
	replica_event(r, host, done);
}

static void replica_event(struct route *r, int host, struct replica_event event)
{
	struct route_host *h = &r->hosts[host];
	struct replica_update *u = &r->replica_updates[r->depth++];
	bool reset;

	assert(r->depth <= ROUTE_DEPTH);
	event.now = host_now(r, host);
	assert(replica_step(h->replica, &event, u) == 0);
	for (unsigned int i = 0; i < u->nr_kernel; i++)
		run_kernel_op(r, host, &u->kernel[i]);
	append(&h->floors, u->persist, u->nr_persist);
	if (u->nr_persist)
		replica_event(r, host,
			      (struct replica_event){
				      .type = REPLICA_PERSISTED });
	for (unsigned int i = 0; i < u->nr_send && h->link_up; i++)
		post(r, host, true, &u->send[i]);
	reset = u->reset_link;
	if (u->more)
		replica_event(r, host,
			      (struct replica_event){ .type = REPLICA_TICK });
	r->depth--;
	if (reset)
		link_down(r, host);
}

static void show_gates(struct route *r, int host)
{
	for (size_t i = 0; i < gate_model_count(r->hosts[host].kernel); i++) {
		struct replica_event event = { .type = REPLICA_GATE };

		event.gate = gate_model_show(r->hosts[host].kernel, i);
		replica_event(r, host, event);
	}
}

void route_kill_agent(struct route *r, int host)
{
	link_down(r, host);
	replica_free(r->hosts[host].replica);
	r->hosts[host].replica = NULL;
}

void route_start_agent(struct route *r, int host)
{
	struct route_host *h = &r->hosts[host];
	struct replica_config config = { .heartbeat_ms = 500, .slots_max = 8 };

	snprintf(config.host.s, HOST_ID_SIZE, "host-%c", 'a' + host);
	snprintf(config.boot.s, BOOT_ID_SIZE, "boot-%u", h->boots);
	snprintf(config.data_addr.s, ADDR_SIZE, "10.0.0.%d:4420", host + 1);
	snprintf(config.ctrl_addr.s, ADDR_SIZE, "10.0.0.%d:7421", host + 1);
	assert(replica_new(&config, &h->replica) == 0);
	for (int v = 0; v < ROUTE_VOLUMES; v++) {
		struct replica_event event = { .type = REPLICA_BACKING };

		snprintf(event.backing.s, VOLUME_ID_SIZE, "v%d", v + 1);
		replica_event(r, host, event);
	}
	for (unsigned int i = 0; i < h->floors.nr; i++) {
		struct replica_event event = { .type = REPLICA_RECORD };

		event.record = &h->floors.records[i];
		if (is_newest(&h->floors, i))
			replica_event(r, host, event);
	}
	show_gates(r, host);
	replica_event(r, host, (struct replica_event){ .type = REPLICA_READY });
}

void route_reboot(struct route *r, int host)
{
	struct route_host *h = &r->hosts[host];

	if (h->replica)
		route_kill_agent(r, host);
	gate_model_free(h->kernel);
	h->kernel = gate_model_new();
	h->boots++;
	route_start_agent(r, host);
}

/* --- the world ------------------------------------------------------------------------ */

void route_cut(struct route *r, int host, bool cut)
{
	r->hosts[host].cut = cut;
}

void route_pause(struct route *r, int host, bool paused)
{
	struct route_host *h = &r->hosts[host];

	h->paused = paused;
	r->clocks_run = false;
	/* On waking it finds that the other end has given up. */
	if (!paused && !h->link_up && h->replica)
		replica_event(r, host,
			      (struct replica_event){ .type = REPLICA_DOWN });
}

void route_kill_master(struct route *r)
{
	struct master *dead = r->master;

	r->master = NULL;
	for (int i = 0; i < ROUTE_HOSTS; i++)
		link_down(r, i);
	master_free(dead);
}

static void reload(struct route *r, const struct record *record)
{
	if (r->damaged && strcmp(record->volume.s, r->damaged) == 0)
		assert(master_reload_corrupt(r->master, &record->volume,
					     record->write_seq, now(r)) >= 0);
	else
		assert(master_reload(r->master, record, now(r)) >= 0);
}

void route_start_master(struct route *r)
{
	r->config.incarnation++;
	assert(master_new(&r->config, now(r), &r->master) == 0);
	for (int i = 0; i < ROUTE_HOSTS; i++) {
		struct host_id id = { 0 };

		snprintf(id.s, sizeof(id.s), "host-%c", 'a' + i);
		assert(master_add_host(r->master, &id) == i);
	}
	for (unsigned int i = 0; i < r->lines.nr; i++)
		if (is_newest(&r->lines, i))
			reload(r, &r->lines.records[i]);
}

struct route *route_start(enum guard guard, uint64_t seed)
{
	struct route *r = calloc(1, sizeof(*r));

	assert(r);
	r->random = seed * 2654435761u + 88172645463325252ULL;
	r->now_ms = 1000000;
	r->guard = guard;
	r->clocks_run = true;
	r->master_update = calloc(1, sizeof(*r->master_update));
	r->replica_updates = calloc(ROUTE_DEPTH, sizeof(*r->replica_updates));
	assert(r->master_update && r->replica_updates);
	r->config = (struct master_config){
		.store = { { 42 } },
		.volumes_max = ROUTE_VOLUMES,
		.hosts_max = ROUTE_HOSTS,
		.heartbeat_ms = 500,
		.lease_ms = 3000,
		.freshness_ms = 2000,
		.grace_ms = 2000,
		.retry_ms = 1000,
		.drain_ms = 500,
	};
	route_start_master(r);
	for (int i = 0; i < ROUTE_HOSTS; i++) {
		r->hosts[i].kernel = gate_model_new();
		route_start_agent(r, i);
	}
	return r;
}

void route_end(struct route *r)
{
	for (int i = 0; i < ROUTE_HOSTS; i++) {
		drop_letters(r, i);
		replica_free(r->hosts[i].replica);
		gate_model_free(r->hosts[i].kernel);
	}
	master_free(r->master);
	free(r->master_update);
	free(r->replica_updates);
	free(r);
}

static void run_host(struct route *r, int host)
{
	struct route_host *h = &r->hosts[host];

	if (h->paused) {
		h->lost_ms += 10;
		return;
	}
	if (gate_model_expire(h->kernel, host_now(r, host)) && h->replica)
		show_gates(r, host);
	if (!h->replica)
		return;
	if (!h->link_up && !h->cut && r->master && r->now_ms % 200 == 0)
		link_up(r, host);
	replica_event(r, host, (struct replica_event){ .type = REPLICA_TICK });
}

void route_run_ms(struct route *r, uint64_t ms)
{
	for (uint64_t end = r->now_ms + ms; r->now_ms < end;) {
		r->now_ms += 10;
		/* A cut link is given up after a while, by both ends. */
		for (int i = 0; i < ROUTE_HOSTS; i++)
			if ((r->hosts[i].cut || r->hosts[i].paused) &&
			    r->now_ms % 1000 == 0)
				link_down(r, i);
		for (int i = 0; i < ROUTE_HOSTS; i++)
			run_host(r, i);
		deliver_due(r);
		if (r->master)
			master_event(r, (struct master_event){
						.type = MASTER_TICK });
		check(r);
	}
}

static void ask(struct route *r, struct master_event event, const char *name)
{
	assert(volume_id_parse(name, &event.ask.volume) == 0);
	event.ask.token = 9;
	master_event(r, event);
	assert(r->answer.token == 9 && r->answer.error == 0);
}

void route_create_on(struct route *r, const char *name, const char *hosts)
{
	struct master_event event = { .type = MASTER_CREATE };

	for (int i = 0; i < ROUTE_HOSTS; i++)
		snprintf(event.ask.hosts[i].s, HOST_ID_SIZE, "host-%c",
			 hosts[i]);
	event.ask.guard = r->guard;
	ask(r, event, name);
}

void route_create(struct route *r, const char *name)
{
	route_create_on(r, name, "abc");
}

void route_delete(struct route *r, const char *name)
{
	struct master_event event = { .type = MASTER_DELETE };

	event.ask.any_line = true;
	ask(r, event, name);
}

struct gate_info route_gate(const struct route *r, int host, const char *name)
{
	const struct gate_model *k = r->hosts[host].kernel;

	for (size_t i = 0; i < gate_model_count(k); i++)
		if (!strcmp(gate_model_show(k, i).volume.s, name))
			return gate_model_show(k, i);
	return (struct gate_info){ .state = GATE_ABSENT };
}

struct volume_status route_status(struct route *r, const char *name)
{
	struct volume_status status;
	struct volume_id id;

	assert(volume_id_parse(name, &id) == 0);
	master_volume_status(r->master,
			     (uint32_t)master_find_volume(r->master, &id),
			     now(r), &status);
	return status;
}

/* By the kernels, not by the master: all open at one lineage, one primary. */
bool route_is_open(struct route *r, const char *name)
{
	const struct volume_status s = route_status(r, name);
	int primaries = 0;

	for (int i = 0; i < ROUTE_HOSTS; i++) {
		const struct gate_info g = route_gate(r, i, name);

		if (g.state != GATE_OPEN ||
		    lineage_cmp(g.authority, s.line.lineage))
			return false;
		primaries += replica_id_equal(&g.primary, &g.replica);
	}
	return primaries == 1 && !strcmp(s.state, "open");
}
