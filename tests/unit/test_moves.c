// SPDX-License-Identifier: GPL-2.0
/*
 * Where primaries go that could stay, and how often one may go at all: planned
 * failover, a drained host, balance, a host that comes and goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define HOLD_MS		10000
#define COOLDOWN_MS	5000

/* Every slot that is open has served its line from the start. */
static void all_in_time(struct world *w)
{
	for (int i = 0; i < WORLD_HOSTS; i++)
		for (int v = 0; v < WORLD_VOLUMES; v++)
			w->hosts[i].facts[v].served =
				w->hosts[i].facts[v].applied;
	world_run_ms(w, 1000);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	world_with_open_volume(w, GUARD_QUORUM);
	all_in_time(w);
	world_forget_trace(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	world_stop(w);
	free(w);
	return 0;
}

static void restart(struct world *w)
{
	world_restart_master(w);
	for (int i = 0; i < WORLD_HOSTS; i++)
		world_up(w, i);
	world_run_ms(w, 1000);
}

static struct master_ask reassign_to(const char *name, const char *to)
{
	struct master_ask ask = { .any_line = true };

	assert_int_equal(volume_id_parse(name, &ask.volume), 0);
	if (to)
		assert_int_equal(host_id_parse(to, &ask.hosts[0]), 0);
	return ask;
}

static int reassign(struct world *w, const char *name, const char *to)
{
	const struct master_ask ask = reassign_to(name, to);

	return world_ask(w, MASTER_REASSIGN, &ask);
}

static int drain(struct world *w, const char *host, bool drained)
{
	struct master_ask ask = { .uid = 3 };

	assert_int_equal(host_id_parse(host, &ask.hosts[0]), 0);
	return world_ask(w, drained ? MASTER_DRAIN : MASTER_UNDRAIN, &ask);
}

static void assert_primary(struct world *w, const char *name, uint64_t epoch,
			   const char *host)
{
	const struct volume_status s = world_status(w, name);

	assert_string_equal(s.state, "open");
	assert_string_equal(s.primary_host.s, host);
	assert_int_equal(s.line.lineage.epoch, epoch);
	assert_int_equal(world_serving_primaries(w, name), 1);
}

static void assert_said(const struct world *w, const char *part)
{
	if (!strstr(w->answer.text, part))
		fail_msg("\"%s\" lacks \"%s\"", w->answer.text, part);
}

static uint32_t load_of(struct world *w, uint32_t host)
{
	struct host_status s;

	master_host_status(w->master, host, w->now, &s);
	return s.nr_primaries;
}

static void assert_loads(struct world *w, uint32_t a, uint32_t b, uint32_t c)
{
	assert_int_equal(load_of(w, 0), a);
	assert_int_equal(load_of(w, 1), b);
	assert_int_equal(load_of(w, 2), c);
}

static int count(const struct world *w, const char *words)
{
	const char *at = w->trace;
	int nr = 0;

	while ((at = strstr(at, words))) {
		at += strlen(words);
		nr++;
	}
	return nr;
}

/* Three volumes whose primaries are all on host-a. */
static void crowd_host_a(struct world *w)
{
	w->hosts[1].backing_ok = false;
	w->hosts[2].backing_ok = false;
	world_run_ms(w, 1000);
	assert_int_equal(world_create(w, "v2", GUARD_QUORUM), 0);
	assert_int_equal(world_create(w, "v3", GUARD_QUORUM), 0);
	world_run_ms(w, 1000);
	w->hosts[1].backing_ok = true;
	w->hosts[2].backing_ok = true;
	world_run_ms(w, 1000);
	all_in_time(w);
	assert_loads(w, 3, 0, 0);
	world_forget_trace(w);
}

static void start_balance(struct world *w, uint32_t skew)
{
	w->config.rebalance_skew = skew;
	w->config.rebalance_cooldown_ms = COOLDOWN_MS;
	restart(w);
	world_forget_trace(w);
}

/* --- reassign ------------------------------------------------------------------- */

static void
a_reassign_moves_the_primary_and_is_answered_when_durable(void **state)
{
	struct world *w = *state;
	unsigned int nr = w->nr_records;

	assert_int_equal(reassign(w, "v1", "host-c"), 0);
	assert_int_equal(w->nr_records, nr + 1);
	world_run_ms(w, 1000);
	assert_primary(w, "v1", 2, "host-c");
	assert_true(world_traced(w, "minted volume=v1 lineage=2.1",
				 "why=\"reassign\""));
	/* And stays: nothing moves it back. */
	world_run_ms(w, 20000);
	assert_primary(w, "v1", 2, "host-c");
}

static void without_a_host_a_reassign_takes_the_best_evidence(void **state)
{
	struct world *w = *state;

	w->hosts[1].facts[0].served = (struct lineage){ 0 };
	world_run_ms(w, 1000);
	assert_int_equal(reassign(w, "v1", NULL), 0);
	world_run_ms(w, 1000);
	assert_primary(w, "v1", 2, "host-c");
}

static void a_reassign_expects_the_line_that_it_names(void **state)
{
	struct world *w = *state;
	struct master_ask ask = reassign_to("v1", "host-b");

	ask.any_line = false;
	ask.expected = (struct lineage){ 4, 2 };
	assert_int_equal(world_ask(w, MASTER_REASSIGN, &ask), -ESTALE);
	assert_said(w, "has the line 1.1, the ask expects the line 4.2");
	ask.expected = (struct lineage){ 1, 1 };
	assert_int_equal(world_ask(w, MASTER_REASSIGN, &ask), 0);
}

static void
a_target_that_cannot_take_over_is_refused_with_its_reason(void **state)
{
	struct world *w = *state;
	unsigned int nr = w->nr_records;

	assert_int_equal(reassign(w, "v9", "host-b"), -ENOENT);
	assert_int_equal(reassign(w, "v1", "host-z"), -ENOENT);
	assert_said(w, "host host-z has no slot of it");
	assert_int_equal(reassign(w, "v1", "host-a"), -ESTALE);
	assert_said(w, "host host-a is primary already");
	w->hosts[1].backing_ok = false;
	w->hosts[2].deaf = true;
	world_run_ms(w, 5000);
	assert_int_equal(reassign(w, "v1", "host-b"), -EAGAIN);
	assert_said(w, "host host-b has a slot that may not be primary");
	assert_int_equal(reassign(w, "v1", "host-c"), -EAGAIN);
	assert_said(w, "host host-c is not heard");
	assert_int_equal(reassign(w, "v1", NULL), -EAGAIN);
	assert_said(w, "no slot may take over: host-b has");
	assert_said(w, "host-c is not heard");
	assert_int_equal(w->nr_records, nr);
	assert_primary(w, "v1", 1, "host-a");
}

static void a_target_behind_in_data_needs_force(void **state)
{
	struct world *w = *state;
	struct master_ask ask = reassign_to("v1", "host-b");

	w->hosts[1].facts[0].served = (struct lineage){ 0 };
	world_run_ms(w, 1000);
	assert_int_equal(world_ask(w, MASTER_REASSIGN, &ask), -ESTALE);
	assert_said(w, "host host-b has older data than another slot");
	ask.any_data = true;
	assert_int_equal(world_ask(w, MASTER_REASSIGN, &ask), 0);
	world_run_ms(w, 1000);
	assert_primary(w, "v1", 2, "host-b");
}

static void a_planned_move_waits_for_no_lease(void **state)
{
	struct world *w = *state;
	uint64_t begun;

	assert_int_equal(world_delete(w, "v1", 0), 0);
	assert_int_equal(world_create(w, "v2", GUARD_LEASE), 0);
	world_run_ms(w, 1000);
	all_in_time(w);
	begun = w->now.v;
	assert_int_equal(reassign(w, "v2", NULL), 0);
	world_run_ms(w, 500);
	assert_true(w->now.v - begun < w->config.lease_ms);
	assert_int_equal(world_status(w, "v2").line.lineage.epoch, 2);
	assert_string_equal(world_status(w, "v2").state, "open");
}

/* Nothing is written yet: the target is lost before its ask is a record. */
static void a_move_whose_target_is_lost_is_given_up_and_said(void **state)
{
	struct world *w = *state;
	struct master_event event = { .type = MASTER_REASSIGN, .now = w->now };
	struct message *m = calloc(1, sizeof(*m));

	/* Another volume's group is in flight, so that the ask has to wait. */
	event.type = MASTER_CREATE;
	volume_id_parse("v2", &event.ask.volume);
	for (int i = 0; i < REPLICA_SLOTS; i++)
		host_id_parse(i == 0 ? "host-a" :
			      i == 1 ? "host-b" :
				       "host-c",
			      &event.ask.hosts[i]);
	event.ask.token = 1;
	assert_int_equal(master_step(w->master, &event, w->update), 0);
	assert_int_equal(w->update->nr_persist, 1);
	assert_int_equal(reassign(w, "v1", "host-b"), 1);
	w->hosts[1].backing_ok = false;
	m->kind = MESSAGE_REPORT;
	m->report.seq = ++w->hosts[1].seq;
	m->report.nr_slots = 1;
	m->report.slots[0] = w->hosts[1].facts[0];
	m->report.slots[0].backing_ok = false;
	m->report.digest = slot_fact_digest(&m->report.slots[0]);
	world_send(w, 1, m);
	free(m);
	assert_int_equal(w->answer.token, 77);
	assert_int_equal(w->answer.error, -EAGAIN);
	assert_said(w, "the move was given up: host host-b");
	assert_int_equal(world_status(w, "v1").line.lineage.epoch, 1);
}

/* --- drain ---------------------------------------------------------------------- */

static void a_drained_host_is_emptied_one_volume_after_the_other(void **state)
{
	struct world *w = *state;
	struct host_status host;

	crowd_host_a(w);
	assert_int_equal(drain(w, "host-a", true), 0);
	for (int i = 0; i < 100; i++) {
		int moving = count(w, "why=\"drain\" answer") -
			     count(w, "confirmed volume=");

		assert_true(moving == 0 || moving == 1);
		world_run_ms(w, 50);
	}
	assert_int_equal(count(w, "minted"), 3);
	assert_int_equal(count(w, "why=\"drain\" answer=\"taken\""), 3);
	assert_int_equal(load_of(w, 0), 0);
	master_host_status(w->master, 0, w->now, &host);
	assert_true(host.drained);
	world_run_ms(w, 20000);
	assert_int_equal(count(w, "minted"), 3);
	assert_int_equal(load_of(w, 0), 0);
}

static void a_drain_waits_for_the_move_before(void **state)
{
	struct world *w = *state;

	crowd_host_a(w);
	w->hosts[1].refuses = true;
	w->hosts[2].refuses = true;
	assert_int_equal(drain(w, "host-a", true), 0);
	world_run_ms(w, 10000);
	assert_int_equal(count(w, "minted"), 1);
	w->hosts[1].refuses = false;
	w->hosts[2].refuses = false;
	world_run_ms(w, 10000);
	assert_int_equal(count(w, "minted"), 3);
	assert_int_equal(load_of(w, 0), 0);
}

static void a_drained_host_gets_no_new_primary(void **state)
{
	struct world *w = *state;

	assert_int_equal(drain(w, "host-b", true), 0);
	assert_int_equal(drain(w, "host-c", true), 0);
	assert_int_equal(world_create(w, "v2", GUARD_QUORUM), 0);
	world_run_ms(w, 1000);
	assert_string_equal(world_status(w, "v2").primary_host.s, "host-a");
	assert_int_equal(reassign(w, "v1", "host-b"), -ESTALE);
	assert_said(w, "host host-b is drained");
	assert_int_equal(drain(w, "host-b", false), 0);
	assert_int_equal(reassign(w, "v1", "host-b"), 0);
}

static void
failover_prefers_a_host_that_is_not_drained_and_takes_one_at_last(void **state)
{
	struct world *w = *state;

	drain(w, "host-b", true);
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 2000);
	assert_primary(w, "v1", 2, "host-c");
	all_in_time(w);
	w->hosts[2].backing_ok = false;
	world_run_ms(w, 2000);
	assert_primary(w, "v1", 3, "host-b");
}

