// SPDX-License-Identifier: GPL-2.0
/*
 * From what is wanted to what is applied: confirmed by the target alone,
 * superseded, withdrawn, or stuck at a step that is named; and the fence plan in
 * between. Scenarios on the whole master.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world_volume.h"

static void assert_note(struct world *w, const char *words)
{
	const struct volume_status s = world_status(w, "v1");

	for (unsigned int i = 0; i < s.nr_evidence; i++) {
		if (s.evidence[i].code != EVIDENCE_CONVERGENCE_STUCK)
			continue;
		if (!strstr(s.evidence[i].note, words))
			fail_msg("\"%s\" lacks \"%s\"", s.evidence[i].note,
				 words);
		return;
	}
	fail_msg("not stuck");
}

static unsigned int count(const char *text, const char *words)
{
	unsigned int nr = 0;

	while ((text = strstr(text, words))) {
		nr++;
		text += strlen(words);
	}
	return nr;
}

/* The primary's disk is lost; its host tells at once. */
static void lose_disk(struct world *w, int host)
{
	w->hosts[host].backing_ok = false;
	world_report(w, host, false);
}

static void assert_settles(struct world *w)
{
	world_run_ms(w, 3000);
	assert_string_equal(world_status(w, "v1").state, "open");
	assert_false(world_has_evidence(w, "v1", EVIDENCE_CONVERGENCE_STUCK));
}

/* --- confirmed ---------------------------------------------------------------------- */

static void a_failover_is_told_from_the_ask_to_the_confirmation(void **state)
{
	struct world *w = *state;

	lose_disk(w, 0);
	assert_string_equal(
		world_story(w),
		"ask volume=v1 intent=Reassign target=r2 why=\"failover\" answer=\"taken\"\n"
		"minted volume=v1 lineage=2.1 primary=r2 host=host-b why=\"failover\"\n"
		"send command=fence volume=v1 replica=r1 lineage=2.1 host=host-a\n"
		"send command=fence volume=v1 replica=r2 lineage=2.1 host=host-b\n"
		"send command=fence volume=v1 replica=r3 lineage=2.1 host=host-c\n"
		"send command=open volume=v1 replica=r1 lineage=2.1 host=host-a\n"
		"send command=open volume=v1 replica=r2 lineage=2.1 host=host-b\n"
		"send command=open volume=v1 replica=r3 lineage=2.1 host=host-c late=1\n"
		"confirmed volume=v1 lineage=2.1 primary=r2 after_ms=0\n");
}

static void send_ack(struct world *w, int host, enum command_kind kind)
{
	struct message *m = calloc(1, sizeof(*m));
	const struct slot_fact *fact = &w->hosts[host].facts[0];

	assert_non_null(m);
	m->kind = MESSAGE_ACK;
	m->ack.kind = kind;
	m->ack.asked = fact->authority;
	m->ack.proof = (struct proof){ .volume = fact->volume,
				       .replica = fact->replica,
				       .lineage = fact->authority,
				       .state = fact->state,
				       .drained = true,
				       .floor_durable = true };
	world_send(w, host, m);
	free(m);
}

static void only_a_report_of_the_lineage_applied_confirms(void **state)
{
	struct world *w = *state;
	struct slot_fact *fact = &w->hosts[1].facts[0];

	w->hosts[1].deaf = true;
	lose_disk(w, 0);
	assert_line(w, 2, 1, "r2");
	fact->authority = fact->floor = (struct lineage){ 2, 1 };
	fact->state = GATE_CLOSED;
	send_ack(w, 1, COMMAND_FENCE);
	assert_non_null(strstr(world_story(w), "send command=open"));
	/* Its word that it has opened is not yet what it has applied. */
	fact->state = GATE_OPEN;
	send_ack(w, 1, COMMAND_OPEN);
	assert_null(strstr(w->trace, "confirmed"));
	fact->role = ROLE_PRIMARY;
	fact->applied = (struct lineage){ 1, 1 };
	world_report(w, 1, false);
	assert_null(strstr(w->trace, "confirmed"));
	fact->applied = (struct lineage){ 2, 1 };
	world_report(w, 1, false);
	assert_non_null(strstr(w->trace, "confirmed volume=v1 lineage=2.1"));
}

