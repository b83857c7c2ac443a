// SPDX-License-Identifier: GPL-2.0
/*
 * What follows when nobody speaks: every judgement that time alone brings comes
 * at its own instant, with no event but the timer that the master asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world_volume.h"

/* When the first note with these words was made. */
static uint64_t when(const struct world *w, const char *words)
{
	const char *at = strstr(w->trace, words);

	if (!at)
		fail_msg("nowhere \"%s\" in\n%s", words, w->trace);
	while (*at != '[')
		at--;
	return strtoull(at + 1, NULL, 10);
}

/* All have just spoken; from now on nobody does. */
static uint64_t last_word(struct world *w)
{
	for (int i = 0; i < WORLD_HOSTS; i++)
		world_report(w, i, false);
	world_forget_trace(w);
	return w->now.v;
}

static void
all_hosts_silent_is_evidence_for_every_volume_by_the_clock_alone(void **state)
{
	struct world *w = *state;
	static const char *const names[] = { "v1", "v2", "v3" };
	uint64_t begun;

	assert_int_equal(world_create(w, "v2", GUARD_QUORUM), 0);
	assert_int_equal(world_create(w, "v3", GUARD_QUORUM), 0);
	world_run_ms(w, 1000);
	begun = last_word(w);
	world_run_timers(w, 3100);
	for (int i = 0; i < 3; i++) {
		char words[64];

		assert_true(world_has_evidence(w, names[i],
					       EVIDENCE_STALE_OBSERVATION));
		assert_true(
			world_has_evidence(w, names[i],
					   EVIDENCE_NO_ACCEPTABLE_CANDIDATE));
		snprintf(words, sizeof(words), "no-candidate volume=%s",
			 names[i]);
		assert_true(when(w, words) > begun + 3000);
		assert_true(when(w, words) <= begun + 3100);
	}
}

static void a_host_that_never_spoke_is_missing_by_the_clock_alone(void **state)
{
	struct world *w = *state;

	world_restart_master(w);
	world_run_timers(w, 1999);
	assert_false(world_has_evidence(w, "v1",
					EVIDENCE_MISSING_SERVER_OBSERVATION));
	world_forget_trace(w);
	world_run_timers(w, 1);
	assert_true(world_has_evidence(w, "v1",
				       EVIDENCE_MISSING_SERVER_OBSERVATION));
	assert_int_equal(when(w, "no-candidate volume=v1 covered=0"), w->now.v);
}

static void a_failover_is_due_at_the_end_of_the_grace_exactly(void **state)
{
	struct world *w = *state;
	uint64_t begun = last_word(w) + 37;

	w->now.v = begun;
	w->hosts[0].held[0] = false;
	world_report(w, 0, true);
	world_run_timers(w, 1999);
	assert_null(strstr(w->trace, "ask volume"));
	world_run_timers(w, 1);
	assert_int_equal(when(w, "ask volume=v1 intent=Reassign target=r2"),
			 begun + 2000);
}

static void
a_refused_command_is_repeated_after_the_retry_time_exactly(void **state)
{
	struct world *w = *state;
	uint64_t begun;

	w->hosts[2].refuses = true;
	w->hosts[0].backing_ok = false;
	begun = last_word(w);
	assert_line(w, 2, 1, "r2");
	for (int i = 1; i <= 2; i++) {
		world_run_timers(w, 999);
		assert_null(strstr(w->trace, "replica=r3"));
		world_run_timers(w, 1);
		assert_int_equal(when(w,
				      "send command=fence volume=v1 replica=r3"),
				 begun + 1000 * (uint64_t)i);
		world_forget_trace(w);
	}
	w->hosts[2].refuses = false;
	world_run_timers(w, 1000);
	assert_int_equal(w->hosts[2].facts[0].authority.epoch, 2);
	world_forget_trace(w);
	world_run_timers(w, 2000);
	assert_null(strstr(w->trace, "send command"));
}

static void
what_does_not_converge_is_stuck_at_the_retry_window_exactly(void **state)
{
	struct world *w = *state;
	uint64_t begun;

	w->hosts[1].flaw = FLAW_SHUT;
	w->hosts[2].flaw = FLAW_SHUT;
	w->hosts[0].backing_ok = false;
	w->now.v += 13;
	begun = last_word(w);
	assert_line(w, 2, 1, "r2");
	world_run_timers(w, 999);
	assert_null(strstr(w->trace, "stuck"));
	world_run_timers(w, 1);
	assert_int_equal(when(w, "stuck volume=v1 step=\"not opened\""),
			 begun + 1000);
}

static void an_open_follows_the_end_of_a_lease_exactly(void **state)
{
	struct world *w = *state;
	uint64_t over;

	assert_int_equal(world_delete(w, "v1", 1), 0);
	assert_int_equal(world_create(w, "v1", GUARD_LEASE), 0);
	world_run_ms(w, 8000);
	assert_line(w, 2, 1, "r1");
	w->now.v += 13;
	world_report(w, 0, false);
	over = w->now.v + w->config.lease_ms + w->config.lease_ms / 8 + 1;
	w->hosts[0].deaf = true;
	world_forget_trace(w);
	while (w->now.v < over + 500) {
		world_run_timers(w, 500);
		world_report(w, 1, false);
		world_report(w, 2, false);
	}
	assert_line(w, 3, 1, "r2");
	assert_int_equal(when(w, "send command=open volume=v1 replica=r2"),
			 over);
}

static void the_timer_lies_ahead_and_never_past_the_next_tick(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 400; i++) {
		if (i == 50)
			w->hosts[0].deaf = true;
		if (i == 200)
			w->hosts[1].refuses = true;
		world_run_ms(w, 50);
		assert_true(w->update->timer.v > w->now.v);
		assert_true(w->update->timer.v <= w->now.v + 100);
	}
}

static void nobody_is_told_twice_of_the_same_silence(void **state)
{
	struct world *w = *state;

	last_word(w);
	world_run_timers(w, 5000);
	assert_non_null(
		strstr(w->trace, "stuck volume=v1 step=\"not delivered"));
	assert_non_null(strstr(w->trace, "host-stale host=host-a"));
	world_forget_trace(w);
	world_run_timers(w, 60000);
	assert_string_equal(w->trace, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_hosts_silent_is_evidence_for_every_volume_by_the_clock_alone),
		TEST(a_host_that_never_spoke_is_missing_by_the_clock_alone),
		TEST(a_failover_is_due_at_the_end_of_the_grace_exactly),
		TEST(a_refused_command_is_repeated_after_the_retry_time_exactly),
		TEST(what_does_not_converge_is_stuck_at_the_retry_window_exactly),
		TEST(an_open_follows_the_end_of_a_lease_exactly),
		TEST(the_timer_lies_ahead_and_never_past_the_next_tick),
		TEST(nobody_is_told_twice_of_the_same_silence),
	};

	return cmocka_run_group_tests_name("silence", tests, NULL, NULL);
}