static void a_drain_that_cannot_move_a_volume_says_so(void **state)
{
	struct world *w = *state;

	w->hosts[1].facts[0].served = (struct lineage){ 0 };
	w->hosts[2].facts[0].served = (struct lineage){ 0 };
	world_run_ms(w, 1000);
	assert_int_equal(drain(w, "host-a", true), 0);
	world_run_ms(w, 5000);
	assert_primary(w, "v1", 1, "host-a");
	assert_true(
		world_has_evidence(w, "v1", EVIDENCE_NO_ACCEPTABLE_CANDIDATE));
	w->hosts[2].facts[0].served = (struct lineage){ 1, 1 };
	world_run_ms(w, 3000);
	assert_primary(w, "v1", 2, "host-c");
	assert_false(
		world_has_evidence(w, "v1", EVIDENCE_NO_ACCEPTABLE_CANDIDATE));
	assert_int_equal(drain(w, "host-z", true), -ENOENT);
}

static void a_drain_ends_with_the_master(void **state)
{
	struct world *w = *state;
	struct host_status host;

	drain(w, "host-b", true);
	restart(w);
	master_host_status(w->master, 1, w->now, &host);
	assert_false(host.drained);
}

/* --- balance -------------------------------------------------------------------- */

static void by_default_load_moves_nobody(void **state)
{
	struct world *w = *state;

	crowd_host_a(w);
	world_run_ms(w, 60000);
	assert_loads(w, 3, 0, 0);
	assert_int_equal(count(w, "minted"), 0);
}

