// SPDX-License-Identifier: GPL-2.0
/*
 * A hundred volumes on three hosts, one of them bad: what the master does for
 * the others is, note for note and instant for instant, what it does in a
 * world where that one is well, or is not there at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/master.h"

#define HOSTS		3
#define VOLUMES		100
#define BAD		99		/* the last one to be created */
#define TRACE_SIZE	(1 << 20)

enum flaw {
	FLAW_NONE,
	FLAW_NOT_THERE,		/* there are 99 volumes */
	FLAW_CLAIMS,		/* all three say that they are its primary */
	FLAW_REPLICA,		/* all three speak of another replica */
	FLAW_LEFT_OUT,		/* no host holds it any more */
	FLAW_ABOVE,		/* a slot has acknowledged far more */
	FLAW_DAMAGED,		/* its record, found so at a restart */
};

struct crowd {
	struct master *master;
	struct master_config config;
	struct master_update *update;
	struct mono_ms now;
	uint64_t seq[HOSTS];
	bool silent[HOSTS];
	bool named[HOSTS][VOLUMES];	/* in the SYNC that runs */
	struct slot_fact facts[HOSTS][VOLUMES];
	struct record records[VOLUMES];		/* the newest of each */
	struct master_send *post;		/* to the hosts, in order */
	size_t nr_post;
	size_t post_max;
	enum flaw flaw;
	bool left_out;			/* no host takes the bad one again */
	char *trace;
	size_t trace_len;
};

static struct volume_id volume_name(int vol)
{
	struct volume_id id = { 0 };

	snprintf(id.s, sizeof(id.s), "v%03d", vol);
	return id;
}

static int volume_number(const struct volume_id *id)
{
	return atoi(id->s + 1);
}

static bool is_there(const struct crowd *c, int vol)
{
	return vol != BAD || c->flaw != FLAW_NOT_THERE;
}

/* What is said of the bad volume is its own business. */
static void keep_note(struct crowd *c, const char *note)
{
	if (strstr(note, "=v099"))
		return;
	c->trace_len += (size_t)snprintf(c->trace + c->trace_len,
					 TRACE_SIZE - c->trace_len,
					 "[%llu] %s\n",
					 (unsigned long long)c->now.v, note);
	assert_true(c->trace_len < TRACE_SIZE - 512);
}

static void keep_update(struct crowd *c)
{
	const struct master_update *u = c->update;

	for (unsigned int i = 0; i < u->nr_notes; i++)
		keep_note(c, u->notes[i].text);
	for (size_t i = 0; i < u->nr_persist; i++)
		c->records[volume_number(&u->persist[i].volume)] =
			u->persist[i];
	while (c->nr_post + u->nr_sends > c->post_max) {
		c->post_max = c->post_max * 2 + 256;
		c->post = realloc(c->post, c->post_max * sizeof(*c->post));
		assert_non_null(c->post);
	}
	memcpy(c->post + c->nr_post, u->sends, u->nr_sends * sizeof(*u->sends));
	c->nr_post += u->nr_sends;
}

static void step(struct crowd *c, struct master_event event)
{
	for (;;) {
		event.now = c->now;
		assert_int_equal(master_step(c->master, &event, c->update), 0);
		keep_update(c);
		if (!c->update->nr_persist && !c->update->more)
			return;
		event = (struct master_event){
			.type = c->update->nr_persist ? MASTER_PERSISTED :
							MASTER_TICK,
		};
	}
}

static void tell(struct crowd *c, int host, const struct message *message)
{
	step(c, (struct master_event){ .type = MASTER_MESSAGE,
				       .host = (uint32_t)host,
				       .message = message });
}

/* --- the hosts' half ------------------------------------------------------------ */

static uint64_t digest_of(const struct crowd *c, int host)
{
	uint64_t digest = 0;

	for (int v = 0; v < VOLUMES; v++)
		if (c->facts[host][v].volume.s[0])
			digest ^= slot_fact_digest(&c->facts[host][v]);
	return digest;
}

