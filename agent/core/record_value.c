// SPDX-License-Identifier: GPL-2.0
/*
 * Records made of what they say, and asked for it. Must never know bytes of a
 * frame, nor what other records say.
 */
#include "record_body.h"

/* --- making -------------------------------------------------------------- */

static struct record empty_record(enum record_kind kind,
				  const struct volume_id *volume,
				  uint64_t write_seq)
{
	struct record record;

	memset(&record, 0, sizeof(record));
	record.kind = kind;
	record.write_seq = write_seq;
	if (volume)
		record.volume = *volume;
	return record;
}

struct record record_of_volume(const struct volume_id *volume,
			       uint64_t write_seq,
			       const struct record_volume *state)
{
	struct record record = empty_record(RECORD_VOLUME, volume, write_seq);
	union record_body body = record_open(&record);

	body.volume.state.topology = state->topology;
	body.volume.state.line = state->line;
	recovery_put(&body.volume.state.recovery, &state->recovery);
	record_seal(&record, &body);
	return record;
}

struct record record_of_tombstone(const struct volume_id *volume,
				  uint64_t write_seq, uint64_t floor_epoch)
{
	struct record record =
		empty_record(RECORD_TOMBSTONE, volume, write_seq);
	union record_body body = record_open(&record);

	body.floor_epoch = floor_epoch;
	record_seal(&record, &body);
	return record;
}

struct record record_of_floor(const struct volume_id *volume,
			      uint64_t write_seq, const struct floor *floor)
{
	struct record record = empty_record(RECORD_FLOOR, volume, write_seq);
	union record_body body = record_open(&record);

	body.floor = *floor;
	record_seal(&record, &body);
	return record;
}

struct record record_of_incarnation(uint64_t write_seq,
				    const struct incarnation *incarnation)
{
	struct record record =
		empty_record(RECORD_INCARNATION, NULL, write_seq);
	union record_body body = record_open(&record);

	body.incarnation.value = incarnation->value;
	body.incarnation.master = incarnation->master;
	body.incarnation.lease_ms = incarnation->lease_ms;
	record_seal(&record, &body);
	return record;
}

struct record record_of_marker(uint64_t nr_frames)
{
	struct record record = empty_record(RECORD_MARKER, NULL, 0);
	union record_body body = record_open(&record);

	body.nr_frames = nr_frames;
	record_seal(&record, &body);
	return record;
}

void record_put_in_doubt(struct record *record)
{
	union record_body body = record_open(record);

	assert(record->kind == RECORD_VOLUME);
	body.volume.in_doubt = true;
	record_seal(record, &body);
}

/* --- asking -------------------------------------------------------------- */

struct topology record_topology(const struct record *record)
{
	assert(record->kind == RECORD_VOLUME);
	return RECORD_MEMBER(record, volume.state.topology);
}

struct line record_line(const struct record *record)
{
	assert(record->kind == RECORD_VOLUME);
	return RECORD_MEMBER(record, volume.state.line);
}

struct recovery record_recovery(const struct record *record)
{
	assert(record->kind == RECORD_VOLUME);
	return RECORD_MEMBER(record, volume.state.recovery);
}

bool record_is_in_doubt(const struct record *record)
{
	assert(record->kind == RECORD_VOLUME);
	return RECORD_MEMBER(record, volume.in_doubt);
}

uint64_t record_floor_epoch(const struct record *record)
{
	assert(record->kind == RECORD_TOMBSTONE);
	return RECORD_MEMBER(record, floor_epoch);
}

struct floor record_floor(const struct record *record)
{
	assert(record->kind == RECORD_FLOOR || record->kind == RECORD_UNSPEC);
	return RECORD_MEMBER(record, floor);
}

struct incarnation record_incarnation(const struct record *record)
{
	assert(record->kind == RECORD_INCARNATION ||
	       record->kind == RECORD_UNSPEC);
	return RECORD_MEMBER(record, incarnation);
}

uint64_t record_nr_frames(const struct record *record)
{
	assert(record->kind == RECORD_MARKER);
	return RECORD_MEMBER(record, nr_frames);
}