static void a_refresh_is_confirmed_at_its_own_version(void **state)
{
	struct world *w = *state;

	w->hosts[0].refuses = true;
	snprintf(w->hosts[0].data_addr.s, ADDR_SIZE, "10.9.9.9:4420");
	world_run_ms(w, 1000);
	assert_line(w, 1, 2, "r1");
	/* It still serves 1.1: that is not what is wanted now. */
	assert_int_equal(world_serving_primaries(w, "v1"), 1);
	assert_string_equal(world_status(w, "v1").state, "fencing");
	w->hosts[0].refuses = false;
	assert_settles(w);
	assert_true(world_traced(w, "confirmed volume=v1 lineage=1.2", ""));
	assert_int_equal(count(w->trace, "confirmed "), 1);
}

/* --- stuck: which step ----------------------------------------------------------------- */

static void stuck_names_not_minted(void **state)
{
	struct world *w = *state;

	w->holds_writes = true;
	lose_disk(w, 0);
	world_run_ms(w, 950);
	assert_false(world_has_evidence(w, "v1", EVIDENCE_CONVERGENCE_STUCK));
	world_run_ms(w, 50);
	assert_note(w, "not minted");
	assert_true(world_traced(w, "stuck volume=v1 step=\"not minted\"", ""));
	assert_line(w, 1, 1, "r1");
	w->holds_writes = false;
	world_end_write(w);
	assert_line(w, 2, 1, "r2");
	assert_settles(w);
}

static void stuck_names_not_minted_and_the_refusal(void **state)
{
	struct world *w = *state;

	w->persist_error = -EIO;
	lose_disk(w, 0);
	world_run_ms(w, 2000);
	assert_note(w, "not minted: the authority log is closed");
	assert_line(w, 1, 1, "r1");
}

static void stuck_names_not_delivered(void **state)
{
	struct world *w = *state;

	w->holds_writes = true;
	lose_disk(w, 0);
	world_down(w, 1);
	w->holds_writes = false;
	world_end_write(w);
	assert_line(w, 2, 1, "r2");
	world_run_ms(w, 1000);
	assert_note(w, "not delivered: the target's host is not connected");
	world_up(w, 1);
	assert_settles(w);
}

static void stuck_names_not_fenced_the_slot_and_its_drain(void **state)
{
	struct world *w = *state;

	w->hosts[1].flaw = FLAW_DRAINS;
	lose_disk(w, 0);
	world_run_ms(w, 1000);
	assert_note(w, "not fenced");
	assert_note(w, "(r2@host-b draining at 2.1, floor 2.1)");
	assert_int_equal(world_serving_primaries(w, "v1"), 0);
	w->hosts[1].facts[0].state = GATE_CLOSED;
	w->hosts[1].flaw = FLAW_NONE;
	assert_settles(w);
}

static void stuck_names_not_fenced_the_slot_and_its_floor(void **state)
{
	struct world *w = *state;

	w->hosts[1].flaw = FLAW_FLOOR;
	lose_disk(w, 0);
	world_run_ms(w, 1000);
	assert_note(w, "(r2@host-b closed at 2.1, floor 1.1)");
	assert_int_equal(world_serving_primaries(w, "v1"), 0);
	w->hosts[1].flaw = FLAW_NONE;
	assert_settles(w);
}

static void stuck_names_not_fenced_the_slot_and_its_refusal(void **state)
{
	struct world *w = *state;

	w->hosts[1].refuses = true;
	lose_disk(w, 0);
	world_run_ms(w, 1000);
	assert_note(w, "not fenced");
	assert_note(w, "(r2@host-b refused: errno 5)");
	w->hosts[1].refuses = false;
	assert_settles(w);
}

static void stuck_names_the_lease_that_is_not_over(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_delete(w, "v1", 1), 0);
	assert_int_equal(world_create(w, "v1", GUARD_LEASE), 0);
	world_run_ms(w, 8000);
	assert_line(w, 2, 1, "r1");
	w->hosts[0].deaf = true;
	world_run_ms(w, 4700);
	assert_line(w, 3, 1, "r2");
	assert_note(w, "lease not over: an older primary may still serve");
	world_run_ms(w, 2000);
	assert_settles(w);
}

static void stuck_names_not_opened(void **state)
{
	struct world *w = *state;

	w->hosts[1].flaw = FLAW_SHUT;
	lose_disk(w, 0);
	world_run_ms(w, 1000);
	assert_note(w, "not opened");
	w->hosts[1].flaw = FLAW_NONE;
	assert_settles(w);
}

