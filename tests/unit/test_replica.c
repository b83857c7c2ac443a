// SPDX-License-Identifier: GPL-2.0
/*
 * The replica core obeys its master, and never more than is safe: fences,
 * opens, leases, restarts, and what it remembers.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench.h"

#define STORE		7
#define SEEDS		60
#define EVENTS		400

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

static int connected(void **state)
{
	*state = bench_connected(1);
	return 0;
}

/* v1 is open at 1.1 as primary r1, and everybody knows. */
static int opened(void **state)
{
	struct bench *b = bench_connected(1);

	bench_fence(b, "v1 1.1 r1");
	bench_open(b, "v1 1.1 r1");
	bench_forget(b);
	*state = b;
	return 0;
}

static int connected_with_many(void **state)
{
	*state = bench_connected(200);
	return 0;
}

static int fresh(void **state)
{
	*state = bench_new();
	return 0;
}

static bool traced(const struct bench *b, const char *words)
{
	return strstr(b->trace, words) != NULL;
}

static void assert_lineage(struct lineage l, uint64_t epoch,
			   uint64_t endpoint_version)
{
	assert_int_equal(l.epoch, epoch);
	assert_int_equal(l.endpoint_version, endpoint_version);
}

static struct floor durable(const struct bench *b, const char *volume)
{
	const struct volume_id id = bench_volume(volume);

	for (unsigned int i = 0; i < b->nr_log; i++)
		if (b->log[i].kind == RECORD_FLOOR &&
		    volume_id_equal(&b->log[i].volume, &id))
			return record_floor(&b->log[i]);
	fail_msg("the log has no record of %s", volume);
	return (struct floor){ 0 };
}

/* --- first contact ------------------------------------------------------------ */

static void slot_is_attached_closed_and_recorded_on_first_sync(void **state)
{
	struct bench *b = *state;

	bench_backing(b, "v1");
	bench_ready(b);
	bench_up(b);
	bench_welcome(b, 5, STORE);
	bench_forget(b);
	bench_sync(b, 1, false);
	bench_expect(b,
		     "kernel attach v1 0.0\n"
		     "write v1 0.0 served 0.0\n"
		     "note gate volume=v1 replica=r1 state=absent->closed lineage=0.0 role=none\n"
		     "send inventory 1 slots 1\n");
	assert_true(bench_gate(b, "v1")->info.managed);
	assert_string_equal(durable(b, "v1").replica.s, "r1");
}

static void slot_without_backing_is_reported_absent_and_not_ok(void **state)
{
	struct bench *b = *state;
	const struct report *report;

	bench_ready(b);
	bench_up(b);
	bench_welcome(b, 5, STORE);
	bench_forget(b);
	bench_sync(b, 1, false);
	report = bench_last_report(b);
	assert_non_null(report);
	assert_int_equal(report->nr_slots, 1);
	assert_int_equal(report->slots[0].state, GATE_ABSENT);
	assert_false(report->slots[0].backing_ok);
	assert_false(traced(b, "kernel"));
	assert_false(traced(b, "write v1"));
	bench_fence(b, "v1 1.1 r1");
	assert_int_equal(bench_last_ack(b)->error, -ENODEV);
}

static void attach_that_fails_is_tried_again_every_five_seconds(void **state)
{
	struct bench *b = *state;

	bench_backing(b, "v1");
	bench_ready(b);
	bench_up(b);
	bench_welcome(b, 5, STORE);
	b->fail_kind = KERNEL_ATTACH;
	b->fail_error = -EBUSY;
	bench_forget(b);
	bench_sync(b, 1, false);
	bench_expect(b,
		     "kernel attach v1 0.0\n"
		     "write v1 0.0 served 0.0\n"
		     "note kernel-refused op=attach volume=v1 error=-16 reason=\"the kernel says?no\"\n"
		     "send inventory 1 slots 1\n");
	bench_tick(b, 4999);
	bench_expect(b, "send heartbeat 2 slots 0\n");
	assert_int_equal(b->timer, 1000 + 5000);
	bench_tick(b, 1);
	bench_expect(b, "kernel attach v1 0.0\n");
	b->fail_kind = KERNEL_UNSPEC;
	bench_tick(b, 5000);
	assert_true(traced(b, "state=absent->closed"));
	assert_true(bench_last_report(b)->slots[0].backing_ok);
}

static void what_the_master_names_no_more_ends_closed_at_its_floor(void **state)
{
	struct bench *b = *state;

	bench_sync(b, 0, false);
	assert_true(traced(b, "kernel close v1"));
	assert_true(traced(
		b,
		"state=open->closed lineage=1.1 role=none reason=not-named"));
	assert_int_equal(bench_gate(b, "v1")->info.state, GATE_CLOSED);
	assert_lineage(bench_gate(b, "v1")->info.authority, 1, 1);
	assert_lineage(durable(b, "v1").lineage, 1, 1);
	bench_forget(b);
	bench_sync(b, 0, false);
	assert_false(traced(b, "kernel"));
}

static void a_damaged_volumes_gate_stays_as_it_is(void **state)
{
	struct bench *b = *state;

	b->slot_name = "";
	bench_sync(b, 2, false);
	assert_false(traced(b, "kernel"));
	assert_int_equal(bench_gate(b, "v1")->info.state, GATE_OPEN);
	/* It is not spoken of, and what is not held is not made. */
	assert_true(bench_last_report(b)->full);
	assert_int_equal(bench_last_report(b)->nr_slots, 0);
	assert_int_equal(bench_last_report(b)->digest, 0);
	b->slot_name = NULL;
	bench_forget(b);
	bench_sync(b, 1, false);
	assert_false(traced(b, "kernel"));
	bench_tick(b, 2000);
	assert_int_not_equal(bench_last_report(b)->digest, 0);
	bench_sync(b, 0, false);
	assert_true(traced(b, "kernel close v1"));
}

