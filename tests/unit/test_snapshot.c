// SPDX-License-Identifier: GPL-2.0
/*
 * The verdict on a volume as operators read it: each reason with the slots that
 * it is about, pending apart from unsupported. Scenarios on the whole master.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world_volume.h"

static void assert_state(struct world *w, const char *name, const char *state)
{
	assert_string_equal(world_status(w, name).state, state);
}

/* The evidence of this code is there once, and its note has these words. */
static void assert_says(struct world *w, const char *name,
			enum evidence_code code, const char *words)
{
	const struct volume_status s = world_status(w, name);
	int nr = 0;

	for (unsigned int i = 0; i < s.nr_evidence; i++) {
		if (s.evidence[i].code != code)
			continue;
		nr++;
		if (!strstr(s.evidence[i].note, words))
			fail_msg("\"%s\" lacks \"%s\"", s.evidence[i].note,
				 words);
	}
	if (nr != 1)
		fail_msg("%s: %d times", evidence_name(code), nr);
}

static void assert_clean(struct world *w, const char *name)
{
	assert_int_equal(world_status(w, name).nr_evidence, 0);
}

/* The host does not hold the slot any more, and says so. */
static void leave_out(struct world *w, int host)
{
	w->hosts[host].held[0] = false;
	world_report(w, host, true);
}

static void claim_primary(struct world *w, int host, bool claims)
{
	w->hosts[host].facts[0].role = claims ? ROLE_PRIMARY : ROLE_CANDIDATE;
	world_report(w, host, false);
}

/* --- the six pinned reasons ---------------------------------------------------- */

static void a_host_never_heard_is_named_as_missing(void **state)
{
	struct world *w = *state;

	world_restart_master(w);
	world_up(w, 0);
	world_up(w, 1);
	assert_clean(w, "v1");
	world_run_ms(w, 1950);
	assert_clean(w, "v1");
	world_run_ms(w, 50);
	assert_says(w, "v1", EVIDENCE_MISSING_SERVER_OBSERVATION,
		    "never heard: r3@host-c");
	/* It is not merely one that may not be primary: nothing is known. */
	assert_false(world_status(w, "v1").slots[2].known);
	assert_line(w, 1, 1, "r1");
}

static void a_silent_host_is_named_as_stale(void **state)
{
	struct world *w = *state;

	w->hosts[1].deaf = true;
	world_run_ms(w, 3000);
	assert_clean(w, "v1");
	world_run_ms(w, 1000);
	assert_says(w, "v1", EVIDENCE_STALE_OBSERVATION,
		    "freshness window: r2@host-b");
	/* What it said last stays to be seen, as what it is. */
	assert_true(world_status(w, "v1").slots[1].known);
	w->hosts[1].deaf = false;
	world_run_ms(w, 1000);
	assert_clean(w, "v1");
}

static void
a_slot_that_its_host_does_not_report_is_named_as_partial(void **state)
{
	struct world *w = *state;

	leave_out(w, 2);
	assert_clean(w, "v1");
	world_run_ms(w, 1950);
	assert_clean(w, "v1");
	world_run_ms(w, 50);
	assert_says(w, "v1", EVIDENCE_PARTIAL_INVENTORY,
		    "not this slot: r3@host-c");
	w->hosts[2].held[0] = true;
	world_report(w, 2, true);
	assert_clean(w, "v1");
}

static void each_claimant_is_named_and_no_winner_is_chosen(void **state)
{
	struct world *w = *state;

	claim_primary(w, 1, true);
	assert_says(w, "v1", EVIDENCE_CONFLICTING_PRIMARY_CLAIM,
		    "as primary: r1@host-a r2@host-b");
	claim_primary(w, 2, true);
	assert_says(w, "v1", EVIDENCE_CONFLICTING_PRIMARY_CLAIM,
		    "as primary: r1@host-a r2@host-b r3@host-c");
	assert_state(w, "v1", "unsupported");
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 2000);
	assert_string_equal(world_story(w), "");
	assert_line(w, 1, 1, "r1");
}

static void a_replica_id_of_nobody_is_named_as_unknown(void **state)
{
	struct world *w = *state;

	snprintf(w->hosts[1].facts[0].replica.s, REPLICA_ID_SIZE, "r9");
	world_report(w, 1, false);
	assert_says(w, "v1", EVIDENCE_UNKNOWN_REPLICA_CLAIM,
		    "not configured: r2@host-b");
	/* Nothing is taken over from it, and nothing is sent to it. */
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 3000);
	assert_line(w, 2, 1, "r3");
	assert_null(strstr(world_story(w), "host=host-b"));
}

