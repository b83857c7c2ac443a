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
	assert_int_equal(registry_init(&f.registry, 8, 4), 0);
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

/* A heartbeat of host a with one slot; the host's digest is that of these. */
static int beat(struct fixture *f, const struct slot_fact *fact,
		const struct slot_fact *all, int nr)
{
	memset(&f->report, 0, sizeof(f->report));
	f->report.seq = f->o.hosts[0].seq + 1;
	f->report.nr_slots = 1;
	f->report.slots[0] = *fact;
	for (int i = 0; i < nr; i++)
		f->report.digest ^= slot_fact_digest(&all[i]);
	return observation_report(&f->o, 0, &f->report, at(2), f->changed);
}

static void what_is_known_is_no_change_and_keeps_the_digest(void **state)
{
	struct fixture *f = *state;
	struct slot_fact fact = good_fact(0);
	struct proof proof = { .volume = fact.volume,
			       .replica = fact.replica,
			       .lineage = { 2, 1 },
			       .state = GATE_CLOSED,
			       .floor_durable = true };

	inventory(f, 0, &fact, at(1));
	assert_int_equal(beat(f, &fact, &fact, 1), 0);
	assert_false(f->o.hosts[0].digest_differs);
	/* A proof is ahead of the report that tells the same. */
	assert_true(observation_proof(&f->o, 0, &proof));
	fact.authority = fact.floor = proof.lineage;
	assert_int_equal(beat(f, &fact, &fact, 1), 0);
	assert_false(f->o.hosts[0].digest_differs);
	fact.floor = (struct lineage){ 3, 1 };
	assert_int_equal(beat(f, &fact, &fact, 1), 1);
	assert_false(f->o.hosts[0].digest_differs);
	/* Another replica id is news, too. */
	snprintf(fact.replica.s, REPLICA_ID_SIZE, "r9");
	assert_int_equal(beat(f, &fact, &fact, 1), 1);
	assert_false(f->o.hosts[0].digest_differs);
}

#define NR_ONE_TOO_MANY	(HOST_ENDPOINTS_MAX + 1)

/* Volumes on the same hosts, of which host a serves each somewhere else. */
static void add_endpoints(struct fixture *f,
			  struct slot_fact facts[NR_ONE_TOO_MANY])
{
	const struct topology t = f->registry.volumes[f->vol].topology;

	for (int i = 0; i < NR_ONE_TOO_MANY; i++) {
		facts[i] = good_fact(0);
		snprintf(facts[i].volume.s, VOLUME_ID_SIZE, "v%d", i + 1);
		snprintf(facts[i].data_addr.s, ADDR_SIZE, "10.0.9.%d:1", i);
		if (i)
			registry_add_volume(&f->registry, &facts[i].volume, &t,
					    at(0));
	}
	inventory(f, 0, NULL, at(1));
	for (int i = 0; i < NR_ONE_TOO_MANY; i++)
		assert_int_equal(beat(f, &facts[i], facts, i + 1), 1);
}

static const char *address_of(struct fixture *f, uint32_t vol)
{
	struct view view;

	snapshot_build(&f->o, &f->line, vol, at(2), &view);
	assert_true(view.slots[0].covered);
	assert_true(view.slots[0].acceptable == !!view.slots[0].endpoint);
	return view.slots[0].endpoint ? view.slots[0].endpoint->data_addr.s :
					"";
}

static void a_slot_at_one_endpoint_too_many_may_not_be_primary(void **state)
{
	struct slot_fact facts[NR_ONE_TOO_MANY];
	struct fixture *f = *state;
	const uint32_t last = NR_ONE_TOO_MANY - 1;

	add_endpoints(f, facts);
	for (uint32_t i = 0; i < last; i++)
		assert_string_equal(address_of(f, i), facts[i].data_addr.s);
	assert_string_equal(address_of(f, last), "");
	/* One that its last slot has left is free. */
	facts[0].data_addr = facts[1].data_addr;
	assert_int_equal(beat(f, &facts[0], facts, NR_ONE_TOO_MANY), 1);
	assert_int_equal(beat(f, &facts[last], facts, NR_ONE_TOO_MANY), 1);
	for (uint32_t i = 0; i < NR_ONE_TOO_MANY; i++)
		assert_string_equal(address_of(f, i), facts[i].data_addr.s);
	assert_false(f->o.hosts[0].digest_differs);
	/* Nothing of an inventory outlives it. */
	inventory(f, 0, &facts[last], at(1));
	assert_string_equal(address_of(f, last), facts[last].data_addr.s);
	assert_int_equal(beat(f, &facts[0], facts, 1), 1);
	assert_string_equal(address_of(f, 0), facts[0].data_addr.s);
}

