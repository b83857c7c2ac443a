// SPDX-License-Identifier: GPL-2.0
/*
 * What one reading of a gate means to somebody who waits for a drain. Pure:
 * the kernel's part of waiting is proven in the VM ring.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../tools/drain.h"

static enum drain_verdict judge(const char *gate_state, int epoch, int version,
				bool closed)
{
	const struct drain_goal goal = {
		.volume = "v1",
		.lineage = { 4, 2 },
		.closed = closed,
	};
	json_t *gate = json_pack("{s:s, s:i, s:i}", "state", gate_state,
				 "epoch", epoch, "endpoint_version", version);
	enum drain_verdict verdict = drain_judge(gate, &goal);

	json_decref(gate);
	return verdict;
}

static void only_a_drained_gate_ends_the_wait_for_a_fence(void **state)
{
	(void)state;
	assert_int_equal(judge("draining", 4, 2, false), DRAIN_MORE);
	assert_int_equal(judge("closed", 4, 2, false), DRAIN_DONE);
	assert_int_equal(judge("quarantined", 4, 2, false), DRAIN_QUARANTINED);
	assert_int_equal(judge("unknown-9", 4, 2, false), DRAIN_MORE);
}

static void a_later_lineage_proves_the_fence_as_well(void **state)
{
	(void)state;
	assert_int_equal(judge("closed", 4, 3, false), DRAIN_DONE);
	assert_int_equal(judge("closed", 5, 1, false), DRAIN_DONE);
	assert_int_equal(judge("open", 5, 1, false), DRAIN_DONE);
	assert_int_equal(judge("draining", 5, 1, false), DRAIN_MORE);
}

static void a_lower_lineage_is_another_gate(void **state)
{
	(void)state;
	assert_int_equal(judge("closed", 4, 1, false), DRAIN_LOWER);
	assert_int_equal(judge("closed", 3, 9, true), DRAIN_LOWER);
	assert_int_equal(judge("draining", 1, 1, false), DRAIN_LOWER);
}

static void an_open_gate_never_ends_the_wait_for_a_close(void **state)
{
	(void)state;
	assert_int_equal(judge("open", 4, 2, true), DRAIN_REOPENED);
	assert_int_equal(judge("open", 5, 1, true), DRAIN_REOPENED);
	assert_int_equal(judge("closed", 4, 2, true), DRAIN_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_drained_gate_ends_the_wait_for_a_fence),
		cmocka_unit_test(a_later_lineage_proves_the_fence_as_well),
		cmocka_unit_test(a_lower_lineage_is_another_gate),
		cmocka_unit_test(an_open_gate_never_ends_the_wait_for_a_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
