// SPDX-License-Identifier: GPL-2.0
/*
 * The decision table and what becomes of a decision: placement, failover,
 * refresh; confirmed, superseded, stuck. Views are given, not built.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/convergence.h"

#define RETRY_MS	5000

struct fixture {
	struct registry registry;
	struct controller controller;
	struct line line;
	struct slot_obs obs[REPLICA_SLOTS];
	struct endpoint at[REPLICA_SLOTS];
	struct view view;
};

/* Three sound slots on hosts 0, 1, 2; no line. */
static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	assert_int_equal(registry_init(&f.registry, 8, 4), 0);
	assert_int_equal(controller_init(&f.controller, &f.registry), 0);
	f.view.line = &f.line;
	f.view.primary = -1;
	f.view.nr_covered = REPLICA_SLOTS;
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		struct slot_view *s = &f.view.slots[i];

		snprintf(f.at[i].data_addr.s, ADDR_SIZE, "10.0.0.%d:1", i + 1);
		snprintf(f.at[i].ctrl_addr.s, ADDR_SIZE, "10.0.0.%d:2", i + 1);
		s->host = (uint32_t)i;
		s->obs = &f.obs[i];
		s->endpoint = &f.at[i];
		s->covered = true;
		s->acceptable = true;
	}
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	controller_exit(&f->controller);
	registry_exit(&f->registry);
	return 0;
}

/* The volume is bound at 3.1 to this slot, and everybody served it. */
static void bind_to(struct fixture *f, int slot)
{
	f->line.lineage = (struct lineage){ 3, 1 };
	snprintf(f->line.primary.s, REPLICA_ID_SIZE, "r%d", slot + 1);
	f->line.data_addr = f->at[slot].data_addr;
	f->line.ctrl_addr = f->at[slot].ctrl_addr;
	f->view.primary = slot;
	for (int i = 0; i < REPLICA_SLOTS; i++)
		f->obs[i].served = f->line.lineage;
}

static void lose(struct fixture *f, int slot)
{
	f->view.slots[slot].covered = false;
	f->view.slots[slot].acceptable = false;
	f->view.slots[slot].coverage = COVERAGE_STALE;
	f->view.nr_covered--;
}

static void assert_decision(struct fixture *f, enum decision_reason reason,
			    enum ask_intent intent, int slot)
{
	const struct decision d = controller_decide(&f->controller, &f->view);

	assert_int_equal(d.reason, reason);
	assert_int_equal(d.ask.intent, intent);
	if (intent == ASK_NONE)
		return;
	assert_int_equal(d.ask.slot, slot);
	assert_true(addr_equal(&d.ask.data_addr, &f->at[slot].data_addr));
	assert_int_equal(lineage_cmp(d.ask.expected.lineage, f->line.lineage),
			 0);
}

static void
placement_takes_the_lightest_host_then_the_best_evidence(void **state)
{
	struct fixture *f = *state;

	controller_count(&f->controller, 1, 0);
	controller_count(&f->controller, 2, 1);
	assert_decision(f, DECISION_PLACEMENT, ASK_BIND, 2);
	controller_count(&f->controller, 3, 2);
	f->obs[1].served = (struct lineage){ 1, 1 };
	assert_decision(f, DECISION_PLACEMENT, ASK_BIND, 1);
	f->obs[1].served = (struct lineage){ 0 };
	assert_decision(f, DECISION_PLACEMENT, ASK_BIND, 0);
}

static void placement_wants_all_slots_and_a_sound_one(void **state)
{
	struct fixture *f = *state;

	f->view.slots[0].acceptable = false;
	assert_decision(f, DECISION_PLACEMENT, ASK_BIND, 1);
	f->view.slots[1].acceptable = false;
	f->view.slots[2].acceptable = false;
	assert_decision(f, DECISION_NO_CANDIDATE, ASK_NONE, 0);
	teardown(state);
	setup(state);
	lose(f, 2);
	assert_decision(f, DECISION_WAIT, ASK_NONE, 0);
}

static void a_sound_primary_is_left_alone(void **state)
{
	struct fixture *f = *state;

	bind_to(f, 1);
	assert_decision(f, DECISION_NOTHING, ASK_NONE, 0);
	/* Load alone moves nobody. */
	for (uint32_t v = 1; v < 5; v++)
		controller_count(&f->controller, v, 1);
	assert_decision(f, DECISION_NOTHING, ASK_NONE, 0);
}