static void heartbeat(struct crowd *c, int host, const struct slot_fact *fact)
{
	struct message *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->kind = MESSAGE_REPORT;
	m->report.seq = ++c->seq[host];
	m->report.digest = digest_of(c, host);
	if (fact)
		m->report.slots[m->report.nr_slots++] = *fact;
	tell(c, host, m);
	free(m);
}

/* Every slot, in as many parts as it takes. */
static void inventory(struct crowd *c, int host)
{
	struct message *m = calloc(1, sizeof(*m));
	int v = 0;

	assert_non_null(m);
	m->kind = MESSAGE_REPORT;
	m->report.full = true;
	m->report.digest = digest_of(c, host);
	do {
		m->report.seq = ++c->seq[host];
		m->report.first = v == 0;
		m->report.nr_slots = 0;
		for (; v < VOLUMES && m->report.nr_slots < MESSAGE_SLOTS_MAX;
		     v++)
			if (c->facts[host][v].volume.s[0])
				m->report.slots[m->report.nr_slots++] =
					c->facts[host][v];
		m->report.last = v == VOLUMES;
		tell(c, host, m);
	} while (v < VOLUMES);
	free(m);
}

static void hold(struct crowd *c, int host, const struct sync *sync)
{
	if (sync->first)
		memset(c->named[host], 0, sizeof(c->named[host]));
	for (uint32_t i = 0; i < sync->nr_slots; i++) {
		int v = volume_number(&sync->slots[i].volume);
		struct slot_fact *fact = &c->facts[host][v];

		if (!sync->slots[i].replica.s[0])
			continue;	/* not held, and left as it is */
		c->named[host][v] = true;
		if (fact->volume.s[0] || (v == BAD && c->left_out))
			continue;
		*fact = (struct slot_fact){ .volume = sync->slots[i].volume,
					    .replica = sync->slots[i].replica,
					    .state = GATE_CLOSED,
					    .backing_ok = true };
		snprintf(fact->data_addr.s, ADDR_SIZE, "10.0.0.%d:1", host);
		snprintf(fact->ctrl_addr.s, ADDR_SIZE, "10.0.0.%d:2", host);
	}
	if (!sync->last)
		return;
	for (int v = 0; v < VOLUMES; v++)
		if (!c->named[host][v])
			c->facts[host][v] = (struct slot_fact){ 0 };
	inventory(c, host);
}

static void obey(struct crowd *c, int host, const struct command *command)
{
	struct slot_fact *fact =
		&c->facts[host][volume_number(&command->volume)];

	assert_true(lineage_cmp(command->lineage, fact->authority) >= 0);
	if (command->kind == COMMAND_FENCE) {
		fact->authority = fact->floor = command->lineage;
		fact->applied = (struct lineage){ 0 };
		fact->state = GATE_CLOSED;
		fact->role = ROLE_NONE;
	} else {
		fact->applied = fact->served = command->lineage;
		fact->state = GATE_OPEN;
		fact->role =
			replica_id_equal(&command->primary, &fact->replica) ?
				ROLE_PRIMARY :
				ROLE_CANDIDATE;
	}
	heartbeat(c, host, fact);
}

static void deliver(struct crowd *c)
{
	for (size_t i = 0; i < c->nr_post; i++) {
		struct master_send *send = malloc(sizeof(*send));

		assert_non_null(send);
		*send = c->post[i];	/* the answers may move the post */
		if (!c->silent[send->host]) {
			if (send->message.kind == MESSAGE_SYNC)
				hold(c, (int)send->host, &send->message.sync);
			else if (send->message.kind == MESSAGE_COMMAND)
				obey(c, (int)send->host,
				     &send->message.command);
		}
		free(send);
	}
	c->nr_post = 0;
}

/* --- the world ------------------------------------------------------------------- */

static void start_master(struct crowd *c)
{
	c->config.incarnation++;
	assert_int_equal(master_new(&c->config, c->now, &c->master), 0);
	for (int i = 0; i < HOSTS; i++) {
		struct host_id id = { 0 };

		snprintf(id.s, sizeof(id.s), "host-%c", 'a' + i);
		assert_int_equal(master_add_host(c->master, &id), i);
	}
}

