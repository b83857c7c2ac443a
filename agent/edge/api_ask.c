// SPDX-License-Identifier: GPL-2.0
/*
 * {"volume": NAME, "hosts": [NAME, NAME, NAME], "guard": "lease"|"quorum"},
 * or with "expect": "E.V" instead of the volume, or {"to": NAME, "expect":
 * "E.V", "force": true}, becomes a struct here. Must never know whether it can
 * be granted.
 */
#include "api_ask.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_BYTES_SHOWN	80

/* The value as the asker wrote it, cut when it is long. */
static int refuse(struct err *err, const char *field, const json_t *value,
		  const char *must)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY |
					       JSON_ENSURE_ASCII);
	bool cut = text && strlen(text) > VALUE_BYTES_SHOWN;
	int ret;

	ret = err_set(err, -EINVAL, "%s: %.*s%s is not %s", field,
		      VALUE_BYTES_SHOWN, text ? text : "?", cut ? "..." : "",
		      must);
	free(text);
	return ret;
}

static int parse_volume(const json_t *value, struct volume_id *ret,
			struct err *err)
{
	const char *text = json_string_value(value);

	if (text && volume_id_parse(text, ret) == 0)
		return 0;
	return refuse(
		err, "volume", value,
		"a volume name (1 to 63 of A-Z a-z 0-9 . _ -, the first one a letter or digit)");
}

static int parse_host(const char *field, const json_t *value,
		      struct host_id *ret, struct err *err)
{
	const char *text = json_string_value(value);

	if (text && host_id_parse(text, ret) == 0)
		return 0;
	return refuse(
		err, field, value,
		"a host name (1 to 31 of A-Z a-z 0-9 . _ -, the first one a letter or digit)");
}

static int parse_hosts(const json_t *value, struct api_ask *ask,
		       struct err *err)
{
	if (!json_is_array(value) || json_array_size(value) != REPLICA_SLOTS)
		return refuse(err, "hosts", value, "an array of three hosts");
	for (size_t i = 0; i < REPLICA_SLOTS; i++) {
		int ret = parse_host("hosts", json_array_get(value, i),
				     &ask->hosts[i], err);

		if (ret)
			return ret;
	}
	return 0;
}

static int parse_guard(const json_t *value, enum guard *ret, struct err *err)
{
	static const enum guard all[] = { GUARD_LEASE, GUARD_QUORUM };
	const char *text = json_string_value(value);

	for (size_t i = 0; text && i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(text, guard_name(all[i])))
			continue;
		*ret = all[i];
		return 0;
	}
	return refuse(err, "guard", value, "\"lease\" or \"quorum\"");
}

/* Digits, a dot, digits; neither number 0. */
static int parse_lineage(const char *text, uint64_t parts[2])
{
	char *end;

	for (int i = 0; i < 2; i++) {
		if (*text < '1' || *text > '9')
			return -EINVAL;
		errno = 0;
		parts[i] = strtoull(text, &end, 10);
		if (errno || *end != (i ? '\0' : '.'))
			return -EINVAL;
		text = end + 1;
	}
	return 0;
}

int api_ask_parse_line(const char *text, struct lineage *ret, struct err *err)
{
	static const struct lineage none;
	uint64_t parts[2] = { 0 };

	if (strcmp(text, "none") == 0) {
		*ret = none;
		return 0;
	}
	if (parse_lineage(text, parts))
		return err_set(
			err, -EINVAL,
			"expect: \"%.*s\" is not none or a lineage (EPOCH.ENDPOINT_VERSION, as in 7.2)",
			VALUE_BYTES_SHOWN, text);
	*ret = (struct lineage){ parts[0], parts[1] };
	return 0;
}

static int parse_expect(const json_t *value, struct api_ask *ask,
			struct err *err)
{
	const char *text = json_string_value(value);

	if (!text)
		return refuse(err, "expect", value, "\"none\" or a lineage");
	ask->expects = true;
	return api_ask_parse_line(text, &ask->expected, err);
}