static void either_address_of_the_primary_brings_a_refresh(void **state)
{
	struct fixture *f = *state;

	bind_to(f, 0);
	snprintf(f->at[0].data_addr.s, ADDR_SIZE, "10.1.1.1:1");
	assert_decision(f, DECISION_REFRESH, ASK_REFRESH, 0);
	bind_to(f, 0);
	snprintf(f->at[0].ctrl_addr.s, ADDR_SIZE, "10.1.1.1:2");
	assert_decision(f, DECISION_REFRESH, ASK_REFRESH, 0);
	bind_to(f, 0);
	snprintf(f->at[1].ctrl_addr.s, ADDR_SIZE, "10.1.1.1:2");
	assert_decision(f, DECISION_NOTHING, ASK_NONE, 0);
}

static void failover_takes_the_best_evidence_before_the_load(void **state)
{
	struct fixture *f = *state;

	bind_to(f, 0);
	lose(f, 0);
	assert_decision(f, DECISION_FAILOVER, ASK_REASSIGN, 1);
	controller_count(&f->controller, 1, 1);
	assert_decision(f, DECISION_FAILOVER, ASK_REASSIGN, 2);
	f->obs[2].served = (struct lineage){ 2, 9 };
	assert_decision(f, DECISION_FAILOVER, ASK_REASSIGN, 1);
	f->obs[2].served = f->obs[1].served;
	f->obs[1].io_errors = 1;
	controller_count(&f->controller, 1, 2);
	assert_decision(f, DECISION_FAILOVER, ASK_REASSIGN, 2);
}

static void failover_goes_to_no_older_data_than_is_known(void **state)
{
	struct fixture *f = *state;

	bind_to(f, 0);
	lose(f, 0);
	/* r2 is heard and may not; it has what r3 lacks. */
	f->view.slots[1].acceptable = false;
	f->obs[2].served = (struct lineage){ 2, 9 };
	assert_decision(f, DECISION_NO_CANDIDATE, ASK_NONE, 0);
	/* That it is silent makes it no older. */
	f->view.slots[1].covered = false;
	assert_decision(f, DECISION_NO_CANDIDATE, ASK_NONE, 0);
	/* The lost primary's own data are the price of a failover. */
	f->obs[1].served = (struct lineage){ 2, 9 };
	assert_decision(f, DECISION_FAILOVER, ASK_REASSIGN, 2);
	f->view.slots[1].obs = NULL;
	assert_decision(f, DECISION_FAILOVER, ASK_REASSIGN, 2);
}

static void a_drained_host_is_the_last_of_equals(void **state)
{
	struct fixture *f = *state;

	f->view.slots[0].drained = true;
	for (uint32_t v = 1; v < 4; v++)
		controller_count(&f->controller, v, 1 + v % 2);
	assert_decision(f, DECISION_PLACEMENT, ASK_BIND, 1);
	bind_to(f, 2);
	lose(f, 2);
	assert_decision(f, DECISION_FAILOVER, ASK_REASSIGN, 1);
	f->obs[1].served = (struct lineage){ 0 };
	assert_decision(f, DECISION_FAILOVER, ASK_REASSIGN, 0);
}

/* --- moves -------------------------------------------------------------------- */

static void a_move_is_refused_for_each_reason(void **state)
{
	struct fixture *f = *state;
	const struct view *v = &f->view;

	assert_int_equal(controller_check_move(v, 1, false), MOVE_NO_LINE);
	bind_to(f, 0);
	assert_int_equal(controller_check_move(v, 0, false), MOVE_ALREADY);
	assert_int_equal(controller_check_move(v, 1, false), MOVE_ALLOWED);
	f->obs[1].served = (struct lineage){ 2, 1 };
	assert_int_equal(controller_check_move(v, 1, false), MOVE_BEHIND);
	assert_int_equal(controller_check_move(v, 1, true), MOVE_ALLOWED);
	f->view.nr_covered = 1;
	assert_int_equal(controller_check_move(v, 1, true), MOVE_NO_QUORUM);
	f->view.slots[1].drained = true;
	assert_int_equal(controller_check_move(v, 1, true), MOVE_DRAINED);
	f->view.slots[1].acceptable = false;
	assert_int_equal(controller_check_move(v, 1, true), MOVE_UNSOUND);
	f->view.slots[1].covered = false;
	assert_int_equal(controller_check_move(v, 1, true), MOVE_SILENT);
	f->view.reasons = EVIDENCE_BIT(EVIDENCE_AUTHORITY_REGRESSED);
	assert_int_equal(controller_check_move(v, 1, true), MOVE_BLOCKED);
}

