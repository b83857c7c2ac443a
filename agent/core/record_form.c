// SPDX-License-Identifier: GPL-2.0
/*
 * The form of a record: what record_encode() may be given and record_decode()
 * gives. Must never know bytes, nor what other records say.
 */
#include "record_body.h"

static bool volume_is_none(const struct volume_id *id)
{
	static const struct volume_id none;

	return volume_id_equal(id, &none);
}

static bool replica_is_sound_or_none(const struct replica_id *id)
{
	static const struct replica_id none;

	return replica_id_is_sound(id) || replica_id_equal(id, &none);
}

static bool addr_is_sound_or_none(const struct addr *addr)
{
	static const struct addr none;

	return addr_is_sound(addr) || addr_equal(addr, &none);
}

static bool lineage_is_sound(struct lineage l)
{
	return (l.epoch == 0) == (l.endpoint_version == 0);
}

static bool topology_is_sound(const struct topology *t)
{
	if (t->guard != GUARD_LEASE && t->guard != GUARD_QUORUM)
		return false;
	for (int i = 0; i < REPLICA_SLOTS; i++)
		if (!replica_id_is_sound(&t->slots[i].replica) ||
		    !host_id_is_sound(&t->slots[i].host))
			return false;
	return true;
}

static bool line_is_sound(const struct line *line)
{
	return lineage_is_sound(line->lineage) &&
	       replica_is_sound_or_none(&line->primary) &&
	       addr_is_sound_or_none(&line->data_addr) &&
	       addr_is_sound_or_none(&line->ctrl_addr);
}

static bool floor_is_sound(const struct floor *floor)
{
	return replica_id_is_sound(&floor->replica) &&
	       lineage_is_sound(floor->lineage) &&
	       replica_is_sound_or_none(&floor->primary) &&
	       lineage_is_sound(floor->served);
}

bool record_header_is_valid(const struct record *record)
{
	switch (record->kind) {
	case RECORD_VOLUME:
	case RECORD_TOMBSTONE:
	case RECORD_FLOOR:
		return volume_id_is_sound(&record->volume) &&
		       record->write_seq != 0;
	case RECORD_INCARNATION:
		return volume_is_none(&record->volume) &&
		       record->write_seq != 0;
	case RECORD_MARKER:
		return volume_is_none(&record->volume) &&
		       record->write_seq == 0;
	case RECORD_UNSPEC:
		break;
	}
	return false;
}

/* Each raise of an epoch raised the write_seq by as much or more. */
static bool epoch_is_bounded(uint64_t epoch, const struct record *record)
{
	return epoch <= record->write_seq;
}

static bool recovery_is_sound(const struct recovery *r,
			      const struct record *record)
{
	return lineage_is_sound(r->line) && lineage_is_sound(r->floor) &&
	       r->write_seq <= record->write_seq;
}

static bool volume_body_is_sound(const struct record *record,
				 const struct record_volume *state)
{
	return topology_is_sound(&state->topology) &&
	       line_is_sound(&state->line) &&
	       epoch_is_bounded(state->line.lineage.epoch, record) &&
	       recovery_is_sound(&state->recovery, record);
}

static bool body_is_sound(const struct record *record)
{
	const union record_body body = record_open(record);

	switch (record->kind) {
	case RECORD_VOLUME:
		return volume_body_is_sound(record, &body.volume.state);
	case RECORD_FLOOR:
		return floor_is_sound(&body.floor);
	case RECORD_TOMBSTONE:
		return epoch_is_bounded(body.floor_epoch, record);
	case RECORD_INCARNATION:
	case RECORD_MARKER:
		return true;
	case RECORD_UNSPEC:
		break;
	}
	return false;
}

bool record_is_valid(const struct record *record)
{
	return record_header_is_valid(record) && body_is_sound(record);
}