static void connect_all(struct crowd *c)
{
	struct message *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->kind = MESSAGE_HELLO;
	m->hello.version_min = MESSAGE_VERSION_MIN;
	m->hello.version_max = MESSAGE_VERSION_MAX;
	for (int i = 0; i < HOSTS; i++) {
		c->seq[i] = 0;
		tell(c, i, m);
		deliver(c);
	}
	free(m);
}

static void run_ms(struct crowd *c, uint64_t ms)
{
	for (uint64_t end = c->now.v + ms; c->now.v < end;) {
		c->now.v += 100;
		for (int i = 0; i < HOSTS && c->now.v % 1000 == 0; i++)
			if (!c->silent[i])
				heartbeat(c, i, NULL);
		step(c, (struct master_event){ .type = MASTER_TICK });
		deliver(c);
	}
}

static void create_all(struct crowd *c)
{
	for (int v = 0; v < VOLUMES; v++) {
		struct master_event event = { .type = MASTER_CREATE };

		if (!is_there(c, v))
			continue;
		event.ask.token = 1;
		event.ask.volume = volume_name(v);
		event.ask.guard = GUARD_QUORUM;
		for (int i = 0; i < HOSTS; i++)
			snprintf(event.ask.hosts[i].s, HOST_ID_SIZE, "host-%c",
				 'a' + i);
		step(c, event);
		deliver(c);
	}
}

static struct crowd *crowd_start(enum flaw flaw)
{
	struct crowd *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->update = calloc(1, sizeof(*c->update));
	c->trace = calloc(1, TRACE_SIZE);
	assert_true(c->update && c->trace);
	c->flaw = flaw;
	c->now.v = 100000;
	c->config = (struct master_config){ .store = { { 7 } },
					    .volumes_max = VOLUMES,
					    .hosts_max = HOSTS,
					    .heartbeat_ms = 1000,
					    .lease_ms = 6000,
					    .freshness_ms = 3000,
					    .grace_ms = 2000,
					    .retry_ms = 1000,
					    .drain_ms = 500 };
	start_master(c);
	connect_all(c);
	create_all(c);
	run_ms(c, 2000);
	return c;
}

static void crowd_end(struct crowd *c)
{
	master_free(c->master);
	free(c->post);
	free(c->update);
	free(c->trace);
	free(c);
}

static struct volume_status status_of(const struct crowd *c, int vol)
{
	const struct volume_id id = volume_name(vol);
	struct volume_status status;

	master_volume_status(c->master,
			     (uint32_t)master_find_volume(c->master, &id),
			     c->now, &status);
	return status;
}

static bool bad_has(const struct crowd *c, enum evidence_code code)
{
	const struct volume_status s = status_of(c, BAD);

	for (unsigned int i = 0; i < s.nr_evidence; i++)
		if (s.evidence[i].code == code)
			return true;
	return false;
}

/* --- what goes wrong --------------------------------------------------------------- */

static void restart(struct crowd *c)
{
	master_free(c->master);
	start_master(c);
	for (int v = 0; v < VOLUMES; v++) {
		const struct record *record = &c->records[v];

		if (!is_there(c, v))
			continue;
		if (v == BAD && c->flaw == FLAW_DAMAGED)
			assert_true(master_reload_corrupt(c->master,
							  &record->volume,
							  record->write_seq,
							  c->now) >= 0);
		else
			assert_true(master_reload(c->master, record, c->now) >=
				    0);
	}
	connect_all(c);
}

