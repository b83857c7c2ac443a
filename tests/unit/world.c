// SPDX-License-Identifier: GPL-2.0
/*
 * The scripted hosts around a production master core. Must never reach into
 * the master: it is driven and read through its public door alone.
 */
#include "world.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void step(struct world *w, struct master_event *event);

static void feed(struct world *w, enum master_event_type type, int host,
		 const struct message *message)
{
	struct master_event event = { .type = type,
				      .now = w->now,
				      .host = (uint32_t)host };

	event.message = message;
	step(w, &event);
}

static int volume_index(const struct volume_id *id)
{
	return id->s[1] - '1';	/* volumes are named v1 .. v4 */
}

static void note_all(struct world *w)
{
	for (unsigned int i = 0; i < w->update->nr_notes; i++) {
		size_t used = strlen(w->trace);

		snprintf(w->trace + used, sizeof(w->trace) - used,
			 "[%6llu] %s\n", (unsigned long long)w->now.v,
			 w->update->notes[i].text);
	}
}

static int nr_hosts(const struct world *w)
{
	return WORLD_HOSTS + w->spare;
}

/* --- a host's half ---------------------------------------------------------- */

static void ack(struct world *w, int host, const struct command *c, int error)
{
	struct slot_fact *fact =
		&w->hosts[host].facts[volume_index(&c->volume)];
	static struct message m;

	memset(&m, 0, sizeof(m));
	m.kind = MESSAGE_ACK;
	m.ack.kind = c->kind;
	m.ack.asked = c->lineage;
	m.ack.error = error;
	if (error)
		snprintf(m.ack.reason, sizeof(m.ack.reason), "scripted");
	m.ack.proof.volume = c->volume;
	m.ack.proof.replica = fact->replica;
	m.ack.proof.lineage = fact->authority;
	m.ack.proof.state = fact->state;
	m.ack.proof.drained = fact->state != GATE_DRAINING;
	m.ack.proof.floor_durable = !lineage_cmp(fact->floor, fact->authority);
	feed(w, MASTER_MESSAGE, host, &m);
}

static void fence(struct world_host *h, struct slot_fact *fact,
		  const struct command *c)
{
	fact->authority = c->lineage;
	if (h->flaw != FLAW_FLOOR)
		fact->floor = c->lineage;
	fact->state = h->flaw == FLAW_DRAINS ? GATE_DRAINING : GATE_CLOSED;
	fact->role = ROLE_NONE;
	fact->applied = (struct lineage){ 0 };
}

static void open_gate(struct world_host *h, struct slot_fact *fact,
		      const struct command *c)
{
	bool is_primary = replica_id_equal(&c->primary, &fact->replica) &&
			  h->flaw != FLAW_ROLE;

	fact->state = GATE_OPEN;
	fact->applied = c->lineage;
	fact->role = is_primary ? ROLE_PRIMARY : ROLE_CANDIDATE;
	h->leased[volume_index(&c->volume)] = c->leased;
	if (!c->late)
		fact->served = c->lineage;
}

static void obey(struct world *w, int host, const struct command *c)
{
	struct world_host *h = &w->hosts[host];
	struct slot_fact *fact = &h->facts[volume_index(&c->volume)];
	int order = lineage_cmp(c->lineage, fact->authority);

	if (h->refuses || order < 0) {
		ack(w, host, c, order < 0 ? -ESTALE : -EIO);
		return;
	}
	if (c->kind == COMMAND_FENCE &&
	    (order > 0 || lineage_cmp(c->lineage, fact->floor) > 0)) {
		fence(h, fact, c);
	} else if (c->kind == COMMAND_OPEN && h->flaw != FLAW_SHUT) {
		assert(order == 0);
		assert(!c->leased || h->lease_until > w->now.v);
		open_gate(h, fact, c);
	}
	ack(w, host, c, 0);
	world_report(w, host, false);
}

static void take_name(struct world_host *h, int v,
		      const struct volume_id *volume,
		      const struct replica_id *replica)
{
	h->named[v] = true;
	h->left[v] = !replica->s[0];
	if (h->left[v]) {
		h->held[v] = false;
		return;
	}
	if (h->held[v])
		return;
	h->held[v] = true;
	h->facts[v].volume = *volume;
	h->facts[v].replica = *replica;
	if (h->facts[v].state == GATE_ABSENT)
		h->facts[v].state = GATE_CLOSED;
}

/* What is named no more ends closed and keeps its floor. */
static void release_unnamed(struct world_host *h)
{
	for (int v = 0; v < WORLD_VOLUMES; v++) {
		if (h->named[v])
			continue;
		h->held[v] = false;
		h->left[v] = false;
		h->facts[v].role = ROLE_NONE;
		h->facts[v].applied = (struct lineage){ 0 };
		if (h->facts[v].state == GATE_OPEN)
			h->facts[v].state = GATE_CLOSED;
	}
}

