// SPDX-License-Identifier: GPL-2.0
/*
 * The judgement of a log: the newest record of each volume is served, damage
 * costs its own volume, and what nobody can be blamed for refuses the log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/record_crc.h"
#include <stdlib.h>

#include "core/reload.h"
#include "log_image.h"

#define NR_VOLUMES	8
#define FIRST_SEQ	100

struct fixture {
	struct image image;
	struct reload reload;
};

static int setup(void **state)
{
	static struct fixture f;

	image_init(&f.image, FIRST_SEQ);
	*state = &f;
	return reload_init(&f.reload, NR_VOLUMES);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	reload_exit(&f->reload);
	return 0;
}

static int judge(struct fixture *f)
{
	return reload_judge(&f->reload, f->image.bytes[0], IMAGE_FRAMES);
}

static const struct record_entry *entry_of(struct fixture *f, const char *name)
{
	const struct volume_id id = volume_of(name);

	return record_table_take(f->reload.table, &id);
}

static void expect_epoch(struct fixture *f, const char *name, uint64_t epoch)
{
	const struct record_entry *entry = entry_of(f, name);

	assert_non_null(entry);
	assert_int_equal(entry->record.kind, RECORD_VOLUME);
	assert_false(entry->damaged);
	assert_int_equal(record_line(&entry->record).lineage.epoch, epoch);
}

static void expect_damaged(struct fixture *f, const char *name,
			   uint64_t log_seq)
{
	const struct record_entry *entry = entry_of(f, name);
	const struct store_skip *skip;

	assert_true(entry->damaged);
	assert_int_equal(entry->log_seq, log_seq);
	for (size_t i = 0; i < RECORD_SEALED_SIZE / 8; i++)
		assert_int_equal(entry->record.sealed[i], 0);
	skip = &f->reload.skips[entry->skip];
	assert_int_equal(skip->class, STORE_SKIP_CORRUPT);
	assert_string_equal(skip->volume.s, name);
	assert_int_equal(skip->offset, image_offset(&f->image, log_seq));
}

static void expect_refused(struct fixture *f, int code, uint64_t log_seq,
			   const char *word)
{
	assert_int_equal(judge(f), code);
	assert_int_equal(f->reload.bad_offset,
			 image_offset(&f->image, log_seq));
	if (!strstr(f->reload.bad_reason, word))
		fail_msg("\"%s\" does not say \"%s\"", f->reload.bad_reason,
			 word);
}

static void damage_body(struct fixture *f, uint64_t log_seq)
{
	image_frame(&f->image, log_seq)[IMAGE_BODY_BYTE] ^= 0x40;
}

static void damage_header(struct fixture *f, uint64_t log_seq)
{
	image_frame(&f->image, log_seq)[IMAGE_HEADER_BYTE] ^= 0x40;
}

static void wipe(struct fixture *f, uint64_t log_seq)
{
	memset(image_frame(&f->image, log_seq), 0, RECORD_FRAME_SIZE);
}

/* v1 at 101 and 104, v2 at 102, the incarnation at 103; all synced: 105. */
static void fill(struct fixture *f)
{
	image_one(&f->image, record_of("v1", 1, 1));
	image_one(&f->image, record_of("v2", 1, 1));
	image_one(&f->image, incarnation_of(5));
	image_one(&f->image, record_of("v1", 2, 2));
	image_marker(&f->image);
}

/* v1 and v2 at 101 and 102 are synced; the last group is v1, v2, v3 at 103
 * to 105. */
static void fill_last_group(struct fixture *f)
{
	const struct record first[] = { record_of("v1", 1, 1),
					record_of("v2", 1, 1) };
	const struct record last[] = { record_of("v1", 2, 2),
				       record_of("v2", 2, 2),
				       record_of("v3", 1, 1) };

	image_group(&f->image, first, 2);
	image_group(&f->image, last, 3);
}

/* --- what is served --------------------------------------------------------- */

