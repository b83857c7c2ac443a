// SPDX-License-Identifier: GPL-2.0
/*
 * A gate and a host as the uapi names their fields. Must never talk to the
 * kernel itself.
 */
#include "gate.h"

#include <errno.h>
#include <string.h>
#include <linux/bfence.h>
#include <linux/genetlink.h>

const struct field gate_fields[] = {
	{ "event", KIND_EVENT, BFENCE_A_EVENT },
	{ "volume", KIND_STRING, BFENCE_A_VOLUME },
	{ "replica", KIND_STRING, BFENCE_A_REPLICA },
	{ "backing", KIND_STRING, BFENCE_A_BACKING },
	{ "state", KIND_STATE, BFENCE_A_STATE },
	{ "reason", KIND_REASON, BFENCE_A_REASON },
	{ "epoch", KIND_U64, BFENCE_A_EPOCH },
	{ "endpoint_version", KIND_U64, BFENCE_A_ENDPOINT_VERSION },
	{ "primary", KIND_STRING, BFENCE_A_PRIMARY },
	{ "open_flags", KIND_OPEN_FLAGS, BFENCE_A_OPEN_FLAGS },
	{ "disk", KIND_STRING, BFENCE_A_DISK },
	{ "size_bytes", KIND_U64, BFENCE_A_SIZE_BYTES },
	{ "managed", KIND_BOOL, BFENCE_A_MANAGED },
	{ "forced", KIND_FLAG, BFENCE_A_FORCED },
	{ "incarnation", KIND_U64, BFENCE_A_INCARNATION },
	{ "boot_id", KIND_STRING, BFENCE_A_BOOT_ID },
	{ "since_ns", KIND_INSTANT, BFENCE_A_SINCE_NS },
	{ "admitted", KIND_U64, BFENCE_A_ADMITTED },
	{ "rejected_stale", KIND_U64, BFENCE_A_REJECTED_STALE },
	{ "rejected_closed", KIND_U64, BFENCE_A_REJECTED_CLOSED },
	{ "rejected_lease", KIND_U64, BFENCE_A_REJECTED_LEASE },
	{ "rejected_read_only", KIND_U64, BFENCE_A_REJECTED_READ_ONLY },
	{ "rejected_newer", KIND_U64, BFENCE_A_REJECTED_NEWER },
	{ "io_errors", KIND_U64, BFENCE_A_IO_ERRORS },
	{ "inflight", KIND_U64, BFENCE_A_INFLIGHT },
	{ "inflight_oldest_ns", KIND_NS, BFENCE_A_INFLIGHT_OLDEST_NS },
	{ "drained", KIND_U64, BFENCE_A_DRAINED },
	{ "close_ns", KIND_NS, BFENCE_A_CLOSE_NS },
	{ "drain_ns", KIND_NS, BFENCE_A_DRAIN_NS },
	{ "drain_ms", KIND_MS, BFENCE_A_DRAIN_MS },
	{ NULL, KIND_STRING, 0 },
};

const struct field host_fields[] = {
	{ "incarnation", KIND_U64, BFENCE_A_INCARNATION },
	{ "boot_id", KIND_STRING, BFENCE_A_BOOT_ID },
	{ "now_ns", KIND_U64, BFENCE_A_NOW_NS },
	{ "lease_deadline_ns", KIND_INSTANT, BFENCE_A_LEASE_DEADLINE_NS },
	{ "lease_running", KIND_BOOL, BFENCE_A_LEASE_RUNNING },
	{ "nr_gates", KIND_U32, BFENCE_A_NR_GATES },
	{ NULL, KIND_STRING, 0 },
};

const struct column gate_columns[] = {
	{ "VOLUME", "{volume}" },
	{ "REPLICA", "{replica}" },
	{ "STATE", "{state}" },
	{ "LINEAGE", "{epoch}.{endpoint_version}" },
	{ "PRIMARY", "{primary}" },
	{ "DISK", "{disk}" },
	{ "BACKING", "{backing}" },
	{ "ADMITTED", "{admitted}" },
	{ "STALE/CLOSED/LEASE",
	  "{rejected_stale}/{rejected_closed}/{rejected_lease}" },
	{ "INFLIGHT", "{inflight}" },
	{ "SINCE", "{since_ns}" },
	{ NULL, NULL },
};

