// SPDX-License-Identifier: GPL-2.0
/*
 * The ring bites: on a machine that lies about one thing each, it finds what
 * the lie costs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "scenarios.h"

static void expect_caught(const struct run *run)
{
	const struct findings f = explore(run);

	if (!f.failure[0])
		fail_msg("%s: not noticed in %lu images", run->name,
			 f.nr_images);
	printf("caught after %lu images: %s\n", f.nr_images, f.failure);
}

static void expect_lost(const struct disk *disk, uint32_t file)
{
	struct disk *after = disk_after_power_loss(disk, NULL, 0, NULL);
	char now[3], then[3];

	assert_int_equal(disk_read(disk, file, now, 3, SECTOR_SIZE), 3);
	assert_memory_equal(now, "new", 3);
	assert_int_equal(disk_read(after, file, then, 3, SECTOR_SIZE), 3);
	assert_memory_equal(then, "\0\0\0", 3);
	disk_free(after);
}

static void fdatasync_that_does_nothing(void **state)
{
	const struct run run = { .name = "fdatasync lies",
				 .disk = log_of_64,
				 .steps = raise_twice,
				 .lies = { .fdatasync = true } };

	(void)state;
	expect_caught(&run);
}

static void new_log_that_is_renamed_before_its_sync(void **state)
{
	const struct run run = { .name = "sync of the new log lies",
				 .disk = log_nearly_full,
				 .steps = mint_across_a_compaction,
				 .lies = { .sync_new = true } };

	(void)state;
	expect_caught(&run);
}

static void fsync_of_the_folder_that_does_nothing(void **state)
{
	const struct run run = { .name = "fsync of the folder lies",
				 .disk = log_nearly_full,
				 .steps = mint_across_a_compaction,
				 .lies = { .fsync_folder = true } };

	(void)state;
	expect_caught(&run);
}

static void ring_sync_that_does_nothing(void **state)
{
	const struct run run = { .name = "sync of the ring lies",
				 .disk = log_of_64,
				 .steps = mint_alone_and_in_groups,
				 .lies = { .ring_sync = true } };

	(void)state;
	expect_caught(&run);
}

static void acknowledgement_before_the_sync(void **state)
{
	const struct run run = { .name = "acknowledged first, synced later",
				 .disk = log_of_64,
				 .steps = mint_alone_and_in_groups,
				 .lies = { .ring_early = true } };

	(void)state;
	expect_caught(&run);
}

static void sync_that_overtakes_its_write(void **state)
{
	const struct run run = { .name = "links are ignored",
				 .disk = log_nearly_full,
				 .steps = mint_across_a_compaction,
				 .lies = { .links = true } };

	(void)state;
	expect_caught(&run);
}

static void write_that_is_dropped(void **state)
{
	const struct run run = { .name = "writes are dropped",
				 .disk = log_of_64,
				 .steps = mint_alone_and_in_groups,
				 .lies = { .write = true } };

	(void)state;
	expect_caught(&run);
}

/* The model itself: what it must say of a caller that tries again. */
static void sync_that_is_tried_again_is_noticed(void **state)
{
	struct disk *disk = small_log(8);
	struct process process;
	int folder, fd;

	(void)state;
	memset(&machine, 0, sizeof(machine));
	process_start(&process, disk);
	machine.running = &process;
	folder = machine_open(AT_FDCWD, "/store", O_RDONLY | O_DIRECTORY);
	fd = machine_open(folder, "log", O_RDWR);
	assert_int_equal(machine_write(fd, "new", 3, SECTOR_SIZE), 3);
	machine.fault = FAULT_SYNC_LOST;
	machine.fault_at = 1;
	assert_int_equal(machine_sync(fd, true), -EIO);
	assert_int_equal(machine.nr_retried_syncs, 0);
	/* It succeeds, as on Linux, and what was written is lost. */
	assert_int_equal(machine_sync(fd, true), 0);
	assert_int_equal(machine.nr_retried_syncs, 1);
	expect_lost(disk, process.files[fd - FD_FIRST].inode);
	disk_free(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fdatasync_that_does_nothing),
		cmocka_unit_test(new_log_that_is_renamed_before_its_sync),
		cmocka_unit_test(fsync_of_the_folder_that_does_nothing),
		cmocka_unit_test(ring_sync_that_does_nothing),
		cmocka_unit_test(acknowledgement_before_the_sync),
		cmocka_unit_test(sync_that_overtakes_its_write),
		cmocka_unit_test(write_that_is_dropped),
		cmocka_unit_test(sync_that_is_tried_again_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