static void fresh_log_holds_nothing_and_is_sound(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(judge(f), 0);
	assert_int_equal(record_table_nr(f->reload.table), 1);
	assert_int_equal(f->reload.nr_skips, 0);
	assert_int_equal(f->reload.last_seq, FIRST_SEQ);
	assert_false(f->reload.has_news);
	assert_true(store_id_equal(&f->reload.store, &image_store));
}

static void newest_record_of_each_volume_wins(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_int_equal(judge(f), 0);
	assert_int_equal(record_table_nr(f->reload.table), 3);
	expect_epoch(f, "v1", 2);
	expect_epoch(f, "v2", 1);
	assert_int_equal(record_incarnation(&entry_of(f, "")->record).value, 5);
	assert_int_equal(f->reload.nr_skips, 0);
	assert_int_equal(f->reload.durable_through, 104);
	assert_int_equal(f->reload.last_seq, 105);
	assert_false(f->reload.has_news);
}

static void tombstone_is_a_volumes_newest_record_too(void **state)
{
	struct fixture *f = *state;
	const struct volume_id volume = volume_of("v2");
	const struct record tombstone = record_of_tombstone(&volume, 2, 1);

	fill(f);
	image_one(&f->image, tombstone);
	assert_int_equal(judge(f), 0);
	assert_int_equal(entry_of(f, "v2")->record.kind, RECORD_TOMBSTONE);
}

static void one_volume_more_than_configured_is_refused(void **state)
{
	struct fixture *f = *state;
	char name[16];

	for (int i = 0; i < NR_VOLUMES; i++) {
		snprintf(name, sizeof(name), "vol%d", i);
		image_one(&f->image, record_of(name, 1, 1));
	}
	image_one(&f->image, incarnation_of(1));
	assert_int_equal(judge(f), 0);
	image_one(&f->image, record_of("straw", 1, 1));
	reload_exit(&f->reload);
	assert_int_equal(reload_init(&f->reload, NR_VOLUMES), 0);
	expect_refused(f, -ENOSPC, f->image.next_seq - 1, "straw");
}

/* --- damage that has a name ------------------------------------------------- */

static void damaged_body_quarantines_its_volume_alone(void **state)
{
	struct fixture *f = *state;

	fill(f);
	damage_body(f, 102);
	assert_int_equal(judge(f), 0);
	expect_damaged(f, "v2", 102);
	expect_epoch(f, "v1", 2);
	assert_int_equal(f->reload.nr_skips, 1);
}

static void no_older_record_is_served_for_a_damaged_one(void **state)
{
	struct fixture *f = *state;

	fill(f);
	damage_body(f, 104);
	assert_int_equal(judge(f), 0);
	expect_damaged(f, "v1", 104);
	assert_int_equal(entry_of(f, "v1")->record.write_seq, 2);
}

static void later_sound_record_ends_the_damage_and_it_is_told(void **state)
{
	struct fixture *f = *state;

	fill(f);
	damage_body(f, 101);
	assert_int_equal(judge(f), 0);
	expect_epoch(f, "v1", 2);
	assert_int_equal(f->reload.nr_skips, 1);
	assert_string_equal(f->reload.skips[0].volume.s, "");
	assert_non_null(strstr(f->reload.skips[0].reason, "v1"));
	assert_int_equal(f->reload.skips[0].offset,
			 image_offset(&f->image, 101));
}

static void volume_damaged_often_is_skipped_once_at_its_newest(void **state)
{
	struct fixture *f = *state;

	fill(f);
	damage_body(f, 101);
	damage_body(f, 104);
	assert_int_equal(judge(f), 0);
	expect_damaged(f, "v1", 104);
	assert_int_equal(f->reload.nr_skips, 1);
}

static void write_seq_that_does_not_rise_quarantines_the_volume(void **state)
{
	struct fixture *f = *state;

	fill(f);
	image_one(&f->image, record_of("v1", 2, 1));
	assert_int_equal(judge(f), 0);
	expect_damaged(f, "v1", 106);
	expect_epoch(f, "v2", 1);
}

