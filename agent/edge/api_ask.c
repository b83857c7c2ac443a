// SPDX-License-Identifier: GPL-2.0
/*
 * {"volume": NAME, "hosts": [NAME, NAME, NAME], "guard": "lease"|"quorum"}
 * becomes a struct here. Must never know whether it can be granted.
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

static int parse_hosts(const json_t *value, struct api_ask *ask,
		       struct err *err)
{
	if (!json_is_array(value) || json_array_size(value) != REPLICA_SLOTS)
		return refuse(err, "hosts", value, "an array of three hosts");
	for (size_t i = 0; i < REPLICA_SLOTS; i++) {
		const json_t *host = json_array_get(value, i);
		const char *text = json_string_value(host);

		if (!text || host_id_parse(text, &ask->hosts[i]))
			return refuse(
				err, "hosts", host,
				"a host name (1 to 31 of A-Z a-z 0-9 . _ -, the first one a letter or digit)");
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

static int parse_field(const char *key, const json_t *value,
		       struct api_ask *ask, struct err *err)
{
	json_t *name;
	int ret;

	if (strcmp(key, "volume") == 0)
		return parse_volume(value, &ask->volume, err);
	if (strcmp(key, "hosts") == 0)
		return parse_hosts(value, ask, err);
	if (strcmp(key, "guard") == 0)
		return parse_guard(value, &ask->guard, err);
	name = json_string(key);
	ret = refuse(err, "body", name,
		     "a field of this ask: volume, hosts, guard");
	json_decref(name);
	return ret;
}

static int parse_object(json_t *body, struct api_ask *ask, struct err *err)
{
	const char *key;
	json_t *value;
	int ret;

	if (!json_is_object(body))
		return refuse(err, "body", body, "an object");
	json_object_foreach(body, key, value) {
		ret = parse_field(key, value, ask, err);
		if (ret)
			return ret;
	}
	if (!ask->volume.s[0])
		return err_set(err, -EINVAL, "volume: this field is missing");
	if (!ask->hosts[0].s[0])
		return err_set(err, -EINVAL, "hosts: this field is missing");
	return 0;
}

int api_ask_parse(const char *bytes, size_t len, struct api_ask *ret,
		  struct err *err)
{
	struct api_ask ask = { .guard = GUARD_LEASE };
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
	error = parse_object(body, &ask, err);
	json_decref(body);
	if (!error)
		*ret = ask;
	return error;
}
