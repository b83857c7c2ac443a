// SPDX-License-Identifier: GPL-2.0
/*
 * A master that starts again: it serves the reloaded lines, revives nothing else,
 * and nothing that the replicas tell of the past moves a line backward.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world_volume.h"

static void restart(struct world *w)
{
	world_restart_master(w);
	world_forget_trace(w);
}

static void all_up(struct world *w)
{
	for (int i = 0; i < WORLD_HOSTS; i++)
		world_up(w, i);
}

static void assert_open(struct world *w)
{
	assert_string_equal(world_status(w, "v1").state, "open");
	assert_int_equal(world_status(w, "v1").nr_evidence, 0);
	assert_int_equal(world_serving_primaries(w, "v1"), 1);
}

static void lose_disk(struct world *w, int host)
{
	w->hosts[host].backing_ok = false;
	world_report(w, host, false);
}

/* r1 at 1.1 was replaced by r2 at 2.1, and all three serve. */
static void with_a_second_epoch(struct world *w)
{
	lose_disk(w, 0);
	w->hosts[0].backing_ok = true;
	world_run_ms(w, 1000);
	assert_line(w, 2, 1, "r2");
	assert_open(w);
}

/* As the replica was before this lineage reached it, or as it never was. */
static void set_back(struct world *w, int host, struct lineage lineage,
		     enum role role)
{
	struct slot_fact *fact = &w->hosts[host].facts[0];
	bool is_open = role != ROLE_NONE;

	fact->authority = fact->floor = fact->served = lineage;
	fact->applied = is_open ? lineage : (struct lineage){ 0 };
	fact->state = is_open ? GATE_OPEN : GATE_CLOSED;
	fact->role = role;
}

/* --- the sequence ------------------------------------------------------------------ */

static void a_restart_re_anchors_from_the_line_in_this_order(void **state)
{
	struct world *w = *state;

	restart(w);
	assert_line(w, 1, 1, "r1");
	all_up(w);
	world_run_ms(w, 5000);
	assert_open(w);
	assert_string_equal(
		w->trace,
		"[101000] host-up host=host-a boot=boot-1\n"
		"[101000] host-fresh host=host-a\n"
		"[101000] confirmed volume=v1 lineage=1.1 primary=r1 after_ms=0\n"
		"[101000] host-up host=host-b boot=boot-1\n"
		"[101000] host-fresh host=host-b\n"
		"[101000] host-up host=host-c boot=boot-1\n"
		"[101000] host-fresh host=host-c\n");
}

static void closed_gates_are_fenced_and_opened_at_the_line_alone(void **state)
{
	struct world *w = *state;
	unsigned int nr_records;

	with_a_second_epoch(w);
	nr_records = w->nr_records;
	for (int i = 0; i < WORLD_HOSTS; i++)
		set_back(w, i, (struct lineage){ 0 }, ROLE_NONE);
	restart(w);
	all_up(w);
	assert_string_equal(
		world_story(w),
		"send command=fence volume=v1 replica=r1 lineage=2.1 host=host-a\n"
		"send command=fence volume=v1 replica=r2 lineage=2.1 host=host-b\n"
		"send command=open volume=v1 replica=r1 lineage=2.1 host=host-a\n"
		"send command=open volume=v1 replica=r2 lineage=2.1 host=host-b\n"
		"confirmed volume=v1 lineage=2.1 primary=r2 after_ms=0\n"
		"send command=fence volume=v1 replica=r3 lineage=2.1 host=host-c\n"
		"send command=open volume=v1 replica=r3 lineage=2.1 host=host-c late=1\n");
	assert_open(w);
	assert_int_equal(w->nr_records, nr_records);
}

static void minting_goes_on_above_the_reloaded_line(void **state)
{
	struct world *w = *state;

	with_a_second_epoch(w);
	restart(w);
	all_up(w);
	lose_disk(w, 1);
	world_run_ms(w, 1000);
	assert_int_equal(world_status(w, "v1").line.lineage.epoch, 3);
}

