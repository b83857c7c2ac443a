// SPDX-License-Identifier: GPL-2.0
/*
 * The pure parts of the store tools: what a salvage makes of a refused log,
 * and an export's way there and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log_image.h"
#include "storetool/export.h"
#include "storetool/json.h"
#include "storetool/salvage.h"

struct fixture {
	struct image log;
	struct store_image from;	/* borrows the log */
	struct judged to;		/* of what was made */
	uint64_t nr_lost;
	json_t *report;
	struct err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	image_init(&f->log, 100);
	f->from.bytes = f->log.bytes[0];
	f->from.nr_frames = IMAGE_FRAMES;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	json_decref(f->report);
	judged_exit(&f->to);
	free(f);
	return 0;
}

/* The start of a master, which obeys none. */
static struct record start_of(uint64_t value)
{
	const struct incarnation incarnation = { .value = value,
						 .lease_ms = 6000 };

	return record_of_incarnation(value, &incarnation);
}

static struct record tombstone_of(const char *name, uint64_t write_seq)
{
	const struct volume_id volume = volume_of(name);

	return record_of_tombstone(&volume, write_seq, write_seq);
}

static struct record floor_of(const char *name, uint64_t write_seq)
{
	const struct volume_id volume = volume_of(name);
	struct floor floor = { .lineage = { 3, 1 } };

	snprintf(floor.replica.s, sizeof(floor.replica.s), "r1");
	return record_of_floor(&volume, write_seq, &floor);
}

static void damage(struct fixture *f, uint64_t log_seq, int byte)
{
	image_frame(&f->log, log_seq)[byte] ^= 1;
}

static int refusal_of(struct fixture *f)
{
	struct reload r;
	int ret;

	assert_int_equal(reload_init(&r, IMAGE_FRAMES), 0);
	ret = reload_judge(&r, f->from.bytes, f->from.nr_frames);
	reload_exit(&r);
	return ret;
}

/* Only what boot refuses is salvaged, and what comes of it is accepted. */
static void salvage(struct fixture *f)
{
	struct store_image image;
	struct salvage s;

	if (f->from.nr_extra == 0)
		assert_int_not_equal(refusal_of(f), 0);
	if (salvage_init(&s, &f->from, &f->err))
		fail_msg("%s", f->err.text);
	assert_int_equal(salvage_compose(&s, &image), 0);
	f->nr_lost = s.nr_lost;
	f->report = salvage_report(&s);
	assert_non_null(f->report);
	salvage_exit(&s);
	assert_int_equal(judged_init(&f->to, &image), 0);
	assert_int_equal(f->to.refusal, 0);
}

static const struct record_entry *find(struct fixture *f, const char *name)
{
	const struct volume_id id = volume_of(name);
	struct record_table *table = f->to.reload.table;

	for (size_t i = 1; i < record_table_nr(table); i++)
		if (volume_id_equal(&record_table_at(table, i)->record.volume,
				    &id))
			return record_table_at(table, i);
	return NULL;
}

static uint64_t incarnation_found(struct fixture *f)
{
	return record_incarnation(
		       &record_table_at(f->to.reload.table, 0)->record)
		.value;
}

static void expect_in_doubt(struct fixture *f, const char *name, uint64_t epoch,
			    uint64_t write_seq)
{
	const struct record_entry *entry = find(f, name);

	assert_non_null(entry);
	assert_false(entry->damaged);
	assert_true(record_is_in_doubt(&entry->record));
	assert_int_equal(record_line(&entry->record).lineage.epoch, epoch);
	assert_int_equal(entry->record.write_seq, write_seq);
}

static void expect_damaged(struct fixture *f, const char *name,
			   uint64_t write_seq)
{
	const struct record_entry *entry = find(f, name);

	assert_non_null(entry);
	assert_true(entry->damaged);
	assert_int_equal(entry->record.write_seq, write_seq);
}

/* --- salvage -------------------------------------------------------------------- */

/* log_seq 100 opens, 101 incarnation 7, 102 v1 at 3, 103 v2, 104 v1 at 4. */
static void fill(struct fixture *f)
{
	image_one(&f->log, start_of(7));
	image_one(&f->log, record_of("v1", 3, 3));
	image_one(&f->log, record_of("v2", 5, 2));
	image_one(&f->log, record_of("v1", 4, 4));
}