static void a_move_goes_to_the_best_evidence_then_to_the_lightest(void **state)
{
	struct fixture *f = *state;

	bind_to(f, 0);
	controller_count(&f->controller, 1, 1);
	assert_int_equal(controller_move_target(&f->controller, &f->view), 2);
	f->obs[2].io_errors = 1;
	assert_int_equal(controller_move_target(&f->controller, &f->view), 1);
	f->obs[1].served = (struct lineage){ 0 };
	assert_int_equal(controller_move_target(&f->controller, &f->view), 2);
	f->view.slots[2].drained = true;
	assert_int_equal(controller_move_target(&f->controller, &f->view), -1);
}

/* Loads 2, 1, 0; the asked one counts where it goes. */
static void balance_looks_at_the_load_that_will_be(void **state)
{
	struct fixture *f = *state;
	const struct controller *c = &f->controller;

	bind_to(f, 0);
	controller_count(&f->controller, 0, 0);
	controller_count(&f->controller, 1, 0);
	controller_count(&f->controller, 2, 1);
	assert_int_equal(controller_lighter_slot(c, &f->view, 1), 2);
	assert_int_equal(controller_lighter_slot(c, &f->view, 2), -1);
	/* Of two that are lighter, the lightest. */
	controller_count(&f->controller, 4, 0);
	assert_int_equal(controller_lighter_slot(c, &f->view, 1), 2);
	controller_count(&f->controller, 4, INDEX_NONE);
	/* Another move to host 2 is on its way. */
	controller_count(&f->controller, 3, 2);
	assert_int_equal(controller_lighter_slot(c, &f->view, 1), -1);
	controller_count(&f->controller, 3, INDEX_NONE);
	f->obs[2].served = (struct lineage){ 0 };
	assert_int_equal(controller_lighter_slot(c, &f->view, 1), -1);
}

static void failover_needs_a_majoritys_word(void **state)
{
	struct fixture *f = *state;

	bind_to(f, 0);
	lose(f, 0);
	lose(f, 2);
	assert_decision(f, DECISION_NO_CANDIDATE, ASK_NONE, 0);
}

static void a_failover_stays_within_the_sound_slots(void **state)
{
	struct fixture *f = *state;

	bind_to(f, 0);
	f->view.slots[0].acceptable = false;
	f->view.slots[1].acceptable = false;
	assert_decision(f, DECISION_FAILOVER, ASK_REASSIGN, 2);
	f->view.slots[2].acceptable = false;
	assert_decision(f, DECISION_NO_CANDIDATE, ASK_NONE, 0);
}

static void what_is_pending_or_blocked_or_unknown_is_not_decided(void **state)
{
	struct fixture *f = *state;

	bind_to(f, 0);
	f->view.slots[0].acceptable = false;
	f->view.slots[0].coverage = COVERAGE_PENDING;
	assert_decision(f, DECISION_WAIT, ASK_NONE, 0);
	f->view.slots[0].coverage = COVERAGE_STALE;
	f->view.reasons = EVIDENCE_BIT(EVIDENCE_AUTHORITY_REGRESSED);
	assert_decision(f, DECISION_WAIT, ASK_NONE, 0);
	f->view.reasons = EVIDENCE_BIT(EVIDENCE_CONFLICTING_PRIMARY_CLAIM);
	assert_decision(f, DECISION_WAIT, ASK_NONE, 0);
	f->view.reasons = 0;
	f->view.primary = -1;	/* the line names a replica out of topology */
	assert_decision(f, DECISION_WAIT, ASK_NONE, 0);
}

/* --- convergence --------------------------------------------------------------- */

static struct decision failover_decision(struct fixture *f)
{
	bind_to(f, 0);
	lose(f, 0);
	return controller_decide(&f->controller, &f->view);
}

static void the_same_decision_is_asked_once(void **state)
{
	struct fixture *f = *state;
	const struct decision d = failover_decision(f);
	struct desired desired = { 0 };

	assert_true(convergence_want(&desired, &d, (struct mono_ms){ 1 }));
	convergence_answered(&desired, ASK_TAKEN);
	for (uint64_t i = 0; i < 10; i++)
		assert_false(convergence_want(&desired, &d,
					      (struct mono_ms){ 2 + i }));
}

