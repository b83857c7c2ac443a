// SPDX-License-Identifier: GPL-2.0
/*
 * The master from hello to confirmation, as scenarios: observation, decision,
 * mint, persist, fence, guard, open, and what each silence leads to.
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

static struct world *new_world(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	return w;
}

static void end_world(struct world *w)
{
	world_stop(w);
	free(w);
}

static struct world *open_world(enum guard guard)
{
	struct world *w = new_world();

	world_with_open_volume(w, guard);
	world_forget_trace(w);
	return w;
}

static void assert_line(struct world *w, const char *name, uint64_t epoch,
			uint64_t version, const char *primary)
{
	const struct volume_status s = world_status(w, name);

	assert_int_equal(s.line.lineage.epoch, epoch);
	assert_int_equal(s.line.lineage.endpoint_version, version);
	assert_string_equal(s.line.primary.s, primary);
}

static void assert_state(struct world *w, const char *name, const char *state)
{
	assert_string_equal(world_status(w, name).state, state);
}

/* --- placement -------------------------------------------------------------- */

static void initial_placement_balances_volumes_over_hosts(void **state)
{
	struct world *w = open_world(GUARD_LEASE);
	bool used[WORLD_HOSTS] = { false };

	(void)state;
	assert_int_equal(world_create(w, "v2", GUARD_LEASE), 0);
	assert_int_equal(world_create(w, "v3", GUARD_LEASE), 0);
	world_run_ms(w, 1000);
	for (int v = 1; v <= 3; v++) {
		char name[3] = { 'v', (char)('0' + v), 0 };
		const struct volume_status s = world_status(w, name);

		assert_line(w, name, 1, 1, s.line.primary.s);
		assert_string_equal(s.state, "open");
		used[s.line.primary.s[1] - '1'] = true;
	}
	assert_true(used[0] && used[1] && used[2]);
	end_world(w);
}

static void binding_waits_for_every_slots_word(void **state)
{
	struct world *w = new_world();

	(void)state;
	world_start(w);
	world_up(w, 0);
	world_up(w, 1);
	world_create(w, "v1", GUARD_LEASE);
	world_run_ms(w, 1000);
	assert_state(w, "v1", "pending");
	assert_false(world_has_evidence(w, "v1",
					EVIDENCE_MISSING_SERVER_OBSERVATION));
	world_run_ms(w, 2000);
	assert_state(w, "v1", "unsupported");
	assert_true(world_has_evidence(w, "v1",
				       EVIDENCE_MISSING_SERVER_OBSERVATION));
	world_up(w, 2);
	world_run_ms(w, 1000);
	assert_state(w, "v1", "open");
	end_world(w);
}

static void a_primary_opens_only_after_a_quorum_of_fences(void **state)
{
	struct world *w = new_world();

	(void)state;
	world_start(w);
	for (int i = 0; i < WORLD_HOSTS; i++)
		world_up(w, i);
	w->hosts[1].refuses = true;
	w->hosts[2].refuses = true;
	world_create(w, "v1", GUARD_QUORUM);
	world_run_ms(w, 4000);
	assert_line(w, "v1", 1, 1, "r1");
	assert_int_equal(world_serving_primaries(w, "v1"), 0);
	assert_true(world_has_evidence(w, "v1", EVIDENCE_CONVERGENCE_STUCK));
	assert_non_null(
		strstr(world_status(w, "v1").evidence[0].note, "not fenced"));
	assert_non_null(strstr(world_status(w, "v1").evidence[0].note,
			       "r2@host-b refused: errno 5"));
	w->hosts[2].refuses = false;
	world_run_ms(w, 2000);
	assert_int_equal(world_serving_primaries(w, "v1"), 1);
	assert_state(w, "v1", "open");
	assert_false(world_has_evidence(w, "v1", EVIDENCE_CONVERGENCE_STUCK));
	end_world(w);
}

static void nothing_opens_while_the_target_itself_is_not_fenced(void **state)
{
	struct world *w = new_world();

	(void)state;
	world_start(w);
	for (int i = 0; i < WORLD_HOSTS; i++)
		world_up(w, i);
	w->hosts[0].refuses = true;
	world_create(w, "v1", GUARD_QUORUM);
	world_run_ms(w, 4000);
	assert_line(w, "v1", 1, 1, "r1");
	for (int i = 0; i < WORLD_HOSTS; i++)
		assert_int_not_equal(w->hosts[i].facts[0].state, GATE_OPEN);
	w->hosts[0].refuses = false;
	world_run_ms(w, 2000);
	assert_state(w, "v1", "open");
	end_world(w);
}