static void hole_costs_the_older_record_its_certainty(void **state)
{
	struct fixture *f = *state;

	fill(f);
	damage(f, 104, IMAGE_HEADER_BYTE);
	salvage(f);
	assert_int_equal(f->nr_lost, 1);
	expect_in_doubt(f, "v1", 3, 4);
	expect_in_doubt(f, "v2", 2, 6);
	assert_true(store_id_equal(&f->to.reload.store, &image_store));
	/* Above the one seen, and above one that the lost frame held. */
	assert_int_equal(incarnation_found(f), 9);
}

static void unread_frame_is_named_with_its_offset(void **state)
{
	struct fixture *f = *state;
	const json_t *lost, *unread;

	fill(f);
	damage(f, 103, IMAGE_HEADER_BYTE);
	salvage(f);
	lost = json_array_get(json_object_get(f->report, "lost"), 0);
	unread = json_array_get(json_object_get(f->report, "unread"), 0);
	assert_int_equal(json_integer_value(
				 json_object_get(lost, "first_log_seq")),
			 103);
	assert_int_equal(json_integer_value(
				 json_object_get(lost, "last_log_seq")),
			 103);
	assert_int_equal(json_integer_value(json_object_get(unread, "offset")),
			 3 * RECORD_FRAME_SIZE);
	assert_null(find(f, "v2"));
	assert_int_equal(json_array_size(json_object_get(f->report, "records")),
			 1);
}

static void damaged_body_stays_damaged_through_a_salvage(void **state)
{
	struct fixture *f = *state;

	fill(f);
	damage(f, 101, IMAGE_HEADER_BYTE);
	damage(f, 104, IMAGE_BODY_BYTE);
	salvage(f);
	expect_damaged(f, "v1", 5);
	expect_in_doubt(f, "v2", 2, 6);
	assert_int_equal(f->to.reload.nr_skips, 1);
}

static void damaged_body_is_ended_by_a_newer_record(void **state)
{
	struct fixture *f = *state;

	fill(f);
	damage(f, 101, IMAGE_HEADER_BYTE);
	damage(f, 102, IMAGE_BODY_BYTE);
	salvage(f);
	expect_in_doubt(f, "v1", 4, 5);
}

static void lost_incarnation_still_counts(void **state)
{
	struct fixture *f = *state;

	fill(f);
	image_one(&f->log, start_of(8));
	image_one(&f->log, record_of("v2", 6, 3));
	damage(f, 101, IMAGE_HEADER_BYTE);
	damage(f, 105, IMAGE_HEADER_BYTE);
	salvage(f);
	assert_int_equal(f->nr_lost, 2);
	assert_true(incarnation_found(f) > 2);
}

static void damaged_incarnation_is_bounded_by_its_write_seq(void **state)
{
	struct fixture *f = *state;

	fill(f);
	image_one(&f->log, start_of(12));
	damage(f, 105, IMAGE_BODY_BYTE);
	salvage(f);
	assert_int_equal(f->nr_lost, 0);
	assert_int_equal(incarnation_found(f), 13);
}

static void floor_and_tombstone_are_closed_when_a_frame_is_lost(void **state)
{
	struct fixture *f = *state;

	fill(f);
	image_one(&f->log, tombstone_of("gone", 9));
	image_one(&f->log, floor_of("kept", 2));
	damage(f, 103, IMAGE_HEADER_BYTE);
	salvage(f);
	expect_damaged(f, "gone", 10);
	expect_damaged(f, "kept", 3);
}

/* A second copy of a frame where none belongs: nothing of it is lost. */
static void floor_and_tombstone_are_sound_when_none_is_lost(void **state)
{
	struct fixture *f = *state;

	fill(f);
	image_one(&f->log, tombstone_of("gone", 9));
	image_one(&f->log, floor_of("kept", 2));
	memcpy(image_frame(&f->log, 120), image_frame(&f->log, 102),
	       RECORD_FRAME_SIZE);
	salvage(f);
	assert_int_equal(f->nr_lost, 0);
	assert_false(find(f, "gone")->damaged);
	assert_int_equal(record_floor_epoch(&find(f, "gone")->record), 9);
	assert_false(find(f, "kept")->damaged);
	assert_int_equal(find(f, "kept")->record.write_seq, 2);
	expect_in_doubt(f, "v1", 4, 4);
}

