// SPDX-License-Identifier: GPL-2.0
/*
 * What the master is told: an inventory once, then changes, and a digest that
 * is true of all that it has heard.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench.h"

#define STORE	7
#define MANY	200

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

static int fresh(void **state)
{
	*state = bench_new();
	return 0;
}

static int connected(void **state)
{
	*state = bench_connected(1);
	return 0;
}

static int connected_with_many(void **state)
{
	*state = bench_connected(MANY);
	return 0;
}

static bool traced(const struct bench *b, const char *words)
{
	return strstr(b->trace, words) != NULL;
}

/* The master's half: the facts that it has, and their digest. */
struct heard {
	size_t nr;
	struct slot_fact facts[BENCH_GATES];
};

static void hear(struct heard *heard, const struct report *report)
{
	if (report->full && report->first)
		heard->nr = 0;
	for (uint32_t i = 0; i < report->nr_slots; i++) {
		size_t at = 0;

		while (at < heard->nr &&
		       !volume_id_equal(&heard->facts[at].volume,
					&report->slots[i].volume))
			at++;
		if (at == heard->nr)
			heard->nr++;
		heard->facts[at] = report->slots[i];
	}
}

static uint64_t digest_of(const struct heard *heard)
{
	uint64_t digest = 0;

	for (size_t i = 0; i < heard->nr; i++)
		digest ^= slot_fact_digest(&heard->facts[i]);
	return digest;
}

/* Hears all that was sent; each report's digest is true of what it leaves. */
static void hear_all(struct bench *b, struct heard *heard)
{
	for (unsigned int i = 0; i < b->nr_sent; i++) {
		const struct report *report = &b->sent[i]->report;

		if (b->sent[i]->kind != MESSAGE_REPORT)
			continue;
		hear(heard, report);
		assert_true(report->digest == digest_of(heard));
	}
}

static void connect_anew(struct bench *b, int nr_volumes)
{
	bench_down(b);
	bench_up(b);
	bench_welcome(b, b->incarnation, STORE);
	bench_forget(b);
	bench_sync(b, nr_volumes, false);
}

static void empty_host_sends_an_empty_inventory(void **state)
{
	struct bench *b = *state;
	const struct report *report;

	bench_ready(b);
	bench_up(b);
	bench_welcome(b, 5, STORE);
	bench_forget(b);
	bench_sync(b, 0, false);
	bench_expect(b, "send inventory 1 slots 0\n");
	bench_sync(b, 0, true);
	report = bench_last_report(b);
	assert_true(report->full && report->first && report->last);
	assert_true(report->digest == 0);
}

static void inventory_goes_in_parts_that_name_each_slot_once(void **state)
{
	struct bench *b = *state;
	struct heard heard = { 0 };

	connect_anew(b, MANY);
	bench_expect(b, "send inventory 1 slots 64\n"
			"send inventory 2 slots 64\n"
			"send inventory 3 slots 64\n"
			"send inventory 4 slots 8\n");
	connect_anew(b, MANY);
	for (unsigned int i = 0; i < b->nr_sent; i++) {
		assert_true(b->sent[i]->report.first == (i == 0));
		assert_true(b->sent[i]->report.last == (i == 3));
	}
	hear_all(b, &heard);
	assert_int_equal(heard.nr, MANY);
}

static void inventory_of_exactly_one_part_ends_with_it(void **state)
{
	struct bench *b = *state;

	connect_anew(b, 64);
	bench_expect(b, "send inventory 1 slots 64\n");
}

static void digest_matches_what_was_reported(void **state)
{
	struct bench *b = *state;
	struct heard heard = { 0 };
	char name[32];

	connect_anew(b, MANY);
	hear_all(b, &heard);
	bench_forget(b);
	for (int i = 1; i <= MANY; i += 7) {
		snprintf(name, sizeof(name), "v%d 1.1 r1", i);
		bench_fence(b, name);
		if (i % 2)
			bench_open(b, name);
		hear_all(b, &heard);
		bench_forget(b);
	}
	bench_tick(b, BENCH_HEARTBEAT);
	assert_int_equal(bench_last_report(b)->nr_slots, 0);
	hear_all(b, &heard);
	assert_int_equal(heard.nr, MANY);
}

static void many_changes_go_in_heartbeats_of_one_part_each(void **state)
{
	struct bench *b = *state;
	const struct replica_event gone = { .type = REPLICA_LISTED };
	struct heard heard = { 0 };

	bench_sync(b, MANY, true);
	bench_feed(b, &gone);
	hear_all(b, &heard);
	bench_forget(b);
	bench_feed(b, &gone);	/* no gate was told between: all are gone */
	assert_true(b->nr_sent >= MANY / MESSAGE_SLOTS_MAX);
	assert_true(b->nr_sent <= 2 * MANY / MESSAGE_SLOTS_MAX);
	hear_all(b, &heard);
	assert_int_equal(heard.nr, MANY);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(heard.facts[i].state, GATE_ABSENT);
}