/* --- what is not revived -------------------------------------------------------------- */

static void what_was_desired_is_not_revived_but_follows_again(void **state)
{
	struct world *w = *state;
	char before[512];

	w->holds_writes = true;
	assert_int_equal(world_create(w, "v2", GUARD_QUORUM), 1);
	lose_disk(w, 0);
	snprintf(before, sizeof(before), "%s", world_story(w));
	assert_non_null(
		strstr(before, "ask volume=v1 intent=Reassign target=r2"));
	w->holds_writes = false;
	restart(w);
	assert_line(w, 1, 1, "r1");
	world_run_ms(w, 900);
	assert_string_equal(world_story(w), "");
	/* The same facts lead to the same ask. */
	all_up(w);
	assert_non_null(strstr(world_story(w), before));
	assert_line(w, 2, 1, "r2");
}

static void what_waited_for_the_disk_is_not_the_line(void **state)
{
	struct world *w = *state;
	struct volume_id id;

	w->holds_writes = true;
	lose_disk(w, 0);
	assert_int_equal(world_create(w, "v2", GUARD_QUORUM), 1);
	assert_int_equal(w->nr_held, 1);
	w->holds_writes = false;
	w->hosts[0].backing_ok = true;
	restart(w);
	all_up(w);
	world_run_ms(w, 3000);
	assert_line(w, 1, 1, "r1");
	assert_open(w);
	/* Nor is what waited behind it. */
	volume_id_parse("v2", &id);
	assert_true(master_find_volume(w->master, &id) < 0);
}

static void an_operators_ask_that_waited_is_not_carried_out(void **state)
{
	struct world *w = *state;

	w->holds_writes = true;
	assert_int_equal(world_create(w, "v2", GUARD_QUORUM), 1);
	assert_int_equal(world_delete(w, "v1", 0), 1);
	w->holds_writes = false;
	restart(w);
	all_up(w);
	world_run_ms(w, 3000);
	assert_true(world_status(w, "v1").exists);
	assert_open(w);
	assert_int_equal(w->answer.token, 0);
}

static void stuck_evidence_is_not_revived_and_has_its_window_anew(void **state)
{
	struct world *w = *state;

	w->hosts[1].flaw = FLAW_SHUT;
	lose_disk(w, 0);
	world_run_ms(w, 2000);
	assert_true(world_has_evidence(w, "v1", EVIDENCE_CONVERGENCE_STUCK));
	restart(w);
	all_up(w);
	assert_int_equal(world_status(w, "v1").nr_evidence, 0);
	world_run_ms(w, 950);
	assert_int_equal(world_status(w, "v1").nr_evidence, 0);
	world_run_ms(w, 50);
	assert_true(world_has_evidence(w, "v1", EVIDENCE_CONVERGENCE_STUCK));
	assert_line(w, 2, 1, "r2");
}

static void unsupported_evidence_is_not_revived_but_found_again(void **state)
{
	struct world *w = *state;

	w->hosts[1].facts[0].role = ROLE_PRIMARY;
	world_report(w, 1, false);
	assert_true(world_has_evidence(w, "v1",
				       EVIDENCE_CONFLICTING_PRIMARY_CLAIM));
	restart(w);
	assert_int_equal(world_status(w, "v1").nr_evidence, 0);
	world_up(w, 0);
	assert_int_equal(world_status(w, "v1").nr_evidence, 0);
	world_up(w, 1);
	assert_true(world_has_evidence(w, "v1",
				       EVIDENCE_CONFLICTING_PRIMARY_CLAIM));
	assert_null(strstr(w->trace, "ask "));
}

