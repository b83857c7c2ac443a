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

#define NR_KINDS	7
#define IN_DOUBT_BYTE	405	/* of the frame of a volume */

static const struct record_frame place = {
	.store = { .b = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
			  16 } },
	.log_seq = 0x1122334455667788,
	.durable_through = 0x1122334455667787,
	.group_last = 0x1122334455667789,
};

static struct record floor_of(const char *name)
{
	const struct volume_id volume = volume_of(name);
	const struct floor floor = { .replica = { "r2" },
				     .lineage = { 7, 2 },
				     .primary = { "r3" },
				     .served = { 6, 1 } };

	return record_of_floor(&volume, 4, &floor);
}

static struct record tombstone_of(const char *name)
{
	const struct volume_id volume = volume_of(name);

	return record_of_tombstone(&volume, UINT64_MAX, UINT64_MAX - 1);
}

static struct record unbound_of(const char *name)
{
	struct record r = record_of(name, 1, 1);
	struct record_volume state = { .topology = record_topology(&r) };

	return record_of_volume(&r.volume, 1, &state);
}

static struct record recovered_of(const char *name)
{
	struct record r = record_of(name, 30, 30);
	const struct record_volume state = {
		.topology = record_topology(&r),
		.line = record_line(&r),
		.recovery = { .write_seq = 29,
			      .line = { 7, 2 },
			      .floor = { 28, 3 },
			      .wall_s = 1800000000,
			      .uid = 1000 },
	};

	return record_of_volume(&r.volume, 30, &state);
}

/* One of each kind, and a volume that has no line yet. */
static void fill_kinds(struct record records[NR_KINDS])
{
	/* The longest id there is. */
	records[0] = record_of("v23456789012345678901234567890123456789"
			       "012345678901234567890123",
			       9, 9);
	records[1] = unbound_of("v");
	records[2] = tombstone_of("gone");
	records[3] = floor_of("v1");
	records[4] = incarnation_of(12);
	records[5] = record_of_marker(4097);
	records[6] = recovered_of("v2");
	record_put_in_doubt(&records[6]);
}

