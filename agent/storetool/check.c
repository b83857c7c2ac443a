// SPDX-License-Identifier: GPL-2.0
/*
 * The verbs that only look: check and dump. Must never write, and never know
 * how a log is repaired.
 */
#include "verbs.h"

#include <errno.h>
#include <inttypes.h>

#include "json.h"

/* --- check ------------------------------------------------------------------ */

/* What was never acknowledged is no damage. */
static int refuse_damage(const struct reload *r, const char *dir,
			 struct err *err)
{
	const struct store_skip *first = NULL;
	size_t nr = 0;

	for (size_t i = 0; i < r->nr_skips; i++) {
		if (r->skips[i].class != STORE_SKIP_CORRUPT)
			continue;
		if (nr++ == 0)
			first = &r->skips[i];
	}
	if (!first)
		return 0;
	return err_set(err, -EBADMSG,
		       "%s/log: offset %" PRIu64
		       ": %s%s%s, the first of %zu damaged",
		       dir, first->offset, first->volume.s,
		       first->volume.s[0] ? ": " : "", first->reason, nr);
}

int store_tool_check(const struct store_tool *tool, struct err *err)
{
	struct judged j;
	int ret = judged_read(&j, tool->dir, err);

	if (ret == 0 && json_answer(stdout, judged_report(&j), tool->json))
		ret = err_set(err, -ENOMEM, "no memory for the answer");
	if (ret == 0)
		ret = judged_refuse(&j, tool->dir, err);
	if (ret == 0)
		ret = refuse_damage(&j.reload, tool->dir, err);
	judged_exit(&j);
	return ret;
}

/* --- dump ------------------------------------------------------------------- */

static json_t *frame_json(const uint8_t *frame, uint64_t offset,
			  const struct store_id *store)
{
	struct record record;
	struct record_frame at;
	enum record_verdict verdict = record_decode(frame, &record, &at);
	json_t *object = json_object();

	json_put_u64(&object, "offset", offset);
	json_put_text(&object, "verdict", verdict_name(verdict));
	if (verdict == RECORD_BAD_VERSION)
		json_put_u64(&object, "format", record_format_version(frame));
	if (verdict != RECORD_OK && verdict != RECORD_BAD_BODY)
		return object;
	json_put_u64(&object, "log_seq", at.log_seq);
	json_put_u64(&object, "durable_through", at.durable_through);
	json_put_u64(&object, "group_last", at.group_last);
	json_put_u64(&object, "format", record_format_version(frame));
	if (!store_id_equal(&at.store, store))
		json_put_store(&object, "foreign_store_id", &at.store);
	json_put_record(&object, &record, verdict == RECORD_BAD_BODY);
	return object;
}

static struct store_id opening_store(const struct store_image *image)
{
	struct record record;
	struct record_frame at = { 0 };

	if (image->nr_frames &&
	    record_decode(image->bytes, &record, &at) != RECORD_OK)
		at.store = (struct store_id){ 0 };
	return at.store;
}

static const struct {
	const char *key;
	int width;
} columns[] = {
	{ "offset", 10 }, { "log_seq", 8 },  { "verdict", 11 },
	{ "kind", 11 },	  { "volume", 16 }, { "write_seq", 9 },
};

#define NR_COLUMNS	(sizeof(columns) / sizeof(columns[0]))

static void print_head(void)
{
	for (size_t i = 0; i < NR_COLUMNS; i++)
		printf("%-*s ", columns[i].width, columns[i].key);
	puts("says");
}

/* Takes the columns out of the object, the rest of it follows them. */
static void print_row(json_t *object)
{
	for (size_t i = 0; i < NR_COLUMNS; i++) {
		json_print_column(stdout,
				  json_object_get(object, columns[i].key),
				  columns[i].width);
		json_object_del(object, columns[i].key);
	}
	json_print_line(stdout, object);
}

/* Takes the object. */
static int print_frame(json_t *object, bool json)
{
	int ret = 0;

	if (!object)
		return -ENOMEM;
	if (json) {
		ret = json_dumpf(object, stdout, 0);
		putchar('\n');
	} else {
		print_row(object);
	}
	json_decref(object);
	return ret ? -EIO : 0;
}

/* Bytes that are no frame. */
static json_t *extra_json(const struct store_image *image)
{
	json_t *object = json_object();

	json_put_u64(&object, "offset",
		     (uint64_t)image->nr_frames * RECORD_FRAME_SIZE);
	json_put_text(&object, "verdict", "cut");
	json_put_u64(&object, "bytes", image->nr_extra);
	return object;
}

int store_tool_dump(const struct store_tool *tool, struct err *err)
{
	struct store_image image;
	struct store_id store;
	size_t nr;
	int ret = store_image_read(tool->dir, &image, err);

	if (ret)
		return ret;
	store = opening_store(&image);
	nr = store_image_used(&image);
	if (!tool->json)
		print_head();
	for (size_t i = 0; ret == 0 && i < nr; i++) {
		uint64_t offset = (uint64_t)i * RECORD_FRAME_SIZE;

		ret = print_frame(frame_json(image.bytes + offset, offset,
					     &store),
				  tool->json);
	}
	if (ret == 0 && image.nr_extra)
		ret = print_frame(extra_json(&image), tool->json);
	if (ret)
		err_set(err, ret, "no memory for the answer");
	store_image_free(&image);
	return ret;
}