static void stuck_names_not_applied(void **state)
{
	struct world *w = *state;

	w->hosts[1].flaw = FLAW_ROLE;
	lose_disk(w, 0);
	world_run_ms(w, 1000);
	assert_note(w, "not applied");
	w->hosts[1].facts[0].role = ROLE_PRIMARY;
	assert_settles(w);
}

static void stuck_is_said_once_and_mints_nothing_more(void **state)
{
	struct world *w = *state;
	unsigned int nr_records;

	w->hosts[1].flaw = FLAW_SHUT;
	lose_disk(w, 0);
	nr_records = w->nr_records;
	world_run_ms(w, 20000);
	assert_int_equal(w->nr_records, nr_records);
	assert_int_equal(count(w->trace, "stuck volume=v1"), 1);
	assert_int_equal(count(w->trace, "ask volume=v1"), 1);
	/* Nobody hears more than the command that is due, at each retry. */
	assert_in_range(count(w->trace,
			      "send command=open volume=v1 replica=r2"),
			19, 21);
	assert_int_equal(count(w->trace, "send command=fence"), 3);
}

static void each_volume_has_its_own_retry_window(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < WORLD_HOSTS; i++)
		w->hosts[i].flaw = FLAW_SHUT;
	lose_disk(w, 0);
	world_run_ms(w, 600);
	w->hosts[0].backing_ok = true;
	world_report(w, 0, false);
	assert_int_equal(world_create(w, "v2", GUARD_QUORUM), 0);
	world_run_ms(w, 400);
	assert_true(world_has_evidence(w, "v1", EVIDENCE_CONVERGENCE_STUCK));
	assert_false(world_has_evidence(w, "v2", EVIDENCE_CONVERGENCE_STUCK));
	world_run_ms(w, 600);
	assert_true(world_has_evidence(w, "v2", EVIDENCE_CONVERGENCE_STUCK));
}

/* --- superseded, withdrawn --------------------------------------------------------------- */

/* Behind a write of another volume the ask for r2 has to wait. */
static void stage_a_failover(struct world *w)
{
	w->holds_writes = true;
	assert_int_equal(world_create(w, "v2", GUARD_QUORUM), 1);
	lose_disk(w, 0);
	assert_non_null(strstr(world_story(w), "target=r2"));
	assert_line(w, 1, 1, "r1");
}

static void end_writes(struct world *w)
{
	w->holds_writes = false;
	while (w->nr_held)
		world_end_write(w);
}

static void an_ask_that_waits_is_not_asked_again(void **state)
{
	struct world *w = *state;

	stage_a_failover(w);
	for (int i = 0; i < 10; i++)
		world_report(w, 0, true);
	assert_int_equal(count(w->trace, "ask volume=v1"), 1);
	end_writes(w);
	assert_line(w, 2, 1, "r2");
	assert_int_equal(count(w->trace, "minted volume=v1"), 1);
}

static void another_decision_supersedes_an_ask_that_waits(void **state)
{
	struct world *w = *state;

	stage_a_failover(w);
	lose_disk(w, 1);
	assert_non_null(strstr(world_story(w), "target=r3"));
	end_writes(w);
	assert_line(w, 2, 1, "r3");
	assert_null(
		strstr(w->trace, "primary=r2 host=host-b why=\"failover\""));
	assert_settles(w);
}

static void another_decision_supersedes_a_line_that_is_rolling_out(void **state)
{
	struct world *w = *state;

	w->holds_writes = true;
	lose_disk(w, 0);
	lose_disk(w, 1);	/* on its way to the disk: not taken back */
	end_writes(w);
	assert_line(w, 3, 1, "r3");
	assert_true(world_traced(w, "minted volume=v1 lineage=2.1 primary=r2",
				 "minted volume=v1 lineage=3.1 primary=r3"));
	assert_null(strstr(w->trace,
			   "command=open volume=v1 replica=r2 lineage=2.1"));
	assert_settles(w);
}

static void an_operators_word_supersedes_an_ask_that_waits(void **state)
{
	struct world *w = *state;

	stage_a_failover(w);
	assert_int_equal(world_delete(w, "v1", 1), 1);
	end_writes(w);
	assert_false(world_status(w, "v1").exists);
	assert_null(strstr(w->trace, "minted volume=v1"));
	world_run_ms(w, 5000);
	assert_null(strstr(w->trace, "minted volume=v1"));
}