static void swapped_frames_are_found_wherever_they_lie(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[RECORD_FRAME_SIZE];

	fill(f);
	memcpy(frame, image_frame(&f->log, 103), sizeof(frame));
	memcpy(image_frame(&f->log, 103), image_frame(&f->log, 104),
	       sizeof(frame));
	memcpy(image_frame(&f->log, 104), frame, sizeof(frame));
	salvage(f);
	assert_int_equal(f->nr_lost, 0);
	expect_in_doubt(f, "v1", 4, 4);
	expect_in_doubt(f, "v2", 2, 5);
}

static void opening_frame_is_not_needed(void **state)
{
	struct fixture *f = *state;

	fill(f);
	memset(image_frame(&f->log, 100), 0, RECORD_FRAME_SIZE);
	salvage(f);
	assert_int_equal(f->nr_lost, 1);
	expect_in_doubt(f, "v1", 4, 5);
	expect_in_doubt(f, "v2", 2, 6);
}

/* As a start refuses it. */
static void log_beside_the_id_of_another_store_is_judged_foreign(void **state)
{
	struct fixture *f = *state;
	struct store_image image = { 0 };

	fill(f);
	for (int i = 0; i < 2; i++) {
		judged_exit(&f->to);
		image.bytes = calloc(IMAGE_FRAMES, RECORD_FRAME_SIZE);
		assert_non_null(image.bytes);
		memcpy(image.bytes, f->from.bytes,
		       IMAGE_FRAMES * RECORD_FRAME_SIZE);
		image.nr_frames = IMAGE_FRAMES;
		image.named = image_store;
		image.named.b[3] ^= (uint8_t)i;
		assert_int_equal(judged_init(&f->to, &image), 0);
		assert_int_equal(f->to.refusal, i ? -EBADMSG : 0);
	}
	assert_int_equal(f->to.reload.bad_offset, 0);
	assert_non_null(strstr(f->to.reload.bad_reason, "foreign"));
}

static void foreign_frame_gives_nothing(void **state)
{
	struct fixture *f = *state;
	const struct store_id ours = f->log.store;

	fill(f);
	f->log.store.b[3] = 0x77;
	image_one(&f->log, record_of("v1", 9, 9));
	f->log.store = ours;
	image_one(&f->log, record_of("v2", 6, 3));
	salvage(f);
	assert_int_equal(f->nr_lost, 1);
	expect_in_doubt(f, "v1", 4, 5);
	expect_in_doubt(f, "v2", 3, 7);
}

static void two_contents_of_one_write_seq_are_damage(void **state)
{
	struct fixture *f = *state;

	fill(f);
	image_one(&f->log, record_of("v1", 4, 2));
	damage(f, 101, IMAGE_HEADER_BYTE);
	salvage(f);
	expect_damaged(f, "v1", 5);
	expect_in_doubt(f, "v2", 2, 6);
}

static void cut_file_counts_what_it_may_have_held(void **state)
{
	struct fixture *f = *state;

	fill(f);
	f->from.nr_frames = 4;
	f->from.nr_extra = 100;
	salvage(f);
	/* log_seq 104, which is not promised by a frame that is left, and the
	 * spare space behind it, which nobody knows was empty. */
	assert_int_equal(f->nr_lost, IMAGE_FRAMES - 4);
	expect_in_doubt(f, "v1", 3, 3 + IMAGE_FRAMES - 4);
}

static void garbage_in_spare_space_may_have_been_a_record(void **state)
{
	struct fixture *f = *state;

	fill(f);
	memset(image_frame(&f->log, 130), 0xa5, RECORD_FRAME_SIZE);
	salvage(f);
	assert_int_equal(f->nr_lost, 1);
}

static void frame_that_its_group_promises_is_lost_with_it(void **state)
{
	struct fixture *f = *state;
	const struct record group[] = { record_of("v1", 5, 5),
					record_of("v2", 6, 3) };

	fill(f);
	image_group(&f->log, group, 2);
	damage(f, 106, IMAGE_HEADER_BYTE);
	salvage(f);
	assert_int_equal(f->nr_lost, 1);
	expect_in_doubt(f, "v1", 5, 6);
	expect_in_doubt(f, "v2", 2, 6);
}