static void sound_record_below_the_damaged_write_seq_heals_nothing(void **state)
{
	struct fixture *f = *state;

	fill(f);
	damage_body(f, 104);
	image_one(&f->image, record_of("v1", 1, 1));
	assert_int_equal(judge(f), 0);
	expect_damaged(f, "v1", 106);
	assert_int_equal(entry_of(f, "v1")->record.write_seq, 2);
}

static struct record tombstone_of(uint64_t write_seq, uint64_t floor_epoch)
{
	const struct volume_id volume = volume_of("v");

	return record_of_tombstone(&volume, write_seq, floor_epoch);
}

static struct record floor_of(uint64_t write_seq, uint64_t epoch,
			      uint64_t version)
{
	const struct volume_id volume = volume_of("v");
	const struct floor floor = { .replica = { "r1" },
				     .lineage = { epoch, version } };

	return record_of_floor(&volume, write_seq, &floor);
}

static struct record line_of(uint64_t write_seq, uint64_t epoch,
			     uint64_t version)
{
	const struct record r = record_of("v", write_seq, 1);
	struct record_volume state = { .topology = record_topology(&r),
				       .line = record_line(&r) };

	state.line.lineage = (struct lineage){ epoch, version };
	return record_of_volume(&r.volume, write_seq, &state);
}

static void judge_two(struct fixture *f, struct record first,
		      struct record second)
{
	image_init(&f->image, FIRST_SEQ);
	image_one(&f->image, first);
	image_one(&f->image, second);
	reload_exit(&f->reload);
	assert_int_equal(reload_init(&f->reload, NR_VOLUMES), 0);
	assert_int_equal(judge(f), 0);
}

static void line_that_goes_down_quarantines_the_volume(void **state)
{
	const struct record pairs[][2] = {
		{ line_of(5, 5, 1), line_of(6, 4, 1) },
		{ line_of(5, 5, 2), line_of(6, 5, 1) },
		{ line_of(5, 5, 1), line_of(6, 0, 0) },
		{ line_of(5, 5, 1), tombstone_of(6, 4) },
		{ tombstone_of(5, 5), line_of(6, 5, 7) },
		{ tombstone_of(5, 5), tombstone_of(6, 4) },
		{ floor_of(5, 5, 1), floor_of(6, 4, 1) },
		{ floor_of(5, 5, 2), floor_of(6, 5, 1) },
		{ floor_of(5, 5, 1), line_of(6, 4, 1) },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		judge_two(f, pairs[i][0], pairs[i][1]);
		expect_damaged(f, "v", 102);
		assert_non_null(strstr(f->reload.skips[0].reason,
				       "the line goes down"));
	}
}

/* The last: only the newest of both lives was copied by a compaction. */
static void line_that_stays_or_begins_anew_is_served(void **state)
{
	const struct record pairs[][2] = {
		{ line_of(5, 5, 1), line_of(6, 5, 1) },
		{ line_of(5, 5, 1), line_of(6, 5, 2) },
		{ line_of(5, 5, 3), line_of(6, 6, 1) },
		{ line_of(5, 0, 0), line_of(6, 0, 0) },
		{ line_of(5, 5, 9), tombstone_of(6, 5) },
		{ tombstone_of(5, 5), line_of(6, 6, 1) },
		{ tombstone_of(5, 5), line_of(6, 0, 0) },
		{ tombstone_of(5, 5), tombstone_of(6, 5) },
		{ floor_of(5, 5, 1), floor_of(6, 5, 1) },
		{ line_of(5, 5, 1), line_of(7, 0, 0) },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		judge_two(f, pairs[i][0], pairs[i][1]);
		assert_false(entry_of(f, "v")->damaged);
		assert_int_equal(f->reload.nr_skips, 0);
	}
}