/* A device path need not be UTF-8, a JSON string must be. */
static json_t *string_from(const struct nlattr *attr)
{
	const char *text = mnl_attr_get_str(attr);
	char copy[BFENCE_BACKING_LEN + 1];
	json_t *value = json_string(text);
	size_t i;

	if (value)
		return value;
	for (i = 0; i + 1 < sizeof(copy) && text[i]; i++)
		copy[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
	copy[i] = '\0';
	return json_string(copy);
}

static size_t wire_bytes(enum kind kind)
{
	switch (kind) {
	case KIND_BOOL:
		return sizeof(uint8_t);
	case KIND_U32:
	case KIND_MS:
	case KIND_STATE:
	case KIND_REASON:
	case KIND_EVENT:
	case KIND_OPEN_FLAGS:
		return sizeof(uint32_t);
	case KIND_U64:
	case KIND_NS:
	case KIND_INSTANT:
		return sizeof(uint64_t);
	case KIND_STRING:
	case KIND_FLAG:
	case KIND_CODES:
	case KIND_COUNT:
		return 0;
	}
	return 0;
}

static bool attr_is_sound(enum kind kind, const struct nlattr *attr)
{
	if (kind == KIND_STRING)
		return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0;
	return mnl_attr_get_payload_len(attr) == wire_bytes(kind);
}

static json_t *value_from(enum kind kind, const struct nlattr *attr)
{
	switch (kind) {
	case KIND_STRING:
		return string_from(attr);
	case KIND_BOOL:
		return json_boolean(mnl_attr_get_u8(attr));
	case KIND_FLAG:
		return json_true();
	case KIND_U32:
	case KIND_MS:
		return field_json_u64(mnl_attr_get_u32(attr));
	case KIND_U64:
	case KIND_NS:
	case KIND_INSTANT:
		return field_json_u64(mnl_attr_get_u64(attr));
	case KIND_STATE:
	case KIND_REASON:
	case KIND_EVENT:
		return field_json_word(kind, mnl_attr_get_u32(attr));
	case KIND_OPEN_FLAGS:
		return field_json_open_flags(mnl_attr_get_u32(attr));
	case KIND_CODES:
	case KIND_COUNT:
		break;
	}
	return NULL;
}

static const struct nlattr *attr_find(const struct nlmsghdr *message,
				      uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == type)
			return attr;
	return NULL;
}

static int object_fill(json_t *object, const struct nlmsghdr *message,
		       const struct field *fields)
{
	const struct nlattr *attr;
	json_t *value;

	for (; fields->key; fields++) {
		attr = attr_find(message, fields->attr);
		if (!attr && fields->kind != KIND_FLAG)
			continue;
		if (attr && !attr_is_sound(fields->kind, attr))
			return -EBADMSG;
		value = attr ? value_from(fields->kind, attr) : json_false();
		if (json_object_set_new(object, fields->key, value))
			return -ENOMEM;
	}
	return 0;
}

int gate_from_message(const struct nlmsghdr *message,
		      const struct field *fields, json_t **ret)
{
	json_t *object;
	int error;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(struct genlmsghdr))
		return -EBADMSG;
	object = json_object();
	if (!object)
		return -ENOMEM;
	error = object_fill(object, message, fields);
	if (error) {
		json_decref(object);
		return error;
	}
	*ret = object;
	return 0;
}

/* The reverse of field_json_u64(); 0 when the key is absent. */
uint64_t gate_u64(const json_t *gate, const char *key)
{
	const json_t *value = json_object_get(gate, key);
	uint64_t number = 0;

	if (json_is_integer(value))
		return (uint64_t)json_integer_value(value);
	if (json_is_string(value))
		parse_u64(json_string_value(value), 0, UINT64_MAX, &number);
	return number;
}

struct lineage gate_lineage(const json_t *gate)
{
	return (struct lineage){
		.epoch = gate_u64(gate, "epoch"),
		.endpoint_version = gate_u64(gate, "endpoint_version"),
	};
}

bool gate_is(const json_t *gate, const char *state)
{
	const char *text = json_string_value(json_object_get(gate, "state"));

	return text && !strcmp(text, state);
}