static void a_want_of_candidates_is_not_revived(void **state)
{
	struct world *w = *state;

	for (int i = WORLD_HOSTS; i-- > 0;)
		lose_disk(w, i);
	assert_true(
		world_has_evidence(w, "v1", EVIDENCE_NO_ACCEPTABLE_CANDIDATE));
	for (int i = 0; i < WORLD_HOSTS; i++)
		w->hosts[i].backing_ok = true;
	restart(w);
	assert_int_equal(world_status(w, "v1").nr_evidence, 0);
	all_up(w);
	world_run_ms(w, 1000);
	assert_open(w);
}

static void the_holder_before_is_not_revived(void **state)
{
	struct world *w = *state;

	with_a_second_epoch(w);
	restart(w);
	assert_line(w, 2, 1, "r2");
	/* It alone comes up, well and ready: it is a candidate of 2.1. */
	world_up(w, 0);
	world_run_ms(w, 1500);
	assert_line(w, 2, 1, "r2");
	assert_int_equal(w->hosts[0].facts[0].role, ROLE_CANDIDATE);
	assert_string_equal(
		world_story(w),
		"stuck volume=v1 step=\"not delivered: the target's host is not connected, or silent\"\n");
}

static void no_observation_is_revived(void **state)
{
	struct world *w = *state;
	struct volume_status s;
	struct host_status host;

	lose_disk(w, 2);
	restart(w);
	s = world_status(w, "v1");
	for (int i = 0; i < WORLD_HOSTS; i++) {
		assert_false(s.slots[i].known);
		master_host_status(w->master, (uint32_t)i, w->now, &host);
		assert_false(host.heard);
		assert_false(host.fresh);
		assert_false(host.connected);
	}
	/* Within the grace this is no fault, and nothing is decided. */
	assert_int_equal(s.nr_evidence, 0);
	world_run_ms(w, 1950);
	assert_false(world_has_evidence(w, "v1",
					EVIDENCE_MISSING_SERVER_OBSERVATION));
	assert_null(strstr(w->trace, "ask volume"));
}

static void what_was_fenced_before_is_learnt_from_the_slots(void **state)
{
	struct world *w = *state;

	with_a_second_epoch(w);
	for (int i = 0; i < WORLD_HOSTS; i++)
		assert_true(world_status(w, "v1").slots[i].fenced);
	restart(w);
	for (int i = 0; i < WORLD_HOSTS; i++)
		assert_false(world_status(w, "v1").slots[i].fenced);
	/* One of them lost it with its floor log: it is fenced anew. */
	set_back(w, 2, (struct lineage){ 0 }, ROLE_NONE);
	all_up(w);
	for (int i = 0; i < WORLD_HOSTS; i++)
		assert_true(world_status(w, "v1").slots[i].fenced);
	assert_string_equal(
		world_story(w),
		"confirmed volume=v1 lineage=2.1 primary=r2 after_ms=0\n"
		"send command=fence volume=v1 replica=r3 lineage=2.1 host=host-c\n"
		"send command=open volume=v1 replica=r3 lineage=2.1 host=host-c late=1\n");
}

static void no_lease_is_revived(void **state)
{
	struct world *w = *state;
	struct host_status host;

	master_host_status(w->master, 0, w->now, &host);
	assert_true(host.lease_left_ms > 0);
	restart(w);
	master_host_status(w->master, 0, w->now, &host);
	assert_int_equal(host.lease_left_ms, 0);
	world_up(w, 0);
	master_host_status(w->master, 0, w->now, &host);
	assert_true(host.lease_left_ms > 0);
}

static void the_load_of_the_hosts_is_counted_anew_from_the_lines(void **state)
{
	struct world *w = *state;
	struct host_status host;

	assert_int_equal(world_create(w, "v2", GUARD_QUORUM), 0);
	assert_int_equal(world_create(w, "v3", GUARD_QUORUM), 0);
	world_run_ms(w, 1000);
	restart(w);
	all_up(w);
	world_run_ms(w, 1000);
	for (int i = 0; i < WORLD_HOSTS; i++) {
		master_host_status(w->master, (uint32_t)i, w->now, &host);
		assert_int_equal(host.nr_primaries, 1);
	}
	assert_string_equal(
		world_story(w),
		"confirmed volume=v1 lineage=1.1 primary=r1 after_ms=0\n"
		"confirmed volume=v2 lineage=1.1 primary=r2 after_ms=0\n"
		"confirmed volume=v3 lineage=1.1 primary=r3 after_ms=0\n");
}