static int parse_force(const json_t *value, struct api_ask *ask,
		       struct err *err)
{
	if (!json_is_boolean(value))
		return refuse(err, "force", value, "true or false");
	ask->force = json_is_true(value);
	return 0;
}

/* Which fields an ask has. */
enum fields {
	FIELDS_CREATE,
	FIELDS_RECOVER,
	FIELDS_REASSIGN,
};

static int refuse_field(const char *key, enum fields fields, struct err *err)
{
	static const char *const musts[] = {
		[FIELDS_CREATE] = "a field of this ask: volume, hosts, guard",
		[FIELDS_RECOVER] = "a field of this ask: expect, hosts, guard",
		[FIELDS_REASSIGN] = "a field of this ask: to, expect, force",
	};
	json_t *name = json_string(key);
	int ret = refuse(err, "body", name, musts[fields]);

	json_decref(name);
	return ret;
}

static int parse_reassign_field(const char *key, const json_t *value,
				struct api_ask *ask, struct err *err)
{
	if (strcmp(key, "to") == 0)
		return parse_host("to", value, &ask->to, err);
	if (strcmp(key, "expect") == 0)
		return parse_expect(value, ask, err);
	if (strcmp(key, "force") == 0)
		return parse_force(value, ask, err);
	return refuse_field(key, FIELDS_REASSIGN, err);
}

static int parse_field(const char *key, const json_t *value, enum fields fields,
		       struct api_ask *ask, struct err *err)
{
	if (fields == FIELDS_REASSIGN)
		return parse_reassign_field(key, value, ask, err);
	if (fields == FIELDS_CREATE && strcmp(key, "volume") == 0)
		return parse_volume(value, &ask->volume, err);
	if (fields == FIELDS_RECOVER && strcmp(key, "expect") == 0)
		return parse_expect(value, ask, err);
	if (strcmp(key, "hosts") == 0)
		return parse_hosts(value, ask, err);
	if (strcmp(key, "guard") == 0)
		return parse_guard(value, &ask->guard, err);
	return refuse_field(key, fields, err);
}

static int parse_object(json_t *body, enum fields fields, struct api_ask *ask,
			struct err *err)
{
	const char *key;
	json_t *value;
	int ret;

	if (!json_is_object(body))
		return refuse(err, "body", body, "an object");
	json_object_foreach(body, key, value) {
		ret = parse_field(key, value, fields, ask, err);
		if (ret)
			return ret;
	}
	return 0;
}

static int parse(const char *bytes, size_t len, enum fields fields,
		 struct api_ask *ask, struct err *err)
{
	json_error_t where;
	json_t *body;
	int error;

	/* NULL with len 0 is what an empty body is. */
	body = json_loadb(len ? bytes : "", len, JSON_REJECT_DUPLICATES,
			  &where);
	if (!body)
		return err_set(err, -EINVAL,
			       "body: not JSON: line %d column %d: %s",
			       where.line, where.column, where.text);
	error = parse_object(body, fields, ask, err);
	json_decref(body);
	return error;
}

int api_ask_parse(const char *bytes, size_t len, struct api_ask *ret,
		  struct err *err)
{
	struct api_ask ask = { .guard = GUARD_LEASE };
	int error = parse(bytes, len, FIELDS_CREATE, &ask, err);

	if (error)
		return error;
	if (!ask.volume.s[0])
		return err_set(err, -EINVAL, "volume: this field is missing");
	if (!ask.hosts[0].s[0])
		return err_set(err, -EINVAL, "hosts: this field is missing");
	*ret = ask;
	return 0;
}

int api_ask_parse_recover(const char *bytes, size_t len, struct api_ask *ret,
			  struct err *err)
{
	struct api_ask ask = { .guard = GUARD_LEASE };
	int error = parse(bytes, len, FIELDS_RECOVER, &ask, err);

	if (!error)
		*ret = ask;
	return error;
}

int api_ask_parse_reassign(const char *bytes, size_t len, struct api_ask *ret,
			   struct err *err)
{
	struct api_ask ask = { .guard = GUARD_LEASE };
	int error = parse(bytes, len, FIELDS_REASSIGN, &ask, err);

	if (!error)
		*ret = ask;
	return error;
}