/* --- failover --------------------------------------------------------------- */

static void silence_alone_fails_over(void **state)
{
	struct world *w = open_world(GUARD_QUORUM);

	(void)state;
	w->hosts[0].deaf = true;
	world_run_ms(w, 5000);
	assert_line(w, "v1", 2, 1, "r2");
	assert_state(w, "v1", "open");
	assert_true(world_traced(w, "host-stale host=host-a",
				 "minted volume=v1 lineage=2.1 primary=r2"));
	end_world(w);
}

static void guard_lease_waits_until_the_old_primary_cannot_serve(void **state)
{
	struct world *w = open_world(GUARD_LEASE);
	uint64_t opened = 0;

	(void)state;
	/* It goes on serving until its lease ends: nobody tells it. */
	w->hosts[0].deaf = true;
	for (int i = 0; i < 240; i++) {
		world_run_ms(w, 50);
		assert_true(world_serving_primaries(w, "v1") <= 1);
		if (!opened && w->hosts[1].facts[0].role == ROLE_PRIMARY)
			opened = w->now.v;
	}
	assert_true(opened > w->hosts[0].lease_until);
	assert_line(w, "v1", 2, 1, "r2");
	assert_state(w, "v1", "open");
	end_world(w);
}

static void
guard_lease_does_not_wait_once_the_old_primary_is_fenced(void **state)
{
	struct world *w = open_world(GUARD_LEASE);
	uint64_t begun = w->now.v;

	(void)state;
	/* Its disk fails, but it still hears: no lease need be waited for. */
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 1100);
	assert_line(w, "v1", 2, 1, "r2");
	assert_state(w, "v1", "open");
	assert_true(w->now.v - begun < w->config.lease_ms);
	end_world(w);
}

static void a_silent_candidate_does_not_stop_a_later_failover(void **state)
{
	struct world *w = open_world(GUARD_QUORUM);

	(void)state;
	w->hosts[2].deaf = true;
	world_run_ms(w, 5000);
	assert_line(w, "v1", 1, 1, "r1");
	assert_true(world_has_evidence(w, "v1", EVIDENCE_STALE_OBSERVATION));
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 3000);
	assert_line(w, "v1", 2, 1, "r2");
	end_world(w);
}

static void without_a_majority_nobody_takes_over_and_it_is_said(void **state)
{
	struct world *w = open_world(GUARD_QUORUM);

	(void)state;
	w->hosts[0].deaf = true;
	w->hosts[1].deaf = true;
	world_run_ms(w, 20000);
	assert_line(w, "v1", 1, 1, "r1");
	assert_true(
		world_has_evidence(w, "v1", EVIDENCE_NO_ACCEPTABLE_CANDIDATE));
	end_world(w);
}

static void failover_prefers_the_slot_that_served_last(void **state)
{
	struct world *w = open_world(GUARD_QUORUM);

	(void)state;
	/* r2 misses epoch 2 and comes back late; r1 then must go to r3. */
	w->hosts[1].deaf = true;
	world_run_ms(w, 4000);
	w->hosts[0].deaf = true;
	w->hosts[1].deaf = false;
	world_run_ms(w, 8000);
	assert_line(w, "v1", 2, 1, "r2");
	assert_state(w, "v1", "open");
	world_down(w, 0);
	w->hosts[0].deaf = false;
	world_up(w, 0);
	world_run_ms(w, 2000);
	assert_true(
		world_traced(w, "command=open volume=v1 replica=r1", "late=1"));
	assert_int_equal(w->hosts[0].facts[0].served.epoch, 1);
	w->hosts[1].backing_ok = false;
	world_run_ms(w, 3000);
	assert_line(w, "v1", 3, 1, "r3");
	end_world(w);
}