static void one_bad_volume_is_found_again_and_no_other_minds(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_create(w, "v2", GUARD_QUORUM), 0);
	world_run_ms(w, 1000);
	for (int i = 0; i < WORLD_HOSTS; i++)
		w->hosts[i].facts[1].role = ROLE_PRIMARY;
	restart(w);
	all_up(w);
	world_run_ms(w, 3000);
	assert_true(world_has_evidence(w, "v2",
				       EVIDENCE_CONFLICTING_PRIMARY_CLAIM));
	assert_open(w);
	assert_line(w, 1, 1, "r1");
	assert_null(strstr(w->trace, "minted"));
}

/* --- stale observations: replicas that tell of old lineages ------------------------------- */

/* They are heard in full; the line stays, and nothing is asked or minted. */
static void assert_holds(struct world *w, uint64_t epoch, uint64_t version,
			 const char *primary)
{
	unsigned int nr_records = w->nr_records;

	restart(w);
	all_up(w);
	world_run_ms(w, 5000);
	assert_line(w, epoch, version, primary);
	assert_int_equal(w->nr_records, nr_records);
	assert_null(strstr(w->trace, "ask "));
	assert_null(strstr(w->trace, "minted "));
	assert_open(w);
}

static void a_stale_epoch_is_fenced_to_the_line(void **state)
{
	struct world *w = *state;

	with_a_second_epoch(w);
	/* Even of the line's own holder. */
	set_back(w, 1, (struct lineage){ 1, 1 }, ROLE_CANDIDATE);
	assert_holds(w, 2, 1, "r2");
	assert_string_equal(
		world_story(w),
		"send command=fence volume=v1 replica=r2 lineage=2.1 host=host-b\n"
		"send command=open volume=v1 replica=r2 lineage=2.1 host=host-b\n"
		"confirmed volume=v1 lineage=2.1 primary=r2 after_ms=0\n");
}

static void a_stale_primary_is_fenced_and_stays_a_candidate(void **state)
{
	struct world *w = *state;

	with_a_second_epoch(w);
	set_back(w, 0, (struct lineage){ 1, 1 }, ROLE_PRIMARY);
	assert_holds(w, 2, 1, "r2");
	assert_string_equal(
		world_story(w),
		"send command=fence volume=v1 replica=r1 lineage=2.1 host=host-a\n"
		"confirmed volume=v1 lineage=2.1 primary=r2 after_ms=0\n"
		"send command=open volume=v1 replica=r1 lineage=2.1 host=host-a late=1\n");
	assert_int_equal(w->hosts[0].facts[0].role, ROLE_CANDIDATE);
}

static void a_stale_endpoint_version_is_fenced_to_the_lines(void **state)
{
	struct world *w = *state;

	snprintf(w->hosts[0].data_addr.s, ADDR_SIZE, "10.9.9.9:4420");
	world_run_ms(w, 2000);
	assert_line(w, 1, 2, "r1");
	for (int i = 0; i < WORLD_HOSTS; i++)
		set_back(w, i, (struct lineage){ 1, 1 },
			 i ? ROLE_CANDIDATE : ROLE_PRIMARY);
	assert_holds(w, 1, 2, "r1");
	assert_string_equal(
		world_story(w),
		"send command=fence volume=v1 replica=r1 lineage=1.2 host=host-a\n"
		"send command=fence volume=v1 replica=r2 lineage=1.2 host=host-b\n"
		"send command=open volume=v1 replica=r1 lineage=1.2 host=host-a\n"
		"send command=open volume=v1 replica=r2 lineage=1.2 host=host-b\n"
		"confirmed volume=v1 lineage=1.2 primary=r1 after_ms=0\n"
		"send command=fence volume=v1 replica=r3 lineage=1.2 host=host-c\n"
		"send command=open volume=v1 replica=r3 lineage=1.2 host=host-c late=1\n");
}