static void a_close_that_failed_is_tried_again(void **state)
{
	struct bench *b = *state;

	b->fail_kind = KERNEL_CLOSE;
	b->fail_error = -EBUSY;
	bench_sync(b, 0, false);
	assert_int_equal(bench_gate(b, "v1")->info.state, GATE_OPEN);
	b->fail_kind = KERNEL_UNSPEC;
	bench_tick(b, 6000);
	assert_int_equal(bench_gate(b, "v1")->info.state, GATE_CLOSED);
}

static void what_was_opened_by_hand_is_left_to_its_opener(void **state)
{
	struct bench *b = *state;

	bench_gate(b, "v1")->info.managed = false;
	bench_tell_gate(b, "v1");
	bench_sync(b, 0, false);
	assert_int_equal(bench_gate(b, "v1")->info.state, GATE_OPEN);
}

static void a_slot_that_was_released_comes_back_under_a_new_name(void **state)
{
	struct bench *b = *state;

	bench_sync(b, 0, false);
	bench_forget(b);
	b->slot_name = "r3";
	bench_sync(b, 1, false);
	assert_false(traced(b, "sync-refused"));
	assert_string_equal(durable(b, "v1").replica.s, "r3");
	assert_lineage(durable(b, "v1").lineage, 1, 1);
	assert_string_equal(bench_last_report(b)->slots[0].replica.s, "r3");
	/* And under that name alone. */
	b->slot_name = "r2";
	bench_sync(b, 1, false);
	assert_true(traced(b, "sync-refused volume=v1 replica=r2"));
}

static void attach_that_failed_is_tried_again_at_a_sync(void **state)
{
	struct bench *b = *state;

	bench_backing(b, "v1");
	bench_ready(b);
	bench_up(b);
	bench_welcome(b, 5, STORE);
	b->fail_kind = KERNEL_ATTACH;
	b->fail_error = -EBUSY;
	bench_sync(b, 1, false);
	b->fail_kind = KERNEL_UNSPEC;
	bench_forget(b);
	bench_sync(b, 1, false);
	assert_true(traced(b, "kernel attach v1 0.0\n"));
}

static void other_replica_than_the_recorded_one_is_refused(void **state)
{
	struct bench *b = *state;
	struct floor floor = durable(b, "v1");
	struct command c;

	floor.replica.s[1] = '9';	/* v1 is r9 here */
	b->log[1] =
		record_of_floor(&b->log[1].volume, b->log[1].write_seq, &floor);
	bench_restart(b, 1);
	bench_up(b);
	bench_welcome(b, 5, STORE);
	bench_forget(b);
	bench_sync(b, 1, false);
	assert_true(traced(
		b,
		"note sync-refused volume=v1 replica=r1: this host holds replica r9"));
	assert_string_equal(bench_last_report(b)->slots[0].replica.s, "r9");
	assert_string_equal(durable(b, "v1").replica.s, "r9");
	bench_forget(b);
	bench_sync(b, 1, false);
	assert_false(traced(b, "sync-refused"));
	c = bench_command(b, COMMAND_FENCE, "v1 1.1 r1");
	bench_send(b, &c);
	assert_int_equal(bench_last_ack(b)->error, -ENOENT);
	assert_false(traced(b, "kernel fence"));
}

/* --- fence -------------------------------------------------------------------- */

static void fence_is_acked_only_when_drained_and_floor_durable(void **state)
{
	struct bench *b = *state;

	bench_gate(b, "v1")->busy = true;
	b->log_holds = true;
	bench_fence(b, "v1 2.1 r2");
	bench_expect(b,
		     "kernel fence v1 2.1\n"
		     "write v1 2.1 served 1.1\n"
		     "note gate volume=v1 replica=r1 state=open->draining lineage=2.1 role=none\n"
		     "send ack fence 2.1 draining\n"
		     "send heartbeat 6 slots 1\n");
	bench_drained(b, "v1");
	bench_expect(b,
		     "note gate volume=v1 replica=r1 state=draining->closed lineage=2.1 role=none\n"
		     "send heartbeat 7 slots 1\n");
	b->now.v += 30;
	bench_log_done(b);
	bench_expect(b,
		     "note fence volume=v1 replica=r1 asked=2.1 drained=0 ms=30\n"
		     "send ack fence 2.1 closed drained durable\n"
		     "send heartbeat 8 slots 1\n");
}

static void durable_floor_alone_is_no_acknowledgement(void **state)
{
	struct bench *b = *state;

	bench_gate(b, "v1")->busy = true;
	bench_fence(b, "v1 2.1 r2");
	assert_false(bench_last_ack(b)->proof.drained);
	assert_lineage(durable(b, "v1").lineage, 2, 1);
	bench_forget(b);
	bench_drained(b, "v1");
	assert_true(bench_last_ack(b)->proof.drained);
	assert_true(bench_last_ack(b)->proof.floor_durable);
	assert_string_equal(bench_last_ack(b)->proof.boot.s, "boot-1");
}