/* Not by what is below it still, nor by what comes between. */
static void line_that_went_down_is_healed_from_above_alone(void **state)
{
	struct fixture *f = *state;

	judge_two(f, line_of(5, 5, 1), line_of(6, 3, 1));
	image_one(&f->image, line_of(7, 4, 1));
	reload_exit(&f->reload);
	assert_int_equal(reload_init(&f->reload, NR_VOLUMES), 0);
	assert_int_equal(judge(f), 0);
	expect_damaged(f, "v", 103);
	image_one(&f->image, line_of(8, 6, 1));
	reload_exit(&f->reload);
	assert_int_equal(reload_init(&f->reload, NR_VOLUMES), 0);
	assert_int_equal(judge(f), 0);
	expect_epoch(f, "v", 6);
	/* Nor after a body that does not say what it held. */
	damage_body(f, 104);
	image_one(&f->image, line_of(9, 4, 1));
	reload_exit(&f->reload);
	assert_int_equal(reload_init(&f->reload, NR_VOLUMES), 0);
	assert_int_equal(judge(f), 0);
	expect_damaged(f, "v", 105);
	/* Nor in another life, which begins above the one before. */
	judge_two(f, line_of(5, 5, 1), line_of(7, 0, 0));
	image_one(&f->image, line_of(8, 4, 9));
	reload_exit(&f->reload);
	assert_int_equal(reload_init(&f->reload, NR_VOLUMES), 0);
	assert_int_equal(judge(f), 0);
	expect_damaged(f, "v", 103);
}

/* --- damage that is nobody's ------------------------------------------------ */

static void damage_without_a_volume_refuses_with_its_offset(void **state)
{
	struct fixture *f = *state;

	fill(f);
	damage_header(f, 102);
	expect_refused(f, -EBADMSG, 102, "no volume");
}

static void damaged_incarnation_refuses(void **state)
{
	struct fixture *f = *state;

	fill(f);
	damage_body(f, 103);
	expect_refused(f, -EBADMSG, 103, "belongs to no volume");
}

static void incarnation_that_does_not_rise_refuses(void **state)
{
	struct fixture *f = *state;

	fill(f);
	image_one(&f->image, incarnation_of(5));
	expect_refused(f, -EBADMSG, 106, "incarnation");
}

static void gap_in_log_seq_refuses(void **state)
{
	struct fixture *f = *state;

	image_one(&f->image, record_of("v1", 1, 1));
	f->image.next_seq++;
	image_one(&f->image, record_of("v2", 1, 1));
	/* What has seq 103 lies where 102 belongs. */
	memcpy(image_frame(&f->image, 102), image_frame(&f->image, 103),
	       RECORD_FRAME_SIZE);
	wipe(f, 103);
	expect_refused(f, -EBADMSG, 102, "gap");
}

static void frame_written_to_the_wrong_place_refuses(void **state)
{
	struct fixture *f = *state;

	fill(f);
	memcpy(image_frame(&f->image, 102), image_frame(&f->image, 101),
	       RECORD_FRAME_SIZE);
	expect_refused(f, -EBADMSG, 102, "gap: log_seq 101 where 102");
}

static void frame_of_a_foreign_store_refuses(void **state)
{
	struct fixture *f = *state;

	fill(f);
	f->image.store.b[15] ^= 1;
	f->image.next_seq = 102;
	image_one(&f->image, record_of("v2", 1, 1));
	expect_refused(f, -EBADMSG, 102, "foreign");
}

static void later_format_version_refuses(void **state)
{
	struct fixture *f = *state;
	uint8_t *frame;
	uint32_t crc;

	fill(f);
	frame = image_frame(&f->image, 102);
	frame[8] = 3;
	crc = record_crc32c(0, frame, 128);
	for (int i = 0; i < 4; i++)
		frame[128 + i] = (uint8_t)(crc >> 8 * i);
	expect_refused(f, -EPROTONOSUPPORT, 102, "version 3");
}