static void hold(struct world *w, int host, const struct sync *sync)
{
	struct world_host *h = &w->hosts[host];

	if (sync->first)
		memset(h->named, 0, sizeof(h->named));
	for (uint32_t i = 0; i < sync->nr_slots; i++)
		take_name(h, volume_index(&sync->slots[i].volume),
			  &sync->slots[i].volume, &sync->slots[i].replica);
	if (!sync->last)
		return;
	release_unnamed(h);
	world_report(w, host, true);
}

/* A lease that overtook a fence would let an old primary serve on. */
static void
assert_nothing_stale_is_kept_alive(const struct world_letter *letter,
				   const struct world_host *h)
{
	for (int v = 0; v < WORLD_VOLUMES; v++) {
		const struct slot_fact *fact = &h->facts[v];

		if (h->held[v] && fact->state == GATE_OPEN && h->leased[v])
			assert(lineage_cmp(fact->applied, letter->lines[v]) >=
			       0);
	}
}

static void receive(struct world *w, const struct world_letter *letter)
{
	const struct message *m = &letter->message;
	int host = letter->host;
	struct world_host *h = &w->hosts[host];

	if (!h->up || h->deaf)
		return;
	switch (m->kind) {
	case MESSAGE_SYNC:
		hold(w, host, &m->sync);
		break;
	case MESSAGE_COMMAND:
		obey(w, host, &m->command);
		break;
	case MESSAGE_LEASE:
		assert_nothing_stale_is_kept_alive(letter, h);
		h->lease_until = w->now.v + m->lease.lease_ms;
		break;
	case MESSAGE_REFUSE:
		memcpy(w->refusal, m->refuse.reason, sizeof(w->refusal));
		break;
	default:
		break;
	}
}

/* Leases end on the hosts' own clocks, whoever is connected. */
static void end_leases(struct world *w)
{
	for (int i = 0; i < nr_hosts(w); i++) {
		struct world_host *h = &w->hosts[i];

		if (h->lease_until > w->now.v)
			continue;
		for (int v = 0; v < WORLD_VOLUMES; v++) {
			if (!h->leased[v] || h->facts[v].state != GATE_OPEN)
				continue;
			h->facts[v].state = GATE_CLOSED;
			h->facts[v].role = ROLE_NONE;
			h->facts[v].applied = (struct lineage){ 0 };
		}
	}
}

/* --- the master's half ------------------------------------------------------ */

/* What left the master and has not arrived: in order, for all hosts. */
static void enqueue(struct world *w, const struct master_send *send)
{
	struct world_letter *letter = calloc(1, sizeof(*letter));

	assert(letter);
	letter->host = (int)send->host;
	letter->message = send->message;
	letter->next = NULL;
	for (uint32_t v = 0; v < master_nr_volumes(w->master); v++) {
		struct volume_status status;

		master_volume_status(w->master, v, w->now, &status);
		letter->lines[volume_index(&status.volume)] =
			status.line.lineage;
	}
	*w->post_end = letter;
	w->post_end = &letter->next;
}

static void deliver_all(struct world *w)
{
	struct world_letter *letter;

	if (w->delivering)
		return;
	w->delivering = true;
	while ((letter = w->post)) {
		w->post = letter->next;
		if (!w->post)
			w->post_end = &w->post;
		receive(w, letter);
		free(letter);
	}
	w->delivering = false;
}

void world_end_write(struct world *w)
{
	struct master_event event = { .type = MASTER_PERSISTED, .now = w->now };

	assert(w->nr_held);
	event.persist_error = w->persist_error;
	for (size_t i = 0; i < w->nr_held && !w->persist_error; i++) {
		assert(w->nr_records < 64);
		w->records[w->nr_records++] = w->held[i];
	}
	w->nr_held = 0;
	step(w, &event);
}

static void persist(struct world *w)
{
	assert(!w->nr_held && w->update->nr_persist <= WORLD_VOLUMES);
	w->nr_held = w->update->nr_persist;
	memcpy(w->held, w->update->persist, w->nr_held * sizeof(*w->held));
	if (!w->holds_writes)
		world_end_write(w);
}

static void step(struct world *w, struct master_event *event)
{
	assert(master_step(w->master, event, w->update) == 0);
	note_all(w);
	if (w->update->nr_answers)
		w->answer = w->update->answers[w->update->nr_answers - 1];
	for (unsigned int i = 0; i < w->update->nr_sends; i++)
		enqueue(w, &w->update->sends[i]);
	if (w->update->nr_persist)
		persist(w);
	if (w->update->more)
		feed(w, MASTER_TICK, 0, NULL);
	deliver_all(w);
}