static void a_returning_primary_is_fenced_before_its_lease_runs(void **state)
{
	struct world *w = open_world(GUARD_LEASE);
	uint64_t lease;

	(void)state;
	w->hosts[0].deaf = true;
	world_run_ms(w, 12000);
	assert_line(w, "v1", 2, 1, "r2");
	/* A clock that stood still: to itself it is open and leased. */
	w->hosts[0].facts[0].state = GATE_OPEN;
	w->hosts[0].facts[0].role = ROLE_PRIMARY;
	w->hosts[0].facts[0].applied = (struct lineage){ 1, 1 };
	lease = w->hosts[0].lease_until;
	world_down(w, 0);
	w->hosts[0].deaf = false;
	world_up(w, 0);
	/* One exchange: the lease came, and the gate was closed before it. */
	assert_true(w->hosts[0].lease_until > lease);
	assert_int_equal(w->hosts[0].facts[0].authority.epoch, 2);
	assert_int_equal(world_serving_primaries(w, "v1"), 1);
	world_run_ms(w, 2000);
	assert_int_equal(w->hosts[0].facts[0].role, ROLE_CANDIDATE);
	end_world(w);
}

static void a_line_minted_during_a_rollout_overtakes_it(void **state)
{
	struct world *w = open_world(GUARD_LEASE);

	(void)state;
	/* r3's data are as good as those of r1 and r2. */
	w->hosts[2].facts[0].served = (struct lineage){ 1, 1 };
	world_run_ms(w, 1000);
	w->hosts[0].deaf = true;
	world_run_ms(w, 3500);	/* 2.1 to r2 is minted, the lease not over */
	assert_line(w, "v1", 2, 1, "r2");
	assert_state(w, "v1", "fencing");
	w->hosts[1].backing_ok = false;
	world_run_ms(w, 9000);
	assert_line(w, "v1", 3, 1, "r3");
	assert_state(w, "v1", "open");
	assert_int_equal(w->hosts[1].facts[0].authority.epoch, 3);
	assert_false(
		world_traced(w, "command=open volume=v1 replica=r2 lineage=2.1",
			     ""));
	end_world(w);
}

/* --- refresh, restart, store ------------------------------------------------ */

static void a_new_address_of_the_primary_raises_the_version(void **state)
{
	struct world *w = open_world(GUARD_LEASE);

	(void)state;
	snprintf(w->hosts[0].data_addr.s, ADDR_SIZE, "10.9.9.9:4420");
	world_run_ms(w, 2000);
	assert_line(w, "v1", 1, 2, "r1");
	assert_string_equal(world_status(w, "v1").line.data_addr.s,
			    "10.9.9.9:4420");
	assert_state(w, "v1", "open");
	/* A candidate's address is no business of the line. */
	snprintf(w->hosts[1].data_addr.s, ADDR_SIZE, "10.8.8.8:4420");
	world_run_ms(w, 2000);
	assert_line(w, "v1", 1, 2, "r1");
	end_world(w);
}

static void
a_restarted_master_mints_nothing_and_opens_nothing_anew(void **state)
{
	struct world *w = open_world(GUARD_LEASE);
	unsigned int nr_records = w->nr_records;

	(void)state;
	world_restart_master(w);
	assert_line(w, "v1", 1, 1, "r1");
	for (int i = 0; i < WORLD_HOSTS; i++)
		world_up(w, i);
	world_run_ms(w, 20000);
	assert_int_equal(w->nr_records, nr_records);
	assert_line(w, "v1", 1, 1, "r1");
	assert_state(w, "v1", "open");
	assert_null(strstr(w->trace, "send command=open"));
	assert_int_equal(world_serving_primaries(w, "v1"), 1);
	end_world(w);
}

static void
after_a_restart_the_guard_waits_for_leases_it_cannot_know(void **state)
{
	struct world *w = open_world(GUARD_LEASE);
	uint64_t restarted;

	(void)state;
	w->hosts[0].deaf = true;
	world_run_ms(w, 3500);	/* 2.1 is minted, r1 may still serve */
	restarted = w->now.v;
	world_restart_master(w);
	w->hosts[0].lease_until = restarted + w->config.lease_ms;
	w->hosts[0].up = false;
	world_up(w, 1);
	world_up(w, 2);
	while (w->hosts[1].facts[0].role != ROLE_PRIMARY) {
		world_run_ms(w, 50);
		assert_true(world_serving_primaries(w, "v1") <= 1);
		assert_true(w->now.v - restarted < 10000);
	}
	assert_true(w->now.v - restarted > w->config.lease_ms);
	end_world(w);
}