static void log_without_its_opening_frame_refuses(void **state)
{
	struct fixture *f = *state;

	fill(f);
	wipe(f, FIRST_SEQ);
	expect_refused(f, -EBADMSG, FIRST_SEQ, "opening");
	/* Its tail alone, frame by frame in order, is no log either. */
	memmove(f->image.bytes[0], f->image.bytes[1],
		(IMAGE_FRAMES - 1) * RECORD_FRAME_SIZE);
	expect_refused(f, -EBADMSG, FIRST_SEQ, "opening");
	memset(f->image.bytes, 0, sizeof(f->image.bytes));
	expect_refused(f, -EBADMSG, FIRST_SEQ, "opening");
	/* A log is never seen before its opening frame is synced. */
	f->image.next_seq = FIRST_SEQ;
	image_one(&f->image, record_of_marker(IMAGE_FRAMES));
	expect_refused(f, -EBADMSG, FIRST_SEQ, "opening");
}

static void log_that_was_cut_short_refuses(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_int_equal(reload_judge(&f->reload, f->image.bytes[0],
				      IMAGE_FRAMES - 1),
			 -EBADMSG);
	assert_non_null(strstr(f->reload.bad_reason, "64 frames and has 63"));
	assert_int_equal(f->reload.bad_offset, 63 * RECORD_FRAME_SIZE);
	assert_int_equal(reload_judge(&f->reload, f->image.bytes[0], 0),
			 -EBADMSG);
}

/* Only the opening frame may know more than what is written after it. */
static void frame_that_promises_more_than_all_after_it_refuses(void **state)
{
	struct fixture *f = *state;
	const struct record one = record_of("v1", 1, 1);

	image_put(&f->image, &one, 101, 101);
	image_one(&f->image, record_of("v2", 1, 1));
	assert_int_equal(judge(f), 0);
	f->image.next_seq = 101;
	image_put(&f->image, &one, 102, 101);
	expect_refused(f, -EBADMSG, 101, "promises up to");
	f->image.next_seq = 101;
	image_put(&f->image, &one, 100, 103);
	expect_refused(f, -EBADMSG, 101, "promises up to");
}

static int judge_in_slices(struct reload *r, const struct image *image,
			   uint64_t slice)
{
	int ret = reload_begin(r, image->bytes[0], IMAGE_FRAMES);

	while (ret == 0 && !reload_is_surveyed(r)) {
		uint64_t nr = r->nr_unsurveyed < slice ? r->nr_unsurveyed :
							 slice;

		ret = reload_survey(r, image->bytes[r->nr_unsurveyed - nr], nr);
	}
	while (ret == 0 && r->nr_taken < IMAGE_FRAMES) {
		uint64_t left = IMAGE_FRAMES - r->nr_taken;

		ret = reload_take(r, image->bytes[r->nr_taken],
				  left < slice ? left : slice);
	}
	return ret;
}

static void expect_same_in_slices(struct fixture *f, int ret, uint64_t slice)
{
	const struct reload *whole = &f->reload;
	struct reload r;

	assert_int_equal(reload_init(&r, NR_VOLUMES), 0);
	assert_int_equal(judge_in_slices(&r, &f->image, slice), ret);
	assert_int_equal(r.bad_offset, whole->bad_offset);
	assert_string_equal(r.bad_reason, whole->bad_reason);
	assert_int_equal(r.durable_through, whole->durable_through);
	assert_int_equal(r.last_seq, whole->last_seq);
	assert_int_equal(r.has_news, whole->has_news);
	assert_int_equal(r.nr_skips, whole->nr_skips);
	for (size_t i = 0; i < r.nr_skips; i++) {
		assert_int_equal(r.skips[i].offset, whole->skips[i].offset);
		assert_string_equal(r.skips[i].reason, whole->skips[i].reason);
	}
	assert_int_equal(record_table_nr(r.table),
			 record_table_nr(whole->table));
	for (size_t i = 0; i < record_table_nr(r.table); i++) {
		const struct record_entry *one = record_table_at(r.table, i);
		const struct record_entry *two =
			record_table_at(whole->table, i);

		assert_int_equal(one->log_seq, two->log_seq);
		assert_int_equal(one->damaged, two->damaged);
		assert_memory_equal(&one->record, &two->record,
				    sizeof(one->record));
	}
	reload_exit(&r);
}