static struct host_id host_name(int host)
{
	struct host_id id = { 0 };

	snprintf(id.s, sizeof(id.s), "host-%c", 'a' + host);
	return id;
}

static void start_master(struct world *w)
{
	assert(master_new(&w->config, w->now, &w->master) == 0);
	for (int i = 0; i < nr_hosts(w); i++) {
		struct host_id id = host_name(i);

		assert(master_add_host(w->master, &id) == i);
	}
}

void world_start(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->post_end = &w->post;
	w->update = calloc(1, sizeof(*w->update));
	assert(w->update);
	w->now.v = 100000;
	w->config = (struct master_config){
		.store = { { 7 } },
		.incarnation = 1,
		.volumes_max = WORLD_VOLUMES,
		.hosts_max = WORLD_HOSTS + 1,
		.heartbeat_ms = 1000,
		.lease_ms = 6000,
		.freshness_ms = 3000,
		.grace_ms = 2000,
		.retry_ms = 1000,
		.drain_ms = 500,
	};
	for (int i = 0; i <= WORLD_HOSTS; i++) {
		w->hosts[i].backing_ok = true;
		snprintf(w->hosts[i].data_addr.s, ADDR_SIZE, "10.0.0.%d:4420",
			 i + 1);
	}
	start_master(w);
}

void world_stop(struct world *w)
{
	free(w->update);
	master_free(w->master);
}

static void reload(struct world *w, const struct record *record)
{
	if (w->damaged && strcmp(record->volume.s, w->damaged) == 0)
		assert(master_reload_corrupt(w->master, &record->volume,
					     record->write_seq, w->now) >= 0);
	else
		assert(master_reload(w->master, record, w->now) >= 0);
}

void world_restart_master(struct world *w)
{
	master_free(w->master);
	w->nr_held = 0;
	w->config.incarnation++;
	start_master(w);
	for (int i = 0; i < nr_hosts(w); i++)
		w->hosts[i].up = false;
	/* The newest record of each volume, as the store's reload gives it. */
	for (unsigned int i = 0; i < w->nr_records; i++) {
		bool newest = true;

		for (unsigned int j = i + 1; j < w->nr_records; j++)
			newest &= !volume_id_equal(&w->records[i].volume,
						   &w->records[j].volume);
		if (newest)
			reload(w, &w->records[i]);
	}
}

void world_send(struct world *w, int host, const struct message *message)
{
	feed(w, MASTER_MESSAGE, host, message);
}

void world_report(struct world *w, int host, bool full)
{
	struct world_host *h = &w->hosts[host];
	struct message *m = calloc(1, sizeof(*m));
	struct report *r = &m->report;

	m->kind = MESSAGE_REPORT;
	r->seq = ++h->seq;
	r->full = full;
	r->first = full;
	r->last = full;
	for (int v = 0; v < WORLD_VOLUMES; v++) {
		if (!h->held[v])
			continue;
		h->facts[v].backing_ok = h->backing_ok;
		h->facts[v].data_addr = h->data_addr;
		h->facts[v].ctrl_addr = h->data_addr;
		r->digest ^= slot_fact_digest(&h->facts[v]);
		r->slots[r->nr_slots++] = h->facts[v];
	}
	world_send(w, host, m);
	free(m);
}

void world_hello(struct world *w, int host, const struct hello *hello)
{
	struct message *m = calloc(1, sizeof(*m));

	m->kind = MESSAGE_HELLO;
	m->hello = *hello;
	w->hosts[host].seq = 0;
	w->hosts[host].up = true;
	feed(w, MASTER_UP, host, NULL);
	world_send(w, host, m);
	free(m);
}

void world_up(struct world *w, int host)
{
	struct hello hello = {
		.version_min = MESSAGE_VERSION_MIN,
		.version_max = MESSAGE_VERSION_MAX,
		.host = host_name(host),
		.boot = { "boot-1" },
		.incarnation = w->config.incarnation,
	};

	world_hello(w, host, &hello);
}

void world_down(struct world *w, int host)
{
	w->hosts[host].up = false;
	feed(w, MASTER_DOWN, host, NULL);
}

void world_run_ms(struct world *w, uint64_t ms)
{
	uint64_t end = w->now.v + ms;

	while (w->now.v < end) {
		w->now.v += 50;
		end_leases(w);
		for (int i = 0; i < nr_hosts(w) && w->now.v % 1000 == 0; i++)
			if (w->hosts[i].up && !w->hosts[i].deaf)
				world_report(w, i, false);
		feed(w, MASTER_TICK, 0, NULL);
	}
}