/* The old primary is heard again, but its line is in no record. */
static void
after_a_failover_and_a_restart_the_old_slot_is_fenced_and_no_more(void **state)
{
	struct world *w = open_world(GUARD_QUORUM);
	unsigned int nr_records;

	(void)state;
	w->hosts[0].deaf = true;
	world_run_ms(w, 5000);
	assert_line(w, "v1", 2, 1, "r2");
	nr_records = w->nr_records;
	world_restart_master(w);
	assert_line(w, "v1", 2, 1, "r2");
	w->hosts[0].deaf = false;
	world_forget_trace(w);
	for (int i = 0; i < WORLD_HOSTS; i++)
		world_up(w, i);
	world_run_ms(w, 20000);
	assert_int_equal(w->nr_records, nr_records);
	assert_line(w, "v1", 2, 1, "r2");
	assert_state(w, "v1", "open");
	assert_true(world_traced(
		w, "send command=fence volume=v1 replica=r1 lineage=2.1",
		"send command=open volume=v1 replica=r1 lineage=2.1"));
	assert_null(strstr(w->trace, "lineage=1.1"));
	assert_int_equal(w->hosts[0].facts[0].role, ROLE_CANDIDATE);
	assert_int_equal(w->hosts[1].facts[0].role, ROLE_PRIMARY);
	end_world(w);
}

static void nothing_leaves_the_master_before_it_is_durable(void **state)
{
	struct world *w = open_world(GUARD_QUORUM);

	(void)state;
	w->persist_error = -EIO;
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 5000);
	assert_line(w, "v1", 1, 1, "r1");
	for (int i = 0; i < REPLICA_SLOTS; i++)
		assert_int_equal(w->hosts[i].facts[0].authority.epoch, 1);
	assert_true(world_has_evidence(w, "v1", EVIDENCE_CONVERGENCE_STUCK));
	assert_true(world_traced(w, "store-closed", ""));
	/* The store is closed: asks are refused, not retried. */
	assert_int_equal(world_create(w, "v2", GUARD_LEASE), -EROFS);
	end_world(w);
}

/* --- what may not be believed ----------------------------------------------- */

static void a_floor_above_the_line_stops_all_minting(void **state)
{
	struct world *w = open_world(GUARD_QUORUM);

	(void)state;
	w->hosts[2].facts[0].floor = (struct lineage){ 9, 1 };
	w->hosts[2].facts[0].authority = (struct lineage){ 9, 1 };
	world_run_ms(w, 1000);
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 5000);
	assert_line(w, "v1", 1, 1, "r1");
	assert_state(w, "v1", "unsupported");
	assert_true(world_has_evidence(w, "v1", EVIDENCE_AUTHORITY_REGRESSED));
	end_world(w);
}

static void a_claim_to_another_hosts_slot_is_refused_and_counted(void **state)
{
	struct world *w = open_world(GUARD_LEASE);
	struct message *m = calloc(1, sizeof(*m));
	struct host_status host;

	(void)state;
	/* host-b speaks of r1's slot with r1's own id: it has slot r2. */
	m->kind = MESSAGE_REPORT;
	m->report.seq = ++w->hosts[1].seq;
	m->report.digest = slot_fact_digest(&w->hosts[1].facts[0]);
	m->report.nr_slots = 1;
	m->report.slots[0] = w->hosts[0].facts[0];
	snprintf(m->report.slots[0].data_addr.s, ADDR_SIZE, "6.6.6.6:4420");
	w->hosts[1].deaf = true;
	world_send(w, 1, m);
	assert_true(
		world_has_evidence(w, "v1", EVIDENCE_UNKNOWN_REPLICA_CLAIM));
	w->hosts[1].deaf = false;
	world_run_ms(w, 2000);
	assert_line(w, "v1", 1, 1, "r1");
	assert_string_equal(world_status(w, "v1").line.data_addr.s,
			    "10.0.0.1:4420");
	/* A volume that nobody configured. */
	m->report.seq = ++w->hosts[1].seq;
	memcpy(m->report.slots[0].volume.s, "nope", 5);
	world_send(w, 1, m);
	master_host_status(w->master, 1, w->now, &host);
	assert_int_equal(host.nr_unknown, 1);
	free(m);
	end_world(w);
}

static void two_primaries_of_one_lineage_stop_decisions(void **state)
{
	struct world *w = open_world(GUARD_QUORUM);

	(void)state;
	w->hosts[1].facts[0].role = ROLE_PRIMARY;
	world_run_ms(w, 1000);
	assert_true(world_has_evidence(w, "v1",
				       EVIDENCE_CONFLICTING_PRIMARY_CLAIM));
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 3000);
	assert_line(w, "v1", 1, 1, "r1");
	w->hosts[1].facts[0].role = ROLE_CANDIDATE;
	world_run_ms(w, 3000);
	assert_line(w, "v1", 2, 1, "r2");
	end_world(w);
}