/* Sound, damaged, torn and refused, at and across the slices' ends. */
static void slices_of_any_size_come_to_the_same(void **state)
{
	static const uint64_t slices[] = { 1, 3, 63, 64, 1024 };
	struct fixture *f = *state;

	for (uint64_t at = FIRST_SEQ; at <= 106; at++)
		for (int harm = 0; harm < 3; harm++) {
			int ret;

			image_init(&f->image, FIRST_SEQ);
			fill_last_group(f);
			if (harm == 0)
				damage_body(f, at);
			else if (harm == 1)
				damage_header(f, at);
			else
				wipe(f, at);
			reload_exit(&f->reload);
			assert_int_equal(reload_init(&f->reload, NR_VOLUMES),
					 0);
			ret = judge(f);
			for (size_t i = 0;
			     i < sizeof(slices) / sizeof(slices[0]); i++)
				expect_same_in_slices(f, ret, slices[i]);
		}
}

static void written_spare_space_refuses(void **state)
{
	struct fixture *f = *state;

	fill(f);
	image_frame(&f->image, 140)[511] = 1;
	expect_refused(f, -EBADMSG, 140, "no volume");
}

/* Of a group that left nothing whole; the store writes over it. */
static void piece_of_a_frame_in_spare_space_is_no_damage(void **state)
{
	struct fixture *f = *state;

	fill(f);
	image_frame(&f->image, 140)[17] = 1;
	assert_int_equal(judge(f), 0);
	assert_int_equal(f->reload.cut_seq, 140);
	assert_int_equal(f->reload.nr_skips, 0);
}

/* --- the last group ----------------------------------------------------------- */

static void sound_last_group_is_adopted(void **state)
{
	struct fixture *f = *state;

	fill_last_group(f);
	assert_int_equal(judge(f), 0);
	expect_epoch(f, "v1", 2);
	expect_epoch(f, "v2", 2);
	expect_epoch(f, "v3", 1);
	assert_int_equal(f->reload.durable_through, 102);
	assert_int_equal(f->reload.last_seq, 105);
	assert_true(f->reload.has_news);
}

/* Each subset of the group that a crash can leave behind. */
static void zero_frames_of_the_last_group_were_never_written(void **state)
{
	struct fixture *f = *state;

	for (unsigned int lost = 1; lost < 8; lost++) {
		size_t nr = 0, nr_expected = 0;

		image_init(&f->image, FIRST_SEQ);
		fill_last_group(f);
		for (unsigned int i = 0; i < 3; i++)
			if (lost & 1U << i)
				wipe(f, 103 + i);
		reload_exit(&f->reload);
		assert_int_equal(reload_init(&f->reload, NR_VOLUMES), 0);
		assert_int_equal(judge(f), 0);
		expect_epoch(f, "v1", lost & 1 ? 1 : 2);
		expect_epoch(f, "v2", lost & 2 ? 1 : 2);
		if (!(lost & 4))
			expect_epoch(f, "v3", 1);
		else
			assert_int_equal(entry_of(f, "v3")->record.kind,
					 RECORD_UNSPEC);
		for (unsigned int i = 0; i < 3 && lost != 7; i++) {
			const struct store_skip *skip = &f->reload.skips[nr];

			if (!(lost & 1U << i))
				continue;
			nr_expected++;
			assert_int_equal(skip->class, STORE_SKIP_UNWRITTEN);
			assert_int_equal(skip->offset,
					 image_offset(&f->image, 103 + i));
			assert_string_equal(skip->volume.s, "");
			nr++;
		}
		assert_int_equal(f->reload.nr_skips, nr_expected);
	}
}