static void replica_log_never_claims_more_than_its_loss(void **state)
{
	struct fixture *f = *state;
	const struct incarnation seen = { .value = 5, .master = image_store };

	image_one(&f->log, record_of_incarnation(1, &seen));
	image_one(&f->log, floor_of("v1", 1));
	memcpy(image_frame(&f->log, 120), image_frame(&f->log, 102),
	       RECORD_FRAME_SIZE);
	salvage(f);
	assert_int_equal(incarnation_found(f), 5);
}

static void expect_not_salvaged(struct fixture *f, int code, const char *words)
{
	struct salvage s;

	assert_int_equal(salvage_init(&s, &f->from, &f->err), code);
	if (!strstr(f->err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", f->err.text, words);
}

static void nothing_comes_of_nothing(void **state)
{
	struct fixture *f = *state;

	memset(f->log.bytes, 0, sizeof(f->log.bytes));
	expect_not_salvaged(f, -EBADMSG, "nothing is left");
	memset(f->log.bytes, 0xa5, sizeof(f->log.bytes));
	expect_not_salvaged(f, -EBADMSG, "nothing is left");
}

/* --- export --------------------------------------------------------------------- */

static void judge_log(struct fixture *f)
{
	struct store_image image = { .nr_frames = IMAGE_FRAMES };

	image.bytes = malloc(sizeof(f->log.bytes));
	assert_non_null(image.bytes);
	memcpy(image.bytes, f->log.bytes, sizeof(f->log.bytes));
	assert_int_equal(judged_init(&f->to, &image), 0);
	assert_int_equal(f->to.refusal, 0);
}

static json_t *export_log(struct fixture *f)
{
	char *text;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	json_t *document;
	json_error_t error;

	assert_non_null(to);
	assert_int_equal(export_print(to, &f->to), 0);
	fclose(to);
	document = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!document)
		fail_msg("line %d: %s", error.line, error.text);
	free(text);
	return document;
}

static void fill_export(struct fixture *f)
{
	fill(f);
	image_one(&f->log, record_of("bad", 2, 2));
	image_one(&f->log, tombstone_of("gone", 9));
	image_one(&f->log, floor_of("kept", UINT64_MAX));
	damage(f, 105, IMAGE_BODY_BYTE);
	judge_log(f);
}

static void exported_store_is_imported_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct store_image image;
	struct judged back;
	json_t *document;

	fill_export(f);
	document = export_log(f);
	if (export_to_image(document, &image, &f->err))
		fail_msg("%s", f->err.text);
	json_decref(document);
	assert_int_equal(judged_init(&back, &image), 0);
	assert_int_equal(back.refusal, 0);
	assert_true(store_id_equal(&back.reload.store, &image_store));
	assert_int_equal(record_table_nr(back.reload.table), 6);
	for (size_t i = 0; i < 6; i++) {
		const struct record_entry *a =
			record_table_at(f->to.reload.table, i);
		const struct record_entry *b =
			record_table_at(back.reload.table, i);

		assert_int_equal(a->damaged, b->damaged);
		assert_memory_equal(&a->record, &b->record, sizeof(a->record));
	}
	assert_int_equal(back.reload.nr_skips, 1);
	judged_exit(&back);
}

static void large_number_is_a_string_of_digits(void **state)
{
	struct fixture *f = *state;
	json_t *document, *records;

	fill_export(f);
	document = export_log(f);
	records = json_object_get(document, "records");
	assert_string_equal(json_string_value(
				    json_object_get(json_array_get(records, 5),
						    "write_seq")),
			    "18446744073709551615");
	json_decref(document);
}

static void expect_refused(struct fixture *f, const json_t *document,
			   const char *field)
{
	char words[64];
	struct store_image image;

	snprintf(words, sizeof(words), "field \"%s\"", field);
	assert_int_equal(export_to_image(document, &image, &f->err), -EBADMSG);
	if (!strstr(f->err.text, words))
		fail_msg("\"%s\" does not name %s", f->err.text, field);
}