static void a_report_out_of_sequence_is_dropped(void **state)
{
	struct world *w = open_world(GUARD_QUORUM);
	struct host_status host;

	(void)state;
	w->hosts[0].seq -= 1;
	w->hosts[0].backing_ok = false;
	world_report(w, 0, false);
	master_host_status(w->master, 0, w->now, &host);
	assert_int_equal(host.nr_dropped, 1);
	assert_line(w, "v1", 1, 1, "r1");
	end_world(w);
}

static void a_damaged_volume_delays_no_other(void **state)
{
	struct world *w = open_world(GUARD_QUORUM);
	struct volume_id id;

	(void)state;
	world_restart_master(w);
	volume_id_parse("v2", &id);
	assert_true(master_reload_corrupt(w->master, &id, 3, w->now) >= 0);
	for (int i = 0; i < WORLD_HOSTS; i++)
		world_up(w, i);
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 3000);
	assert_line(w, "v1", 2, 1, "r2");
	assert_state(w, "v2", "unsupported");
	assert_true(
		world_has_evidence(w, "v2", EVIDENCE_AUTHORITY_RECORD_CORRUPT));
	end_world(w);
}

static void
one_stuck_volume_delays_no_other_and_mints_nothing_anew(void **state)
{
	struct world *w = open_world(GUARD_QUORUM);
	unsigned int nr_records;

	(void)state;
	/* v2 goes to host-b, which opens nothing. */
	w->hosts[1].refuses = true;
	assert_int_equal(world_create(w, "v2", GUARD_QUORUM), 0);
	world_run_ms(w, 500);
	assert_int_equal(world_create(w, "v3", GUARD_QUORUM), 0);
	world_run_ms(w, 600);
	nr_records = w->nr_records;
	assert_state(w, "v2", "stuck");
	assert_state(w, "v3", "open");
	assert_state(w, "v1", "open");
	world_run_ms(w, 20000);
	assert_int_equal(w->nr_records, nr_records);
	assert_line(w, "v2", 1, 1, "r2");
	assert_true(world_has_evidence(w, "v2", EVIDENCE_CONVERGENCE_STUCK));
	assert_false(world_has_evidence(w, "v3", EVIDENCE_CONVERGENCE_STUCK));
	end_world(w);
}

static void each_volume_has_its_own_evidence_alone(void **state)
{
	struct world *w = open_world(GUARD_QUORUM);

	(void)state;
	assert_int_equal(world_create(w, "v2", GUARD_QUORUM), 0);
	world_run_ms(w, 1000);
	w->hosts[1].facts[0].role = ROLE_PRIMARY;
	w->hosts[2].held[1] = false;
	world_report(w, 1, true);
	world_report(w, 2, true);
	world_run_ms(w, 5000);
	assert_int_equal(world_status(w, "v1").nr_evidence, 1);
	assert_true(world_has_evidence(w, "v1",
				       EVIDENCE_CONFLICTING_PRIMARY_CLAIM));
	assert_int_equal(world_status(w, "v2").nr_evidence, 1);
	assert_true(world_has_evidence(w, "v2", EVIDENCE_PARTIAL_INVENTORY));
	end_world(w);
}

/* One report: a volume that nobody knows, another host's slot, and a fact. */
static void a_bad_claim_costs_no_other_fact_of_its_report(void **state)
{
	struct world *w = open_world(GUARD_QUORUM);
	struct message *m = calloc(1, sizeof(*m));
	struct slot_fact *facts = m->report.slots;
	struct host_status host;

	(void)state;
	assert_int_equal(world_create_on(w, "v2", "abc"), 0);
	world_run_ms(w, 1000);
	m->kind = MESSAGE_REPORT;
	m->report.seq = ++w->hosts[0].seq;
	m->report.nr_slots = 2;
	facts[0] = w->hosts[0].facts[0];
	memcpy(facts[0].volume.s, "nope", 5);
	facts[1] = w->hosts[0].facts[0];
	facts[1].backing_ok = false;
	w->hosts[0].facts[0].backing_ok = false;
	w->hosts[0].backing_ok = false;
	world_send(w, 0, m);
	master_host_status(w->master, 0, w->now, &host);
	assert_int_equal(host.nr_unknown, 1);
	world_run_ms(w, 1000);
	assert_int_equal(world_status(w, "v1").line.lineage.epoch, 2);
	free(m);
	end_world(w);
}

