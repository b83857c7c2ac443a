// SPDX-License-Identifier: GPL-2.0
/*
 * The way back from an export: each frame is decoded and its sums checked, and
 * what can be read beside it must be what it says. Must never believe a field.
 */
#include "export.h"

#include <errno.h>
#include <string.h>

#include <openssl/evp.h>

#include "core/record_table.h"
#include "json.h"
#include "verbs.h"

struct importing {
	struct err *err;
	struct store_id store;
	struct record_table *table;	/* what was seen */
	struct export_sum sum;
	struct store_image_new new;

	/* The record that is looked at. */
	char at[96];
	uint8_t frame[RECORD_FRAME_SIZE];
	struct record record;
	enum record_verdict verdict;
};

static int refuse_field(const struct importing *in, const char *field,
			const char *what)
{
	return err_set(in->err, -EBADMSG, "import: %s: field \"%s\" %s", in->at,
		       field, what);
}

/* --- one record ------------------------------------------------------------- */

static int get_frame(struct importing *in, const json_t *given)
{
	const json_t *value = json_object_get(given, "frame");
	uint8_t bytes[EXPORT_BASE64_LEN];

	if (!json_is_string(value) ||
	    json_string_length(value) != EXPORT_BASE64_LEN ||
	    EVP_DecodeBlock(bytes,
			    (const unsigned char *)json_string_value(value),
			    EXPORT_BASE64_LEN) != RECORD_FRAME_SIZE + 1)
		return refuse_field(in, "frame", "is not 512 bytes in base64");
	memcpy(in->frame, bytes, RECORD_FRAME_SIZE);
	return 0;
}

static int decode_frame(struct importing *in)
{
	struct record_frame at = { 0 };

	in->verdict = record_decode(in->frame, &in->record, &at);
	switch (in->verdict) {
	case RECORD_ZERO:
	case RECORD_BAD_HEADER:
		return refuse_field(in, "frame",
				    "is damaged: its header's sum is wrong");
	case RECORD_BAD_VERSION:
		return refuse_field(in, "frame",
				    "is of a later format than this program's");
	case RECORD_BAD_BODY:
	case RECORD_OK:
		break;
	}
	if (!store_id_equal(&at.store, &in->store))
		return refuse_field(in, "frame", "is of another store");
	if (in->record.kind == RECORD_MARKER ||
	    (in->verdict == RECORD_BAD_BODY && in->record.volume.s[0] == '\0'))
		return refuse_field(in, "frame", "is no record of a volume");
	return 0;
}

/* Both ways: none is missing, none is more, none says another thing. */
static int compare(const struct importing *in, const json_t *given,
		   const json_t *said)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)said, key, value) {
		const json_t *other = json_object_get(given, key);

		if (!other)
			return refuse_field(in, key, "is missing");
		if (!json_equal(value, other))
			return refuse_field(in, key,
					    "is not what the frame says");
	}
	json_object_foreach((json_t *)given, key, value) {
		if (!json_object_get(said, key))
			return refuse_field(in, key,
					    "is not what the frame says");
	}
	return 0;
}

static int check_fields(struct importing *in, const json_t *given)
{
	json_t *said = export_record(&in->record, in->verdict, in->frame);
	int ret = said ? compare(in, given, said) :
			 err_set(in->err, -ENOMEM, "import: no memory");

	json_decref(said);
	return ret;
}

static int take_record(struct importing *in, const json_t *given)
{
	struct record_entry *entry;
	int ret = get_frame(in, given);

	if (ret == 0)
		ret = decode_frame(in);
	if (ret == 0)
		ret = check_fields(in, given);
	if (ret)
		return ret;
	entry = record_table_take(in->table, &in->record.volume);
	if (entry->record.kind != RECORD_UNSPEC)
		return refuse_field(in, "volume", "stands a second time");
	entry->record = in->record;
	export_sum_add(&in->sum, in->frame);
	if (in->verdict == RECORD_OK)
		store_image_put(&in->new, &in->record);
	else
		store_image_put_damaged(&in->new, &in->record, in->frame);
	return 0;
}

/* For the sentence: its place, and its name as far as there is one. */
static void name_record(struct importing *in, size_t i, const json_t *given)
{
	const char *volume =
		json_string_value(json_object_get(given, "volume"));

	snprintf(in->at, sizeof(in->at), "record %zu%s%.63s", i + 1,
		 volume ? ", volume " : "", volume ? volume : "");
}