static void balance_moves_one_volume_to_the_lightest_host(void **state)
{
	struct world *w = *state;

	crowd_host_a(w);
	assert_int_equal(reassign(w, "v3", "host-b"), 0);
	world_run_ms(w, 1000);
	all_in_time(w);
	assert_loads(w, 2, 1, 0);
	start_balance(w, 1);
	world_run_ms(w, 60000);
	assert_loads(w, 1, 1, 1);
	assert_int_equal(count(w, "minted"), 1);
	assert_int_equal(count(w, "why=\"rebalance\" answer=\"taken\""), 1);
}

static void balance_does_not_overshoot(void **state)
{
	struct world *w = *state;
	uint64_t first = 0;

	crowd_host_a(w);
	start_balance(w, 1);
	for (int i = 0; i < 600; i++) {
		world_run_ms(w, 100);
		all_in_time(w);
		if (!first && count(w, "minted"))
			first = w->now.v;
		/* The next one begins a cool-down after the one before. */
		if (first && w->now.v < first + COOLDOWN_MS - 1100)
			assert_int_equal(count(w, "minted"), 1);
		assert_true(count(w, "minted") - count(w, "confirmed") <= 1);
	}
	assert_int_equal(count(w, "minted"), 2);
	assert_loads(w, 1, 1, 1);
}