static void newer_fence_overtakes_older_in_flight(void **state)
{
	struct bench *b = *state;

	bench_gate(b, "v1")->busy = true;
	b->log_holds = true;
	bench_fence(b, "v1 2.1 r2");
	bench_fence(b, "v1 3.1 r3");
	bench_drained(b, "v1");
	bench_forget(b);
	bench_log_done(b);	/* 2.1, which nobody waits for any more */
	assert_null(bench_last_ack(b));
	assert_true(traced(b, "write v1 3.1"));
	bench_log_done(b);
	assert_lineage(bench_last_ack(b)->asked, 3, 1);
	assert_lineage(bench_last_ack(b)->proof.lineage, 3, 1);
	assert_true(bench_last_ack(b)->proof.floor_durable);
	bench_fence(b, "v1 2.1 r2");
	assert_int_equal(bench_last_ack(b)->error, -ESTALE);
}

static void older_fence_is_refused_and_changes_nothing(void **state)
{
	struct bench *b = *state;

	bench_fence(b, "v1 7.2 r1");
	bench_forget(b);
	bench_fence(b, "v1 7.1 r1");
	bench_expect(b,
		     "note refused command=fence volume=v1 replica=r1 asked=7.1 error=-116 reason=\"fence at 7.1 is older than the floor 7.2\"\n"
		     "send ack fence 7.1 error -116\n");
	bench_fence(b, "v1 7.1 r1");	/* once more: not noted again */
	bench_expect(b, "send ack fence 7.1 error -116\n");
}

static void fence_of_one_lineage_with_two_primaries_is_refused(void **state)
{
	struct bench *b = *state;

	bench_fence(b, "v1 2.1 r2");
	bench_forget(b);
	bench_fence(b, "v1 2.1 r3");
	assert_int_equal(bench_last_ack(b)->error, -EEXIST);
	assert_string_equal(bench_last_ack(b)->reason,
			    "lineage 2.1 has the primary r2, not r3");
	assert_false(traced(b, "kernel"));
	assert_string_equal(durable(b, "v1").primary.s, "r2");
}

static void repeated_fence_asks_again_and_gives_the_same_proof(void **state)
{
	struct bench *b = *state;
	struct ack first;

	bench_fence(b, "v1 2.1 r2");
	first = *bench_last_ack(b);
	bench_forget(b);
	bench_fence(b, "v1 2.1 r2");
	bench_expect(b,
		     "kernel fence v1 2.1\n"
		     "note fence volume=v1 replica=r1 asked=2.1 drained=0 ms=0\n"
		     "send ack fence 2.1 closed drained durable\n");
	bench_fence(b, "v1 2.1 r2");
	assert_memory_equal(&first.proof, &bench_last_ack(b)->proof,
			    sizeof(first.proof));
}

static void fence_at_the_lineage_of_an_open_gate_leaves_it_open(void **state)
{
	struct bench *b = *state;

	bench_fence(b, "v1 1.1 r1");
	assert_int_equal(bench_gate(b, "v1")->info.state, GATE_OPEN);
	assert_int_equal(bench_last_ack(b)->error, 0);
	assert_true(bench_last_ack(b)->proof.drained);
	assert_true(bench_last_ack(b)->proof.floor_durable);
}

static void quarantine_is_told_and_is_no_drain(void **state)
{
	struct bench *b = *state;
	struct bench_gate *gate = bench_gate(b, "v1");

	gate->busy = true;
	bench_fence(b, "v1 2.1 r2");
	bench_forget(b);
	gate->info.state = GATE_QUARANTINED;
	bench_tell_gate(b, "v1");
	assert_int_equal(bench_last_ack(b)->proof.state, GATE_QUARANTINED);
	assert_false(bench_last_ack(b)->proof.drained);
	bench_forget(b);
	bench_tell_gate(b, "v1");
	assert_null(bench_last_ack(b));
	bench_drained(b, "v1");
	assert_true(bench_last_ack(b)->proof.drained);
}

static void failed_write_is_no_durable_floor_but_the_fence_stands(void **state)
{
	struct bench *b = *state;

	b->log_error = -EIO;
	bench_fence(b, "v1 2.1 r2");
	assert_int_equal(bench_last_ack(b)->error, -EROFS);
	assert_false(bench_last_ack(b)->proof.floor_durable);
	assert_true(bench_last_ack(b)->proof.drained);
	assert_true(traced(b, "note floor-log-closed error=-5"));
	assert_lineage(bench_gate(b, "v1")->info.authority, 2, 1);
	bench_forget(b);
	b->log_error = 0;
	bench_fence(b, "v1 3.1 r3");
	assert_true(traced(b, "kernel fence v1 3.1"));
	assert_false(traced(b, "write"));
	assert_int_equal(bench_last_ack(b)->error, -EROFS);
	assert_lineage(durable(b, "v1").lineage, 1, 1);
	bench_open(b, "v1 3.1 r3");
	assert_int_equal(bench_last_ack(b)->error, -EROFS);
	assert_int_equal(bench_gate(b, "v1")->info.state, GATE_CLOSED);
}

static void sentence_of_the_kernel_travels_in_the_ack(void **state)
{
	struct bench *b = *state;

	b->fail_kind = KERNEL_FENCE;
	b->fail_error = -EPERM;
	bench_fence(b, "v1 2.1 r2");
	assert_int_equal(bench_last_ack(b)->error, -EPERM);
	assert_string_equal(bench_last_ack(b)->reason, "the kernel says?no");
	/* The floor was raised: the gate follows it. */
	b->fail_kind = KERNEL_UNSPEC;
	bench_forget(b);
	bench_tick(b, 5000);
	assert_true(traced(b, "kernel fence v1 2.1"));
	assert_lineage(bench_gate(b, "v1")->info.authority, 2, 1);
}