void world_run_timers(struct world *w, uint64_t ms)
{
	uint64_t end = w->now.v + ms;

	while (w->update->timer.v <= end) {
		assert(w->update->timer.v > w->now.v);
		w->now = w->update->timer;
		end_leases(w);
		feed(w, MASTER_TICK, 0, NULL);
	}
	w->now.v = end;
}

int world_ask(struct world *w, enum master_event_type type,
	      const struct master_ask *ask)
{
	struct master_event event = { .type = type, .now = w->now };

	memset(&w->answer, 0, sizeof(w->answer));
	event.ask = *ask;
	event.ask.token = 77;
	step(w, &event);
	assert(w->answer.token == 77 || w->answer.token == 0);
	return w->answer.token ? w->answer.error : 1;
}

static struct master_ask ask_about(const char *name, const char *hosts)
{
	struct master_ask ask = { .uid = 1000, .wall_s = 1700000000 };

	assert(volume_id_parse(name, &ask.volume) == 0);
	for (int i = 0; hosts && i < REPLICA_SLOTS; i++)
		ask.hosts[i] = host_name(hosts[i] - 'a');
	return ask;
}

int world_create(struct world *w, const char *name, enum guard guard)
{
	struct master_ask ask = ask_about(name, "abc");

	ask.guard = guard;
	return world_ask(w, MASTER_CREATE, &ask);
}

int world_create_on(struct world *w, const char *name, const char *hosts)
{
	struct master_ask ask = ask_about(name, hosts);

	ask.guard = GUARD_QUORUM;
	return world_ask(w, MASTER_CREATE, &ask);
}

int world_delete(struct world *w, const char *name, uint64_t epoch)
{
	struct master_ask ask = ask_about(name, NULL);

	ask.any_line = epoch == 0;
	ask.expected = (struct lineage){ epoch, 1 };
	return world_ask(w, MASTER_DELETE, &ask);
}

int world_recover(struct world *w, const char *name, struct lineage expected,
		  const char *hosts)
{
	struct master_ask ask = ask_about(name, hosts);

	ask.guard = GUARD_QUORUM;
	ask.expected = expected;
	return world_ask(w, MASTER_RECOVER, &ask);
}

void world_with_open_volume(struct world *w, enum guard guard)
{
	world_start(w);
	for (int i = 0; i < nr_hosts(w); i++)
		world_up(w, i);
	assert(world_create(w, "v1", guard) == 0);
	world_run_ms(w, 1000);
	assert(strcmp(world_status(w, "v1").state, "open") == 0);
}

struct volume_status world_status(struct world *w, const char *name)
{
	struct volume_status status;
	struct volume_id id;

	assert(volume_id_parse(name, &id) == 0);
	master_volume_status(w->master,
			     (uint32_t)master_find_volume(w->master, &id),
			     w->now, &status);
	return status;
}

bool world_has_evidence(struct world *w, const char *name,
			enum evidence_code code)
{
	const struct volume_status status = world_status(w, name);

	for (unsigned int i = 0; i < status.nr_evidence; i++)
		if (status.evidence[i].code == code)
			return true;
	return false;
}

bool world_traced(const struct world *w, const char *first, const char *then)
{
	const char *at = strstr(w->trace, first);

	return at && strstr(at, then);
}

void world_forget_trace(struct world *w)
{
	w->trace[0] = '\0';
}

static bool is_of_the_story(const char *note, size_t len)
{
	static const char *const kinds[] = {
		"ask ",	      "minted ", "confirmed ",	  "superseded ",
		"withdrawn ", "stuck ",	 "no-candidate ", "send ",
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (len > strlen(kinds[i]) &&
		    !strncmp(note, kinds[i], strlen(kinds[i])))
			return true;
	return false;
}

const char *world_story(const struct world *w)
{
	static char story[sizeof(w->trace)];
	const char *at = w->trace;
	size_t used = 0;

	while (*at) {
		const char *note = strchr(at, ']') + 2;
		const char *end = strchr(note, '\n');

		assert(end);
		if (is_of_the_story(note, (size_t)(end - note))) {
			memcpy(story + used, note, (size_t)(end - note) + 1);
			used += (size_t)(end - note) + 1;
		}
		at = end + 1;
	}
	story[used] = '\0';
	return story;
}

int world_serving_primaries(const struct world *w, const char *name)
{
	int nr = 0;

	for (int i = 0; i < nr_hosts(w); i++) {
		const struct slot_fact *fact =
			&w->hosts[i].facts[name[1] - '1'];

		nr += fact->state == GATE_OPEN && fact->role == ROLE_PRIMARY;
	}
	return nr;
}
