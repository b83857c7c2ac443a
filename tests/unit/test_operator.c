// SPDX-License-Identifier: GPL-2.0
/*
 * What operators may end and what they may make go on, as scenarios: a volume
 * deleted and created anew, and one whose line is not to be trusted.
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

static const struct lineage no_line;
static const struct lineage line_1_1 = { 1, 1 };

static int closed_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	world_start(w);
	for (int i = 0; i < WORLD_HOSTS; i++)
		world_up(w, i);
	*state = w;
	return 0;
}

static int open_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	world_with_open_volume(w, GUARD_QUORUM);
	world_forget_trace(w);
	*state = w;
	return 0;
}

static int end_world(void **state)
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

static void assert_epoch(struct world *w, const char *name, uint64_t epoch)
{
	const struct volume_status s = world_status(w, name);

	assert_true(s.exists);
	assert_int_equal(s.line.lineage.epoch, epoch);
	if (epoch)
		assert_int_equal(s.line.lineage.endpoint_version, 1);
	assert_true(s.write_seq >= epoch);
}

static void assert_open(struct world *w, const char *name, uint64_t epoch)
{
	assert_epoch(w, name, epoch);
	assert_string_equal(world_status(w, name).state, "open");
	assert_int_equal(world_serving_primaries(w, name), 1);
}

static void assert_said(const struct world *w, const char *part)
{
	if (!strstr(w->answer.text, part))
		fail_msg("\"%s\" lacks \"%s\"", w->answer.text, part);
}

/* A replica that has acknowledged what this master never ordered. */
static void raise_floor(struct world *w, int host, uint64_t epoch)
{
	w->hosts[host].facts[0].floor = (struct lineage){ epoch, 1 };
	w->hosts[host].facts[0].authority = (struct lineage){ epoch, 1 };
	w->hosts[host].facts[0].state = GATE_CLOSED;
	w->hosts[host].facts[0].role = ROLE_NONE;
	w->hosts[host].facts[0].applied = no_line;
	world_run_ms(w, 1000);
}

/* --- delete -------------------------------------------------------------------- */

static void a_deleted_volume_is_gone_and_its_gates_are_closed(void **state)
{
	struct world *w = *state;
	struct host_status host;

	assert_int_equal(world_delete(w, "v1", 1), 0);
	assert_false(world_status(w, "v1").exists);
	assert_true(world_traced(w, "delete volume=v1 uid=1000",
				 "deleted volume=v1 floor_epoch=1"));
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		assert_false(w->hosts[i].held[0]);
		assert_int_equal(w->hosts[i].facts[0].state, GATE_CLOSED);
		assert_int_equal(w->hosts[i].facts[0].floor.epoch, 1);
		master_host_status(w->master, (uint32_t)i, w->now, &host);
		assert_int_equal(host.nr_slots, 0);
		assert_int_equal(host.nr_primaries, 0);
	}
	world_forget_trace(w);
	world_run_ms(w, 20000);
	assert_string_equal(w->trace, "");
}

static void a_name_goes_on_above_its_deleted_life(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_delete(w, "v1", 1), 0);
	assert_int_equal(world_create(w, "v1", GUARD_QUORUM), 0);
	world_run_ms(w, 2000);
	assert_open(w, "v1", 2);
	w->hosts[world_status(w, "v1").line.primary.s[1] - '1'].backing_ok =
		false;
	world_run_ms(w, 3000);
	assert_epoch(w, "v1", 3);
	assert_int_equal(world_delete(w, "v1", 3), 0);
	assert_int_equal(world_create(w, "v1", GUARD_QUORUM), 0);
	for (int i = 0; i < WORLD_HOSTS; i++)
		w->hosts[i].backing_ok = true;
	world_run_ms(w, 3000);
	assert_open(w, "v1", 4);
}