static void what_is_unsupported_is_not_asked_for_any_more(void **state)
{
	struct world *w = *state;

	stage_a_failover(w);
	w->hosts[1].facts[0].role = ROLE_PRIMARY;
	world_report(w, 1, false);
	assert_true(world_has_evidence(w, "v1",
				       EVIDENCE_CONFLICTING_PRIMARY_CLAIM));
	end_writes(w);
	world_run_ms(w, 2000);
	assert_line(w, 1, 1, "r1");
	assert_false(world_has_evidence(w, "v1", EVIDENCE_CONVERGENCE_STUCK));
	/* It was wanted, not promised: it follows anew from the facts. */
	w->hosts[1].facts[0].role = ROLE_CANDIDATE;
	world_run_ms(w, 2000);
	assert_int_equal(world_status(w, "v1").line.lineage.epoch, 2);
	assert_int_equal(count(w->trace, "ask volume=v1 intent=Reassign"), 2);
}

static void what_is_pending_is_not_asked_for_and_is_no_fault(void **state)
{
	struct world *w = *state;

	stage_a_failover(w);
	w->hosts[0].deaf = true;
	world_up(w, 0);		/* anew: its inventory is still to come */
	assert_int_equal(world_status(w, "v1").nr_evidence, 0);
	end_writes(w);
	assert_line(w, 1, 1, "r1");
	w->hosts[0].deaf = false;
	w->hosts[0].backing_ok = true;
	world_report(w, 0, true);
	world_run_ms(w, 3000);
	assert_line(w, 1, 1, "r1");
	assert_string_equal(world_status(w, "v1").state, "open");
}

/* --- the fence plan ------------------------------------------------------------------------ */

static void a_gate_that_still_drains_is_in_no_quorum(void **state)
{
	struct world *w = *state;

	w->hosts[0].refuses = true;
	w->hosts[2].flaw = FLAW_DRAINS;
	lose_disk(w, 0);
	world_run_ms(w, 3000);
	assert_line(w, 2, 1, "r2");
	assert_int_equal(w->hosts[2].facts[0].state, GATE_DRAINING);
	assert_false(world_status(w, "v1").slots[2].fenced);
	assert_null(strstr(w->trace, "command=open"));
	w->hosts[2].facts[0].state = GATE_QUARANTINED;
	world_run_ms(w, 2000);
	assert_null(strstr(w->trace, "command=open"));
	w->hosts[2].facts[0].state = GATE_CLOSED;
	world_run_ms(w, 1000);
	assert_true(world_status(w, "v1").slots[2].fenced);
	assert_string_equal(world_status(w, "v1").state, "open");
}

static void a_floor_that_is_not_durable_is_in_no_quorum(void **state)
{
	struct world *w = *state;

	w->hosts[0].refuses = true;
	w->hosts[2].flaw = FLAW_FLOOR;
	lose_disk(w, 0);
	world_run_ms(w, 3000);
	assert_line(w, 2, 1, "r2");
	assert_int_equal(w->hosts[2].facts[0].authority.epoch, 2);
	assert_false(world_status(w, "v1").slots[2].fenced);
	assert_null(strstr(w->trace, "command=open"));
	w->hosts[2].flaw = FLAW_NONE;
	world_run_ms(w, 2000);
	assert_string_equal(world_status(w, "v1").state, "open");
}

static void a_fence_of_the_line_before_is_in_no_quorum_of_this_one(void **state)
{
	struct world *w = *state;
	struct slot_fact *fact = &w->hosts[2].facts[0];

	w->hosts[0].refuses = true;
	w->hosts[2].deaf = true;
	lose_disk(w, 0);
	assert_line(w, 2, 1, "r2");
	lose_disk(w, 1);
	assert_line(w, 3, 1, "r3");
	/* What host-c did about 2.1 arrives only now. */
	fact->authority = fact->floor = (struct lineage){ 2, 1 };
	fact->state = GATE_CLOSED;
	fact->applied = (struct lineage){ 0 };
	send_ack(w, 2, COMMAND_FENCE);
	assert_false(world_status(w, "v1").slots[2].fenced);
	assert_null(strstr(w->trace, "command=open volume=v1"));
	w->hosts[2].deaf = false;
	world_run_ms(w, 2000);
	assert_string_equal(world_status(w, "v1").state, "open");
	assert_int_equal(fact->applied.epoch, 3);
}