static void balance_leaves_what_is_within_the_bound(void **state)
{
	struct world *w = *state;

	crowd_host_a(w);
	start_balance(w, 3);
	world_run_ms(w, 30000);
	assert_loads(w, 3, 0, 0);
	start_balance(w, 2);
	world_run_ms(w, 30000);
	assert_int_equal(count(w, "minted"), 1);
	assert_int_equal(load_of(w, 0), 2);
}

static void balance_never_moves_to_older_data(void **state)
{
	struct world *w = *state;

	crowd_host_a(w);
	for (int v = 0; v < 3; v++) {
		w->hosts[1].facts[v].served = (struct lineage){ 0 };
		w->hosts[2].facts[v].served = (struct lineage){ 0 };
	}
	start_balance(w, 1);
	world_run_ms(w, 30000);
	assert_loads(w, 3, 0, 0);
	/* One of them has it all: that one moves. */
	w->hosts[2].facts[1].served = (struct lineage){ 1, 1 };
	world_run_ms(w, 30000);
	assert_loads(w, 2, 0, 1);
	assert_string_equal(world_status(w, "v2").primary_host.s, "host-c");
}

static void balance_waits_until_every_volume_is_settled(void **state)
{
	struct world *w = *state;

	crowd_host_a(w);
	w->config.rebalance_skew = 1;
	w->config.rebalance_cooldown_ms = COOLDOWN_MS;
	world_restart_master(w);
	/* One gate was closed meanwhile, and its host does not open it. */
	w->hosts[0].refuses = true;
	w->hosts[0].facts[0].state = GATE_CLOSED;
	w->hosts[0].facts[0].role = ROLE_NONE;
	w->hosts[0].facts[0].applied = (struct lineage){ 0 };
	for (int i = 0; i < WORLD_HOSTS; i++)
		world_up(w, i);
	world_forget_trace(w);
	world_run_ms(w, 30000);
	assert_string_equal(world_status(w, "v1").state, "stuck");
	assert_int_equal(count(w, "minted"), 0);
	w->hosts[0].refuses = false;
	world_run_ms(w, 30000);
	assert_true(count(w, "minted") >= 1);
}