/* --- who speaks, in which order ---------------------------------------------- */

/* A report of changes on the connection that inventory() began. */
static int change(struct fixture *f, int host, uint64_t seq,
		  const struct slot_fact *fact, struct mono_ms now)
{
	memset(&f->report, 0, sizeof(f->report));
	f->report.seq = seq;
	f->report.nr_slots = fact ? 1 : 0;
	if (fact)
		f->report.slots[0] = *fact;
	return observation_report(&f->o, (uint32_t)host, &f->report, now,
				  f->changed);
}

static void a_reboot_begins_a_new_sequence_and_the_old_one_is_over(void **state)
{
	struct fixture *f = *state;
	struct slot_fact fact = good_fact(0);
	const struct boot_id boot = { "boot-2" };

	inventory(f, 0, &fact, at(1));
	assert_int_equal(change(f, 0, 900, NULL, at(2)), 0);
	assert_int_equal(change(f, 0, 899, &fact, at(3)), -ESTALE);
	observation_up(&f->o, 0, &boot);
	assert_string_equal(f->o.hosts[0].boot.s, "boot-2");
	/* Of the old connection's facts and numbers nothing is left. */
	assert_int_equal(change(f, 0, 901, &fact, at(4)), -EPROTO);
	assert_int_equal(inventory(f, 0, &fact, at(5)), 1);
	assert_non_null(observation_slot(&f->o, f->vol, 0));
}

static void
a_number_from_the_far_end_silences_its_own_connection_alone(void **state)
{
	struct fixture *f = *state;
	struct slot_fact fact = good_fact(0);

	all_report(f, at(1));
	assert_int_equal(change(f, 0, UINT64_MAX, NULL, at(2)), 0);
	assert_int_equal(change(f, 0, 2, NULL, at(5000)), -ESTALE);
	assert_int_equal(change(f, 1, 2, NULL, at(5000)), 0);
	/* It keeps itself fresh no longer than anybody else. */
	assert_false(observation_host_is_fresh(&f->o, 0, at(3 + WINDOW_MS)));
	assert_true(observation_host_is_fresh(&f->o, 1, at(3 + WINDOW_MS)));
	assert_int_equal(inventory(f, 0, &fact, at(6000)), 1);
}

static void one_report_replaces_a_hosts_whole_word_on_its_slot(void **state)
{
	struct fixture *f = *state;
	struct slot_fact fact = good_fact(0);

	inventory(f, 0, &fact, at(1));
	fact.role = ROLE_PRIMARY;
	fact.state = GATE_OPEN;
	fact.applied = fact.served = (struct lineage){ 4, 2 };
	fact.io_errors = 3;
	assert_int_equal(change(f, 0, 2, &fact, at(2)), 1);
	fact = good_fact(0);
	assert_int_equal(change(f, 0, 3, &fact, at(3)), 1);
	assert_int_equal(observation_slot(&f->o, f->vol, 0)->role, ROLE_NONE);
	assert_int_equal(observation_slot(&f->o, f->vol, 0)->io_errors, 0);
	assert_true(
		lineage_is_none(observation_slot(&f->o, f->vol, 0)->served));
	/* The same once more is heard, and changes nothing. */
	assert_int_equal(change(f, 0, 4, &fact, at(4)), 0);
}

static void what_an_inventory_leaves_out_is_gone_when_it_has_ended(void **state)
{
	struct fixture *f = *state;
	struct report *r = &f->report;

	all_report(f, at(1));
	memset(r, 0, sizeof(*r));
	r->seq = 2;
	r->full = r->first = true;
	assert_int_equal(observation_report(&f->o, 0, r, at(2), f->changed), 0);
	assert_null(observation_slot(&f->o, f->vol, 0));
	assert_int_equal(observation_coverage(&f->o, f->vol, 0, at(2)),
			 COVERAGE_PENDING);
	r->seq = 3;
	r->first = false;
	r->last = true;
	observation_report(&f->o, 0, r, at(3), f->changed);
	assert_int_equal(observation_coverage(&f->o, f->vol, 0,
					      at(3 + GRACE_MS)),
			 COVERAGE_PARTIAL);
}