/* A sector that lost its power: its first bytes are there, then zeros. */
static void frame_cut_short_in_the_last_group_was_never_written(void **state)
{
	struct fixture *f = *state;

	for (size_t arrived = 1; arrived <= RECORD_FRAME_SIZE - 4; arrived++) {
		image_init(&f->image, FIRST_SEQ);
		fill_last_group(f);
		memset(image_frame(&f->image, 104) + arrived, 0,
		       RECORD_FRAME_SIZE - arrived);
		reload_exit(&f->reload);
		assert_int_equal(reload_init(&f->reload, NR_VOLUMES), 0);
		assert_int_equal(judge(f), 0);
		expect_epoch(f, "v1", 2);
		expect_epoch(f, "v2", 1);
		expect_epoch(f, "v3", 1);
		assert_int_equal(f->reload.nr_skips, 1);
		assert_int_equal(f->reload.skips[0].class,
				 STORE_SKIP_UNWRITTEN);
		assert_string_equal(f->reload.skips[0].volume.s, "");
	}
}

static void frame_cut_short_below_durable_through_is_damage(void **state)
{
	struct fixture *f = *state;

	fill_last_group(f);
	image_marker(&f->image);
	memset(image_frame(&f->image, 104) + 300, 0, RECORD_FRAME_SIZE - 300);
	assert_int_equal(judge(f), 0);
	expect_damaged(f, "v2", 104);
	memset(image_frame(&f->image, 104) + 100, 0, RECORD_FRAME_SIZE - 100);
	reload_exit(&f->reload);
	assert_int_equal(reload_init(&f->reload, NR_VOLUMES), 0);
	expect_refused(f, -EBADMSG, 104, "no volume");
}

static void pieces_farther_than_a_group_refuse(void **state)
{
	struct fixture *f = *state;
	uint8_t *image;
	const struct record opening = record_of_marker(1100);
	const struct record_frame at = { .store = image_store,
					 .log_seq = 1,
					 .durable_through = 1,
					 .group_last = 1 };

	image = calloc(1100, RECORD_FRAME_SIZE);
	assert_non_null(image);
	record_encode(&opening, &at, image);
	image[1024 * RECORD_FRAME_SIZE] = 1;
	assert_int_equal(reload_judge(&f->reload, image, 1100), 0);
	assert_int_equal(f->reload.cut_seq, 1025);
	image[1025 * RECORD_FRAME_SIZE] = 1;
	reload_exit(&f->reload);
	assert_int_equal(reload_init(&f->reload, NR_VOLUMES), 0);
	assert_int_equal(reload_judge(&f->reload, image, 1100), -EBADMSG);
	assert_int_equal(f->reload.bad_offset, 1025 * RECORD_FRAME_SIZE);
	free(image);
}

static void anything_else_in_the_last_group_is_damage(void **state)
{
	struct fixture *f = *state;

	fill_last_group(f);
	damage_body(f, 104);
	assert_int_equal(judge(f), 0);
	expect_damaged(f, "v2", 104);
	expect_epoch(f, "v1", 2);
	damage_header(f, 104);
	reload_exit(&f->reload);
	assert_int_equal(reload_init(&f->reload, NR_VOLUMES), 0);
	expect_refused(f, -EBADMSG, 104, "no volume");
}

static void zero_frame_below_durable_through_is_damage(void **state)
{
	struct fixture *f = *state;

	fill_last_group(f);
	wipe(f, 102);
	expect_refused(f, -EBADMSG, 102, "gap");
}

/* The marker is what tells an acknowledged group from a torn one. */
static void marker_makes_zero_frames_of_the_group_before_damage(void **state)
{
	struct fixture *f = *state;

	fill_last_group(f);
	image_marker(&f->image);
	wipe(f, 105);
	expect_refused(f, -EBADMSG, 105, "synced was all through 105");
}

static void two_groups_above_durable_through_refuse(void **state)
{
	struct fixture *f = *state;
	const struct record one = record_of("v1", 1, 1);
	const struct record two = record_of("v2", 1, 1);

	image_put(&f->image, &one, FIRST_SEQ, 101);
	image_put(&f->image, &two, FIRST_SEQ, 102);
	expect_refused(f, -EBADMSG, 101, "not of the last group");
}

static void group_that_ends_past_the_log_refuses(void **state)
{
	struct fixture *f = *state;
	const struct record one = record_of("v1", 1, 1);

	image_put(&f->image, &one, FIRST_SEQ, FIRST_SEQ + IMAGE_FRAMES);
	expect_refused(f, -EBADMSG, FIRST_SEQ + IMAGE_FRAMES, "gap");
}