static void master_that_has_another_digest_gets_all_again(void **state)
{
	struct bench *b = *state;
	struct heard heard = { 0 };

	bench_sync(b, MANY, true);
	hear_all(b, &heard);
	assert_int_equal(heard.nr, MANY);
	bench_forget(b);
	bench_sync(b, MANY, false);	/* nothing new: nothing to say */
	bench_expect(b, "");
}

static void volume_no_longer_named_stays_attached_and_unspoken_of(void **state)
{
	struct bench *b = *state;
	struct heard heard = { 0 };

	bench_sync(b, 1, false);
	hear_all(b, &heard);
	assert_int_equal(heard.nr, 1);
	assert_true(bench_gate(b, "v2")->present);
	bench_forget(b);
	bench_gate(b, "v2")->info.io_errors++;
	bench_tell_gate(b, "v2");
	assert_false(traced(b, "send"));
}

static void new_volume_is_told_without_an_inventory(void **state)
{
	struct bench *b = *state;
	struct heard heard = { 0 };

	connect_anew(b, 1);
	hear_all(b, &heard);
	bench_forget(b);
	bench_sync(b, 2, false);
	assert_true(traced(b, "send heartbeat 2 slots 1\n"));
	hear_all(b, &heard);
	assert_int_equal(heard.nr, 2);
	assert_int_equal(heard.facts[1].state, GATE_ABSENT);
}

static void heartbeat_is_sent_each_interval_of_the_welcome(void **state)
{
	struct bench *b = *state;

	assert_int_equal(b->timer, b->now.v + BENCH_HEARTBEAT);
	bench_tick(b, BENCH_HEARTBEAT - 1);
	bench_expect(b, "");
	bench_tick(b, 1);
	bench_expect(b, "send heartbeat 2 slots 0\n");
	assert_int_equal(b->timer, b->now.v + BENCH_HEARTBEAT);
}

static void change_is_told_at_once_and_alone(void **state)
{
	struct bench *b = *state;

	bench_fence(b, "v1 1.1 r1");
	bench_open(b, "v1 1.1 r1");
	bench_forget(b);
	bench_gate(b, "v1")->info.state = GATE_CLOSED;
	bench_gate(b, "v1")->info.lease_ended = true;
	bench_tell_gate(b, "v1");
	bench_expect(b,
		     "note gate volume=v1 replica=r1 state=open->closed lineage=1.1 role=none reason=lease-ended\n"
		     "send heartbeat 6 slots 1\n");
	bench_tell_gate(b, "v1");
	bench_expect(b, "");
}

static void sequence_starts_anew_with_each_connection(void **state)
{
	struct bench *b = *state;

	bench_tick(b, BENCH_HEARTBEAT);
	connect_anew(b, 1);
	bench_expect(b, "send inventory 1 slots 1\n");
}

static void nothing_is_reported_before_the_sync_is_whole(void **state)
{
	struct bench *b = *state;
	struct message m = { .kind = MESSAGE_SYNC };
	struct replica_event event = { .type = REPLICA_MESSAGE, .message = &m };

	bench_down(b);
	bench_up(b);
	bench_welcome(b, 5, STORE);
	bench_forget(b);
	m.sync.first = true;
	m.sync.incarnation = 5;
	bench_feed(b, &event);
	bench_tick(b, BENCH_HEARTBEAT);
	bench_expect(b, "");
	m.sync.first = false;
	m.sync.last = true;
	bench_feed(b, &event);
	bench_expect(b, "send inventory 1 slots 0\n");
	bench_feed(b, &event);	/* a part of no list */
	assert_true(b->reset);
}

static void fact_carries_addresses_and_the_durable_floor(void **state)
{
	struct bench *b = *state;
	const struct slot_fact *fact;

	b->log_holds = true;
	bench_fence(b, "v1 3.2 r1");
	fact = &bench_last_report(b)->slots[0];
	assert_string_equal(fact->data_addr.s, "10.0.0.1:4420");
	assert_string_equal(fact->ctrl_addr.s, "10.0.0.1:7421");
	assert_int_equal(fact->authority.epoch, 3);
	assert_int_equal(fact->floor.epoch, 0);
	bench_log_done(b);
	assert_int_equal(bench_last_report(b)->slots[0].floor.epoch, 3);
}

#define TEST(setup, name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fresh, empty_host_sends_an_empty_inventory),
		TEST(connected_with_many,
		     inventory_goes_in_parts_that_name_each_slot_once),
		TEST(connected_with_many,
		     inventory_of_exactly_one_part_ends_with_it),
		TEST(connected_with_many, digest_matches_what_was_reported),
		TEST(connected_with_many,
		     many_changes_go_in_heartbeats_of_one_part_each),
		TEST(connected_with_many,
		     master_that_has_another_digest_gets_all_again),
		TEST(connected_with_many,
		     volume_no_longer_named_stays_attached_and_unspoken_of),
		TEST(connected, new_volume_is_told_without_an_inventory),
		TEST(connected, heartbeat_is_sent_each_interval_of_the_welcome),
		TEST(connected, change_is_told_at_once_and_alone),
		TEST(connected, sequence_starts_anew_with_each_connection),
		TEST(connected, nothing_is_reported_before_the_sync_is_whole),
		TEST(connected, fact_carries_addresses_and_the_durable_floor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
