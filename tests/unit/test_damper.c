// SPDX-License-Identifier: GPL-2.0
/*
 * The time between two failovers of one volume.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/damper.h"

#define INTERVAL_MS	100

static uint64_t until(const struct damper *d)
{
	return damper_until(d, INTERVAL_MS).v;
}

static void fail_over(struct damper *d, uint64_t at)
{
	damper_note_failover(d, INTERVAL_MS, (struct mono_ms){ at });
}

static void the_first_failover_is_never_held_back(void **state)
{
	struct damper d = { { 0 }, 0 };

	(void)state;
	assert_int_equal(until(&d), 0);
	fail_over(&d, 5000);
	assert_int_equal(until(&d), 5000 + INTERVAL_MS);
}

static void one_after_the_other_doubles_it_up_to_eight_times(void **state)
{
	static const uint64_t factors[] = { 1, 2, 4, 8, 8, 8 };
	struct damper d = { { 0 }, 0 };
	uint64_t now = 5000;

	(void)state;
	for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
		fail_over(&d, now);
		assert_int_equal(until(&d), now + factors[i] * INTERVAL_MS);
		now = until(&d);
	}
}

static void a_calm_time_begins_anew(void **state)
{
	struct damper d = { { 0 }, 0 };

	(void)state;
	fail_over(&d, 1000);
	fail_over(&d, 1100);
	assert_int_equal(until(&d), 1100 + 2 * INTERVAL_MS);
	fail_over(&d, 1100 + 8 * INTERVAL_MS - 1);
	assert_int_equal(until(&d), d.last.v + 4 * INTERVAL_MS);
	fail_over(&d, d.last.v + 16 * INTERVAL_MS);
	assert_int_equal(until(&d), d.last.v + INTERVAL_MS);
}

static void without_an_interval_nothing_is_held_back(void **state)
{
	struct damper d = { { 0 }, 0 };

	(void)state;
	damper_note_failover(&d, 0, (struct mono_ms){ 7 });
	damper_note_failover(&d, 0, (struct mono_ms){ 7 });
	assert_true(damper_until(&d, 0).v <= 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_failover_is_never_held_back),
		cmocka_unit_test(
			one_after_the_other_doubles_it_up_to_eight_times),
		cmocka_unit_test(a_calm_time_begins_anew),
		cmocka_unit_test(without_an_interval_nothing_is_held_back),
	};

	return cmocka_run_group_tests_name("damper", tests, NULL, NULL);
}