static void gate_that_is_gone_is_attached_again_at_its_floor(void **state)
{
	struct bench *b = *state;

	bench_fence(b, "v1 2.1 r2");
	bench_gate(b, "v1")->present = false;
	bench_open(b, "v1 2.1 r2");
	assert_int_equal(bench_last_ack(b)->error, -ENOENT);
	assert_int_equal(bench_last_report(b)->slots[0].state, GATE_ABSENT);
	bench_forget(b);
	bench_tick(b, 4000);
	assert_false(traced(b, "kernel"));
	bench_tick(b, 1000);
	assert_true(traced(b, "kernel attach v1 2.1\n"));
	assert_int_equal(bench_last_report(b)->slots[0].state, GATE_CLOSED);
}

static void fence_of_an_absent_gate_attaches_it_at_the_fence(void **state)
{
	struct bench *b = *state;
	const struct replica_event gone = { .type = REPLICA_GATE_GONE,
					    .gone = bench_volume("v1") };

	bench_gate(b, "v1")->present = false;
	bench_feed(b, &gone);
	bench_forget(b);
	bench_fence(b, "v1 2.1 r2");
	assert_true(traced(b, "kernel attach v1 2.1\nwrite v1 2.1"));
	assert_int_equal(bench_last_ack(b)->error, 0);
	assert_true(bench_last_ack(b)->proof.floor_durable);
}

static void gate_that_a_list_does_not_name_is_gone(void **state)
{
	struct bench *b = *state;
	const struct replica_event listed = { .type = REPLICA_LISTED };

	bench_feed(b, &listed);
	bench_tell_gate(b, "v1");
	bench_feed(b, &listed);
	assert_false(traced(b, "absent"));
	bench_feed(b, &listed);
	assert_true(traced(b, "state=closed->absent"));
}

/* --- open and close --------------------------------------------------------------- */

static void open_needs_exactly_the_fenced_lineage(void **state)
{
	struct bench *b = *state;
	struct command c;

	bench_fence(b, "v1 2.1 r2");
	bench_forget(b);
	bench_open(b, "v1 1.1 r1");
	assert_int_equal(bench_last_ack(b)->error, -ESTALE);
	assert_string_equal(bench_last_ack(b)->reason,
			    "open at 1.1, but the floor is 2.1");
	bench_open(b, "v1 2.2 r2");
	assert_int_equal(bench_last_ack(b)->error, -EAGAIN);
	bench_open(b, "v1 2.1 r3");
	assert_int_equal(bench_last_ack(b)->error, -EEXIST);
	c = bench_command(b, COMMAND_OPEN, "v1 2.1 r2");
	c.replica.s[1] = '2';
	bench_send(b, &c);
	assert_int_equal(bench_last_ack(b)->error, -ENOENT);
	assert_false(traced(b, "kernel"));
	bench_open(b, "v1 2.1 r2");
	assert_int_equal(bench_last_ack(b)->error, 0);
}

static void open_waits_for_nobody_while_undrained_or_not_durable(void **state)
{
	struct bench *b = *state;

	bench_gate(b, "v1")->busy = true;
	b->log_holds = true;
	bench_fence(b, "v1 2.1 r2");
	bench_open(b, "v1 2.1 r2");
	assert_int_equal(bench_last_ack(b)->error, -EAGAIN);
	bench_log_done(b);
	bench_open(b, "v1 2.1 r2");
	assert_int_equal(bench_last_ack(b)->error, -EAGAIN);
	assert_false(traced(b, "kernel open"));
	b->log_holds = false;
	bench_drained(b, "v1");
	bench_open(b, "v1 2.1 r2");
	assert_int_equal(bench_last_ack(b)->error, 0);
	assert_int_equal(bench_gate(b, "v1")->info.state, GATE_OPEN);
}

static void role_is_primary_only_for_the_lineages_own_replica(void **state)
{
	struct bench *b = *state;
	const struct slot_fact *fact;

	bench_fence(b, "v1 1.1 r1");
	bench_open(b, "v1 1.1 r1");
	fact = &bench_last_report(b)->slots[0];
	assert_int_equal(fact->role, ROLE_PRIMARY);
	assert_lineage(fact->applied, 1, 1);
	bench_fence(b, "v1 2.1 r2");
	fact = &bench_last_report(b)->slots[0];
	assert_int_equal(fact->role, ROLE_NONE);
	assert_lineage(fact->applied, 0, 0);
	bench_open(b, "v1 2.1 r2");
	fact = &bench_last_report(b)->slots[0];
	assert_int_equal(fact->role, ROLE_CANDIDATE);
	assert_lineage(fact->applied, 2, 1);
}

static void open_in_time_is_remembered_as_served(void **state)
{
	struct bench *b = *state;

	bench_fence(b, "v1 1.1 r1");
	assert_lineage(durable(b, "v1").served, 0, 0);
	bench_open(b, "v1 1.1 r1");
	assert_lineage(durable(b, "v1").served, 1, 1);
	assert_lineage(bench_last_report(b)->slots[0].served, 1, 1);
	bench_fence(b, "v1 2.1 r2");
	assert_lineage(durable(b, "v1").served, 1, 1);
}