static void delete_is_refused_at_another_line(void **state)
{
	struct world *w = *state;
	unsigned int nr = w->nr_records;

	assert_int_equal(world_delete(w, "v1", 2), -ESTALE);
	assert_said(w,
		    "volume v1 has the line 1.1, the ask expects the line 2.1");
	assert_int_equal(world_delete(w, "v2", 1), -ENOENT);
	assert_said(w, "volume v2 is unknown");
	assert_int_equal(w->nr_records, nr);
	assert_open(w, "v1", 1);
	assert_int_equal(world_delete(w, "v1", 0), 0);
	assert_int_equal(world_delete(w, "v1", 0), -ENOENT);
}

static void a_tombstone_survives_a_restart_and_holds_its_floor(void **state)
{
	struct world *w = *state;

	world_delete(w, "v1", 1);
	restart(w);
	assert_false(world_status(w, "v1").exists);
	assert_int_equal(w->records[w->nr_records - 1].kind, RECORD_TOMBSTONE);
	assert_int_equal(world_create(w, "v1", GUARD_QUORUM), 0);
	world_run_ms(w, 2000);
	assert_open(w, "v1", 2);
}

/* The record of the creation has replaced the tombstone, floor and all. */
static void a_restart_before_the_first_line_forgets_no_floor(void **state)
{
	struct world *w = *state;

	world_delete(w, "v1", 1);
	for (int i = 0; i < WORLD_HOSTS; i++)
		world_down(w, i);
	world_create(w, "v1", GUARD_QUORUM);
	assert_epoch(w, "v1", 0);
	restart(w);
	world_run_ms(w, 2000);
	assert_true(world_status(w, "v1").line.lineage.epoch > 1);
	assert_string_equal(world_status(w, "v1").state, "open");
}

static void a_host_keeps_its_replica_id_when_a_volume_comes_back(void **state)
{
	struct world *w = *state;
	struct volume_status s;

	world_delete(w, "v1", 1);
	assert_int_equal(world_create_on(w, "v1", "cab"), 0);
	s = world_status(w, "v1");
	assert_string_equal(s.slots[0].host.s, "host-c");
	assert_string_equal(s.slots[0].replica.s, "r3");
	assert_string_equal(s.slots[1].replica.s, "r1");
	assert_string_equal(s.slots[2].replica.s, "r2");
	world_run_ms(w, 2000);
	assert_string_equal(world_status(w, "v1").state, "open");
}

static void what_a_slot_said_in_an_earlier_life_is_void(void **state)
{
	struct world *w = *state;
	struct volume_status s;

	for (int i = 0; i < WORLD_HOSTS; i++)
		w->hosts[i].deaf = true;
	world_delete(w, "v1", 1);
	world_create_on(w, "v1", "cab");
	s = world_status(w, "v1");
	for (int i = 0; i < REPLICA_SLOTS; i++)
		assert_false(s.slots[i].known);
}

static void
after_a_restart_a_volume_comes_back_on_any_order_of_hosts(void **state)
{
	struct world *w = *state;

	world_delete(w, "v1", 1);
	restart(w);
	assert_int_equal(world_create_on(w, "v1", "cab"), 0);
	assert_string_equal(world_status(w, "v1").slots[0].replica.s, "r1");
	world_run_ms(w, 2000);
	assert_string_equal(world_status(w, "v1").state, "open");
	assert_false(
		world_has_evidence(w, "v1", EVIDENCE_UNKNOWN_REPLICA_CLAIM));
}

static void a_host_that_was_away_closes_when_it_comes_back(void **state)
{
	struct world *w = *state;

	world_down(w, 2);
	world_delete(w, "v1", 1);
	assert_int_equal(w->hosts[2].facts[0].state, GATE_OPEN);
	world_up(w, 2);
	assert_int_equal(w->hosts[2].facts[0].state, GATE_CLOSED);
}

static void a_word_on_a_deleted_volume_is_no_rogue_claim(void **state)
{
	struct world *w = *state;
	struct host_status host;

	/* It speaks before it has heard of the end. */
	w->hosts[1].deaf = true;
	world_delete(w, "v1", 1);
	w->hosts[1].deaf = false;
	world_report(w, 1, false);
	master_host_status(w->master, 1, w->now, &host);
	assert_int_equal(host.nr_rogue, 0);
	assert_int_equal(host.nr_unknown, 0);
	world_down(w, 1);
	world_up(w, 1);
	assert_false(w->hosts[1].held[0]);
	assert_int_equal(w->hosts[1].facts[0].state, GATE_CLOSED);
}