static void
one_host_with_two_replicas_is_named_and_stops_decisions(void **state)
{
	struct world *w = *state;
	struct message *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->kind = MESSAGE_REPORT;
	m->report.seq = ++w->hosts[1].seq;
	m->report.full = m->report.first = m->report.last = true;
	m->report.nr_slots = 2;
	m->report.slots[0] = w->hosts[1].facts[0];
	m->report.slots[1] = w->hosts[1].facts[0];
	snprintf(m->report.slots[1].replica.s, REPLICA_ID_SIZE, "r3");
	m->report.digest = slot_fact_digest(&m->report.slots[0]) ^
			   slot_fact_digest(&m->report.slots[1]);
	world_send(w, 1, m);
	free(m);
	assert_says(w, "v1", EVIDENCE_DUPLICATE_SERVER_TOPOLOGY,
		    "two replicas of the volume: r2@host-b");
	assert_state(w, "v1", "unsupported");
	w->hosts[1].deaf = true;
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 2000);
	assert_line(w, 1, 1, "r1");
	assert_string_equal(world_story(w), "");
	w->hosts[1].deaf = false;
	world_report(w, 1, true);
	world_run_ms(w, 1000);
	assert_line(w, 2, 1, "r2");
	assert_clean(w, "v1");
}

/* --- ours ------------------------------------------------------------------------ */

static void a_damaged_record_is_said_until_an_operator_recovers_it(void **state)
{
	struct world *w = *state;

	w->damaged = "v1";
	world_restart_master(w);
	for (int i = 0; i < WORLD_HOSTS; i++)
		world_up(w, i);
	world_run_ms(w, 10000);
	assert_says(w, "v1", EVIDENCE_AUTHORITY_RECORD_CORRUPT,
		    "nothing is minted for it until an operator recovers it");
	assert_state(w, "v1", "unsupported");
	assert_string_equal(world_story(w), "");
}

static void a_slot_above_the_line_is_named_as_the_regression(void **state)
{
	struct world *w = *state;
	struct slot_fact *fact = &w->hosts[2].facts[0];

	/* The floor may still be on its way to the disk over there. */
	fact->authority = (struct lineage){ 4, 1 };
	fact->state = GATE_CLOSED;
	fact->role = ROLE_NONE;
	fact->applied = (struct lineage){ 0 };
	world_report(w, 2, false);
	assert_says(w, "v1", EVIDENCE_AUTHORITY_REGRESSED,
		    "than the replicas: r3@host-c");
	assert_state(w, "v1", "unsupported");
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 2000);
	assert_line(w, 1, 1, "r1");
	assert_string_equal(world_story(w), "");
}

static void who_may_not_take_over_is_named(void **state)
{
	struct world *w = *state;

	for (int i = WORLD_HOSTS; i-- > 0;) {
		w->hosts[i].backing_ok = false;
		world_report(w, i, false);
	}
	assert_says(w, "v1", EVIDENCE_NO_ACCEPTABLE_CANDIDATE,
		    "r1@host-a r2@host-b r3@host-c");
	assert_line(w, 1, 1, "r1");
	w->hosts[2].backing_ok = true;
	world_run_ms(w, 2000);
	assert_line(w, 2, 1, "r3");
	assert_clean(w, "v1");
}

static void a_gate_past_its_drain_deadline_is_named_as_quarantined(void **state)
{
	struct world *w = *state;

	w->hosts[0].refuses = true;	/* it has I/O in flight for ever */
	w->hosts[0].facts[0].state = GATE_QUARANTINED;
	w->hosts[0].facts[0].role = ROLE_NONE;
	w->hosts[0].facts[0].applied = (struct lineage){ 0 };
	world_report(w, 0, false);
	assert_says(w, "v1", EVIDENCE_QUARANTINED,
		    "past the drain deadline: r1@host-a");
	/* It is no primary any more, and no fence of it is counted. */
	world_run_ms(w, 2000);
	assert_line(w, 2, 1, "r2");
	assert_state(w, "v1", "open");
}

/* --- together ---------------------------------------------------------------------- */