static void group_may_end_with_the_log(void **state)
{
	struct fixture *f = *state;
	const struct record one = record_of("v1", 1, 1);

	image_put(&f->image, &one, FIRST_SEQ, FIRST_SEQ + IMAGE_FRAMES - 1);
	assert_int_equal(judge(f), 0);
	assert_int_equal(f->reload.nr_skips, IMAGE_FRAMES - 2);
}

static void group_larger_than_any_is_refused(void **state)
{
	static uint8_t log[RECORD_GROUP_MAX + 8][RECORD_FRAME_SIZE];
	struct fixture *f = *state;
	struct record r = record_of_marker(RECORD_GROUP_MAX + 8);
	struct record_frame at = { .store = image_store,
				   .log_seq = 1,
				   .durable_through = 1,
				   .group_last = 1 };

	record_encode(&r, &at, log[0]);
	r = record_of("v1", 1, 1);
	at.log_seq = 2;
	at.group_last = 1 + RECORD_GROUP_MAX;
	record_encode(&r, &at, log[1]);
	assert_int_equal(reload_judge(&f->reload, log[0], RECORD_GROUP_MAX + 8),
			 0);
	at.group_last++;
	record_encode(&r, &at, log[1]);
	assert_int_equal(reload_judge(&f->reload, log[0], RECORD_GROUP_MAX + 8),
			 -EBADMSG);
	assert_non_null(strstr(f->reload.bad_reason, "more than one group"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fresh_log_holds_nothing_and_is_sound),
		TEST(newest_record_of_each_volume_wins),
		TEST(tombstone_is_a_volumes_newest_record_too),
		TEST(one_volume_more_than_configured_is_refused),
		TEST(damaged_body_quarantines_its_volume_alone),
		TEST(no_older_record_is_served_for_a_damaged_one),
		TEST(later_sound_record_ends_the_damage_and_it_is_told),
		TEST(volume_damaged_often_is_skipped_once_at_its_newest),
		TEST(write_seq_that_does_not_rise_quarantines_the_volume),
		TEST(sound_record_below_the_damaged_write_seq_heals_nothing),
		TEST(line_that_goes_down_quarantines_the_volume),
		TEST(line_that_stays_or_begins_anew_is_served),
		TEST(line_that_went_down_is_healed_from_above_alone),
		TEST(damage_without_a_volume_refuses_with_its_offset),
		TEST(damaged_incarnation_refuses),
		TEST(incarnation_that_does_not_rise_refuses),
		TEST(gap_in_log_seq_refuses),
		TEST(frame_written_to_the_wrong_place_refuses),
		TEST(frame_of_a_foreign_store_refuses),
		TEST(later_format_version_refuses),
		TEST(log_without_its_opening_frame_refuses),
		TEST(log_that_was_cut_short_refuses),
		TEST(frame_that_promises_more_than_all_after_it_refuses),
		TEST(slices_of_any_size_come_to_the_same),
		TEST(written_spare_space_refuses),
		TEST(piece_of_a_frame_in_spare_space_is_no_damage),
		TEST(frame_cut_short_in_the_last_group_was_never_written),
		TEST(frame_cut_short_below_durable_through_is_damage),
		TEST(pieces_farther_than_a_group_refuse),
		TEST(sound_last_group_is_adopted),
		TEST(zero_frames_of_the_last_group_were_never_written),
		TEST(anything_else_in_the_last_group_is_damage),
		TEST(zero_frame_below_durable_through_is_damage),
		TEST(marker_makes_zero_frames_of_the_group_before_damage),
		TEST(two_groups_above_durable_through_refuse),
		TEST(group_that_ends_past_the_log_refuses),
		TEST(group_may_end_with_the_log),
		TEST(group_larger_than_any_is_refused),
	};

	return cmocka_run_group_tests_name("reload", tests, NULL, NULL);
}