static void late_open_demotes_served_before_the_kernel_opens(void **state)
{
	struct bench *b = *state;
	struct command close = bench_command(b, COMMAND_CLOSE, "v1 1.1 r1");
	struct command late = bench_command(b, COMMAND_OPEN, "v1 1.1 r1");

	late.late = true;
	bench_send(b, &close);
	bench_forget(b);
	b->log_holds = true;
	bench_send(b, &late);
	assert_true(traced(b, "write v1 1.1 served 0.0\n"));
	assert_false(traced(b, "kernel"));
	/* Said to the master before it is durable: it is less, not more. */
	assert_lineage(bench_last_report(b)->slots[0].served, 0, 0);
	bench_log_done(b);
	assert_true(traced(b, "kernel open v1 1.1\n"));
	assert_int_equal(bench_last_ack(b)->error, 0);
	assert_lineage(durable(b, "v1").served, 0, 0);
}

static void late_open_is_refused_when_the_log_cannot_forget(void **state)
{
	struct bench *b = *state;
	struct command close = bench_command(b, COMMAND_CLOSE, "v1 1.1 r1");
	struct command late = bench_command(b, COMMAND_OPEN, "v1 1.1 r1");

	late.late = true;
	bench_send(b, &close);
	b->log_error = -EIO;
	bench_forget(b);
	bench_send(b, &late);
	assert_int_equal(bench_last_ack(b)->error, -EROFS);
	assert_false(traced(b, "kernel open"));
}

static void io_error_takes_the_evidence_back_for_good(void **state)
{
	struct bench *b = *state;
	struct command close = bench_command(b, COMMAND_CLOSE, "v1 1.1 r1");

	bench_gate(b, "v1")->info.io_errors = 2;
	bench_tell_gate(b, "v1");
	assert_lineage(durable(b, "v1").served, 0, 0);
	assert_int_equal(bench_last_report(b)->slots[0].io_errors, 2);
	bench_send(b, &close);
	bench_open(b, "v1 1.1 r1");
	assert_int_equal(bench_gate(b, "v1")->info.state, GATE_OPEN);
	assert_lineage(durable(b, "v1").served, 0, 0);
	bench_fence(b, "v1 2.1 r1");
	bench_open(b, "v1 2.1 r1");
	assert_lineage(durable(b, "v1").served, 2, 1);
}

static void repeated_open_is_idempotent(void **state)
{
	struct bench *b = *state;

	bench_open(b, "v1 1.1 r1");
	bench_expect(b, "kernel open v1 1.1\n"
			"send ack open 1.1 open drained durable\n");
}

static void close_is_answered_when_closed_and_when_drained(void **state)
{
	struct bench *b = *state;
	struct command close = bench_command(b, COMMAND_CLOSE, "v1 1.1 r1");

	bench_gate(b, "v1")->busy = true;
	bench_send(b, &close);
	bench_expect(b,
		     "kernel close v1 1.1\n"
		     "note gate volume=v1 replica=r1 state=open->draining lineage=1.1 role=none\n"
		     "send ack close 1.1 draining durable\n"
		     "send heartbeat 6 slots 1\n");
	bench_drained(b, "v1");
	bench_expect(b,
		     "note gate volume=v1 replica=r1 state=draining->closed lineage=1.1 role=none\n"
		     "send ack close 1.1 closed drained durable\n"
		     "send heartbeat 7 slots 1\n");
}

static void close_of_another_lineage_leaves_the_grant_alone(void **state)
{
	struct bench *b = *state;
	struct command close = bench_command(b, COMMAND_CLOSE, "v1 2.1 r1");

	bench_send(b, &close);
	assert_int_equal(bench_last_ack(b)->error, -EAGAIN);
	assert_int_equal(bench_gate(b, "v1")->info.state, GATE_OPEN);
}

/* --- lease -------------------------------------------------------------------- */

static void lease_runs_from_the_moment_the_report_was_sent(void **state)
{
	struct bench *b = *state;
	uint64_t sent_at;

	bench_tick(b, BENCH_HEARTBEAT);
	sent_at = b->now.v;
	assert_true(traced(b, "send heartbeat 2 slots 0\n"));
	b->now.v += 700;	/* the master took its time */
	bench_forget(b);
	bench_lease(b, 2, 6000);
	assert_int_equal(b->lease_deadline, sent_at + 6000);
}

static void
lease_of_no_report_or_of_the_past_is_ignored_and_noted_once(void **state)
{
	struct bench *b = *state;

	bench_lease(b, 2, 6000);
	bench_expect(
		b,
		"note lease-ignored reason=\"it answers no report that is remembered\"\n");
	bench_lease(b, 0, 6000);
	bench_expect(b, "");
	b->now.v += 6000;
	bench_lease(b, 1, 6000);
	assert_true(
		traced(b,
		       "note lease-ignored reason=\"it is over already\"\n"));
	assert_false(traced(b, "kernel lease"));
}

static void lease_of_a_report_long_ago_is_ignored(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 64; i++)
		bench_tick(b, BENCH_HEARTBEAT);
	bench_forget(b);
	bench_lease(b, 1, 3600000);
	assert_false(traced(b, "kernel lease"));
	bench_lease(b, 2, 3600000);
	assert_true(traced(b, "kernel lease"));
}

static void lease_of_an_earlier_connection_is_ignored(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 8; i++)
		bench_tick(b, BENCH_HEARTBEAT);
	bench_down(b);
	bench_up(b);
	bench_welcome(b, 5, STORE);
	bench_sync(b, 1, false);
	bench_forget(b);
	bench_lease(b, 8, 3600000);
	assert_false(traced(b, "kernel lease"));
}

static void fence_is_in_the_kernel_before_the_lease_that_follows(void **state)
{
	struct bench *b = *state;

	b->log_holds = true;
	bench_fence(b, "v1 2.1 r2");
	bench_lease(b, 1, 6000);
	assert_true(strstr(b->trace, "kernel fence") <
		    strstr(b->trace, "kernel lease"));
}

