// SPDX-License-Identifier: GPL-2.0
/*
 * Status views become JSON here. Must never know a connection.
 */
#include "api_json.h"

void api_json_set(json_t **object, const char *key, json_t *value)
{
	if (*object && value && json_object_set_new(*object, key, value) == 0)
		return;
	/* json_object_set_new() takes the value, also when it fails. */
	if (!*object)
		json_decref(value);
	json_decref(*object);
	*object = NULL;
}

/* jansson's integers are signed; past them a number is still no lie. */
void api_json_set_u64(json_t **object, const char *key, uint64_t value)
{
	api_json_set(object, key,
		     value <= INT64_MAX ? json_integer((json_int_t)value) :
					  json_real((double)value));
}

static void set_bool(json_t **object, const char *key, bool value)
{
	api_json_set(object, key, json_boolean(value));
}

static void set_text(json_t **object, const char *key, const char *value)
{
	if (value[0])
		api_json_set(object, key, json_string(value));
}

static void set_lineage(json_t **object, const char *epoch,
			const char *endpoint_version, struct lineage lineage)
{
	if (lineage_is_none(lineage))
		return;
	api_json_set_u64(object, epoch, lineage.epoch);
	api_json_set_u64(object, endpoint_version, lineage.endpoint_version);
}

/* Takes row; *array is NULL after a failure. */
static void append(json_t **array, json_t *row)
{
	if (*array && row && json_array_append_new(*array, row) == 0)
		return;
	if (!*array)
		json_decref(row);
	json_decref(*array);
	*array = NULL;
}

static json_t *slot_json(const struct slot_status *slot)
{
	json_t *object = json_object();

	set_text(&object, "replica", slot->replica.s);
	set_text(&object, "host", slot->host.s);
	set_bool(&object, "connected", slot->connected);
	set_bool(&object, "fenced", slot->fenced);
	if (!slot->known)
		return object;
	set_text(&object, "state", gate_state_name(slot->state));
	set_text(&object, "role", role_name(slot->role));
	set_bool(&object, "backing_ok", slot->backing_ok);
	set_lineage(&object, "floor_epoch", "floor_endpoint_version",
		    slot->floor);
	set_lineage(&object, "applied_epoch", "applied_endpoint_version",
		    slot->applied);
	set_lineage(&object, "served_epoch", "served_endpoint_version",
		    slot->served);
	api_json_set_u64(&object, "io_errors", slot->io_errors);
	return object;
}

/* A damaged volume has lost its slots: none is shown. */
static json_t *slots_json(const struct volume_status *status)
{
	json_t *array = json_array();

	for (int i = 0; i < REPLICA_SLOTS; i++)
		if (status->slots[i].replica.s[0])
			append(&array, slot_json(&status->slots[i]));
	return array;
}

static json_t *evidence_json(const struct volume_status *status)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < status->nr_evidence; i++) {
		const struct evidence *e = &status->evidence[i];

		append(&array,
		       json_pack("{s:s, s:s}", "code", evidence_name(e->code),
				 "note", e->note));
	}
	return array;
}

static void set_recovery(json_t **object, const struct recovery *recovery)
{
	if (!recovery->write_seq)
		return;
	api_json_set_u64(object, "recovery_write_seq", recovery->write_seq);
	set_lineage(object, "recovery_line_epoch",
		    "recovery_line_endpoint_version", recovery->line);
	set_lineage(object, "recovery_floor_epoch",
		    "recovery_floor_endpoint_version", recovery->floor);
	api_json_set_u64(object, "recovery_unix_s", recovery->wall_s);
	api_json_set_u64(object, "recovery_uid", recovery->uid);
}

json_t *api_json_volume(const struct volume_status *status)
{
	json_t *object = json_object();

	set_text(&object, "volume", status->volume.s);
	/* Lost with a damaged record, like its slots. */
	if (!status->damaged)
		set_text(&object, "guard", guard_name(status->guard));
	set_text(&object, "state", status->state);
	set_lineage(&object, "epoch", "endpoint_version", status->line.lineage);
	set_text(&object, "primary", status->line.primary.s);
	set_text(&object, "primary_host", status->primary_host.s);
	set_text(&object, "data_addr", status->line.data_addr.s);
	set_text(&object, "ctrl_addr", status->line.ctrl_addr.s);
	api_json_set_u64(&object, "write_seq", status->write_seq);
	set_recovery(&object, &status->recovery);
	api_json_set(&object, "slots", slots_json(status));
	api_json_set(&object, "evidence", evidence_json(status));
	return object;
}

json_t *api_json_host(const struct host_status *status)
{
	json_t *object = json_object();

	set_text(&object, "host", status->host.s);
	set_bool(&object, "configured", status->configured);
	set_bool(&object, "connected", status->connected);
	set_bool(&object, "fresh", status->fresh);
	set_bool(&object, "drained", status->drained);
	set_text(&object, "boot_id", status->boot.s);
	if (status->heard)
		api_json_set_u64(&object, "last_heard_ms",
				 status->last_heard_ms);
	api_json_set_u64(&object, "lease_left_ms", status->lease_left_ms);
	api_json_set_u64(&object, "slots", status->nr_slots);
	api_json_set_u64(&object, "primaries", status->nr_primaries);
	api_json_set_u64(&object, "rogue_claims", status->nr_rogue);
	api_json_set_u64(&object, "unknown_claims", status->nr_unknown);
	api_json_set_u64(&object, "dropped_reports", status->nr_dropped);
	return object;
}

static const char *skip_class_name(enum store_skip_class class)
{
	switch (class) {
	case STORE_SKIP_CORRUPT:
		return evidence_name(EVIDENCE_AUTHORITY_RECORD_CORRUPT);
	case STORE_SKIP_UNWRITTEN:
		return "AuthorityRecordUnwritten";
	}
	return "?";
}

json_t *api_json_skips(const struct store_skip *skips, size_t nr)
{
	json_t *array = json_array();

	for (size_t i = 0; i < nr; i++) {
		json_t *object = json_object();

		set_text(&object, "class", skip_class_name(skips[i].class));
		set_text(&object, "volume", skips[i].volume.s);
		api_json_set_u64(&object, "offset", skips[i].offset);
		set_text(&object, "note", skips[i].reason);
		append(&array, object);
	}
	return array;
}
