// SPDX-License-Identifier: GPL-2.0
/*
 * A backup of a log that its master goes on writing: the copy is whole, old or
 * new of each volume, and a crash while it is written leaves all of it or a
 * folder without a log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/store_image.h"
#include "scenarios.h"

#define COPY_DIR	"/copy"
#define HISTORY_MAX	512

/* The master that lives while the tool reads. */
static struct {
	struct process process;
	struct expect expect;
	struct keeper keeper;
	unsigned int nr_mints;
	unsigned int nr_steps_a_turn;
	struct record history[HISTORY_MAX];	/* all that was asked for */
	size_t nr_history;
} master;

static void remember_asked(void)
{
	for (unsigned int i = 0; i < master.expect.nr; i++) {
		const struct record *asked = &master.expect.promises[i].asked;

		if (asked->kind == RECORD_UNSPEC)
			continue;
		assert(master.nr_history < HISTORY_MAX);
		master.history[master.nr_history++] = *asked;
	}
}

static void mint_next(void)
{
	struct keeper *k = &master.keeper;
	int slot = (int)(master.nr_mints % REPLICA_SLOTS);

	keeper_ask(k, 1, ASK_REASSIGN, slot);
	if (master.nr_mints % 3 == 0)
		keeper_ask(k, 3, ASK_REASSIGN, slot);
	master.nr_mints++;
	assert_int_equal(keeper_mint_submit(k), 0);
	remember_asked();
}

static void let_master_run(void)
{
	struct process *before = machine.running;

	machine.running = &master.process;
	for (unsigned int i = 0; i < master.nr_steps_a_turn; i++) {
		if (!master.keeper.is_waiting)
			mint_next();
		ring_step(master.keeper.loop);
	}
	machine.running = before;
}

static void start_master(struct disk *disk, unsigned int nr_steps_a_turn)
{
	struct expect expect = master.expect;

	memset(&master, 0, sizeof(master));
	master.expect = expect;
	master.nr_steps_a_turn = nr_steps_a_turn;
	process_start(&master.process, disk);
	master.process.is_slow = true;
	machine.running = &master.process;
	assert_int_equal(keeper_boot(&master.keeper, &master.expect), 0);
}

static void stop_master(void)
{
	machine.running = &master.process;
	keeper_shut(&master.keeper);
}

static bool was_asked(const struct record *record)
{
	for (size_t i = 0; i < master.nr_history; i++)
		if (records_agree(&master.history[i], record))
			return true;
	return false;
}

/* Each volume as it was when the reading began, or later; never else. */
static void judge_image(const struct store_image *image,
			const struct expect *before)
{
	struct reload reload;

	assert_int_equal(reload_init(&reload, KEEPER_VOLUMES), 0);
	if (reload_judge(&reload, image->bytes, image->nr_frames))
		fail_msg("offset %llu: %s",
			 (unsigned long long)reload.bad_offset,
			 reload.bad_reason);
	for (unsigned int i = 0; i < before->nr; i++) {
		const struct promise *p = &before->promises[i];
		const struct record_entry *entry =
			record_table_take(reload.table, &p->volume);

		assert_int_equal(entry->damaged, p->is_damaged);
		if (p->is_damaged || records_agree(&entry->record, &p->kept))
			continue;
		if (entry->record.write_seq <= p->kept.write_seq ||
		    !was_asked(&entry->record))
			fail_msg("volume \"%s\": write_seq %llu is in the "
				 "copy, %llu was acknowledged before",
				 p->volume.s,
				 (unsigned long long)entry->record.write_seq,
				 (unsigned long long)p->kept.write_seq);
	}
	reload_exit(&reload);
}

/* Gives the image; the master's disk goes with it. */
static unsigned int read_beside_master(unsigned int nr_steps_a_turn)
{
	struct expect expect = { 0 };
	struct disk *disk = nr_steps_a_turn % 2 ? log_with_room(&expect) :
						  log_nearly_full(&expect);
	struct store_image image;
	struct process tool;
	struct expect before;
	struct err err;

	memset(&machine, 0, sizeof(machine));
	master.expect = expect;
	start_master(disk, nr_steps_a_turn);
	process_start(&tool, disk);
	tool.is_watched = true;
	machine.meanwhile = let_master_run;
	before = master.expect;
	machine.running = &tool;
	if (store_image_read(KEEPER_DIR, &image, &err))
		fail_msg("%s", err.text);
	assert_int_equal(process_nr_open(&tool), 0);
	judge_image(&image, &before);
	store_image_free(&image);
	machine.meanwhile = NULL;
	stop_master();
	disk_free(disk);
	return master.nr_mints;
}

static void log_is_read_whole_while_its_master_mints(void **state)
{
	unsigned int nr_mints = 0, nr = 0;

	(void)state;
	for (; nr < 80; nr++)
		nr_mints += read_beside_master(nr);
	printf("backup: %u readings, %u mints meanwhile\n", nr, nr_mints);
	assert_true(nr_mints > nr);
}

/* --- the copy is written ---------------------------------------------------------- */

/* A folder with a log, and the promise that a copy of it makes. */
static struct disk *log_to_copy(struct expect *expect)
{
	struct expect original = { 0 };
	struct disk *disk = log_nearly_full(&original);

	master.expect = original;
	expect->dir = COPY_DIR;
	return disk;
}

static int copy_log(struct expect *expect)
{
	struct store_image image;
	struct err err;
	int ret = store_image_read(KEEPER_DIR, &image, &err);

	if (ret)
		return ret;
	*expect = master.expect;
	expect->dir = COPY_DIR;
	expect->may_be_empty = true;
	ret = store_image_write(COPY_DIR, &image, &err);
	store_image_free(&image);
	if (ret == 0) {
		expect->may_be_empty = false;
		expect->nr_changed++;
	}
	return ret;
}

static const struct run copying = { .name = "copy",
				    .disk = log_to_copy,
				    .tool = copy_log };

static void crash_leaves_a_whole_copy_or_none(void **state)
{
	const struct findings f = explore(&copying);

	(void)state;
	report(&copying, &f);
}

static void fault_leaves_a_whole_copy_or_none(void **state)
{
	const struct findings f = explore_faults(&copying);

	(void)state;
	report(&copying, &f);
	assert_true(f.nr_faults > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_is_read_whole_while_its_master_mints),
		cmocka_unit_test(crash_leaves_a_whole_copy_or_none),
		cmocka_unit_test(fault_leaves_a_whole_copy_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
