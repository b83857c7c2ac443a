// SPDX-License-Identifier: GPL-2.0
/*
 * A record as bytes: what goes in comes out, and what was damaged never looks
 * sound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/record.h"
#include "core/record_crc.h"
#include "log_image.h"

#define NR_KINDS	6

static const struct record_frame place = {
	.store = { .b = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
			  16 } },
	.log_seq = 0x1122334455667788,
	.durable_through = 0x1122334455667787,
	.group_last = 0x1122334455667789,
};

static struct record floor_of(const char *name)
{
	struct record r;

	memset(&r, 0, sizeof(r));
	r.kind = RECORD_FLOOR;
	r.volume = volume_of(name);
	r.write_seq = 4;
	r.floor.replica = (struct replica_id){ "r2" };
	r.floor.lineage = (struct lineage){ 7, 2 };
	r.floor.primary = (struct replica_id){ "r3" };
	r.floor.served = (struct lineage){ 6, 1 };
	return r;
}

static struct record tombstone_of(const char *name)
{
	struct record r;

	memset(&r, 0, sizeof(r));
	r.kind = RECORD_TOMBSTONE;
	r.volume = volume_of(name);
	r.write_seq = UINT64_MAX;
	r.tombstone.floor_epoch = UINT64_MAX - 1;
	return r;
}

/* One of each kind, and a volume that has no line yet. */
static void fill_kinds(struct record records[NR_KINDS])
{
	/* The longest id there is. */
	records[0] = record_of("v23456789012345678901234567890123456789"
			       "012345678901234567890123",
			       3, 9);
	records[1] = record_of("v", 1, 1);
	memset(&records[1].volume_state.line, 0,
	       sizeof(records[1].volume_state.line));
	records[2] = tombstone_of("gone");
	records[3] = floor_of("v1");
	records[4] = incarnation_of(12);
	records[5] = marker_of(4097);
}

/* Makes both checksums right again after a change of bytes. */
static void reseal(uint8_t *frame)
{
	uint32_t crc = record_crc32c(0, frame, 128);

	for (int i = 0; i < 4; i++)
		frame[128 + i] = (uint8_t)(crc >> 8 * i);
	crc = record_crc32c(crc, frame + 132, 376);
	for (int i = 0; i < 4; i++)
		frame[508 + i] = (uint8_t)(crc >> 8 * i);
}

static enum record_verdict verdict_of(const uint8_t *frame)
{
	struct record record;
	struct record_frame at;

	return record_decode(frame, &record, &at);
}

