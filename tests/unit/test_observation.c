// SPDX-License-Identifier: GPL-2.0
/*
 * Freshness, coverage and the verdict on one volume's facts, at their edges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/snapshot.h"

#define WINDOW_MS	10000
#define GRACE_MS	4000
#define START_MS	1000000

struct fixture {
	struct registry registry;
	struct observation o;
	struct line line;
	uint32_t vol;
	uint32_t changed[MESSAGE_SLOTS_MAX];
	struct report report;
};

static struct mono_ms at(uint64_t ms)
{
	return (struct mono_ms){ START_MS + ms };
}

static int setup(void **state)
{
	static struct fixture f;
	struct topology t = { .guard = GUARD_LEASE };
	struct volume_id id;

	memset(&f, 0, sizeof(f));
	assert_int_equal(registry_init(&f.registry, 4, 4), 0);
	assert_int_equal(observation_init(&f.o, &f.registry, WINDOW_MS,
					  GRACE_MS, at(0)),
			 0);
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		snprintf(t.slots[i].replica.s, REPLICA_ID_SIZE, "r%d", i + 1);
		snprintf(t.slots[i].host.s, HOST_ID_SIZE, "host-%c", 'a' + i);
	}
	volume_id_parse("v1", &id);
	f.vol = (uint32_t)registry_add_volume(&f.registry, &id, &t, at(0));
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	observation_exit(&f->o);
	registry_exit(&f->registry);
	return 0;
}

static struct slot_fact good_fact(int host)
{
	struct slot_fact fact = { .state = GATE_CLOSED, .backing_ok = true };

	volume_id_parse("v1", &fact.volume);
	snprintf(fact.replica.s, REPLICA_ID_SIZE, "r%d", host + 1);
	snprintf(fact.data_addr.s, ADDR_SIZE, "10.0.0.%d:1", host + 1);
	snprintf(fact.ctrl_addr.s, ADDR_SIZE, "10.0.0.%d:2", host + 1);
	return fact;
}

/* A full inventory of one slot, or of none. */
static int inventory(struct fixture *f, int host, const struct slot_fact *fact,
		     struct mono_ms now)
{
	const struct boot_id boot = { "boot" };

	observation_up(&f->o, (uint32_t)host, &boot);
	memset(&f->report, 0, sizeof(f->report));
	f->report.seq = 1;
	f->report.full = f->report.first = f->report.last = true;
	if (fact) {
		f->report.nr_slots = 1;
		f->report.slots[0] = *fact;
		f->report.digest = slot_fact_digest(fact);
	}
	return observation_report(&f->o, (uint32_t)host, &f->report, now,
				  f->changed);
}

static void all_report(struct fixture *f, struct mono_ms now)
{
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		const struct slot_fact fact = good_fact(i);

		assert_int_equal(inventory(f, i, &fact, now), 1);
	}
}

static struct view view_at(struct fixture *f, struct mono_ms now)
{
	struct view view;

	snapshot_build(&f->o, &f->line, f->vol, now, &view);
	return view;
}

static void a_fact_is_fresh_up_to_the_window_and_not_1_ms_longer(void **state)
{
	struct fixture *f = *state;

	all_report(f, at(500));
	assert_int_equal(view_at(f, at(500 + WINDOW_MS)).nr_covered, 3);
	assert_int_equal(view_at(f, at(500 + WINDOW_MS)).reasons, 0);
	assert_int_equal(view_at(f, at(501 + WINDOW_MS)).nr_covered, 0);
	assert_int_equal(view_at(f, at(501 + WINDOW_MS)).reasons,
			 EVIDENCE_BIT(EVIDENCE_STALE_OBSERVATION));
}

static void
a_host_never_heard_is_pending_within_grace_then_missing(void **state)
{
	struct fixture *f = *state;
	struct view view = view_at(f, at(GRACE_MS - 1));

	assert_true(view.pending);
	assert_int_equal(view.reasons, 0);
	view = view_at(f, at(GRACE_MS));
	assert_false(view.pending);
	assert_int_equal(view.reasons,
			 EVIDENCE_BIT(EVIDENCE_MISSING_SERVER_OBSERVATION));
	for (int i = 0; i < REPLICA_SLOTS; i++)
		assert_false(view.slots[i].acceptable);
}

static void
a_slot_left_out_of_an_inventory_is_pending_then_partial(void **state)
{
	struct fixture *f = *state;

	all_report(f, at(100));
	assert_int_equal(inventory(f, 1, NULL, at(200)), 0);
	assert_true(view_at(f, at(200)).pending);
	assert_int_equal(view_at(f, at(200 + GRACE_MS)).reasons,
			 EVIDENCE_BIT(EVIDENCE_PARTIAL_INVENTORY));
}

static void coverage_changes_by_silence_exactly_at_its_deadline(void **state)
{
	struct fixture *f = *state;
	struct mono_ms deadline = observation_deadline(&f->o, f->vol, 0, at(1));

	assert_int_equal(deadline.v, at(GRACE_MS).v);
	assert_int_equal(observation_coverage(&f->o, f->vol, 0,
					      (struct mono_ms){ deadline.v -
								1 }),
			 COVERAGE_PENDING);
	assert_int_equal(observation_coverage(&f->o, f->vol, 0, deadline),
			 COVERAGE_MISSING);
}

static void a_connection_that_begins_voids_what_was_said_before(void **state)
{
	struct fixture *f = *state;
	const struct boot_id boot = { "boot-2" };

	all_report(f, at(100));
	observation_up(&f->o, 0, &boot);
	assert_null(observation_slot(&f->o, f->vol, 0));
	assert_int_equal(observation_coverage(&f->o, f->vol, 0, at(100)),
			 COVERAGE_PENDING);
	assert_non_null(observation_slot(&f->o, f->vol, 1));
}

