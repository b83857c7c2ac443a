// SPDX-License-Identifier: GPL-2.0
/*
 * Every call of what a master and a replica do to their store fails once, in
 * each way that it can: then all is durable that was acknowledged, or the
 * store is closed for good, and a later boot finds the old or the new.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scenarios.h"

static void check(const struct run *run)
{
	const struct findings f = explore_faults(run);

	report(run, &f);
	assert_true(f.nr_faults > 0);
}

static void first_boot_with_a_fault(void **state)
{
	const struct run run = { .name = "first boot",
				 .steps = raise_and_bind };

	(void)state;
	check(&run);
}

static void mints_with_a_fault(void **state)
{
	const struct run run = { .name = "mints",
				 .disk = log_of_64,
				 .steps = mint_alone_and_in_groups };

	(void)state;
	check(&run);
}

static void floors_with_a_fault(void **state)
{
	const struct run run = { .name = "floors",
				 .disk = log_of_64,
				 .steps = raise_floors };

	(void)state;
	check(&run);
}

static void delete_with_a_fault(void **state)
{
	const struct run run = { .name = "delete",
				 .disk = log_of_64,
				 .steps = delete_and_create_anew };

	(void)state;
	check(&run);
}

static void compaction_with_a_fault(void **state)
{
	const struct run run = { .name = "compaction",
				 .disk = log_nearly_full,
				 .steps = mint_across_a_compaction };

	(void)state;
	check(&run);
}

static void compaction_in_another_order_with_a_fault(void **state)
{
	const struct run run = { .name = "compaction, other order",
				 .disk = log_nearly_full,
				 .order = 7,
				 .steps = mint_across_a_compaction };

	(void)state;
	check(&run);
}

static void marker_with_a_fault(void **state)
{
	const struct run run = { .name = "marker compacts",
				 .disk = log_nearly_full,
				 .steps = idle_across_a_compaction };

	(void)state;
	check(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_boot_with_a_fault),
		cmocka_unit_test(mints_with_a_fault),
		cmocka_unit_test(floors_with_a_fault),
		cmocka_unit_test(delete_with_a_fault),
		cmocka_unit_test(compaction_with_a_fault),
		cmocka_unit_test(compaction_in_another_order_with_a_fault),
		cmocka_unit_test(marker_with_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