static void a_new_life_waits_for_the_last_primarys_lease(void **state)
{
	struct world *w = *state;
	uint64_t over;

	world_create(w, "v2", GUARD_LEASE);
	world_run_ms(w, 2000);
	over = w->now.v + w->config.lease_ms;
	world_delete(w, "v2", 1);
	world_create(w, "v2", GUARD_LEASE);
	while (!world_serving_primaries(w, "v2")) {
		world_run_ms(w, 50);
		assert_true(w->now.v < over + 5000);
	}
	assert_true(w->now.v > over);
	assert_epoch(w, "v2", 2);
}

static void deleted_names_count_and_a_refusal_says_so(void **state)
{
	struct world *w = *state;
	char name[3] = "v1";

	for (int i = 2; i <= WORLD_VOLUMES; i++) {
		name[1] = (char)('0' + i);
		assert_int_equal(world_create(w, name, GUARD_QUORUM), 0);
		assert_int_equal(world_delete(w, name, 0), 0);
	}
	assert_int_equal(world_create(w, "v5", GUARD_QUORUM), -ENOSPC);
	assert_said(w, "volumes_max = 4 is reached; 3 of them are deleted");
	assert_int_equal(world_create(w, "v4", GUARD_QUORUM), 0);
}

static void a_delete_that_is_queued_is_not_replaced_by_a_failover(void **state)
{
	struct world *w = *state;
	struct master_event event = { .type = MASTER_CREATE, .now = w->now };

	/* A group is in flight, so that the delete has to wait. */
	volume_id_parse("v2", &event.ask.volume);
	for (int i = 0; i < REPLICA_SLOTS; i++)
		snprintf(event.ask.hosts[i].s, HOST_ID_SIZE, "host-%c",
			 'a' + i);
	event.ask.token = 1;
	assert_int_equal(master_step(w->master, &event, w->update), 0);
	assert_int_equal(w->update->nr_persist, 1);
	assert_int_equal(world_delete(w, "v1", 1), 1);
	assert_int_equal(world_delete(w, "v1", 1), -EBUSY);
	w->hosts[0].backing_ok = false;
	world_report(w, 0, false);
	event = (struct master_event){ .type = MASTER_PERSISTED,
				       .now = w->now };
	assert_int_equal(master_step(w->master, &event, w->update), 0);
	assert_int_equal(w->update->nr_persist, 1);
	assert_int_equal(w->update->persist[0].kind, RECORD_TOMBSTONE);
	assert_int_equal(record_floor_epoch(&w->update->persist[0]), 1);
}

/* Nobody waits for a group that will never be written. */
static void a_failed_write_answers_also_the_asks_behind_it(void **state)
{
	struct world *w = *state;
	struct master_event event = { .type = MASTER_CREATE, .now = w->now };

	for (int i = 0; i < REPLICA_SLOTS; i++)
		snprintf(event.ask.hosts[i].s, HOST_ID_SIZE, "host-%c",
			 'a' + i);
	for (uint64_t i = 2; i <= 3; i++) {
		snprintf(event.ask.volume.s, VOLUME_ID_SIZE, "v%d", (int)i);
		event.ask.token = i;
		assert_int_equal(master_step(w->master, &event, w->update), 0);
		assert_int_equal(w->update->nr_answers, 0);
	}
	event = (struct master_event){ .type = MASTER_PERSISTED,
				       .now = w->now,
				       .persist_error = -EIO };
	assert_int_equal(master_step(w->master, &event, w->update), 0);
	assert_int_equal(w->update->nr_answers, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(w->update->answers[i].error, -EIO);
		assert_non_null(strstr(w->update->answers[i].text,
				       "refused the write"));
	}
	assert_int_equal(world_delete(w, "v1", 1), -EROFS);
	assert_said(w, "closed after a failed write");
}