/* Every field of the object in turn: another value, none at all. */
static void expect_each_edit_refused(struct fixture *f, const json_t *document,
				     json_t *object)
{
	json_t *fields = json_copy(object), *value;
	const char *key;

	json_object_foreach(fields, key, value) {
		json_object_set_new(object, key, json_real(0.5));
		expect_refused(f, document, key);
		json_object_del(object, key);
		expect_refused(f, document, key);
		json_object_set(object, key, value);
	}
	json_decref(fields);
}

static void each_edit_is_refused_with_its_field(void **state)
{
	struct fixture *f = *state;
	json_t *document, *records;

	fill_export(f);
	document = export_log(f);
	records = json_object_get(document, "records");
	assert_int_equal(json_array_size(records), 6);
	for (size_t i = 0; i < 6; i++)
		expect_each_edit_refused(f, document,
					 json_array_get(records, i));
	expect_each_edit_refused(f, document, document);
	json_decref(document);
}

static void added_field_is_refused(void **state)
{
	struct fixture *f = *state;
	json_t *document, *record;

	fill_export(f);
	document = export_log(f);
	record = json_array_get(json_object_get(document, "records"), 1);
	json_object_set_new(record, "in_doubt", json_false());
	expect_refused(f, document, "in_doubt");
	json_object_del(record, "in_doubt");
	json_object_set_new(document, "note", json_string("x"));
	expect_refused(f, document, "note");
	json_decref(document);
}

static void removed_or_repeated_record_is_refused(void **state)
{
	struct fixture *f = *state;
	json_t *document, *records, *record;

	fill_export(f);
	document = export_log(f);
	records = json_object_get(document, "records");
	record = json_incref(json_array_get(records, 2));
	json_array_remove(records, 2);
	expect_refused(f, document, "sha256");
	json_array_append(records, record);
	expect_refused(f, document, "sha256");
	json_array_append_new(records, record);
	expect_refused(f, document, "volume");
	json_decref(document);
}

/* A line of its own making, sealed with its sums, in another one's place. */
static void frame_of_another_store_is_refused(void **state)
{
	struct fixture *f = *state;
	const struct record record = record_of("v1", 9, 9);
	const struct record_frame at = { .log_seq = 5, .group_last = 5 };
	uint8_t frame[RECORD_FRAME_SIZE];
	json_t *document;

	fill_export(f);
	document = export_log(f);
	record_encode(&record, &at, frame);
	json_array_set_new(json_object_get(document, "records"), 1,
			   export_record(&record, RECORD_OK, frame));
	expect_refused(f, document, "frame");
	json_decref(document);
}

int main(void)
{
#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(hole_costs_the_older_record_its_certainty),
		TEST(unread_frame_is_named_with_its_offset),
		TEST(damaged_body_stays_damaged_through_a_salvage),
		TEST(damaged_body_is_ended_by_a_newer_record),
		TEST(lost_incarnation_still_counts),
		TEST(damaged_incarnation_is_bounded_by_its_write_seq),
		TEST(floor_and_tombstone_are_closed_when_a_frame_is_lost),
		TEST(floor_and_tombstone_are_sound_when_none_is_lost),
		TEST(swapped_frames_are_found_wherever_they_lie),
		TEST(opening_frame_is_not_needed),
		TEST(log_beside_the_id_of_another_store_is_judged_foreign),
		TEST(foreign_frame_gives_nothing),
		TEST(two_contents_of_one_write_seq_are_damage),
		TEST(cut_file_counts_what_it_may_have_held),
		TEST(garbage_in_spare_space_may_have_been_a_record),
		TEST(frame_that_its_group_promises_is_lost_with_it),
		TEST(replica_log_never_claims_more_than_its_loss),
		TEST(nothing_comes_of_nothing),
		TEST(exported_store_is_imported_as_it_was),
		TEST(large_number_is_a_string_of_digits),
		TEST(each_edit_is_refused_with_its_field),
		TEST(added_field_is_refused),
		TEST(removed_or_repeated_record_is_refused),
		TEST(frame_of_another_store_is_refused),
	};

	return cmocka_run_group_tests_name("store_tool", tests, NULL, NULL);
}