/* However much else waits: the next message may be a lease. */
static void fence_is_carried_out_in_its_own_step(void **state)
{
	struct bench *b = *state;
	const struct replica_event listed = { .type = REPLICA_LISTED };
	const struct command fence =
		bench_command(b, COMMAND_FENCE, "v200 2.1 r2");
	struct message m = { .kind = MESSAGE_COMMAND };
	struct replica_event event = { .type = REPLICA_MESSAGE,
				       .now = b->now,
				       .message = &m };

	m.command = fence;
	assert_int_equal(replica_step(b->replica, &listed, b->update), 0);
	/* 200 slots have lost their gates, an update has no room for all. */
	assert_int_equal(replica_step(b->replica, &listed, b->update), 0);
	assert_true(b->update->more);
	assert_int_equal(replica_step(b->replica, &event, b->update), 0);
	assert_int_equal(b->update->nr_kernel, 1);
	assert_int_equal(b->update->kernel[0].lineage.epoch, 2);
}

/* --- masters ------------------------------------------------------------------ */

static void incarnation_is_durable_before_attach_and_report(void **state)
{
	struct bench *b = *state;

	bench_backing(b, "v1");
	bench_ready(b);
	bench_up(b);
	b->log_holds = true;
	bench_welcome(b, 9, STORE);
	bench_sync(b, 1, false);
	bench_expect(b, "send hello incarnation 0\n"
			"write incarnation 9\n");
	bench_log_done(b);
	bench_expect(b,
		     "note master incarnation=9\n"
		     "kernel attach v1 0.0\n"
		     "write v1 0.0 served 0.0\n"
		     "note gate volume=v1 replica=r1 state=absent->closed lineage=0.0 role=none\n"
		     "send inventory 1 slots 1\n");
}

static void lower_incarnation_is_refused(void **state)
{
	struct bench *b = *state;
	struct command old = bench_command(b, COMMAND_FENCE, "v1 9.1 r1");

	old.incarnation = 4;
	bench_send(b, &old);
	assert_int_equal(bench_last_ack(b)->error, -ESTALE);
	assert_false(traced(b, "kernel"));
	bench_down(b);
	bench_up(b);
	bench_forget(b);
	bench_welcome(b, 4, STORE);
	assert_true(b->reset);
	bench_expect(
		b,
		"note master-refused reason=\"old master: incarnation 4, seen was 5\"\n");
	bench_fence(b, "v1 9.1 r1");	/* it goes on talking */
	bench_expect(b, "");
	bench_down(b);
	bench_up(b);
	bench_forget(b);
	bench_welcome(b, 4, STORE);
	bench_expect(b, "");		/* noted once */
}

static void foreign_store_is_refused(void **state)
{
	struct bench *b = *state;

	bench_down(b);
	bench_restart(b, 1);
	bench_up(b);
	assert_int_equal(b->sent[b->nr_sent - 1]->hello.master_store.b[0],
			 STORE);
	bench_forget(b);
	bench_welcome(b, 99, STORE + 1);
	assert_true(b->reset);
	assert_true(traced(b, "foreign master"));
	assert_false(traced(b, "write"));
}

static void refusal_is_noted_once_until_a_master_welcomes(void **state)
{
	struct bench *b = *state;
	struct message refuse = { .kind = MESSAGE_REFUSE,
				  .refuse = { "no such host" } };
	struct replica_event event = { .type = REPLICA_MESSAGE,
				       .message = &refuse };

	for (int i = 0; i < 3; i++) {
		bench_down(b);
		bench_up(b);
		bench_forget(b);
		bench_feed(b, &event);
		bench_expect(
			b,
			i ? "" :
			    "note refused-by-master reason=\"no such host\"\n");
	}
}

static void command_before_the_welcome_resets_the_link(void **state)
{
	struct bench *b = *state;

	bench_down(b);
	bench_up(b);
	bench_forget(b);
	bench_fence(b, "v1 2.1 r2");
	assert_true(b->reset);
	assert_false(traced(b, "kernel"));
}

/* --- restarts ------------------------------------------------------------------- */

static void restart_adopts_open_gates_without_closing_them(void **state)
{
	struct bench *b = *state;

	bench_restart(b, 1);
	bench_expect(
		b,
		"note gate volume=v1 replica=r1 state=absent->open lineage=1.1 role=primary\n");
	bench_up(b);
	bench_welcome(b, 6, STORE);
	bench_sync(b, 1, false);
	assert_int_equal(bench_gate(b, "v1")->info.state, GATE_OPEN);
	assert_lineage(bench_last_report(b)->slots[0].applied, 1, 1);
	assert_lineage(bench_last_report(b)->slots[0].served, 1, 1);
}

static void lost_link_changes_no_gate(void **state)
{
	struct bench *b = *state;

	bench_down(b);
	bench_tick(b, 60000);
	bench_expect(b, "");
	assert_int_equal(bench_gate(b, "v1")->info.state, GATE_OPEN);
}

static void reboot_attaches_closed_at_the_durable_floor(void **state)
{
	struct bench *b = *state;

	bench_reboot(b, 1);
	bench_expect(
		b,
		"kernel attach v1 1.1\n"
		"note gate volume=v1 replica=r1 state=absent->closed lineage=1.1 role=none\n");
	bench_up(b);
	bench_welcome(b, 5, STORE);
	bench_sync(b, 1, false);
	bench_fence(b, "v1 1.0 r1");
	assert_int_equal(bench_last_ack(b)->error, -ESTALE);
}