static int take_records(struct importing *in, const json_t *records)
{
	json_t *given;
	size_t i;

	json_array_foreach(records, i, given) {
		int ret;

		name_record(in, i, given);
		ret = take_record(in, given);
		if (ret)
			return ret;
	}
	return 0;
}

/* --- the document ----------------------------------------------------------- */

static uint8_t hex_value(char digit)
{
	return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

static int parse_store(const char *text, struct store_id *ret)
{
	const size_t len = 2 * STORE_ID_SIZE;

	if (!text || strlen(text) != len ||
	    strspn(text, "0123456789abcdef") != len)
		return -EBADMSG;
	for (size_t i = 0; i < STORE_ID_SIZE; i++)
		ret->b[i] = (uint8_t)(hex_value(text[2 * i]) << 4 |
				      hex_value(text[2 * i + 1]));
	return 0;
}

/* Everything but the records, as the frames have it. */
static int check_document(struct importing *in, const json_t *document)
{
	const struct record_entry *entry = record_table_at(in->table, 0);
	char sum[EXPORT_SUM_SIZE];
	json_t *said = json_object();
	int ret;

	export_sum_end(&in->sum, sum);
	json_put_u64(&said, "export_version", EXPORT_VERSION);
	json_put_store(&said, "store_id", &in->store);
	if (entry->record.kind == RECORD_INCARNATION)
		json_put_u64(&said, "incarnation",
			     record_incarnation(&entry->record).value);
	json_put_text(&said, "sha256", sum);
	json_put(&said, "records",
		 json_incref(json_object_get(document, "records")));
	snprintf(in->at, sizeof(in->at), "document");
	ret = said ? compare(in, document, said) :
		     err_set(in->err, -ENOMEM, "import: no memory");
	json_decref(said);
	return ret;
}

/* What can be said before any frame is looked at. */
static int begin(struct importing *in, const json_t *document)
{
	const json_t *version = json_object_get(document, "export_version");
	const json_t *records = json_object_get(document, "records");
	size_t nr = json_array_size(records);

	snprintf(in->at, sizeof(in->at), "document");
	if (json_integer_value(version) != EXPORT_VERSION)
		return refuse_field(in, "export_version",
				    "is not 1, the one that is known");
	if (parse_store(json_string_value(json_object_get(document, "store_id")),
			&in->store))
		return refuse_field(in, "store_id", "is not 32 digits in hex");
	if (!json_is_array(records))
		return refuse_field(in, "records", "is no array");
	if (record_table_new(nr + 1, &in->table) || export_sum_init(&in->sum) ||
	    store_image_start(&in->new, &in->store, nr))
		return err_set(in->err, -ENOMEM,
			       "import: no memory for %zu records", nr);
	return 0;
}

int export_to_image(const json_t *document, struct store_image *ret,
		    struct err *err)
{
	struct importing in = { .err = err };
	int error = begin(&in, document);

	if (error == 0)
		error = take_records(&in, json_object_get(document, "records"));
	if (error == 0)
		error = check_document(&in, document);
	if (error)
		store_image_free(&in.new.image);
	else
		*ret = store_image_end(&in.new);
	export_sum_exit(&in.sum);
	record_table_free(in.table);
	return error;
}

static int import_document(const struct store_tool *tool,
			   const json_t *document, struct err *err)
{
	struct store_image image;
	struct judged j = { 0 };
	json_t *report;
	int ret = export_to_image(document, &image, err);

	if (ret)
		return ret;
	if (judged_init(&j, &image))
		ret = err_set(err, -ENOMEM, "import: no memory to judge it");
	/* What boot would refuse is not made. */
	if (ret == 0)
		ret = judged_refuse(&j, tool->dest, err);
	if (ret == 0)
		ret = store_image_write(tool->dest, &j.image, err);
	report = ret ? NULL : judged_report(&j);
	if (ret == 0 && json_answer(stdout, report, tool->json))
		ret = err_set(err, -ENOMEM,
			      "%s is made; no memory for the answer",
			      tool->dest);
	judged_exit(&j);
	return ret;
}

int store_tool_import(const struct store_tool *tool, struct err *err)
{
	json_error_t error;
	json_t *document = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);
	int ret;

	if (!document)
		return err_set(err, -EBADMSG, "import: line %d, column %d: %s",
			       error.line, error.column, error.text);
	ret = import_document(tool, document, err);
	json_decref(document);
	return ret;
}