static void
a_newer_fence_takes_the_place_of_the_one_that_is_refused(void **state)
{
	struct world *w = *state;
	const char *newer;

	w->hosts[0].refuses = true;
	lose_disk(w, 0);
	world_run_ms(w, 1500);
	assert_int_equal(count(w->trace,
			       "command=fence volume=v1 replica=r1 lineage=2.1"),
			 2);
	lose_disk(w, 1);
	newer = strstr(w->trace, "minted volume=v1 lineage=3.1");
	assert_non_null(newer);
	/* At once, though the older one was sent half a second ago. */
	assert_int_equal(count(newer,
			       "command=fence volume=v1 replica=r1 lineage=3.1"),
			 1);
	world_run_ms(w, 3000);
	assert_null(strstr(newer, "lineage=2.1 host"));
	w->hosts[0].refuses = false;
	world_run_ms(w, 1000);
	assert_int_equal(w->hosts[0].facts[0].floor.epoch, 3);
}

static void a_slot_that_comes_back_is_fenced_then_opened_as_late(void **state)
{
	struct world *w = *state;

	world_down(w, 2);
	lose_disk(w, 0);
	world_run_ms(w, 1000);
	assert_string_equal(world_status(w, "v1").state, "open");
	world_forget_trace(w);
	world_up(w, 2);
	world_run_ms(w, 1000);
	assert_string_equal(
		world_story(w),
		"send command=fence volume=v1 replica=r3 lineage=2.1 host=host-c\n"
		"send command=open volume=v1 replica=r3 lineage=2.1 host=host-c late=1\n");
	/* It may lack writes: it does not say that it served 2.1. */
	assert_true(w->hosts[2].facts[0].served.epoch < 2);
}

static void a_host_that_connects_anew_is_told_at_once(void **state)
{
	struct world *w = *state;

	w->hosts[2].deaf = true;
	lose_disk(w, 0);
	world_run_ms(w, 100);
	assert_int_equal(count(w->trace, "replica=r3"), 1);
	world_down(w, 2);
	w->hosts[2].deaf = false;
	world_up(w, 2);
	assert_int_equal(w->hosts[2].facts[0].authority.epoch, 2);
	assert_int_equal(w->hosts[2].facts[0].state, GATE_OPEN);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_level_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_failover_is_told_from_the_ask_to_the_confirmation),
		TEST(only_a_report_of_the_lineage_applied_confirms),
		TEST(a_refresh_is_confirmed_at_its_own_version),
		TEST(stuck_names_not_minted),
		TEST(stuck_names_not_minted_and_the_refusal),
		TEST(stuck_names_not_delivered),
		TEST(stuck_names_not_fenced_the_slot_and_its_drain),
		TEST(stuck_names_not_fenced_the_slot_and_its_floor),
		TEST(stuck_names_not_fenced_the_slot_and_its_refusal),
		TEST(stuck_names_the_lease_that_is_not_over),
		TEST(stuck_names_not_opened),
		TEST(stuck_names_not_applied),
		TEST(stuck_is_said_once_and_mints_nothing_more),
		TEST(each_volume_has_its_own_retry_window),
		TEST(an_ask_that_waits_is_not_asked_again),
		TEST(another_decision_supersedes_an_ask_that_waits),
		TEST(another_decision_supersedes_a_line_that_is_rolling_out),
		TEST(an_operators_word_supersedes_an_ask_that_waits),
		TEST(what_is_unsupported_is_not_asked_for_any_more),
		TEST(what_is_pending_is_not_asked_for_and_is_no_fault),
		TEST(a_gate_that_still_drains_is_in_no_quorum),
		TEST(a_floor_that_is_not_durable_is_in_no_quorum),
		TEST(a_fence_of_the_line_before_is_in_no_quorum_of_this_one),
		TEST(a_newer_fence_takes_the_place_of_the_one_that_is_refused),
		TEST(a_slot_that_comes_back_is_fenced_then_opened_as_late),
		TEST(a_host_that_connects_anew_is_told_at_once),
	};

	return cmocka_run_group_tests_name("convergence", tests, NULL, NULL);
}