static void floor_follows_a_gate_that_knows_more(void **state)
{
	struct bench *b = *state;

	bench_gate(b, "v1")->info.authority = bench_lineage(4, 2);
	bench_restart(b, 1);
	assert_true(traced(b, "write v1 4.2"));
	assert_lineage(durable(b, "v1").lineage, 4, 2);
}

static void gate_that_knows_less_than_the_floor_is_fenced_at_it(void **state)
{
	struct bench *b = *state;

	bench_fence(b, "v1 3.1 r1");
	bench_gate(b, "v1")->info.authority = bench_lineage(1, 1);
	bench_gate(b, "v1")->info.state = GATE_OPEN;
	bench_forget(b);
	bench_restart(b, 1);
	assert_true(traced(b, "kernel fence v1 3.1"));
	assert_lineage(bench_gate(b, "v1")->info.authority, 3, 1);
}

static void fence_lost_in_a_crash_leaves_the_old_or_the_new_floor(void **state)
{
	struct bench *b = *state;

	b->log_holds = true;
	bench_fence(b, "v1 2.1 r2");
	bench_reboot(b, 1);	/* neither gate nor log kept it: never acked */
	assert_lineage(bench_gate(b, "v1")->info.authority, 1, 1);
	assert_lineage(durable(b, "v1").lineage, 1, 1);
}

static void
damaged_start_is_an_error_and_no_event_comes_before_ready(void **state)
{
	struct bench *b = *state;
	struct record record = { .kind = RECORD_VOLUME };
	struct replica_event event = { .type = REPLICA_RECORD,
				       .record = &record };

	assert_int_equal(replica_step(b->replica, &event, b->update), -EINVAL);
	event.type = REPLICA_UP;
	assert_int_equal(replica_step(b->replica, &event, b->update), -EINVAL);
	bench_ready(b);
	event.type = REPLICA_KERNEL_DONE;
	assert_int_equal(replica_step(b->replica, &event, b->update), -EINVAL);
	event.type = REPLICA_PERSISTED;
	assert_int_equal(replica_step(b->replica, &event, b->update), -EINVAL);
	event.type = REPLICA_UNSPEC;
	assert_int_equal(replica_step(b->replica, &event, b->update), -EINVAL);
}

static void full_table_is_noted_and_serves_on(void **state)
{
	struct bench *b = *state;
	char name[16];

	for (int i = 1; i <= BENCH_SLOTS + 2; i++) {
		snprintf(name, sizeof(name), "v%d", i);
		bench_backing(b, name);
	}
	bench_expect(b, "note slots-full volume=v251 slots_max=250\n");
	bench_ready(b);
	bench_up(b);
	bench_welcome(b, 5, STORE);
	bench_sync(b, 1, false);
	bench_fence(b, "v1 1.1 r1");
	assert_int_equal(bench_last_ack(b)->error, 0);
	bench_fence(b, "v252 1.1 r1");
	assert_int_equal(bench_last_ack(b)->error, -ENOENT);
}

/* --- I1, by chance -------------------------------------------------------------- */

static uint64_t random_below(uint64_t *seed, uint64_t below)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (*seed >> 33) % below;
}

static void reconnect(struct bench *b)
{
	bench_down(b);
	bench_up(b);
	bench_welcome(b, b->incarnation, STORE);
	bench_sync(b, 2, false);
}

static void restart_at_random(struct bench *b, bool reboot)
{
	if (reboot)
		bench_reboot(b, 2);
	else
		bench_restart(b, 2);
	reconnect(b);
}

static void command_at_random(struct bench *b, uint64_t *seed)
{
	char name[32];
	struct command c;

	snprintf(name, sizeof(name),
		 "v%" PRIu64 " %" PRIu64 ".%" PRIu64 " r%" PRIu64,
		 1 + random_below(seed, 2), 1 + random_below(seed, 6),
		 1 + random_below(seed, 3), 1 + random_below(seed, 2));
	c = bench_command(b, COMMAND_FENCE + random_below(seed, 3), name);
	c.late = random_below(seed, 2);
	c.keep_disk = random_below(seed, 2);
	bench_send(b, &c);
}

static void event_at_random(struct bench *b, uint64_t *seed)
{
	const char *volume = random_below(seed, 2) ? "v1" : "v2";
	struct bench_gate *gate = bench_gate(b, volume);

	b->log_holds = random_below(seed, 3) == 0;
	b->fail_kind = random_below(seed, 8) ? KERNEL_UNSPEC :
					       random_below(seed, 5);
	b->fail_error = random_below(seed, 2) ? -EIO : -ENOENT;
	switch (random_below(seed, 12)) {
	case 0:
		restart_at_random(b, random_below(seed, 2));
		break;
	case 1:
		reconnect(b);
		break;
	case 2:
		bench_tick(b, random_below(seed, 6000));
		break;
	case 3:
		gate->busy = gate->present && gate->info.state == GATE_OPEN;
		break;
	case 4:
		if (gate->present && gate->info.state != GATE_OPEN)
			bench_drained(b, volume);
		break;
	default:
		command_at_random(b, seed);
	}
	if (b->nr_group && random_below(seed, 2))
		bench_log_done(b);
}