static void a_silent_candidate_stops_no_refresh(void **state)
{
	struct world *w = open_world(GUARD_QUORUM);

	(void)state;
	w->hosts[2].deaf = true;
	world_run_ms(w, 5000);
	snprintf(w->hosts[0].data_addr.s, ADDR_SIZE, "10.9.9.9:4420");
	world_run_ms(w, 2000);
	assert_line(w, "v1", 1, 2, "r1");
	assert_state(w, "v1", "open");
	end_world(w);
}

static void a_stuck_rollout_names_the_step_that_failed(void **state)
{
	struct world *w = open_world(GUARD_LEASE);

	(void)state;
	w->hosts[0].deaf = true;
	world_run_ms(w, 4700);
	assert_line(w, "v1", 2, 1, "r2");
	assert_state(w, "v1", "stuck");
	assert_true(
		world_traced(w, "stuck volume=v1 step=\"lease not over", ""));
	world_run_ms(w, 6000);
	assert_state(w, "v1", "open");
	end_world(w);
}

static void a_host_gets_no_lease_before_its_inventory_is_complete(void **state)
{
	struct world *w = open_world(GUARD_LEASE);
	struct message *m = calloc(1, sizeof(*m));
	uint64_t lease;

	(void)state;
	world_down(w, 0);
	world_run_ms(w, 1000);
	lease = w->hosts[0].lease_until;
	w->hosts[0].deaf = true;	/* so that it does not answer SYNC */
	world_up(w, 0);
	w->hosts[0].deaf = false;
	m->kind = MESSAGE_REPORT;
	m->report.seq = ++w->hosts[0].seq;
	m->report.full = true;
	m->report.first = true;
	world_send(w, 0, m);
	assert_int_equal(w->hosts[0].lease_until, lease);
	world_report(w, 0, true);
	assert_true(w->hosts[0].lease_until > lease);
	free(m);
	end_world(w);
}

static void a_digest_that_differs_brings_a_full_inventory(void **state)
{
	struct world *w = open_world(GUARD_LEASE);
	struct message *m = calloc(1, sizeof(*m));

	(void)state;
	/* A change that was never told: only the digest betrays it. */
	w->hosts[0].facts[0].io_errors = 5;
	m->kind = MESSAGE_REPORT;
	m->report.seq = ++w->hosts[0].seq;
	m->report.digest = slot_fact_digest(&w->hosts[0].facts[0]);
	world_send(w, 0, m);
	assert_int_equal(world_status(w, "v1").slots[0].io_errors, 5);
	free(m);
	end_world(w);
}

/* --- who may connect, what may be asked ------------------------------------- */

static struct hello good_hello(const struct world *w)
{
	return (struct hello){
		.version_min = 1,
		.version_max = 1,
		.host = { "host-a" },
		.boot = { "boot-1" },
		.master_store = w->config.store,
		.incarnation = w->config.incarnation,
	};
}

static void
a_foreign_older_or_incompatible_master_is_named_as_such(void **state)
{
	struct world *w = new_world();
	struct hello hello;

	(void)state;
	world_start(w);
	hello = good_hello(w);
	hello.master_store.b[0]++;
	world_hello(w, 0, &hello);
	assert_non_null(strstr(w->refusal, "another authority log"));
	hello = good_hello(w);
	hello.incarnation = UINT64_MAX;
	world_hello(w, 0, &hello);
	assert_string_equal(
		w->refusal,
		"the replica has seen incarnation 18446744073709551615, this master is only 1: its authority log is an older copy; stop it and run \"bfenced store raise DIR 18446744073709551615\"");
	hello = good_hello(w);
	hello.version_min = 2;
	hello.version_max = 3;
	world_hello(w, 0, &hello);
	assert_non_null(strstr(w->refusal, "none in common"));
	w->refusal[0] = '\0';
	hello = good_hello(w);
	world_hello(w, 0, &hello);
	assert_string_equal(w->refusal, "");
	end_world(w);
}

static void a_report_before_hello_is_refused(void **state)
{
	struct world *w = new_world();

	(void)state;
	world_start(w);
	w->hosts[0].up = true;
	world_report(w, 0, true);
	assert_non_null(strstr(w->refusal, "HELLO comes first"));
	end_world(w);
}