static void unassigned_slots_bind_nothing_anew(void **state)
{
	struct world *w = *state;

	with_a_second_epoch(w);
	for (int i = 0; i < WORLD_HOSTS; i++)
		set_back(w, i, (struct lineage){ 0 }, ROLE_NONE);
	assert_holds(w, 2, 1, "r2");
	assert_null(strstr(w->trace, "lineage=1."));
}

static void
a_replica_that_is_no_more_is_evidence_and_is_told_nothing(void **state)
{
	struct world *w = *state;
	unsigned int nr_records;

	with_a_second_epoch(w);
	nr_records = w->nr_records;
	set_back(w, 0, (struct lineage){ 1, 1 }, ROLE_PRIMARY);
	snprintf(w->hosts[0].facts[0].replica.s, REPLICA_ID_SIZE, "r-old");
	restart(w);
	all_up(w);
	world_run_ms(w, 5000);
	assert_line(w, 2, 1, "r2");
	assert_int_equal(w->nr_records, nr_records);
	assert_true(
		world_has_evidence(w, "v1", EVIDENCE_UNKNOWN_REPLICA_CLAIM));
	assert_null(strstr(w->trace, "send "));
	assert_string_equal(world_status(w, "v1").state, "open");
}

static void an_older_address_is_a_refresh_and_never_a_step_back(void **state)
{
	struct world *w = *state;

	snprintf(w->hosts[0].data_addr.s, ADDR_SIZE, "10.9.9.9:4420");
	world_run_ms(w, 2000);
	assert_line(w, 1, 2, "r1");
	/* The host was set up as it was before: that is a change, forward. */
	snprintf(w->hosts[0].data_addr.s, ADDR_SIZE, "10.0.0.1:4420");
	set_back(w, 0, (struct lineage){ 1, 1 }, ROLE_PRIMARY);
	restart(w);
	all_up(w);
	world_run_ms(w, 2000);
	assert_line(w, 1, 3, "r1");
	assert_open(w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_restart_re_anchors_from_the_line_in_this_order),
		TEST(closed_gates_are_fenced_and_opened_at_the_line_alone),
		TEST(minting_goes_on_above_the_reloaded_line),
		TEST(what_was_desired_is_not_revived_but_follows_again),
		TEST(what_waited_for_the_disk_is_not_the_line),
		TEST(an_operators_ask_that_waited_is_not_carried_out),
		TEST(stuck_evidence_is_not_revived_and_has_its_window_anew),
		TEST(unsupported_evidence_is_not_revived_but_found_again),
		TEST(a_want_of_candidates_is_not_revived),
		TEST(the_holder_before_is_not_revived),
		TEST(no_observation_is_revived),
		TEST(what_was_fenced_before_is_learnt_from_the_slots),
		TEST(no_lease_is_revived),
		TEST(the_load_of_the_hosts_is_counted_anew_from_the_lines),
		TEST(one_bad_volume_is_found_again_and_no_other_minds),
		TEST(a_stale_epoch_is_fenced_to_the_line),
		TEST(a_stale_primary_is_fenced_and_stays_a_candidate),
		TEST(a_stale_endpoint_version_is_fenced_to_the_lines),
		TEST(unassigned_slots_bind_nothing_anew),
		TEST(a_replica_that_is_no_more_is_evidence_and_is_told_nothing),
		TEST(an_older_address_is_a_refresh_and_never_a_step_back),
	};

	return cmocka_run_group_tests_name("restart", tests, NULL, NULL);
}