static void an_inventory_that_never_ends_is_partial_after_grace(void **state)
{
	struct fixture *f = *state;
	const struct boot_id boot = { "boot" };
	struct report *r = &f->report;
	uint64_t ms;

	all_report(f, at(1));
	/* It connects, begins, is cut off and connects again, and again. */
	for (ms = 100; ms < 100 + GRACE_MS; ms += 500) {
		observation_up(&f->o, 0, &boot);
		memset(r, 0, sizeof(*r));
		r->seq = 1;
		r->full = r->first = true;
		observation_report(&f->o, 0, r, at(ms), f->changed);
		assert_int_equal(observation_coverage(&f->o, f->vol, 0, at(ms)),
				 COVERAGE_PENDING);
		assert_int_equal(observation_deadline(&f->o, f->vol, 0, at(ms))
					 .v,
				 at(100 + GRACE_MS).v);
	}
	assert_int_equal(observation_coverage(&f->o, f->vol, 0,
					      at(100 + GRACE_MS)),
			 COVERAGE_PARTIAL);
	assert_int_equal(observation_deadline(&f->o, f->vol, 0,
					      at(100 + GRACE_MS))
				 .v,
			 UINT64_MAX);
	assert_false(view_at(f, at(100 + GRACE_MS)).pending);
	/* Once it has ended, the next one has its grace again. */
	all_report(f, at(9000));
	observation_up(&f->o, 0, &boot);
	assert_int_equal(observation_coverage(&f->o, f->vol, 0, at(9001)),
			 COVERAGE_PENDING);
}

static void every_wait_has_the_deadline_at_which_it_ends(void **state)
{
	struct fixture *f = *state;
	struct mono_ms now = at(200), end;

	all_report(f, at(100));
	inventory(f, 1, NULL, now);
	end = observation_deadline(&f->o, f->vol, 1, now);
	assert_int_equal(end.v, now.v + GRACE_MS);
	end.v--;
	assert_int_equal(observation_coverage(&f->o, f->vol, 1, end),
			 COVERAGE_PENDING);
	end.v++;
	assert_int_equal(observation_coverage(&f->o, f->vol, 1, end),
			 COVERAGE_PARTIAL);
	observation_up(&f->o, 2, &(struct boot_id){ "boot" });
	end = observation_deadline(&f->o, f->vol, 2, now);
	assert_int_equal(end.v, at(100 + WINDOW_MS + 1).v);
	end.v--;
	assert_int_equal(observation_coverage(&f->o, f->vol, 2, end),
			 COVERAGE_PENDING);
	end.v++;
	assert_int_equal(observation_coverage(&f->o, f->vol, 2, end),
			 COVERAGE_STALE);
}

/* --- what may not be believed -------------------------------------------------- */

static struct proof proof_of(const struct slot_fact *fact, uint64_t epoch)
{
	return (struct proof){ .volume = fact->volume,
			       .replica = fact->replica,
			       .lineage = { epoch, 1 },
			       .state = GATE_CLOSED,
			       .drained = true,
			       .floor_durable = true };
}

static void a_proof_of_another_replica_is_a_rogue_claim(void **state)
{
	struct fixture *f = *state;
	struct slot_fact fact = good_fact(0);
	struct proof proof = proof_of(&fact, 9);

	all_report(f, at(1));
	assert_false(observation_proof(&f->o, 1, &proof));
	assert_int_equal(f->o.hosts[1].nr_rogue, 1);
	assert_true(
		lineage_is_none(observation_slot(&f->o, f->vol, 1)->authority));
	assert_true(lineage_is_none(f->o.highest[f->vol]));
	assert_true(observation_proof(&f->o, 0, &proof));
	assert_int_equal(observation_slot(&f->o, f->vol, 0)->floor.epoch, 9);
	assert_int_equal(f->o.highest[f->vol].epoch, 9);
}

