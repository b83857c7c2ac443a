// SPDX-License-Identifier: GPL-2.0
/*
 * The objects of the master's API as tables of fields. Data only; what a
 * newer master adds shows with -j until it is named here.
 */
#include "api.h"

/* One row a line, which clang-format would pack. */
/* clang-format off */
const struct field api_status_fields[] = {
	{ "store_id", KIND_STRING, 0 },
	{ "incarnation", KIND_U64, 0 },
	{ "uptime_ms", KIND_MS, 0 },
	{ "volumes", KIND_U64, 0 },
	{ "hosts", KIND_U64, 0 },
	{ "hosts_connected", KIND_U64, 0 },
	{ "reloaded", KIND_U64, 0 },
	{ "skips", KIND_COUNT, 0 },
	{ NULL, KIND_STRING, 0 },
};

const struct field api_skip_fields[] = {
	{ "volume", KIND_STRING, 0 },
	{ "offset", KIND_U64, 0 },
	{ "class", KIND_STRING, 0 },
	{ "note", KIND_STRING, 0 },
	{ NULL, KIND_STRING, 0 },
};

const struct field api_volume_fields[] = {
	{ "volume", KIND_STRING, 0 },
	{ "guard", KIND_STRING, 0 },
	{ "state", KIND_STRING, 0 },
	{ "epoch", KIND_U64, 0 },
	{ "endpoint_version", KIND_U64, 0 },
	{ "primary", KIND_STRING, 0 },
	{ "primary_host", KIND_STRING, 0 },
	{ "data_addr", KIND_STRING, 0 },
	{ "ctrl_addr", KIND_STRING, 0 },
	{ "write_seq", KIND_U64, 0 },
	{ "recovery_write_seq", KIND_U64, 0 },
	{ "recovery_line_epoch", KIND_U64, 0 },
	{ "recovery_line_endpoint_version", KIND_U64, 0 },
	{ "recovery_floor_epoch", KIND_U64, 0 },
	{ "recovery_floor_endpoint_version", KIND_U64, 0 },
	{ "recovery_unix_s", KIND_U64, 0 },
	{ "recovery_uid", KIND_U64, 0 },
	{ "slots", KIND_COUNT, 0 },
	{ "evidence", KIND_CODES, 0 },
	{ NULL, KIND_STRING, 0 },
};

const struct field api_deleted_fields[] = {
	{ "volume", KIND_STRING, 0 },
	{ "deleted", KIND_BOOL, 0 },
	{ NULL, KIND_STRING, 0 },
};

const struct field api_slot_fields[] = {
	{ "replica", KIND_STRING, 0 },
	{ "host", KIND_STRING, 0 },
	{ "connected", KIND_BOOL, 0 },
	{ "state", KIND_STRING, 0 },
	{ "fenced", KIND_BOOL, 0 },
	{ "floor_epoch", KIND_U64, 0 },
	{ "floor_endpoint_version", KIND_U64, 0 },
	{ "applied_epoch", KIND_U64, 0 },
	{ "applied_endpoint_version", KIND_U64, 0 },
	{ "backing_ok", KIND_BOOL, 0 },
	{ NULL, KIND_STRING, 0 },
};

const struct field api_evidence_fields[] = {
	{ "code", KIND_STRING, 0 },
	{ "note", KIND_STRING, 0 },
	{ NULL, KIND_STRING, 0 },
};

const struct field api_host_fields[] = {
	{ "host", KIND_STRING, 0 },
	{ "connected", KIND_BOOL, 0 },
	{ "boot_id", KIND_STRING, 0 },
	{ "fresh", KIND_BOOL, 0 },
	{ "drained", KIND_BOOL, 0 },
	{ "lease_left_ms", KIND_MS, 0 },
	{ "slots", KIND_U64, 0 },
	{ "primaries", KIND_U64, 0 },
	{ "last_heard_ms", KIND_MS, 0 },
	{ NULL, KIND_STRING, 0 },
};

const struct column api_skip_columns[] = {
	{ "VOLUME", "{volume}" },
	{ "OFFSET", "{offset}" },
	{ "CLASS", "{class}" },
	{ "NOTE", "{note}" },
	{ NULL, NULL },
};

const struct column api_volume_columns[] = {
	{ "VOLUME", "{volume}" },
	{ "STATE", "{state}" },
	{ "LINEAGE", "{epoch}.{endpoint_version}" },
	{ "PRIMARY", "{primary}" },
	{ "HOST", "{primary_host}" },
	{ "GUARD", "{guard}" },
	{ "DATA", "{data_addr}" },
	{ "EVIDENCE", "{evidence}" },
	{ NULL, NULL },
};

const struct column api_slot_columns[] = {
	{ "REPLICA", "{replica}" },
	{ "HOST", "{host}" },
	{ "CONNECTED", "{connected}" },
	{ "STATE", "{state}" },
	{ "FENCED", "{fenced}" },
	{ "FLOOR", "{floor_epoch}.{floor_endpoint_version}" },
	{ "APPLIED", "{applied_epoch}.{applied_endpoint_version}" },
	{ "BACKING-OK", "{backing_ok}" },
	{ NULL, NULL },
};

const struct column api_evidence_columns[] = {
	{ "EVIDENCE", "{code}" },
	{ "NOTE", "{note}" },
	{ NULL, NULL },
};

const struct column api_host_columns[] = {
	{ "HOST", "{host}" },
	{ "CONNECTED", "{connected}" },
	{ "FRESH", "{fresh}" },
	{ "DRAINED", "{drained}" },
	{ "LEASE-LEFT", "{lease_left_ms}" },
	{ "SLOTS", "{slots}" },
	{ "PRIMARIES", "{primaries}" },
	{ "HEARD", "{last_heard_ms}" },
	{ "BOOT-ID", "{boot_id}" },
	{ NULL, NULL },
};
/* clang-format on */
