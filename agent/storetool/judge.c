// SPDX-License-Identifier: GPL-2.0
/*
 * A log that was read, judged as the start of an agent judges it, and what it
 * holds in numbers. Must never write.
 */
#include "verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

static void refuse_extra(struct judged *j)
{
	struct reload *r = &j->reload;

	r->bad_offset = (uint64_t)j->image.nr_frames * RECORD_FRAME_SIZE;
	snprintf(r->bad_reason, sizeof(r->bad_reason),
		 "the file does not end with a whole frame");
	j->refusal = -EBADMSG;
}

static bool is_foreign(const struct judged *j)
{
	return !store_id_is_none(&j->image.named) &&
	       !store_id_equal(&j->image.named, &j->reload.store);
}

static void refuse_foreign(struct judged *j)
{
	struct reload *r = &j->reload;

	r->bad_offset = 0;
	snprintf(r->bad_reason, sizeof(r->bad_reason),
		 "frame of a foreign store: the id beside the log is another");
	j->refusal = -EBADMSG;
}

int judged_init(struct judged *ret, struct store_image *image)
{
	int error;

	memset(ret, 0, sizeof(*ret));
	ret->image = *image;
	memset(image, 0, sizeof(*image));
	ret->nr_used = store_image_used(&ret->image);
	/* Each volume has a frame: there is always room. */
	error = reload_init(&ret->reload, ret->nr_used + 1);
	if (error)
		return error;
	if (ret->image.nr_extra)
		refuse_extra(ret);
	else
		ret->refusal = reload_judge(&ret->reload, ret->image.bytes,
					    ret->image.nr_frames);
	if (!ret->refusal && is_foreign(ret))
		refuse_foreign(ret);
	return 0;
}

void judged_exit(struct judged *judged)
{
	reload_exit(&judged->reload);
	store_image_free(&judged->image);
}

int judged_read(struct judged *ret, const char *dir, struct err *err)
{
	struct store_image image;
	int error;

	memset(ret, 0, sizeof(*ret));
	error = store_image_read(dir, &image, err);
	if (error)
		return error;
	error = judged_init(ret, &image);
	return error ? err_set(err, error, "%s/log: no memory to judge it",
			       dir) :
		       0;
}

int judged_refuse(const struct judged *judged, const char *dir, struct err *err)
{
	if (!judged->refusal)
		return 0;
	return err_set(err, judged->refusal, "%s/log: offset %" PRIu64 ": %s",
		       dir, judged->reload.bad_offset,
		       judged->reload.bad_reason);
}

/* --- in numbers ------------------------------------------------------------- */

static void report_counts(json_t **object, const struct judged *j)
{
	uint64_t volumes = 0, tombstones = 0, floors = 0, damaged = 0;
	uint64_t in_doubt = 0;

	for (size_t i = 1; i < record_table_nr(j->reload.table); i++) {
		const struct record_entry *entry =
			record_table_at(j->reload.table, i);
		const struct record *record = &entry->record;

		if (entry->damaged) {
			damaged++;
			continue;
		}
		volumes += record->kind == RECORD_VOLUME;
		tombstones += record->kind == RECORD_TOMBSTONE;
		floors += record->kind == RECORD_FLOOR;
		in_doubt += record->kind == RECORD_VOLUME &&
			    record_is_in_doubt(record);
	}
	json_put_u64(object, "volumes", volumes);
	json_put_u64(object, "in_doubt", in_doubt);
	json_put_u64(object, "tombstones", tombstones);
	json_put_u64(object, "floors", floors);
	json_put_u64(object, "damaged", damaged);
}

static void report_place(json_t **object, const struct judged *j)
{
	const struct reload *r = &j->reload;
	const struct record_entry *entry = record_table_at(r->table, 0);

	if (entry->record.kind == RECORD_INCARNATION)
		json_put_u64(object, "incarnation",
			     record_incarnation(&entry->record).value);
	report_counts(object, j);
	json_put_u64(object, "frames_free",
		     r->first_seq + j->image.nr_frames - r->last_seq - 1);
	json_put_u64(object, "first_seq", r->first_seq);
	json_put_u64(object, "durable_through", r->durable_through);
	json_put_u64(object, "last_seq", r->last_seq);
}

static json_t *skip_json(const struct store_skip *skip)
{
	json_t *object = json_object();

	json_put_text(&object, "class",
		      skip->class == STORE_SKIP_CORRUPT ?
			      "AuthorityRecordCorrupt" :
			      "AuthorityRecordUnwritten");
	json_put_text(&object, "volume", skip->volume.s);
	json_put_u64(&object, "offset", skip->offset);
	json_put_text(&object, "note", skip->reason);
	return object;
}

static json_t *skips_json(const struct reload *r)
{
	json_t *array = json_array();

	for (size_t i = 0; i < r->nr_skips; i++)
		json_push(&array, skip_json(&r->skips[i]));
	return array;
}

/* Who wrote it, as far as its frames tell. */
static void report_identity(json_t **object, const struct judged *j)
{
	unsigned int oldest = UINT32_MAX, newest = 0;
	bool named = false;

	for (size_t i = 0; i < j->nr_used; i++) {
		const uint8_t *frame = j->image.bytes + i * RECORD_FRAME_SIZE;
		struct record record;
		struct record_frame at;
		unsigned int version;

		switch (record_decode(frame, &record, &at)) {
		case RECORD_OK:
		case RECORD_BAD_BODY:
			break;
		case RECORD_ZERO:
		case RECORD_BAD_HEADER:
		case RECORD_BAD_VERSION:
			continue;
		}
		if (!named)
			json_put_store(object, "store_id", &at.store);
		named = true;
		version = record_format_version(frame);
		oldest = version < oldest ? version : oldest;
		newest = version > newest ? version : newest;
	}
	if (!named)
		return;
	json_put_u64(object, "format", newest);
	if (oldest != newest)
		json_put_u64(object, "format_oldest", oldest);
}

json_t *judged_report(const struct judged *judged)
{
	json_t *object = json_object();

	report_identity(&object, judged);
	json_put_u64(&object, "frames", judged->image.nr_frames);
	if (judged->refusal) {
		json_t *refusal = json_object();

		json_put_u64(&refusal, "offset", judged->reload.bad_offset);
		json_put_text(&refusal, "note", judged->reload.bad_reason);
		json_put(&object, "refusal", refusal);
		return object;
	}
	report_place(&object, judged);
	json_put(&object, "skips", skips_json(&judged->reload));
	return object;
}
