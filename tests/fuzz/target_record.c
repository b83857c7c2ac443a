// SPDX-License-Identifier: GPL-2.0
/*
 * One frame, as it is and with its sums made right: what decodes encodes to
 * the same bytes, and what is damaged stays so wherever it is kept. Must
 * never know a log.
 */
#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "core/record.h"
#include "fuzz.h"
#include "seal.h"

static bool is_lineage(struct lineage l)
{
	return (l.epoch == 0) == (l.endpoint_version == 0);
}

static void check_volume(const struct record *record)
{
	const struct topology t = record_topology(record);
	const struct line line = record_line(record);
	const struct recovery recovery = record_recovery(record);

	assert(t.guard == GUARD_LEASE || t.guard == GUARD_QUORUM);
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		assert(memchr(t.slots[i].replica.s, 0, REPLICA_ID_SIZE));
		assert(memchr(t.slots[i].host.s, 0, HOST_ID_SIZE));
	}
	assert(is_lineage(line.lineage));
	assert(line.lineage.epoch <= record->write_seq);
	assert(memchr(line.primary.s, 0, REPLICA_ID_SIZE));
	assert(memchr(line.data_addr.s, 0, ADDR_SIZE));
	assert(memchr(line.ctrl_addr.s, 0, ADDR_SIZE));
	assert(is_lineage(recovery.line) && is_lineage(recovery.floor));
	assert(recovery.write_seq <= record->write_seq);
	(void)record_is_in_doubt(record);
}

/* All that past this point nobody checks again. */
static void check_sound(const struct record *record)
{
	assert(record_is_valid(record));
	assert(memchr(record->volume.s, 0, VOLUME_ID_SIZE));
	switch (record->kind) {
	case RECORD_VOLUME:
		check_volume(record);
		return;
	case RECORD_TOMBSTONE:
		assert(record_floor_epoch(record) <= record->write_seq);
		return;
	case RECORD_FLOOR:
		assert(is_lineage(record_floor(record).lineage));
		assert(is_lineage(record_floor(record).served));
		return;
	case RECORD_INCARNATION:
		(void)record_incarnation(record);
		return;
	case RECORD_MARKER:
		(void)record_nr_frames(record);
		return;
	case RECORD_UNSPEC:
		break;
	}
	assert(!"a kind that is none");
}

/* A frame of an older version is written anew in the present one. */
static void check_again(const struct record *record,
			const struct record_frame *at, const uint8_t *frame)
{
	uint8_t again[RECORD_FRAME_SIZE], then[RECORD_FRAME_SIZE];
	unsigned int version = record_format_version(frame);

	assert(version >= RECORD_FORMAT_OLDEST);
	assert(version <= RECORD_FORMAT_VERSION);
	memcpy(then, frame, sizeof(then));
	then[8] = RECORD_FORMAT_VERSION;
	seal(then);
	record_encode(record, at, again);
	assert(memcmp(again, then, sizeof(again)) == 0);
}

static void check_kept(const struct record *record,
		       const struct record_frame *at, const uint8_t *frame)
{
	static const struct record none;
	uint8_t kept[RECORD_FRAME_SIZE];
	struct record found;
	struct record_frame place;

	assert(record_header_is_valid(record));
	assert(memcmp(record->sealed, none.sealed, sizeof(none.sealed)) == 0);
	memcpy(kept, frame, sizeof(kept));
	record_keep_damaged(record, at, kept);
	assert(memcmp(kept + 132, frame + 132, RECORD_FRAME_SIZE - 132) == 0);
	for (int i = 0; i < 2; i++) {
		assert(record_decode(kept, &found, &place) == RECORD_BAD_BODY);
		assert(memcmp(&found, record, sizeof(found)) == 0);
		assert(memcmp(&place, at, sizeof(place)) == 0);
		seal(kept);
	}
}

/* Any one bit of a frame that is sound, or whose header is. */
static void check_flip(const uint8_t *frame, enum record_verdict verdict)
{
	uint8_t flipped[RECORD_FRAME_SIZE];
	struct record record;
	struct record_frame at;
	size_t bit = (frame[128] | (size_t)frame[129] << 8) % 4096;

	memcpy(flipped, frame, sizeof(flipped));
	flipped[bit / 8] ^= (uint8_t)(1 << bit % 8);
	if (bit < 132 * 8)
		verdict = RECORD_BAD_HEADER;
	else if (verdict == RECORD_OK)
		verdict = RECORD_BAD_BODY;
	else
		return;		/* a flip may also heal a body */
	assert(record_decode(flipped, &record, &at) == verdict);
}

static void judge(const uint8_t *frame)
{
	struct record record;
	struct record_frame at;
	enum record_verdict verdict = record_decode(frame, &record, &at);

	switch (verdict) {
	case RECORD_OK:
		assert(at.log_seq != 0 && at.group_last >= at.log_seq);
		check_sound(&record);
		check_again(&record, &at, frame);
		check_flip(frame, verdict);
		return;
	case RECORD_BAD_BODY:
		assert(at.log_seq != 0 && at.group_last >= at.log_seq);
		check_kept(&record, &at, frame);
		check_flip(frame, verdict);
		return;
	case RECORD_BAD_VERSION:
		assert(record_format_version(frame) > RECORD_FORMAT_VERSION);
		return;
	case RECORD_ZERO:
		for (size_t i = 0; i < RECORD_FRAME_SIZE; i++)
			assert(frame[i] == 0);
		return;
	case RECORD_BAD_HEADER:
		return;
	}
	assert(!"a verdict that is none");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t frame[RECORD_FRAME_SIZE] = { 0 };

	if (size)
		memcpy(frame, data,
		       size < sizeof(frame) ? size : sizeof(frame));
	judge(frame);
	memcpy(frame, "bfenclog", 8);
	seal(frame);
	judge(frame);
	return 0;
}