/* --- a host that comes and goes --------------------------------------------------- */

static void flap(struct world *w, int seconds)
{
	w->hosts[2].facts[0].withdrawn = true;
	for (int i = 0; i < seconds; i++) {
		w->hosts[0].backing_ok = i % 2;
		w->hosts[1].backing_ok = !(i % 2);
		world_run_ms(w, 1000);
	}
}

static void a_flapping_host_does_not_drive_epochs(void **state)
{
	struct world *w = *state;
	uint64_t epoch;

	w->config.min_epoch_interval_ms = HOLD_MS;
	restart(w);
	flap(w, 600);
	epoch = world_status(w, "v1").line.lineage.epoch;
	/* At 0, 10, 30, 70 and then each 80 seconds. */
	assert_true(epoch >= 8 && epoch <= 12);
	assert_true(count(w, "failover-held-back volume=v1") > 0);
}

static void a_failover_that_is_held_back_says_so_and_comes(void **state)
{
	struct world *w = *state;

	w->config.min_epoch_interval_ms = HOLD_MS;
	restart(w);
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 2000);
	/* The first one is never held back. */
	assert_primary(w, "v1", 2, "host-b");
	all_in_time(w);
	w->hosts[1].backing_ok = false;
	world_run_ms(w, 2000);
	assert_int_equal(world_status(w, "v1").line.lineage.epoch, 2);
	assert_true(world_has_evidence(w, "v1", EVIDENCE_FAILOVER_HELD_BACK));
	world_run_ms(w, HOLD_MS);
	assert_primary(w, "v1", 3, "host-c");
	assert_false(world_has_evidence(w, "v1", EVIDENCE_FAILOVER_HELD_BACK));
}

static void an_operator_is_not_held_back(void **state)
{
	struct world *w = *state;

	w->config.min_epoch_interval_ms = HOLD_MS;
	restart(w);
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 2000);
	all_in_time(w);
	w->hosts[1].backing_ok = false;
	world_run_ms(w, 1000);
	assert_true(world_has_evidence(w, "v1", EVIDENCE_FAILOVER_HELD_BACK));
	assert_int_equal(reassign(w, "v1", "host-c"), 0);
	world_run_ms(w, 1000);
	assert_primary(w, "v1", 3, "host-c");
}

/* --- data ------------------------------------------------------------------------- */

static void failover_waits_for_newer_data_that_is_away(void **state)
{
	struct world *w = *state;

	/* r3 missed writes; r2, who has them, is silent when r1 is lost. */
	w->hosts[2].facts[0].served = (struct lineage){ 0 };
	world_run_ms(w, 1000);
	w->hosts[1].deaf = true;
	world_run_ms(w, 5000);
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 10000);
	assert_int_equal(world_status(w, "v1").line.lineage.epoch, 1);
	assert_true(
		world_has_evidence(w, "v1", EVIDENCE_NO_ACCEPTABLE_CANDIDATE));
	assert_true(world_traced(w, "no-candidate volume=v1", ""));
	w->hosts[1].deaf = false;
	world_run_ms(w, 2000);
	assert_primary(w, "v1", 2, "host-b");
}

static void an_operator_may_give_newer_data_up(void **state)
{
	struct world *w = *state;
	struct master_ask ask = reassign_to("v1", "host-c");

	w->hosts[2].facts[0].served = (struct lineage){ 0 };
	w->hosts[1].deaf = true;
	world_run_ms(w, 5000);
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 2000);
	assert_int_equal(world_ask(w, MASTER_REASSIGN, &ask), -ESTALE);
	ask.any_data = true;
	assert_int_equal(world_ask(w, MASTER_REASSIGN, &ask), 0);
	world_run_ms(w, 1000);
	assert_primary(w, "v1", 2, "host-c");
}

/* --- a damaged volume ------------------------------------------------------------- */