/* Whatever lay where its struct was made. */
static void what_says_the_same_is_sealed_as_the_same_bytes(void **state)
{
	const struct record base = recovered_of("v1");
	struct record_volume volume;
	struct incarnation start;
	struct record made[2][2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		memset(&volume, i ? 0xff : 0, sizeof(volume));
		memset(&start, i ? 0xff : 0, sizeof(start));
		volume.topology = record_topology(&base);
		volume.line = record_line(&base);
		volume.recovery.write_seq = 2;
		volume.recovery.line = (struct lineage){ 1, 1 };
		volume.recovery.floor = (struct lineage){ 1, 2 };
		volume.recovery.wall_s = 3;
		volume.recovery.uid = 4;
		start.value = 5;
		memset(&start.master, 6, sizeof(start.master));
		start.lease_ms = 7;
		made[i][0] = record_of_volume(&base.volume, 30, &volume);
		made[i][1] = record_of_incarnation(8, &start);
	}
	assert_memory_equal(made[0], made[1], sizeof(made[0]));
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
static uint32_t crc32c_bit_by_bit(const uint8_t *bytes, size_t len)
{
	uint32_t crc = ~0U;

	for (size_t i = 0; i < 8 * len; i++) {
		crc ^= bytes[i / 8] >> i % 8 & 1;
		crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

static void crc32c_is_the_same_at_any_place_and_length(void **state)
{
	uint8_t bytes[80];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * i * 37 + 11);
	for (size_t at = 0; at < 9; at++)
		for (size_t len = 0; at + len <= sizeof(bytes); len++)
			assert_int_equal(record_crc32c(0, bytes + at, len),
					 crc32c_bit_by_bit(bytes + at, len));
}

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
	memcpy(expected, "bfenclog\x02\0\x04\0\0\0\0\0", 16);
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
	const struct record record = record_of("v1", 3, 3);
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
	const struct record record = record_of("v1", 3, 3);
	uint8_t frame[RECORD_FRAME_SIZE];

	(void)state;
	record_encode(&record, &place, frame);
	frame[8] = 3;
	assert_int_equal(verdict_of(frame), RECORD_BAD_HEADER);
	frame[9] = 1;
	reseal(frame);
	assert_int_equal(verdict_of(frame), RECORD_BAD_VERSION);
	assert_int_equal(record_format_version(frame), 259);
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
		{ 56, 2, RECORD_BAD_BODY },		/* epoch above it */
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
		{ 405, 2, RECORD_BAD_BODY },		/* doubt */
		{ 406, 4, RECORD_BAD_BODY },		/* recovery to come */
		{ 414, 1, RECORD_BAD_BODY },		/* its line, 1.0 */
		{ 458, 1, RECORD_BAD_BODY },		/* rest of the body */
		{ 507, 1, RECORD_BAD_BODY },
	};
	const struct record record = record_of("v1", 3, 3);

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
	const struct record record = record_of("v1", 3, 3);
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

static enum record_verdict verdict_as_version(const struct record *record,
					      unsigned int version)
{
	uint8_t frame[RECORD_FRAME_SIZE];

	record_encode(record, &place, frame);
	frame[8] = (uint8_t)version;
	reseal(frame);
	return verdict_of(frame);
}

static void
frame_of_an_older_version_is_read_with_what_it_could_say(void **state)
{
	struct record kinds[NR_KINDS], found;
	struct record_frame at;
	uint8_t frame[RECORD_FRAME_SIZE];

	(void)state;
	fill_kinds(kinds);
	for (int i = 0; i < NR_KINDS - 1; i++)
		assert_int_equal(verdict_as_version(&kinds[i], 1), RECORD_OK);
	record_encode(&kinds[0], &place, frame);
	frame[8] = 1;
	reseal(frame);
	assert_int_equal(record_decode(frame, &found, &at), RECORD_OK);
	assert_memory_equal(&found, &kinds[0], sizeof(found));
	assert_false(record_is_in_doubt(&found));
	assert_int_equal(record_recovery(&found).write_seq, 0);
	/* It is written anew in the present one. */
	record_encode(&found, &at, frame);
	assert_int_equal(record_format_version(frame), RECORD_FORMAT_VERSION);
	/* Recovery and doubt came with version 2. */
	found = recovered_of("v1");
	assert_int_equal(verdict_as_version(&found, 1), RECORD_BAD_BODY);
	record_put_in_doubt(&kinds[0]);
	assert_int_equal(verdict_as_version(&kinds[0], 1), RECORD_BAD_BODY);
	assert_int_equal(verdict_as_version(&kinds[1], 0), RECORD_BAD_HEADER);
	assert_int_equal(verdict_as_version(&kinds[1], 3), RECORD_BAD_VERSION);
}

static void doubt_is_yes_or_no(void **state)
{
	const struct record record = record_of("v1", 1, 1);
	uint8_t frame[RECORD_FRAME_SIZE];

	(void)state;
	record_encode(&record, &place, frame);
	for (int i = 0; i < 256; i++) {
		frame[IN_DOUBT_BYTE] = (uint8_t)i;
		reseal(frame);
		assert_int_equal(verdict_of(frame),
				 i < 2 ? RECORD_OK : RECORD_BAD_BODY);
	}
}

static struct record record_with_recovery(struct recovery recovery)
{
	struct record r = record_of("v1", 1, 1);
	const struct record_volume state = { .topology = record_topology(&r),
					     .recovery = recovery };

	return record_of_volume(&r.volume, 1, &state);
}

static void record_without_the_form_of_its_kind_is_invalid(void **state)
{
	struct record r = floor_of("v1");
	struct floor floor = record_floor(&r);

	(void)state;
	r.kind = RECORD_UNSPEC;
	assert_false(record_is_valid(&r));
	r = record_of("v1", 0, 1);
	assert_false(record_is_valid(&r));
	r = record_of("", 1, 1);
	assert_false(record_is_valid(&r));
	r = record_of("v1", 1, 0);	/* 0.1 is no lineage */
	assert_false(record_is_valid(&r));
	r = record_of("v1", 1, 2);	/* an epoch above the write_seq */
	assert_false(record_is_valid(&r));
	r = record_of_tombstone(&r.volume, 1, 2);
	assert_false(record_is_valid(&r));
	r = recovered_of("v1");
	r.write_seq = 30;
	assert_true(record_is_valid(&r));
	r = record_with_recovery((struct recovery){ .write_seq = 2 });
	assert_false(record_is_valid(&r));
	r = record_with_recovery((struct recovery){ .line = { 1, 0 } });
	assert_false(record_is_valid(&r));
	r = record_with_recovery((struct recovery){ .floor = { 0, 1 } });
	assert_false(record_is_valid(&r));
	floor.replica.s[0] = '\0';
	r = record_of_floor(&r.volume, 4, &floor);
	assert_false(record_is_valid(&r));
	floor.replica.s[0] = 'r';
	floor.primary.s[0] = '\0';
	floor.primary.s[1] = '\0';
	r = record_of_floor(&r.volume, 4, &floor);
	assert_true(record_is_valid(&r));
	r = incarnation_of(1);
	r.volume = volume_of("v1");
	assert_false(record_is_valid(&r));
	r = record_of_marker(0);
	r.write_seq = 1;
	assert_false(record_is_valid(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			what_says_the_same_is_sealed_as_the_same_bytes),
		cmocka_unit_test(crc32c_gives_the_published_values),
		cmocka_unit_test(crc32c_of_each_byte_is_its_remainder),
		cmocka_unit_test(crc32c_is_the_same_at_any_place_and_length),
		cmocka_unit_test(each_kind_survives_encode_and_decode),
		cmocka_unit_test(frame_has_the_documented_layout),
		cmocka_unit_test(each_bit_that_flips_is_seen),
		cmocka_unit_test(body_of_another_frame_is_seen),
		cmocka_unit_test(
			damaged_body_still_tells_kind_volume_and_place),
		cmocka_unit_test(frame_of_zeros_was_never_written),
		cmocka_unit_test(later_format_version_is_told_from_damage),
		cmocka_unit_test(
			frame_of_an_older_version_is_read_with_what_it_could_say),
		cmocka_unit_test(doubt_is_yes_or_no),
		cmocka_unit_test(well_summed_nonsense_is_refused),
		cmocka_unit_test(kept_damage_stays_damage_with_its_bytes),
		cmocka_unit_test(
			record_without_the_form_of_its_kind_is_invalid),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