static void crc32c_gives_the_published_values(void **state)
{
	uint8_t bytes[32] = { 0 };

	(void)state;
	assert_int_equal(record_crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(record_crc32c(0, bytes, 32), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(record_crc32c(0, bytes, 32), 0x62a8ab43);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	assert_int_equal(record_crc32c(0, bytes, 32), 0x46dd794e);
	assert_int_equal(record_crc32c(0, bytes, 0), 0);
	assert_int_equal(record_crc32c(record_crc32c(0, bytes, 5), bytes + 5,
				       27),
			 0x46dd794e);
}

/* Each entry of the table is one byte's remainder. */
static void crc32c_of_each_byte_is_its_remainder(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 256; i++) {
		uint8_t byte = (uint8_t)i;
		uint32_t crc = ~0U ^ byte;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
		assert_int_equal(record_crc32c(0, &byte, 1), ~crc);
	}
}

static void each_kind_survives_encode_and_decode(void **state)
{
	struct record kinds[NR_KINDS];

	(void)state;
	fill_kinds(kinds);
	for (int i = 0; i < NR_KINDS; i++) {
		uint8_t frame[RECORD_FRAME_SIZE];
		struct record record;
		struct record_frame at;

		assert_true(record_is_valid(&kinds[i]));
		memset(frame, 0xa5, sizeof(frame));
		record_encode(&kinds[i], &place, frame);
		assert_int_equal(record_decode(frame, &record, &at), RECORD_OK);
		assert_memory_equal(&record, &kinds[i], sizeof(record));
		assert_memory_equal(&at, &place, sizeof(at));
	}
}

static void frame_has_the_documented_layout(void **state)
{
	const struct record record = floor_of("vol-a");
	uint8_t frame[RECORD_FRAME_SIZE], expected[RECORD_FRAME_SIZE] = { 0 };

	(void)state;
	memcpy(expected, "bfenclog\x01\0\x04\0\0\0\0\0", 16);
	memcpy(expected + 16, &place.store, 16);
	memcpy(expected + 32, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
	memcpy(expected + 40, "\x87\x77\x66\x55\x44\x33\x22\x11", 8);
	memcpy(expected + 48, "\x89\x77\x66\x55\x44\x33\x22\x11", 8);
	expected[56] = 4;
	memcpy(expected + 64, "vol-a", 5);
	memcpy(expected + 132, "r2", 2);
	expected[148] = 7;
	expected[156] = 2;
	memcpy(expected + 164, "r3", 2);
	expected[180] = 6;
	expected[188] = 1;
	reseal(expected);
	record_encode(&record, &place, frame);
	assert_memory_equal(frame, expected, sizeof(frame));
}

static void each_bit_that_flips_is_seen(void **state)
{
	struct record kinds[NR_KINDS];
	uint8_t frame[RECORD_FRAME_SIZE];

	(void)state;
	fill_kinds(kinds);
	for (int i = 0; i < NR_KINDS; i++) {
		record_encode(&kinds[i], &place, frame);
		for (int bit = 0; bit < RECORD_FRAME_SIZE * 8; bit++) {
			frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(verdict_of(frame),
					 bit < 132 * 8 ? RECORD_BAD_HEADER :
							 RECORD_BAD_BODY);
			frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(verdict_of(frame), RECORD_OK);
	}
}

static void body_of_another_frame_is_seen(void **state)
{
	const struct record one = record_of("v1", 1, 1);
	const struct record two = record_of("v1", 2, 2);
	uint8_t frame[RECORD_FRAME_SIZE], other[RECORD_FRAME_SIZE];

	(void)state;
	record_encode(&one, &place, frame);
	record_encode(&two, &place, other);
	memcpy(frame + 132, other + 132, RECORD_FRAME_SIZE - 132);
	assert_int_equal(verdict_of(frame), RECORD_BAD_BODY);
}

static void damaged_body_still_tells_kind_volume_and_place(void **state)
{
	const struct record record = record_of("v1", 3, 9);
	uint8_t frame[RECORD_FRAME_SIZE];
	struct record found, expected;
	struct record_frame at;

	(void)state;
	record_encode(&record, &place, frame);
	frame[IMAGE_BODY_BYTE] ^= 1;
	assert_int_equal(record_decode(frame, &found, &at), RECORD_BAD_BODY);
	memset(&expected, 0, sizeof(expected));
	expected.kind = RECORD_VOLUME;
	expected.volume = record.volume;
	expected.write_seq = 3;
	assert_memory_equal(&found, &expected, sizeof(found));
	assert_memory_equal(&at, &place, sizeof(at));
}

static void frame_of_zeros_was_never_written(void **state)
{
	uint8_t frame[RECORD_FRAME_SIZE] = { 0 };

	(void)state;
	assert_int_equal(verdict_of(frame), RECORD_ZERO);
	frame[RECORD_FRAME_SIZE - 1] = 1;
	assert_int_equal(verdict_of(frame), RECORD_BAD_HEADER);
}

static void later_format_version_is_told_from_damage(void **state)
{
	const struct record record = record_of("v1", 3, 9);
	uint8_t frame[RECORD_FRAME_SIZE];

	(void)state;
	record_encode(&record, &place, frame);
	frame[8] = 2;
	assert_int_equal(verdict_of(frame), RECORD_BAD_HEADER);
	frame[9] = 1;
	reseal(frame);
	assert_int_equal(verdict_of(frame), RECORD_BAD_VERSION);
	assert_int_equal(record_format_version(frame), 258);
}

/* Sums that are right do not make sense of what makes none. */
static void well_summed_nonsense_is_refused(void **state)
{
	static const struct {
		int offset;
		uint8_t byte;
		enum record_verdict verdict;
	} cases[] = {
		{ 0, 'B', RECORD_BAD_HEADER },		/* magic */
		{ 10, RECORD_UNSPEC, RECORD_BAD_HEADER },
		{ 10, RECORD_MARKER + 1, RECORD_BAD_HEADER },
		{ 10, RECORD_MARKER, RECORD_BAD_HEADER }, /* with a volume */
		{ 11, 2, RECORD_BAD_HEADER },		/* unknown flag */
		{ 11, 1, RECORD_BAD_BODY },		/* kept as damaged */
		{ 15, 1, RECORD_BAD_HEADER },		/* zero field */
		{ 55, 0, RECORD_BAD_HEADER },		/* group_last < log_seq */
		{ 56, 0, RECORD_BAD_HEADER },		/* write_seq 0 */
		{ 64, 0, RECORD_BAD_HEADER },		/* no volume */
		{ 65, '/', RECORD_BAD_HEADER },
		{ 127, 'x', RECORD_BAD_HEADER },	/* after the NUL */
		{ 132, 2, RECORD_BAD_BODY },		/* guard */
		{ 133, 0, RECORD_BAD_BODY },		/* replica of slot 1 */
		{ 149, ' ', RECORD_BAD_BODY },		/* host of slot 1 */
		{ 277, 0, RECORD_BAD_BODY },		/* epoch 0, version 1 */
		{ 293, '.', RECORD_BAD_BODY },		/* primary */
		{ 309, 0x80, RECORD_BAD_BODY },		/* data_addr */
		{ 404, 'x', RECORD_BAD_BODY },		/* ctrl_addr, no NUL */
		{ 405, 1, RECORD_BAD_BODY },		/* rest of the body */
		{ 507, 1, RECORD_BAD_BODY },
	};
	const struct record record = record_of("v1", 3, 9);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t frame[RECORD_FRAME_SIZE];

		record_encode(&record, &place, frame);
		assert_int_not_equal(frame[cases[i].offset], cases[i].byte);
		frame[cases[i].offset] = cases[i].byte;
		reseal(frame);
		if (verdict_of(frame) != cases[i].verdict)
			fail_msg("byte %d = %d: verdict %d, wanted %d",
				 cases[i].offset, cases[i].byte,
				 verdict_of(frame), cases[i].verdict);
	}
}

static void kept_damage_stays_damage_with_its_bytes(void **state)
{
	const struct record_frame moved = { .store = place.store,
					    .log_seq = 5,
					    .durable_through = 9,
					    .group_last = 9 };
	const struct record record = record_of("v1", 3, 9);
	uint8_t frame[RECORD_FRAME_SIZE], before[RECORD_FRAME_SIZE];
	struct record found;
	struct record_frame at;

	(void)state;
	record_encode(&record, &place, frame);
	memcpy(before, frame, sizeof(frame));
	record_keep_damaged(&record, &moved, frame);
	assert_int_equal(record_decode(frame, &found, &at), RECORD_BAD_BODY);
	assert_memory_equal(&at, &moved, sizeof(at));
	assert_true(volume_id_equal(&found.volume, &record.volume));
	assert_int_equal(found.write_seq, 3);
	assert_memory_equal(frame + 132, before + 132, 380);
	/* A right sum over all of it does not heal it. */
	reseal(frame);
	assert_int_equal(verdict_of(frame), RECORD_BAD_BODY);
}

static void record_without_the_form_of_its_kind_is_invalid(void **state)
{
	struct record r = record_of("v1", 1, 1);

	(void)state;
	r.kind = RECORD_UNSPEC;
	assert_false(record_is_valid(&r));
	r = record_of("v1", 0, 1);
	assert_false(record_is_valid(&r));
	r = record_of("", 1, 1);
	assert_false(record_is_valid(&r));
	r = record_of("v1", 1, 0);	/* 0.1 is no lineage */
	assert_false(record_is_valid(&r));
	r = floor_of("v1");
	r.floor.replica.s[0] = '\0';
	assert_false(record_is_valid(&r));
	r = floor_of("v1");
	r.floor.primary.s[0] = '\0';
	r.floor.primary.s[1] = '\0';
	assert_true(record_is_valid(&r));
	r = incarnation_of(1);
	r.volume = volume_of("v1");
	assert_false(record_is_valid(&r));
	r = marker_of(0);
	r.write_seq = 1;
	assert_false(record_is_valid(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_gives_the_published_values),
		cmocka_unit_test(crc32c_of_each_byte_is_its_remainder),
		cmocka_unit_test(each_kind_survives_encode_and_decode),
		cmocka_unit_test(frame_has_the_documented_layout),
		cmocka_unit_test(each_bit_that_flips_is_seen),
		cmocka_unit_test(body_of_another_frame_is_seen),
		cmocka_unit_test(
			damaged_body_still_tells_kind_volume_and_place),
		cmocka_unit_test(frame_of_zeros_was_never_written),
		cmocka_unit_test(later_format_version_is_told_from_damage),
		cmocka_unit_test(well_summed_nonsense_is_refused),
		cmocka_unit_test(kept_damage_stays_damage_with_its_bytes),
		cmocka_unit_test(
			record_without_the_form_of_its_kind_is_invalid),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