/* What has once been promised, in an ack or to the disk, holds for ever. */
static void assert_kept(struct bench *b, struct lineage promised[2])
{
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "v2" : "v1";
		const struct bench_gate *gate = bench_gate(b, name);
		const struct floor floor = durable(b, name);

		assert_true(lineage_cmp(floor.lineage, promised[i]) >= 0);
		promised[i] = floor.lineage;
		if (gate->present)
			assert_true(lineage_cmp(gate->info.authority,
						promised[i]) >= 0 ||
				    gate->info.state == GATE_CLOSED);
	}
	for (unsigned int i = 0; i < b->nr_sent; i++) {
		const struct ack *ack = &b->sent[i]->ack;
		int v = ack->proof.volume.s[1] - '1';

		if (b->sent[i]->kind != MESSAGE_ACK || ack->error ||
		    ack->kind != COMMAND_FENCE || !ack->proof.floor_durable ||
		    !ack->proof.drained)
			continue;
		assert_int_equal(lineage_cmp(ack->proof.lineage, ack->asked),
				 0);
		assert_true(lineage_cmp(promised[v], ack->asked) >= 0);
	}
}

static void floor_is_never_lowered_by_any_sequence(void **state)
{
	(void)state;
	for (uint64_t s = 1; s <= SEEDS; s++) {
		struct bench *b = bench_connected(2);
		struct lineage promised[2] = { { 0 }, { 0 } };
		uint64_t seed = s;

		printf("SEED=%" PRIu64 "\n", s);
		for (int i = 0; i < EVENTS; i++) {
			event_at_random(b, &seed);
			assert_kept(b, promised);
			bench_forget(b);
		}
		bench_free(b);
	}
}

#define TEST(setup, name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fresh, slot_is_attached_closed_and_recorded_on_first_sync),
		TEST(fresh, slot_without_backing_is_reported_absent_and_not_ok),
		TEST(fresh,
		     attach_that_fails_is_tried_again_every_five_seconds),
		TEST(opened,
		     what_the_master_names_no_more_ends_closed_at_its_floor),
		TEST(opened, a_damaged_volumes_gate_stays_as_it_is),
		TEST(opened, a_close_that_failed_is_tried_again),
		TEST(opened, what_was_opened_by_hand_is_left_to_its_opener),
		TEST(opened,
		     a_slot_that_was_released_comes_back_under_a_new_name),
		TEST(fresh, attach_that_failed_is_tried_again_at_a_sync),
		TEST(connected, other_replica_than_the_recorded_one_is_refused),
		TEST(opened,
		     fence_is_acked_only_when_drained_and_floor_durable),
		TEST(opened, durable_floor_alone_is_no_acknowledgement),
		TEST(opened, newer_fence_overtakes_older_in_flight),
		TEST(connected, older_fence_is_refused_and_changes_nothing),
		TEST(connected,
		     fence_of_one_lineage_with_two_primaries_is_refused),
		TEST(connected,
		     repeated_fence_asks_again_and_gives_the_same_proof),
		TEST(opened,
		     fence_at_the_lineage_of_an_open_gate_leaves_it_open),
		TEST(opened, quarantine_is_told_and_is_no_drain),
		TEST(opened,
		     failed_write_is_no_durable_floor_but_the_fence_stands),
		TEST(opened, sentence_of_the_kernel_travels_in_the_ack),
		TEST(connected,
		     gate_that_is_gone_is_attached_again_at_its_floor),
		TEST(connected,
		     fence_of_an_absent_gate_attaches_it_at_the_fence),
		TEST(connected, gate_that_a_list_does_not_name_is_gone),
		TEST(connected, open_needs_exactly_the_fenced_lineage),
		TEST(opened,
		     open_waits_for_nobody_while_undrained_or_not_durable),
		TEST(connected,
		     role_is_primary_only_for_the_lineages_own_replica),
		TEST(connected, open_in_time_is_remembered_as_served),
		TEST(opened, late_open_demotes_served_before_the_kernel_opens),
		TEST(opened, late_open_is_refused_when_the_log_cannot_forget),
		TEST(opened, io_error_takes_the_evidence_back_for_good),
		TEST(opened, repeated_open_is_idempotent),
		TEST(opened, close_is_answered_when_closed_and_when_drained),
		TEST(opened, close_of_another_lineage_leaves_the_grant_alone),
		TEST(connected, lease_runs_from_the_moment_the_report_was_sent),
		TEST(connected,
		     lease_of_no_report_or_of_the_past_is_ignored_and_noted_once),
		TEST(connected, lease_of_a_report_long_ago_is_ignored),
		TEST(connected, lease_of_an_earlier_connection_is_ignored),
		TEST(opened,
		     fence_is_in_the_kernel_before_the_lease_that_follows),
		TEST(connected_with_many, fence_is_carried_out_in_its_own_step),
		TEST(fresh, incarnation_is_durable_before_attach_and_report),
		TEST(connected, lower_incarnation_is_refused),
		TEST(connected, foreign_store_is_refused),
		TEST(connected, refusal_is_noted_once_until_a_master_welcomes),
		TEST(connected, command_before_the_welcome_resets_the_link),
		TEST(opened, restart_adopts_open_gates_without_closing_them),
		TEST(opened, lost_link_changes_no_gate),
		TEST(opened, reboot_attaches_closed_at_the_durable_floor),
		TEST(opened, floor_follows_a_gate_that_knows_more),
		TEST(opened,
		     gate_that_knows_less_than_the_floor_is_fenced_at_it),
		TEST(opened,
		     fence_lost_in_a_crash_leaves_the_old_or_the_new_floor),
		TEST(fresh,
		     damaged_start_is_an_error_and_no_event_comes_before_ready),
		TEST(fresh, full_table_is_noted_and_serves_on),
		cmocka_unit_test(floor_is_never_lowered_by_any_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