static void a_change_before_any_inventory_is_refused(void **state)
{
	struct fixture *f = *state;
	const struct boot_id boot = { "boot" };
	struct report *r = &f->report;

	observation_up(&f->o, 0, &boot);
	memset(r, 0, sizeof(*r));
	r->seq = 1;
	assert_int_equal(observation_report(&f->o, 0, r, at(1), f->changed),
			 -EPROTO);
	assert_false(observation_host_is_fresh(&f->o, 0, at(1)));
}

static void
the_senders_sequence_orders_and_the_receivers_clock_dates(void **state)
{
	struct fixture *f = *state;
	struct slot_fact fact = good_fact(0);

	inventory(f, 0, &fact, at(100));
	f->report.full = false;
	assert_int_equal(observation_report(&f->o, 0, &f->report, at(9000),
					    f->changed),
			 -ESTALE);
	/* A report that was dropped keeps nobody fresh. */
	assert_false(observation_host_is_fresh(&f->o, 0, at(101 + WINDOW_MS)));
}

static void another_hosts_slot_cannot_be_spoken_for(void **state)
{
	struct fixture *f = *state;
	struct slot_fact fact = good_fact(0);
	struct host_id stranger;
	int host;

	host_id_parse("host-z", &stranger);
	host = registry_add_host(&f->registry, &stranger, true);
	assert_int_equal(inventory(f, host, &fact, at(1)), 0);
	assert_int_equal(f->o.hosts[host].nr_rogue, 1);
	assert_null(observation_slot(&f->o, f->vol, 0));
}

static void a_wrong_replica_id_covers_nothing(void **state)
{
	struct fixture *f = *state;
	struct slot_fact fact = good_fact(1);
	struct view view;

	all_report(f, at(1));
	inventory(f, 0, &fact, at(2));
	view = view_at(f, at(2));
	assert_int_equal(view.nr_covered, 2);
	assert_false(view.slots[0].acceptable);
	assert_true(view.reasons &
		    EVIDENCE_BIT(EVIDENCE_UNKNOWN_REPLICA_CLAIM));
}

static void only_a_sound_slot_may_be_primary(void **state)
{
	struct fixture *f = *state;
	struct slot_fact fact;

	all_report(f, at(1));
	assert_true(view_at(f, at(1)).slots[0].acceptable);
	for (int flaw = 0; flaw < 4; flaw++) {
		fact = good_fact(0);
		fact.backing_ok = flaw != 0;
		fact.withdrawn = flaw == 1;
		if (flaw == 2)
			fact.state = GATE_ABSENT;
		if (flaw == 3)
			fact.state = GATE_QUARANTINED;
		inventory(f, 0, &fact, at(2));
		assert_false(view_at(f, at(2)).slots[0].acceptable);
		assert_true(view_at(f, at(2)).slots[1].acceptable);
	}
}

static void a_floor_above_the_line_is_regression_even_when_stale(void **state)
{
	struct fixture *f = *state;
	struct slot_fact fact = good_fact(2);

	fact.floor = (struct lineage){ 1, 1 };
	all_report(f, at(1));
	inventory(f, 2, &fact, at(2));
	assert_true(view_at(f, at(2)).reasons &
		    EVIDENCE_BIT(EVIDENCE_AUTHORITY_REGRESSED));
	assert_true(view_at(f, at(60000)).reasons &
		    EVIDENCE_BIT(EVIDENCE_AUTHORITY_REGRESSED));
	f->line.lineage = (struct lineage){ 1, 1 };
	assert_false(view_at(f, at(2)).reasons &
		     EVIDENCE_BIT(EVIDENCE_AUTHORITY_REGRESSED));
}

static void conflicting_claims_are_of_one_lineage(void **state)
{
	struct fixture *f = *state;
	struct slot_fact a = good_fact(0);
	struct slot_fact b = good_fact(1);

	f->line.lineage = (struct lineage){ 2, 1 };
	a.role = b.role = ROLE_PRIMARY;
	a.state = b.state = GATE_OPEN;
	a.applied = (struct lineage){ 1, 1 };
	b.applied = (struct lineage){ 2, 1 };
	inventory(f, 0, &a, at(1));
	inventory(f, 1, &b, at(1));
	assert_false(view_at(f, at(1)).reasons &
		     EVIDENCE_BIT(EVIDENCE_CONFLICTING_PRIMARY_CLAIM));
	a.applied = b.applied;
	inventory(f, 0, &a, at(1));
	assert_true(view_at(f, at(1)).reasons &
		    EVIDENCE_BIT(EVIDENCE_CONFLICTING_PRIMARY_CLAIM));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fact_is_fresh_up_to_the_window_and_not_1_ms_longer),
		TEST(a_host_never_heard_is_pending_within_grace_then_missing),
		TEST(a_slot_left_out_of_an_inventory_is_pending_then_partial),
		TEST(coverage_changes_by_silence_exactly_at_its_deadline),
		TEST(a_connection_that_begins_voids_what_was_said_before),
		TEST(a_change_before_any_inventory_is_refused),
		TEST(the_senders_sequence_orders_and_the_receivers_clock_dates),
		TEST(another_hosts_slot_cannot_be_spoken_for),
		TEST(a_wrong_replica_id_covers_nothing),
		TEST(only_a_sound_slot_may_be_primary),
		TEST(a_floor_above_the_line_is_regression_even_when_stale),
		TEST(conflicting_claims_are_of_one_lineage),
	};

	return cmocka_run_group_tests_name("observation", tests, NULL, NULL);
}