static void a_volume_that_cannot_be_is_refused_and_changes_nothing(void **state)
{
	struct world *w = open_world(GUARD_LEASE);
	struct master_event event = { .type = MASTER_CREATE, .now = w->now };
	unsigned int nr = w->nr_records;

	(void)state;
	assert_int_equal(world_create(w, "v1", GUARD_LEASE), -EEXIST);
	assert_string_equal(w->answer.text, "volume v1 exists already");
	volume_id_parse("v2", &event.ask.volume);
	event.ask.token = 5;
	for (int i = 0; i < REPLICA_SLOTS; i++)
		host_id_parse(i == 2 ? "host-z" :
			      i	     ? "host-b" :
				       "host-a",
			      &event.ask.hosts[i]);
	assert_int_equal(master_step(w->master, &event, w->update), 0);
	assert_int_equal(w->update->answers[0].error, -ENOENT);
	assert_non_null(strstr(w->update->answers[0].text, "host-z"));
	host_id_parse("host-a", &event.ask.hosts[2]);
	assert_int_equal(master_step(w->master, &event, w->update), 0);
	assert_int_equal(w->update->answers[0].error, -EINVAL);
	assert_non_null(strstr(w->update->answers[0].text, "named twice"));
	assert_int_equal(w->nr_records, nr);
	assert_int_equal(master_nr_volumes(w->master), 1);
	end_world(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(initial_placement_balances_volumes_over_hosts),
		cmocka_unit_test(binding_waits_for_every_slots_word),
		cmocka_unit_test(a_primary_opens_only_after_a_quorum_of_fences),
		cmocka_unit_test(
			nothing_opens_while_the_target_itself_is_not_fenced),
		cmocka_unit_test(silence_alone_fails_over),
		cmocka_unit_test(
			guard_lease_waits_until_the_old_primary_cannot_serve),
		cmocka_unit_test(
			guard_lease_does_not_wait_once_the_old_primary_is_fenced),
		cmocka_unit_test(
			a_silent_candidate_does_not_stop_a_later_failover),
		cmocka_unit_test(
			without_a_majority_nobody_takes_over_and_it_is_said),
		cmocka_unit_test(failover_prefers_the_slot_that_served_last),
		cmocka_unit_test(
			a_returning_primary_is_fenced_before_its_lease_runs),
		cmocka_unit_test(a_line_minted_during_a_rollout_overtakes_it),
		cmocka_unit_test(
			a_new_address_of_the_primary_raises_the_version),
		cmocka_unit_test(
			a_restarted_master_mints_nothing_and_opens_nothing_anew),
		cmocka_unit_test(
			after_a_restart_the_guard_waits_for_leases_it_cannot_know),
		cmocka_unit_test(
			after_a_failover_and_a_restart_the_old_slot_is_fenced_and_no_more),
		cmocka_unit_test(
			nothing_leaves_the_master_before_it_is_durable),
		cmocka_unit_test(a_floor_above_the_line_stops_all_minting),
		cmocka_unit_test(
			a_claim_to_another_hosts_slot_is_refused_and_counted),
		cmocka_unit_test(two_primaries_of_one_lineage_stop_decisions),
		cmocka_unit_test(a_report_out_of_sequence_is_dropped),
		cmocka_unit_test(a_damaged_volume_delays_no_other),
		cmocka_unit_test(
			one_stuck_volume_delays_no_other_and_mints_nothing_anew),
		cmocka_unit_test(each_volume_has_its_own_evidence_alone),
		cmocka_unit_test(a_bad_claim_costs_no_other_fact_of_its_report),
		cmocka_unit_test(a_silent_candidate_stops_no_refresh),
		cmocka_unit_test(a_stuck_rollout_names_the_step_that_failed),
		cmocka_unit_test(
			a_host_gets_no_lease_before_its_inventory_is_complete),
		cmocka_unit_test(a_digest_that_differs_brings_a_full_inventory),
		cmocka_unit_test(
			a_foreign_older_or_incompatible_master_is_named_as_such),
		cmocka_unit_test(a_report_before_hello_is_refused),
		cmocka_unit_test(
			a_volume_that_cannot_be_is_refused_and_changes_nothing),
	};

	return cmocka_run_group_tests_name("master", tests, NULL, NULL);
}