static void spoil(struct crowd *c)
{
	for (int i = 0; i < HOSTS; i++) {
		struct slot_fact *fact = &c->facts[i][BAD];

		if (c->flaw == FLAW_CLAIMS)
			fact->role = ROLE_PRIMARY;
		else if (c->flaw == FLAW_REPLICA)
			snprintf(fact->replica.s, REPLICA_ID_SIZE, "x%d", i);
		else if (c->flaw == FLAW_LEFT_OUT)
			*fact = (struct slot_fact){ 0 };
		else if (c->flaw == FLAW_ABOVE && i == 1)
			fact->authority = fact->floor =
				(struct lineage){ 1000, 1 };
	}
	if (c->flaw == FLAW_DAMAGED || c->flaw == FLAW_NOT_THERE)
		return;
	/* The primary's host last, so that nobody takes over before. */
	for (int i = HOSTS; i-- > 0;)
		inventory(c, i);
	deliver(c);
}

/* A restart, a host lost, a host that comes back: a hundred times the work. */
static void go_through_it(struct crowd *c)
{
	c->trace_len = 0;
	c->left_out = c->flaw == FLAW_LEFT_OUT;
	spoil(c);
	run_ms(c, 3000);
	restart(c);
	run_ms(c, 3000);
	c->silent[2] = true;	/* v099 has its primary on the first */
	run_ms(c, 6000);
	c->silent[2] = false;
	connect_all(c);
	run_ms(c, 3000);
}

static void assert_same_trace(const struct crowd *a, const struct crowd *b)
{
	size_t at = 0, line = 0;

	assert_true(a->trace_len > 10000);
	while (a->trace[at] && a->trace[at] == b->trace[at]) {
		at++;
		if (a->trace[at - 1] == '\n')
			line = at;
	}
	if (a->trace[at] != b->trace[at])
		fail_msg("they part at\n%.160s\nand\n%.160s", a->trace + line,
			 b->trace + line);
}

static void assert_others_serve(const struct crowd *c)
{
	int moved = 0;

	for (int v = 0; v < VOLUMES - 1; v++) {
		const struct volume_status s = status_of(c, v);

		assert_string_equal(s.state, "open");
		assert_int_equal(s.nr_evidence, 0);
		moved += s.line.lineage.epoch == 2;
	}
	assert_int_equal(moved, 33);
}

/* With this one bad, compared with a run of that kind. */
static void with_one(enum flaw flaw, enum flaw as_if, enum evidence_code code)
{
	struct crowd *a = crowd_start(flaw);
	struct crowd *b = crowd_start(as_if);

	go_through_it(a);
	go_through_it(b);
	assert_true(bad_has(a, code));
	assert_same_trace(a, b);
	assert_others_serve(a);
	crowd_end(a);
	crowd_end(b);
}

static void a_volume_with_three_primaries_leaves_99_untouched(void **state)
{
	(void)state;
	with_one(FLAW_CLAIMS, FLAW_NONE, EVIDENCE_CONFLICTING_PRIMARY_CLAIM);
}

static void a_volume_of_unknown_replicas_leaves_99_untouched(void **state)
{
	(void)state;
	with_one(FLAW_REPLICA, FLAW_NONE, EVIDENCE_UNKNOWN_REPLICA_CLAIM);
}

static void a_volume_that_no_host_reports_leaves_99_untouched(void **state)
{
	(void)state;
	with_one(FLAW_LEFT_OUT, FLAW_NONE, EVIDENCE_PARTIAL_INVENTORY);
}

static void a_volume_that_regressed_leaves_99_untouched(void **state)
{
	(void)state;
	with_one(FLAW_ABOVE, FLAW_NONE, EVIDENCE_AUTHORITY_REGRESSED);
}

static void a_volume_whose_record_is_damaged_leaves_99_untouched(void **state)
{
	(void)state;
	with_one(FLAW_DAMAGED, FLAW_NOT_THERE,
		 EVIDENCE_AUTHORITY_RECORD_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_volume_with_three_primaries_leaves_99_untouched),
		cmocka_unit_test(
			a_volume_of_unknown_replicas_leaves_99_untouched),
		cmocka_unit_test(
			a_volume_that_no_host_reports_leaves_99_untouched),
		cmocka_unit_test(a_volume_that_regressed_leaves_99_untouched),
		cmocka_unit_test(
			a_volume_whose_record_is_damaged_leaves_99_untouched),
	};

	return cmocka_run_group_tests_name("isolation", tests, NULL, NULL);
}