static void a_damaged_volumes_gates_stay_as_they_are(void **state)
{
	struct world *w = *state;

	w->damaged = "v1";
	restart(w);
	world_run_ms(w, 20000);
	assert_int_equal(world_serving_primaries(w, "v1"), 1);
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		assert_true(w->hosts[i].left[0]);
		assert_int_equal(w->hosts[i].facts[0].state, GATE_OPEN);
	}
}

static void
recovery_closes_a_damaged_volume_where_it_was_not_known(void **state)
{
	struct world *w = *state;
	static const struct lineage no_line;

	w->damaged = "v1";
	restart(w);
	assert_int_equal(world_recover(w, "v1", no_line, "abc"), 0);
	world_run_ms(w, 10000);
	assert_int_equal(world_serving_primaries(w, "v1"), 1);
	for (int i = 0; i < WORLD_HOSTS; i++)
		assert_false(w->hosts[i].left[0]);
	w->damaged = "v1";
	restart(w);
	assert_int_equal(world_delete(w, "v1", 0), 0);
	for (int i = 0; i < WORLD_HOSTS; i++)
		assert_int_not_equal(w->hosts[i].facts[0].state, GATE_OPEN);
}

/* Its old primary is on a host that the new life does not name. */
static void a_recovery_on_other_hosts_waits_for_every_lease(void **state)
{
	struct world *w = *state;
	struct master_ask ask = { .guard = GUARD_LEASE };

	assert_int_equal(world_create(w, "v2", GUARD_LEASE), 0);
	world_run_ms(w, 1000);
	assert_string_equal(world_status(w, "v2").primary_host.s, "host-b");
	w->damaged = "v2";
	w->spare = true;
	restart(w);
	world_up(w, WORLD_HOSTS);
	/* Left as it is, it serves on for as long as its host is heard. */
	world_run_ms(w, 20000);
	assert_int_equal(world_serving_primaries(w, "v2"), 1);
	w->hosts[1].deaf = true;
	volume_id_parse("v2", &ask.volume);
	host_id_parse("host-a", &ask.hosts[0]);
	host_id_parse("host-c", &ask.hosts[1]);
	host_id_parse("host-d", &ask.hosts[2]);
	assert_int_equal(world_ask(w, MASTER_RECOVER, &ask), 0);
	for (int i = 0; i < 240; i++) {
		world_run_ms(w, 50);
		assert_true(world_serving_primaries(w, "v2") <= 1);
	}
	assert_string_equal(world_status(w, "v2").state, "open");
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reassign_moves_the_primary_and_is_answered_when_durable),
		TEST(without_a_host_a_reassign_takes_the_best_evidence),
		TEST(a_reassign_expects_the_line_that_it_names),
		TEST(a_target_that_cannot_take_over_is_refused_with_its_reason),
		TEST(a_target_behind_in_data_needs_force),
		TEST(a_planned_move_waits_for_no_lease),
		TEST(a_move_whose_target_is_lost_is_given_up_and_said),
		TEST(a_drained_host_is_emptied_one_volume_after_the_other),
		TEST(a_drain_waits_for_the_move_before),
		TEST(a_drained_host_gets_no_new_primary),
		TEST(failover_prefers_a_host_that_is_not_drained_and_takes_one_at_last),
		TEST(a_drain_that_cannot_move_a_volume_says_so),
		TEST(a_drain_ends_with_the_master),
		TEST(by_default_load_moves_nobody),
		TEST(balance_moves_one_volume_to_the_lightest_host),
		TEST(balance_does_not_overshoot),
		TEST(balance_leaves_what_is_within_the_bound),
		TEST(balance_never_moves_to_older_data),
		TEST(balance_waits_until_every_volume_is_settled),
		TEST(a_flapping_host_does_not_drive_epochs),
		TEST(a_failover_that_is_held_back_says_so_and_comes),
		TEST(an_operator_is_not_held_back),
		TEST(failover_waits_for_newer_data_that_is_away),
		TEST(an_operator_may_give_newer_data_up),
		TEST(a_damaged_volumes_gates_stay_as_they_are),
		TEST(recovery_closes_a_damaged_volume_where_it_was_not_known),
		TEST(a_recovery_on_other_hosts_waits_for_every_lease),
	};

	return cmocka_run_group_tests_name("moves", tests, NULL, NULL);
}