/* --- recover ------------------------------------------------------------------- */

static void a_regressed_volume_goes_on_above_the_highest_floor(void **state)
{
	struct world *w = *state;
	struct volume_status s;

	raise_floor(w, 2, 9);
	assert_true(world_has_evidence(w, "v1", EVIDENCE_AUTHORITY_REGRESSED));
	assert_int_equal(world_recover(w, "v1", line_1_1, NULL), 0);
	world_run_ms(w, 2000);
	assert_open(w, "v1", 10);
	s = world_status(w, "v1");
	assert_int_equal(s.nr_evidence, 0);
	assert_int_equal(s.recovery.line.epoch, 1);
	assert_int_equal(s.recovery.floor.epoch, 9);
	assert_int_equal(s.recovery.uid, 1000);
	assert_int_equal(s.recovery.wall_s, 1700000000);
	assert_int_equal(s.recovery.write_seq, s.write_seq);
	assert_true(world_traced(w, "recover volume=v1 uid=1000 line=1.1",
				 "minted volume=v1 lineage=10.1"));
	/* The trace stays, whatever is minted later. */
	w->hosts[s.line.primary.s[1] - '1'].backing_ok = false;
	world_run_ms(w, 3000);
	assert_epoch(w, "v1", 11);
	restart(w);
	assert_int_equal(world_status(w, "v1").recovery.floor.epoch, 9);
}

static void a_regression_is_not_forgotten_with_its_host(void **state)
{
	struct world *w = *state;

	raise_floor(w, 2, 9);
	world_down(w, 2);
	w->hosts[2].deaf = true;	/* so that it tells no inventory */
	world_up(w, 2);
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 5000);
	assert_epoch(w, "v1", 1);
	assert_true(world_has_evidence(w, "v1", EVIDENCE_AUTHORITY_REGRESSED));
}

static void a_sound_volume_is_not_recovered(void **state)
{
	struct world *w = *state;
	unsigned int nr = w->nr_records;

	assert_int_equal(world_recover(w, "v1", line_1_1, NULL), -ESTALE);
	assert_said(w, "nothing to recover");
	assert_int_equal(world_recover(w, "v1", line_1_1, "abc"), -EINVAL);
	assert_said(w, "still knows its hosts");
	assert_int_equal(world_recover(w, "v2", line_1_1, NULL), -ENOENT);
	raise_floor(w, 2, 9);
	assert_int_equal(world_recover(w, "v1", no_line, NULL), -ESTALE);
	assert_said(w, "volume v1 has the line 1.1, the ask expects no line");
	assert_int_equal(w->nr_records, nr);
}

static void recovery_waits_for_a_slot_that_may_be_primary(void **state)
{
	struct world *w = *state;

	raise_floor(w, 2, 9);
	for (int i = 0; i < WORLD_HOSTS; i++)
		w->hosts[i].backing_ok = false;
	world_run_ms(w, 1000);
	assert_int_equal(world_recover(w, "v1", line_1_1, NULL), -EAGAIN);
	assert_said(w, "may be primary");
	w->hosts[1].backing_ok = true;
	world_run_ms(w, 1000);
	assert_int_equal(world_recover(w, "v1", line_1_1, NULL), 0);
	assert_string_equal(world_status(w, "v1").line.primary.s, "r2");
}

/* As it is after a salvage: the line is there, a newer one may be lost. */
static void restart_in_doubt(struct world *w)
{
	record_put_in_doubt(&w->records[w->nr_records - 1]);
	for (int i = 0; i < WORLD_HOSTS; i++) {
		w->hosts[i].facts[0].state = GATE_CLOSED;
		w->hosts[i].facts[0].role = ROLE_NONE;
		w->hosts[i].facts[0].applied = no_line;
	}
	world_restart_master(w);
}