static void
a_proof_ends_what_it_closes_and_confirms_nothing_that_it_opens(void **state)
{
	struct fixture *f = *state;
	struct slot_fact fact = good_fact(0);
	struct proof proof;

	fact.state = GATE_OPEN;
	fact.role = ROLE_PRIMARY;
	fact.applied = fact.authority = fact.floor = (struct lineage){ 1, 1 };
	inventory(f, 0, &fact, at(1));
	proof = proof_of(&fact, 2);
	proof.floor_durable = false;
	assert_true(observation_proof(&f->o, 0, &proof));
	assert_int_equal(observation_slot(&f->o, f->vol, 0)->role, ROLE_NONE);
	assert_int_equal(observation_slot(&f->o, f->vol, 0)->floor.epoch, 1);
	assert_true(
		lineage_is_none(observation_slot(&f->o, f->vol, 0)->applied));
	proof.state = GATE_OPEN;
	assert_true(observation_proof(&f->o, 0, &proof));
	assert_true(
		lineage_is_none(observation_slot(&f->o, f->vol, 0)->applied));
}

static void one_host_with_two_replicas_covers_neither(void **state)
{
	struct fixture *f = *state;
	struct report *r = &f->report;
	struct view view;

	for (int order = 0; order < 2; order++) {
		all_report(f, at(1));
		assert_false(view_at(f, at(1)).reasons);
		observation_up(&f->o, 0, &(struct boot_id){ "boot" });
		memset(r, 0, sizeof(*r));
		r->seq = 1;
		r->full = r->first = r->last = true;
		r->nr_slots = 2;
		r->slots[order] = good_fact(0);
		r->slots[!order] = good_fact(1);
		r->digest = slot_fact_digest(&r->slots[0]) ^
			    slot_fact_digest(&r->slots[1]);
		observation_report(&f->o, 0, r, at(2), f->changed);
		view = view_at(f, at(2));
		assert_true(view.reasons &
			    EVIDENCE_BIT(EVIDENCE_DUPLICATE_SERVER_TOPOLOGY));
		assert_false(view.slots[0].covered);
		assert_int_equal(view.nr_covered, 2);
		/* Both were heard: another inventory would tell no more. */
		assert_false(f->o.hosts[0].digest_differs);
	}
	/* A change does not take it back, an inventory does. */
	change(f, 0, 2, &r->slots[1], at(3));
	assert_true(view_at(f, at(3)).reasons &
		    EVIDENCE_BIT(EVIDENCE_DUPLICATE_SERVER_TOPOLOGY));
	all_report(f, at(4));
	assert_false(view_at(f, at(4)).reasons);
}

static void a_slot_that_takes_its_own_name_again_is_looked_at(void **state)
{
	struct fixture *f = *state;
	struct slot_fact fact = good_fact(0);

	inventory(f, 0, &fact, at(1));
	fact.replica = good_fact(1).replica;
	assert_int_equal(change(f, 0, 2, &fact, at(2)), 1);
	fact.replica = good_fact(0).replica;
	assert_int_equal(change(f, 0, 3, &fact, at(3)), 1);
	assert_true(view_at(f, at(3)).slots[0].covered);
}

static void a_malformed_part_of_a_report_costs_no_other_part(void **state)
{
	struct fixture *f = *state;
	struct slot_fact fact = good_fact(0);
	struct report *r = &f->report;

	observation_up(&f->o, 0, &(struct boot_id){ "boot" });
	memset(r, 0, sizeof(*r));
	r->seq = 1;
	r->full = r->first = r->last = true;
	r->nr_slots = 3;
	memset(&r->slots[0], 0xee, sizeof(r->slots[0]));
	r->slots[0].volume.s[VOLUME_ID_SIZE - 1] = '\0';
	r->slots[2] = fact;
	assert_int_equal(observation_report(&f->o, 0, r, at(1), f->changed), 1);
	assert_int_equal(f->changed[0], f->vol);
	assert_int_equal(f->o.hosts[0].nr_unknown, 2);
	assert_int_equal(observation_coverage(&f->o, f->vol, 0, at(1)),
			 COVERAGE_FRESH);
}