static void an_ask_that_was_provably_not_minted_is_asked_again(void **state)
{
	struct fixture *f = *state;
	const struct decision d = failover_decision(f);
	struct desired desired = { 0 };

	assert_true(convergence_want(&desired, &d, (struct mono_ms){ 1 }));
	for (uint64_t i = 0; i < 3; i++) {
		convergence_answered(&desired, ASK_BUSY);
		assert_int_equal(desired.refusal, ASK_BUSY);
		assert_true(convergence_want(&desired, &d,
					     (struct mono_ms){ 20 + i }));
	}
	convergence_answered(&desired, ASK_TAKEN);
	assert_false(convergence_want(&desired, &d, (struct mono_ms){ 30 }));
	/* The reason stays until it is minted, and the time it began. */
	assert_int_equal(desired.since.v, 1);
}

static void each_ask_carries_the_highest_floor_that_is_known(void **state)
{
	struct fixture *f = *state;
	struct decision d;

	bind_to(f, 0);
	lose(f, 0);
	f->view.highest = (struct lineage){ 3, 1 };
	d = controller_decide(&f->controller, &f->view);
	assert_int_equal(d.ask.intent, ASK_REASSIGN);
	assert_int_equal(d.ask.floor.epoch, 3);
	assert_int_equal(d.ask.floor.endpoint_version, 1);
}

static void recovery_goes_to_the_best_evidence_of_data(void **state)
{
	struct fixture *f = *state;
	struct decision d;

	bind_to(f, 0);
	f->view.reasons = EVIDENCE_BIT(EVIDENCE_AUTHORITY_REGRESSED);
	f->view.highest = (struct lineage){ 8, 1 };
	f->obs[2].served = (struct lineage){ 8, 1 };
	assert_int_equal(controller_decide(&f->controller, &f->view).reason,
			 DECISION_WAIT);
	d = controller_recover(&f->controller, &f->view);
	assert_int_equal(d.reason, DECISION_RECOVERY);
	assert_int_equal(d.ask.intent, ASK_RECOVER);
	assert_int_equal(d.ask.slot, 2);
	assert_int_equal(d.ask.floor.epoch, 8);
	for (int i = 0; i < REPLICA_SLOTS; i++)
		f->view.slots[i].acceptable = false;
	d = controller_recover(&f->controller, &f->view);
	assert_int_equal(d.reason, DECISION_NO_CANDIDATE);
	assert_int_equal(d.ask.intent, ASK_NONE);
}

static void another_decision_replaces_the_one_before(void **state)
{
	struct fixture *f = *state;
	struct decision d = failover_decision(f);
	struct desired desired = { 0 };

	convergence_want(&desired, &d, (struct mono_ms){ 1 });
	desired.stuck = true;
	lose(f, 1);
	f->view.nr_covered = 2;
	d = controller_decide(&f->controller, &f->view);
	assert_int_equal(d.ask.slot, 2);
	assert_true(convergence_want(&desired, &d, (struct mono_ms){ 2 }));
	assert_int_equal(desired.ask.slot, 2);
	assert_false(desired.stuck);
}

static void only_the_targets_own_word_confirms(void **state)
{
	struct fixture *f = *state;

	bind_to(f, 1);
	f->obs[1].applied = f->line.lineage;
	assert_false(convergence_is_confirmed(&f->view));	/* role */
	f->obs[1].role = ROLE_PRIMARY;
	assert_true(convergence_is_confirmed(&f->view));
	f->obs[1].applied.endpoint_version++;
	assert_false(convergence_is_confirmed(&f->view));
	f->obs[1].applied = (struct lineage){ 2, 1 };
	assert_false(convergence_is_confirmed(&f->view));
	f->obs[1].applied = f->line.lineage;
	f->view.slots[1].covered = false;
	assert_false(convergence_is_confirmed(&f->view));
}

static void stuck_is_said_once_at_the_retry_window(void **state)
{
	struct fixture *f = *state;
	const struct decision d = failover_decision(f);
	struct desired desired = { 0 };
	const struct mono_ms start = { 1000 };

	convergence_want(&desired, &d, start);
	assert_int_equal(convergence_deadline(&desired, RETRY_MS).v,
			 start.v + RETRY_MS);
	assert_int_equal(convergence_judge(&desired, &f->view, RETRY_MS,
					   (struct mono_ms){ start.v +
							     RETRY_MS - 1 }),
			 CONVERGENCE_SAME);
	assert_int_equal(convergence_judge(&desired, &f->view, RETRY_MS,
					   (struct mono_ms){ start.v +
							     RETRY_MS }),
			 CONVERGENCE_STUCK);
	assert_int_equal(convergence_judge(&desired, &f->view, RETRY_MS,
					   (struct mono_ms){ start.v +
							     RETRY_MS + 1 }),
			 CONVERGENCE_SAME);
	assert_int_equal(convergence_deadline(&desired, RETRY_MS).v,
			 UINT64_MAX);
}