static void reasons_add_up_and_each_is_said_once(void **state)
{
	struct world *w = *state;
	struct volume_status s;

	leave_out(w, 2);
	w->hosts[1].deaf = true;
	snprintf(w->hosts[0].facts[0].replica.s, REPLICA_ID_SIZE, "r9");
	world_run_ms(w, 5000);
	s = world_status(w, "v1");
	assert_says(w, "v1", EVIDENCE_PARTIAL_INVENTORY, "r3@host-c");
	assert_says(w, "v1", EVIDENCE_STALE_OBSERVATION, "r2@host-b");
	assert_says(w, "v1", EVIDENCE_UNKNOWN_REPLICA_CLAIM, "r1@host-a");
	assert_true(s.nr_evidence >= 3);
	for (unsigned int i = 1; i < s.nr_evidence; i++)
		assert_true(s.evidence[i - 1].code < s.evidence[i].code ||
			    s.evidence[i].code ==
				    EVIDENCE_NO_ACCEPTABLE_CANDIDATE);
}

static void pending_is_no_fault_and_no_verdict(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_delete(w, "v1", 1), 0);
	world_restart_master(w);
	assert_int_equal(world_create(w, "v2", GUARD_QUORUM), 0);
	assert_state(w, "v2", "pending");
	assert_clean(w, "v2");
	for (int i = 0; i < WORLD_HOSTS; i++)
		world_up(w, i);
	world_run_ms(w, 1000);
	assert_state(w, "v2", "open");
	assert_clean(w, "v2");
}

static void one_reason_outweighs_what_is_pending(void **state)
{
	struct world *w = *state;
	struct message *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	world_down(w, 1);
	world_down(w, 2);
	assert_int_equal(world_delete(w, "v1", 1), 0);
	world_restart_master(w);
	world_up(w, 0);
	world_run_ms(w, 1900);
	assert_int_equal(world_create(w, "v2", GUARD_QUORUM), 0);
	assert_state(w, "v2", "pending");
	world_run_ms(w, 100);
	/* host-c was never heard; host-b has begun to tell what it holds. */
	w->hosts[1].deaf = true;
	world_up(w, 1);
	w->hosts[1].deaf = false;
	m->kind = MESSAGE_REPORT;
	m->report.seq = ++w->hosts[1].seq;
	m->report.full = m->report.first = true;
	world_send(w, 1, m);
	free(m);
	assert_state(w, "v2", "unsupported");
	assert_says(w, "v2", EVIDENCE_MISSING_SERVER_OBSERVATION, "r3@host-c");
}

static void
a_standby_that_is_lost_blocks_neither_refresh_nor_failover(void **state)
{
	struct world *w = *state;

	w->hosts[2].deaf = true;
	world_run_ms(w, 4000);
	snprintf(w->hosts[0].data_addr.s, ADDR_SIZE, "10.9.9.9:4420");
	world_run_ms(w, 2000);
	assert_line(w, 1, 2, "r1");
	assert_state(w, "v1", "open");
	w->hosts[0].deaf = true;
	w->hosts[2].deaf = false;
	world_run_ms(w, 6000);
	assert_line(w, 2, 1, "r2");
	assert_state(w, "v1", "open");
}

static void
a_volume_that_nobody_reports_any_more_is_not_kept_as_it_was(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < WORLD_HOSTS; i++)
		leave_out(w, i);
	world_run_ms(w, 2000);
	assert_says(w, "v1", EVIDENCE_PARTIAL_INVENTORY,
		    "r1@host-a r2@host-b r3@host-c");
	assert_says(w, "v1", EVIDENCE_NO_ACCEPTABLE_CANDIDATE, "r1@host-a");
	assert_state(w, "v1", "stuck");
	assert_line(w, 1, 1, "r1");
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_level_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_host_never_heard_is_named_as_missing),
		TEST(a_silent_host_is_named_as_stale),
		TEST(a_slot_that_its_host_does_not_report_is_named_as_partial),
		TEST(each_claimant_is_named_and_no_winner_is_chosen),
		TEST(a_replica_id_of_nobody_is_named_as_unknown),
		TEST(one_host_with_two_replicas_is_named_and_stops_decisions),
		TEST(a_damaged_record_is_said_until_an_operator_recovers_it),
		TEST(a_slot_above_the_line_is_named_as_the_regression),
		TEST(who_may_not_take_over_is_named),
		TEST(a_gate_past_its_drain_deadline_is_named_as_quarantined),
		TEST(reasons_add_up_and_each_is_said_once),
		TEST(pending_is_no_fault_and_no_verdict),
		TEST(one_reason_outweighs_what_is_pending),
		TEST(a_standby_that_is_lost_blocks_neither_refresh_nor_failover),
		TEST(a_volume_that_nobody_reports_any_more_is_not_kept_as_it_was),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
