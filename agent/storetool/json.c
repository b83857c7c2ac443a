// SPDX-License-Identifier: GPL-2.0
/*
 * One description of a record for programs, for people and for the way back.
 * Must never know a file.
 */
#include "json.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* --- building --------------------------------------------------------------- */

void json_put(json_t **object, const char *key, json_t *value)
{
	if (*object && value && json_object_set_new(*object, key, value) == 0)
		return;
	/* json_object_set_new() takes the value, also when it fails. */
	if (!*object)
		json_decref(value);
	json_decref(*object);
	*object = NULL;
}

void json_push(json_t **array, json_t *value)
{
	if (*array && value && json_array_append_new(*array, value) == 0)
		return;
	if (!*array)
		json_decref(value);
	json_decref(*array);
	*array = NULL;
}

void json_put_u64(json_t **object, const char *key, uint64_t value)
{
	json_put(object, key,
		 value <= INT64_MAX ? json_integer((json_int_t)value) :
				      json_sprintf("%" PRIu64, value));
}

void json_put_text(json_t **object, const char *key, const char *value)
{
	if (value[0])
		json_put(object, key, json_string(value));
}

void json_put_store(json_t **object, const char *key, const struct store_id *id)
{
	char text[2 * STORE_ID_SIZE + 1];

	if (store_id_is_none(id))
		return;
	for (size_t i = 0; i < STORE_ID_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", id->b[i]);
	json_put_text(object, key, text);
}

static void put_lineage(json_t **object, const char *epoch,
			const char *endpoint_version, struct lineage l)
{
	if (lineage_is_none(l))
		return;
	json_put_u64(object, epoch, l.epoch);
	json_put_u64(object, endpoint_version, l.endpoint_version);
}

/* --- records ---------------------------------------------------------------- */

static const char *kind_name(enum record_kind kind)
{
	switch (kind) {
	case RECORD_INCARNATION:
		return "incarnation";
	case RECORD_VOLUME:
		return "volume";
	case RECORD_TOMBSTONE:
		return "tombstone";
	case RECORD_FLOOR:
		return "floor";
	case RECORD_MARKER:
		return "marker";
	case RECORD_UNSPEC:
		break;
	}
	return "?";
}

const char *verdict_name(enum record_verdict verdict)
{
	switch (verdict) {
	case RECORD_OK:
		return "ok";
	case RECORD_ZERO:
		return "zero";
	case RECORD_BAD_HEADER:
		return "bad_header";
	case RECORD_BAD_VERSION:
		return "bad_version";
	case RECORD_BAD_BODY:
		return "bad_body";
	}
	return "?";
}

static json_t *slots_json(const struct topology *t)
{
	json_t *array = json_array();

	for (int i = 0; i < REPLICA_SLOTS; i++) {
		json_t *slot = json_object();

		json_put_text(&slot, "replica", t->slots[i].replica.s);
		json_put_text(&slot, "host", t->slots[i].host.s);
		json_push(&array, slot);
	}
	return array;
}

static void put_recovery(json_t **object, const struct recovery *r)
{
	if (r->write_seq == 0)
		return;
	json_put_u64(object, "recovery_write_seq", r->write_seq);
	put_lineage(object, "recovery_epoch", "recovery_endpoint_version",
		    r->line);
	put_lineage(object, "recovery_floor_epoch",
		    "recovery_floor_endpoint_version", r->floor);
	json_put_u64(object, "recovery_wall_s", r->wall_s);
	json_put_u64(object, "recovery_uid", r->uid);
}

static void put_volume(json_t **object, const struct record *record)
{
	const struct topology t = record_topology(record);
	const struct line line = record_line(record);
	const struct recovery recovery = record_recovery(record);

	put_lineage(object, "epoch", "endpoint_version", line.lineage);
	json_put_text(object, "primary", line.primary.s);
	json_put_text(object, "data_addr", line.data_addr.s);
	json_put_text(object, "ctrl_addr", line.ctrl_addr.s);
	json_put_text(object, "guard", guard_name(t.guard));
	json_put(object, "slots", slots_json(&t));
	if (record_is_in_doubt(record))
		json_put(object, "in_doubt", json_true());
	put_recovery(object, &recovery);
}

static void put_floor(json_t **object, const struct record *record)
{
	const struct floor floor = record_floor(record);

	json_put_text(object, "replica", floor.replica.s);
	put_lineage(object, "floor_epoch", "floor_endpoint_version",
		    floor.lineage);
	json_put_text(object, "primary", floor.primary.s);
	put_lineage(object, "served_epoch", "served_endpoint_version",
		    floor.served);
}

static void put_incarnation(json_t **object, const struct record *record)
{
	const struct incarnation incarnation = record_incarnation(record);

	json_put_u64(object, "incarnation", incarnation.value);
	json_put_store(object, "master", &incarnation.master);
	json_put_u64(object, "lease_ms", incarnation.lease_ms);
}

void json_put_record(json_t **object, const struct record *record, bool damaged)
{
	json_put_text(object, "kind", kind_name(record->kind));
	json_put_text(object, "volume", record->volume.s);
	if (record->write_seq)
		json_put_u64(object, "write_seq", record->write_seq);
	if (damaged)
		return;
	switch (record->kind) {
	case RECORD_VOLUME:
		put_volume(object, record);
		break;
	case RECORD_TOMBSTONE:
		json_put_u64(object, "floor_epoch", record_floor_epoch(record));
		break;
	case RECORD_FLOOR:
		put_floor(object, record);
		break;
	case RECORD_INCARNATION:
		put_incarnation(object, record);
		break;
	case RECORD_MARKER:
		if (record_nr_frames(record))
			json_put_u64(object, "frames",
				     record_nr_frames(record));
		break;
	case RECORD_UNSPEC:
		break;
	}
}

/* --- text ------------------------------------------------------------------- */

static void print_text(FILE *to, const char *text)
{
	fprintf(to, strchr(text, ' ') ? "\"%s\"" : "%s", text);
}

/* A scalar; an array with commas; the values of an object with colons. */
static void print_value(FILE *to, const json_t *value)
{
	const char *separator = "", *key;
	json_t *part;
	size_t i;

	switch (json_typeof(value)) {
	case JSON_STRING:
		print_text(to, json_string_value(value));
		break;
	case JSON_INTEGER:
		fprintf(to, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_ARRAY:
		json_array_foreach(value, i, part) {
			fputs(separator, to);
			print_value(to, part);
			separator = ",";
		}
		break;
	case JSON_OBJECT:
		json_object_foreach((json_t *)value, key, part) {
			fputs(separator, to);
			print_value(to, part);
			separator = ":";
		}
		break;
	case JSON_TRUE:
		fputs("yes", to);
		break;
	case JSON_FALSE:
	case JSON_REAL:
	case JSON_NULL:
		fputs("no", to);
		break;
	}
}

void json_print_column(FILE *to, const json_t *value, int width)
{
	if (json_is_integer(value))
		fprintf(to, "%-*" JSON_INTEGER_FORMAT " ", width,
			json_integer_value(value));
	else
		fprintf(to, "%-*s ", width,
			json_is_string(value) ? json_string_value(value) : "-");
}

void json_print_line(FILE *to, const json_t *object)
{
	const char *separator = "", *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value) {
		fprintf(to, "%s%s=", separator, key);
		print_value(to, value);
		separator = " ";
	}
	fputc('\n', to);
}

static bool is_table(const json_t *value)
{
	return json_is_array(value) &&
	       (json_array_size(value) == 0 ||
		json_is_object(json_array_get(value, 0)));
}

static void print_lines(FILE *to, const json_t *object)
{
	const char *key;
	json_t *value, *row;
	size_t i;

	json_object_foreach((json_t *)object, key, value) {
		if (is_table(value))
			continue;
		fprintf(to, "%-18s ", key);
		if (json_is_object(value)) {
			json_print_line(to, value);
			continue;
		}
		print_value(to, value);
		fputc('\n', to);
	}
	json_object_foreach((json_t *)object, key, value) {
		if (!is_table(value))
			continue;
		json_array_foreach(value, i, row) {
			fprintf(to, "%-18s ", key);
			json_print_line(to, row);
		}
	}
}

int json_answer(FILE *to, json_t *object, bool json)
{
	int ret = 0;

	if (!object)
		return -ENOMEM;
	if (json) {
		fputc('[', to);
		ret = json_dumpf(object, to, 0) ? -EIO : 0;
		fputs("]\n", to);
	} else {
		print_lines(to, object);
	}
	json_decref(object);
	return ret;
}