static void a_volume_in_doubt_mints_nothing_and_opens_nothing(void **state)
{
	struct world *w = *state;
	unsigned int nr = w->nr_records;
	const struct evidence *e;
	struct volume_status s;

	restart_in_doubt(w);
	for (int i = 0; i < WORLD_HOSTS; i++)
		world_up(w, i);
	w->hosts[0].backing_ok = false;
	world_run_ms(w, 20000);
	assert_int_equal(w->nr_records, nr);
	assert_int_equal(world_serving_primaries(w, "v1"), 0);
	s = world_status(w, "v1");
	assert_string_equal(s.state, "unsupported");
	e = &s.evidence[0];
	assert_int_equal(e->code, EVIDENCE_AUTHORITY_RECORD_CORRUPT);
	assert_non_null(strstr(e->note, "was salvaged"));
}

static void doubt_ends_when_a_majority_has_told_its_floors(void **state)
{
	struct world *w = *state;

	restart_in_doubt(w);
	world_up(w, 0);
	w->hosts[1].facts[0].floor = (struct lineage){ 4, 7 };
	w->hosts[1].facts[0].authority = (struct lineage){ 4, 7 };
	assert_int_equal(world_recover(w, "v1", line_1_1, NULL), -EAGAIN);
	assert_said(
		w,
		"1 of its hosts have given a fresh and complete inventory, recovery needs 2");
	world_up(w, 1);
	assert_int_equal(world_recover(w, "v1", line_1_1, NULL), 0);
	world_run_ms(w, 2000);
	assert_open(w, "v1", 5);
	/* Written down as sound: the next start trusts it. */
	restart(w);
	assert_int_equal(world_status(w, "v1").nr_evidence, 0);
	assert_open(w, "v1", 5);
}

static void a_damaged_volume_goes_on_above_its_write_seq(void **state)
{
	struct world *w = *state;
	uint64_t seq = world_status(w, "v1").write_seq;
	struct volume_status s;

	w->damaged = "v1";
	restart(w);
	s = world_status(w, "v1");
	assert_true(s.exists && s.damaged);
	assert_int_equal(world_recover(w, "v1", no_line, NULL), -EINVAL);
	assert_said(w, "three hosts must be named");
	assert_int_equal(world_recover(w, "v1", no_line, "abc"), 0);
	world_run_ms(w, 10000);
	assert_open(w, "v1", seq + 1);
	s = world_status(w, "v1");
	assert_false(s.damaged);
	assert_int_equal(s.nr_evidence, 0);
	assert_int_equal(s.recovery.line.epoch, 0);
	w->damaged = NULL;
	restart(w);
	assert_open(w, "v1", seq + 1);
}

static void a_damaged_volume_goes_on_above_the_floors_too(void **state)
{
	struct world *w = *state;

	w->hosts[1].facts[0].floor = (struct lineage){ 30, 1 };
	w->hosts[1].facts[0].authority = (struct lineage){ 30, 1 };
	w->damaged = "v1";
	restart(w);
	assert_int_equal(world_recover(w, "v1", no_line, "bca"), 0);
	world_run_ms(w, 10000);
	assert_open(w, "v1", 31);
	assert_string_equal(world_status(w, "v1").slots[0].host.s, "host-b");
}

static void a_damaged_volume_is_not_recovered_without_a_majority(void **state)
{
	struct world *w = *state;
	unsigned int nr = w->nr_records;
	struct host_status host;

	w->damaged = "v1";
	world_restart_master(w);
	world_up(w, 0);
	assert_int_equal(world_recover(w, "v1", no_line, "abc"), 1);
	assert_int_equal(world_recover(w, "v1", no_line, "abc"), -EBUSY);
	world_run_ms(w, 3000);
	assert_int_equal(w->answer.error, -EAGAIN);
	assert_said(w, "recovery needs 2");
	assert_int_equal(w->nr_records, nr);
	/* As if nobody had asked. */
	master_host_status(w->master, 0, w->now, &host);
	assert_int_equal(host.nr_slots, 0);
	assert_false(w->hosts[0].held[0]);
	world_up(w, 1);
	assert_int_equal(world_recover(w, "v1", no_line, "abc"), 0);
}

