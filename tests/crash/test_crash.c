// SPDX-License-Identifier: GPL-2.0
/*
 * Every call of what a master and a replica do to their store is a crash
 * point: afterwards each volume has its old or its new record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "scenarios.h"

static void check(const struct run *run)
{
	const struct findings f = explore(run);

	report(run, &f);
}

static void first_boot_and_first_mint(void **state)
{
	const struct run run = { .name = "first boot",
				 .steps = raise_and_bind };

	(void)state;
	check(&run);
}

static void mints_alone_and_in_groups(void **state)
{
	const struct run run = { .name = "mints",
				 .disk = log_of_64,
				 .steps = mint_alone_and_in_groups };

	(void)state;
	check(&run);
}

static void mints_in_large_groups(void **state)
{
	const struct run run = { .name = "large groups",
				 .disk = log_of_64,
				 .steps = mint_in_large_groups };

	(void)state;
	check(&run);
}

static void incarnation_is_raised(void **state)
{
	const struct run run = { .name = "incarnation",
				 .disk = log_of_64,
				 .steps = raise_twice };

	(void)state;
	check(&run);
}

static void idle_marker(void **state)
{
	const struct run run = { .name = "marker",
				 .disk = log_of_64,
				 .steps = idle_after_each };

	(void)state;
	check(&run);
}

static void floors_of_a_replica(void **state)
{
	const struct run run = { .name = "floors",
				 .disk = log_of_64,
				 .steps = raise_floors };

	(void)state;
	check(&run);
}

static void volume_is_deleted_and_created_anew(void **state)
{
	const struct run run = { .name = "delete",
				 .disk = log_of_64,
				 .steps = delete_and_create_anew };

	(void)state;
	check(&run);
}

static void damaged_volume_is_recovered(void **state)
{
	const struct run run = { .name = "recover",
				 .disk = log_nearly_full,
				 .steps = recover_the_damaged };

	(void)state;
	check(&run);
}

static void mints_across_a_compaction(void **state)
{
	const struct run run = { .name = "compaction",
				 .disk = log_nearly_full,
				 .steps = mint_across_a_compaction };

	(void)state;
	check(&run);
}

static void mints_across_a_compaction_in_another_order(void **state)
{
	const struct run run = { .name = "compaction, other order",
				 .disk = log_nearly_full,
				 .order = 7,
				 .steps = mint_across_a_compaction };

	(void)state;
	check(&run);
}

static void marker_that_finds_no_room_compacts(void **state)
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
		cmocka_unit_test(first_boot_and_first_mint),
		cmocka_unit_test(mints_alone_and_in_groups),
		cmocka_unit_test(mints_in_large_groups),
		cmocka_unit_test(incarnation_is_raised),
		cmocka_unit_test(idle_marker),
		cmocka_unit_test(floors_of_a_replica),
		cmocka_unit_test(volume_is_deleted_and_created_anew),
		cmocka_unit_test(damaged_volume_is_recovered),
		cmocka_unit_test(mints_across_a_compaction),
		cmocka_unit_test(mints_across_a_compaction_in_another_order),
		cmocka_unit_test(marker_that_finds_no_room_compacts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
