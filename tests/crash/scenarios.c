// SPDX-License-Identifier: GPL-2.0
/*
 * What a master and a replica do to their stores. Must never know a crash.
 */
#include "scenarios.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct disk *log_of_64(struct expect *expect)
{
	(void)expect;
	return small_log(64);
}

static bool create_all(struct keeper *k, int nr)
{
	for (int i = 1; i <= nr; i++)
		if (keeper_create(k, i))
			return false;
	return keeper_mint(k) == 0;
}

void raise_and_bind(struct keeper *k)
{
	if (keeper_raise(k) || !create_all(k, 1))
		return;
	if (keeper_ask(k, 1, ASK_BIND, 0) == 0)
		keeper_mint(k);
}

void mint_alone_and_in_groups(struct keeper *k)
{
	if (keeper_raise(k) || !create_all(k, 3))
		return;
	keeper_ask(k, 1, ASK_BIND, 0);
	if (keeper_mint(k))
		return;
	keeper_ask(k, 2, ASK_BIND, 1);
	keeper_ask(k, 3, ASK_BIND, 2);
	keeper_ask(k, 1, ASK_REASSIGN, 1);
	if (keeper_mint(k))
		return;
	keeper_idle(k);
	keeper_ask(k, 1, ASK_REASSIGN, 2);
	if (keeper_mint(k))
		return;
	keeper_ask(k, 2, ASK_REFRESH, 1);
	keeper_ask(k, 3, ASK_REASSIGN, 0);
	if (keeper_mint(k))
		return;
	keeper_idle(k);
	keeper_raise(k);
}

/* More than all subsets can be tried of. */
void mint_in_large_groups(struct keeper *k)
{
	if (!create_all(k, 12))
		return;
	for (int i = 1; i <= 12; i++)
		keeper_ask(k, i, ASK_BIND, i % REPLICA_SLOTS);
	if (keeper_mint(k))
		return;
	for (int i = 1; i <= 12; i += 2)
		keeper_ask(k, i, ASK_REASSIGN, (i + 1) % REPLICA_SLOTS);
	keeper_mint(k);
}

void raise_twice(struct keeper *k)
{
	if (keeper_raise(k) || keeper_raise(k))
		return;
	keeper_idle(k);
	keeper_raise(k);
}

/* Each marker says of one group that it was synced, or of the one before. */
void idle_after_each(struct keeper *k)
{
	keeper_idle(k);
	if (!create_all(k, 1))
		return;
	keeper_idle(k);
	keeper_ask(k, 1, ASK_BIND, 0);
	if (keeper_mint(k))
		return;
	keeper_idle(k);
	keeper_idle(k);
	keeper_ask(k, 1, ASK_REASSIGN, 1);
	keeper_mint(k);
}

static int put_floor(struct keeper *k, const char *volume, uint64_t write_seq,
		     uint64_t epoch)
{
	struct floor floor = { .lineage = { epoch, 1 } };
	struct record records[2];
	struct volume_id id;

	assert(volume_id_parse(volume, &id) == 0);
	assert(replica_id_parse("r1", &floor.replica) == 0);
	records[0] = record_of_floor(&id, write_seq, &floor);
	assert(volume_id_parse("other", &id) == 0);
	floor.served = floor.lineage;
	records[1] = record_of_floor(&id, write_seq, &floor);
	return keeper_commit(k, records, write_seq == 1 ? 1 : 2);
}

void raise_floors(struct keeper *k)
{
	struct incarnation obeyed = { .value = 4, .master = { { 9 } } };
	struct record record = record_of_incarnation(1, &obeyed);

	if (keeper_commit(k, &record, 1))
		return;
	for (uint64_t i = 1; i <= 4; i++)
		if (put_floor(k, "v1", i, i * 2))
			return;
	keeper_idle(k);
	obeyed.value = 5;
	record = record_of_incarnation(2, &obeyed);
	if (keeper_commit(k, &record, 1) == 0)
		put_floor(k, "v1", 5, 11);
}

/* --- a log that is nearly full, with volumes of all kinds --------------------- */