static void a_damaged_volume_is_deleted_only_whatever_its_line_is(void **state)
{
	struct world *w = *state;
	uint64_t seq = world_status(w, "v1").write_seq;

	w->damaged = "v1";
	restart(w);
	assert_int_equal(world_delete(w, "v1", 1), -ESTALE);
	assert_said(w, "its record is damaged");
	assert_int_equal(world_delete(w, "v1", 0), 0);
	assert_false(world_status(w, "v1").exists);
	assert_int_equal(record_floor_epoch(&w->records[w->nr_records - 1]),
			 seq);
	assert_int_equal(world_create(w, "v1", GUARD_QUORUM), 0);
	world_run_ms(w, 10000);
	assert_open(w, "v1", seq + 1);
}

/* --- asks that are not minted ---------------------------------------------------- */

static void
an_ask_that_was_taken_back_is_asked_again_when_it_is_due(void **state)
{
	struct world *w = *state;
	struct master_event event = { .type = MASTER_CREATE, .now = w->now };

	volume_id_parse("v2", &event.ask.volume);
	for (int i = 0; i < REPLICA_SLOTS; i++)
		snprintf(event.ask.hosts[i].s, HOST_ID_SIZE, "host-%c",
			 'a' + i);
	event.ask.token = 1;
	assert_int_equal(master_step(w->master, &event, w->update), 0);
	for (int i = 0; i < 3; i++) {
		w->hosts[0].backing_ok = i % 2;
		world_report(w, 0, false);
	}
	event = (struct master_event){ .type = MASTER_PERSISTED,
				       .now = w->now };
	assert_int_equal(master_step(w->master, &event, w->update), 0);
	assert_int_equal(w->update->nr_persist, 1);
	assert_int_equal(record_line(&w->update->persist[0]).lineage.epoch, 2);
}

#define TEST(setup, f) cmocka_unit_test_setup_teardown(f, setup, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(open_world,
		     a_deleted_volume_is_gone_and_its_gates_are_closed),
		TEST(open_world, a_name_goes_on_above_its_deleted_life),
		TEST(open_world, delete_is_refused_at_another_line),
		TEST(open_world,
		     a_tombstone_survives_a_restart_and_holds_its_floor),
		TEST(open_world,
		     a_restart_before_the_first_line_forgets_no_floor),
		TEST(open_world,
		     a_host_keeps_its_replica_id_when_a_volume_comes_back),
		TEST(open_world, what_a_slot_said_in_an_earlier_life_is_void),
		TEST(open_world,
		     after_a_restart_a_volume_comes_back_on_any_order_of_hosts),
		TEST(open_world,
		     a_host_that_was_away_closes_when_it_comes_back),
		TEST(open_world, a_word_on_a_deleted_volume_is_no_rogue_claim),
		TEST(closed_world,
		     a_new_life_waits_for_the_last_primarys_lease),
		TEST(open_world, deleted_names_count_and_a_refusal_says_so),
		TEST(open_world,
		     a_delete_that_is_queued_is_not_replaced_by_a_failover),
		TEST(open_world,
		     a_failed_write_answers_also_the_asks_behind_it),
		TEST(open_world,
		     a_regressed_volume_goes_on_above_the_highest_floor),
		TEST(open_world, a_regression_is_not_forgotten_with_its_host),
		TEST(open_world, a_sound_volume_is_not_recovered),
		TEST(open_world, recovery_waits_for_a_slot_that_may_be_primary),
		TEST(open_world,
		     a_volume_in_doubt_mints_nothing_and_opens_nothing),
		TEST(open_world,
		     doubt_ends_when_a_majority_has_told_its_floors),
		TEST(open_world, a_damaged_volume_goes_on_above_its_write_seq),
		TEST(open_world, a_damaged_volume_goes_on_above_the_floors_too),
		TEST(open_world,
		     a_damaged_volume_is_not_recovered_without_a_majority),
		TEST(open_world,
		     a_damaged_volume_is_deleted_only_whatever_its_line_is),
		TEST(open_world,
		     an_ask_that_was_taken_back_is_asked_again_when_it_is_due),
	};

	return cmocka_run_group_tests_name("operator", tests, NULL, NULL);
}