static const char *address_of_second(struct fixture *f)
{
	return observation_endpoint(&f->o, 1,
				    observation_slot(&f->o, f->vol, 1))
		->data_addr.s;
}

static void a_stranger_changes_no_address_however_often_it_claims(void **state)
{
	struct fixture *f = *state;
	struct slot_fact fact = good_fact(1);
	struct host_id stranger;
	int host;

	all_report(f, at(1));
	host_id_parse("host-0", &stranger);
	host = registry_add_host(&f->registry, &stranger, true);
	snprintf(fact.data_addr.s, ADDR_SIZE, "6.6.6.6:1");
	for (int i = 0; i < 200; i++) {
		inventory(f, host, &fact, at(2));
		assert_string_equal(address_of_second(f), "10.0.0.2:1");
	}
	assert_int_equal(f->o.hosts[host].nr_rogue, 200);
	assert_false(view_at(f, at(2)).reasons);
}

/* --- nothing grows --------------------------------------------------------------- */

size_t __sanitizer_get_current_allocated_bytes(void);

static void no_claim_however_odd_makes_the_observation_grow(void **state)
{
	struct fixture *f = *state;
	size_t before;

	all_report(f, at(1));
	before = __sanitizer_get_current_allocated_bytes();
	for (unsigned int i = 0; i < 5000; i++) {
		struct slot_fact fact = good_fact(0);
		struct proof proof;

		snprintf(fact.replica.s, REPLICA_ID_SIZE, "x%u", i);
		if (i % 2)
			snprintf(fact.volume.s, VOLUME_ID_SIZE, "u%u", i);
		inventory(f, (int)(i % 3), &fact, at(2 + i));
		proof = proof_of(&fact, i);
		observation_proof(&f->o, i % 3, &proof);
	}
	assert_int_equal(__sanitizer_get_current_allocated_bytes(), before);
	assert_int_equal(f->registry.nr_volumes, 1);
	assert_int_equal(f->registry.nr_hosts, 3);
	assert_int_equal(f->o.hosts[0].nr_unknown + f->o.hosts[1].nr_unknown +
				 f->o.hosts[2].nr_unknown,
			 2500);
}

static void a_line_of_a_replica_without_a_slot_is_unknown(void **state)
{
	struct fixture *f = *state;

	all_report(f, at(1));
	f->line.lineage = (struct lineage){ 2, 1 };
	snprintf(f->line.primary.s, REPLICA_ID_SIZE, "r1");
	assert_int_equal(view_at(f, at(1)).primary, 0);
	assert_int_equal(view_at(f, at(1)).reasons, 0);
	snprintf(f->line.primary.s, REPLICA_ID_SIZE, "r99");
	assert_true(view_at(f, at(1)).primary < 0);
	assert_int_equal(view_at(f, at(1)).reasons,
			 EVIDENCE_BIT(EVIDENCE_UNKNOWN_REPLICA_CLAIM));
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
		TEST(a_line_of_a_replica_without_a_slot_is_unknown),
		TEST(what_is_known_is_no_change_and_keeps_the_digest),
		TEST(a_slot_at_one_endpoint_too_many_may_not_be_primary),
		TEST(a_reboot_begins_a_new_sequence_and_the_old_one_is_over),
		TEST(a_number_from_the_far_end_silences_its_own_connection_alone),
		TEST(one_report_replaces_a_hosts_whole_word_on_its_slot),
		TEST(what_an_inventory_leaves_out_is_gone_when_it_has_ended),
		TEST(an_inventory_that_never_ends_is_partial_after_grace),
		TEST(every_wait_has_the_deadline_at_which_it_ends),
		TEST(a_proof_of_another_replica_is_a_rogue_claim),
		TEST(a_proof_ends_what_it_closes_and_confirms_nothing_that_it_opens),
		TEST(one_host_with_two_replicas_covers_neither),
		TEST(a_slot_that_takes_its_own_name_again_is_looked_at),
		TEST(a_malformed_part_of_a_report_costs_no_other_part),
		TEST(a_stranger_changes_no_address_however_often_it_claims),
		TEST(no_claim_however_odd_makes_the_observation_grow),
	};

	return cmocka_run_group_tests_name("observation", tests, NULL, NULL);
}