static void fill_log(struct keeper *k)
{
	assert(keeper_raise(k) == 0);
	assert(create_all(k, 4));
	for (int i = 1; i <= 3; i++)
		assert(keeper_ask(k, i, ASK_BIND, 0) == 0);
	assert(keeper_mint(k) == 0);
	assert(keeper_ask(k, 2, ASK_REASSIGN, 1) == 0);
	assert(keeper_mint(k) == 0);
	keeper_idle(k);
}

/* One bit of the newest body of v2. */
static void damage(struct disk *disk, struct expect *expect)
{
	uint32_t file =
		disk_find(disk, disk_find(disk, DISK_ROOT, "store"), "log");
	uint8_t frame[RECORD_FRAME_SIZE];
	uint64_t found = 0;

	for (uint64_t at = 0; disk_read(disk, file, frame, sizeof(frame), at);
	     at += sizeof(frame)) {
		struct record record;
		struct record_frame place;

		if (record_decode(frame, &record, &place) == RECORD_OK &&
		    strcmp(record.volume.s, "v2") == 0)
			found = at;
	}
	assert(found);
	disk_read(disk, file, frame, sizeof(frame), found);
	frame[200] ^= 1;
	disk_write(disk, file, frame, sizeof(frame), found);
	expect_damage(expect, "v2");
}

static struct disk *log_in_use(struct expect *expect, size_t nr_frames)
{
	struct disk *disk = small_log(nr_frames);
	struct process process;
	struct keeper k;

	process_start(&process, disk);
	machine.running = &process;
	assert(keeper_boot(&k, expect) == 0);
	fill_log(&k);
	keeper_shut(&k);
	damage(disk, expect);
	disk_sync_all(disk);
	return disk;
}

struct disk *log_nearly_full(struct expect *expect)
{
	return log_in_use(expect, 14);
}

struct disk *log_with_room(struct expect *expect)
{
	return log_in_use(expect, 256);
}

/* The log is full after the second mint; volume 5 comes in amid it all. */
void mint_across_a_compaction(struct keeper *k)
{
	keeper_ask(k, 1, ASK_REASSIGN, 1);
	if (keeper_mint(k))
		return;
	keeper_ask(k, 1, ASK_REFRESH, 1);
	keeper_ask(k, 3, ASK_REASSIGN, 2);
	keeper_ask(k, 4, ASK_BIND, 0);
	if (keeper_mint(k))
		return;
	if (keeper_create(k, 5) || keeper_mint(k))
		return;
	keeper_idle(k);
	keeper_ask(k, 3, ASK_REASSIGN, 0);
	if (keeper_mint(k))
		return;
	keeper_raise(k);
}

/* The marker itself finds no room. */
void idle_across_a_compaction(struct keeper *k)
{
	keeper_ask(k, 1, ASK_REASSIGN, 1);
	keeper_ask(k, 3, ASK_REASSIGN, 1);
	if (keeper_mint(k))
		return;
	keeper_idle(k);
	if (keeper_create(k, 5) == 0)
		keeper_mint(k);
}

/* --- deleted, and begun anew ------------------------------------------------- */

void delete_and_create_anew(struct keeper *k)
{
	if (!create_all(k, 2))
		return;
	keeper_ask(k, 1, ASK_BIND, 0);
	keeper_ask(k, 2, ASK_BIND, 1);
	if (keeper_mint(k))
		return;
	keeper_ask(k, 1, ASK_REASSIGN, 1);
	if (keeper_mint(k))
		return;
	if (keeper_delete(k, 1) || keeper_mint(k))
		return;
	keeper_idle(k);
	if (keeper_create(k, 1) || keeper_delete(k, 2) || keeper_mint(k))
		return;
	if (keeper_ask(k, 1, ASK_BIND, 2) || keeper_mint(k))
		return;
	if (keeper_create(k, 2) || keeper_mint(k))
		return;
	if (keeper_delete(k, 1) == 0)
		keeper_mint(k);
}

/* --- an operator continues a volume whose record is damaged -------------------- */

void recover_the_damaged(struct keeper *k)
{
	if (keeper_recover(k, 2, 9) || keeper_mint(k))
		return;
	keeper_ask(k, 2, ASK_REASSIGN, 1);
	keeper_ask(k, 1, ASK_REASSIGN, 2);
	if (keeper_mint(k))
		return;
	if (keeper_recover(k, 1, 30) == 0)
		keeper_mint(k);
}