static void confirmation_ends_a_rollout_that_was_stuck(void **state)
{
	struct fixture *f = *state;
	struct desired desired = { .phase = CONVERGENCE_ROLLING,
				   .stuck = true };

	bind_to(f, 1);
	f->obs[1].applied = f->line.lineage;
	f->obs[1].role = ROLE_PRIMARY;
	assert_int_equal(convergence_judge(&desired, &f->view, RETRY_MS,
					   (struct mono_ms){ 9 }),
			 CONVERGENCE_CONFIRMED);
	assert_int_equal(desired.phase, CONVERGENCE_SETTLED);
	assert_false(desired.stuck);
}

static void a_line_that_moved_supersedes_the_ask(void **state)
{
	struct fixture *f = *state;
	const struct decision d = failover_decision(f);
	struct desired desired = { 0 };

	convergence_want(&desired, &d, (struct mono_ms){ 1 });
	f->line.lineage.epoch++;
	assert_int_equal(convergence_judge(&desired, &f->view, RETRY_MS,
					   (struct mono_ms){ 2 }),
			 CONVERGENCE_SUPERSEDED);
	assert_int_equal(desired.phase, CONVERGENCE_SETTLED);
}

static void a_line_that_nobody_applied_is_followed_after_a_restart(void **state)
{
	struct fixture *f = *state;
	struct desired desired = { 0 };

	bind_to(f, 1);
	assert_int_equal(convergence_judge(&desired, &f->view, RETRY_MS,
					   (struct mono_ms){ 7 }),
			 CONVERGENCE_BEGUN);
	assert_int_equal(desired.phase, CONVERGENCE_ROLLING);
	assert_int_equal(convergence_judge(&desired, &f->view, RETRY_MS,
					   (struct mono_ms){ 7 + RETRY_MS }),
			 CONVERGENCE_STUCK);
}

static void what_is_no_longer_wanted_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct decision d = failover_decision(f);
	struct desired desired = { 0 };

	convergence_want(&desired, &d, (struct mono_ms){ 1 });
	d = (struct decision){ .reason = DECISION_WAIT };
	assert_false(convergence_want(&desired, &d, (struct mono_ms){ 2 }));
	assert_int_equal(desired.phase, CONVERGENCE_SETTLED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(placement_takes_the_lightest_host_then_the_best_evidence),
		TEST(placement_wants_all_slots_and_a_sound_one),
		TEST(a_sound_primary_is_left_alone),
		TEST(either_address_of_the_primary_brings_a_refresh),
		TEST(failover_takes_the_best_evidence_before_the_load),
		TEST(failover_goes_to_no_older_data_than_is_known),
		TEST(a_drained_host_is_the_last_of_equals),
		TEST(a_move_is_refused_for_each_reason),
		TEST(a_move_goes_to_the_best_evidence_then_to_the_lightest),
		TEST(balance_looks_at_the_load_that_will_be),
		TEST(failover_needs_a_majoritys_word),
		TEST(a_failover_stays_within_the_sound_slots),
		TEST(what_is_pending_or_blocked_or_unknown_is_not_decided),
		TEST(the_same_decision_is_asked_once),
		TEST(an_ask_that_was_provably_not_minted_is_asked_again),
		TEST(each_ask_carries_the_highest_floor_that_is_known),
		TEST(recovery_goes_to_the_best_evidence_of_data),
		TEST(another_decision_replaces_the_one_before),
		TEST(only_the_targets_own_word_confirms),
		TEST(stuck_is_said_once_at_the_retry_window),
		TEST(confirmation_ends_a_rollout_that_was_stuck),
		TEST(a_line_that_moved_supersedes_the_ask),
		TEST(a_line_that_nobody_applied_is_followed_after_a_restart),
		TEST(what_is_no_longer_wanted_is_dropped),
	};

	return cmocka_run_group_tests_name("controller", tests, NULL, NULL);
}
