// SPDX-License-Identifier: GPL-2.0
/*
 * A record as bytes and back; past this file no byte of a frame is looked at.
 * Must never know a file, nor what other frames say.
 */
#include "record_body.h"

#include "record_crc.h"

#define HEADER_SIZE	128
#define BODY_OFFSET	(HEADER_SIZE + 4)
#define CRC_OFFSET	(RECORD_FRAME_SIZE - 4)
#define BODY_SIZE	(CRC_OFFSET - BODY_OFFSET)

enum {
	FLAG_DAMAGED = 1,
};

static const char magic[8] = { 'b', 'f', 'e', 'n', 'c', 'l', 'o', 'g' };

static uint32_t frame_crc(const uint8_t *frame)
{
	uint32_t header = record_crc32c(0, frame, HEADER_SIZE);

	return record_crc32c(header, frame + BODY_OFFSET, BODY_SIZE);
}

/* --- struct to bytes ----------------------------------------------------- */

static void put(uint8_t **at, const void *from, size_t size)
{
	memcpy(*at, from, size);
	*at += size;
}

static void put_le(uint8_t **at, uint64_t value, unsigned int size)
{
	for (unsigned int i = 0; i < size; i++)
		*(*at)++ = (uint8_t)(value >> 8 * i);
}

static void put_lineage(uint8_t **at, struct lineage l)
{
	put_le(at, l.epoch, 8);
	put_le(at, l.endpoint_version, 8);
}

static void put_recovery(uint8_t **at, const struct recovery *r)
{
	put_le(at, r->write_seq, 8);
	put_lineage(at, r->line);
	put_lineage(at, r->floor);
	put_le(at, r->wall_s, 8);
	put_le(at, r->uid, 4);
}

static void put_volume(uint8_t **at, const union record_body *body)
{
	const struct topology *t = &body->volume.state.topology;
	const struct line *line = &body->volume.state.line;

	put_le(at, t->guard, 1);
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		put(at, &t->slots[i].replica, sizeof(t->slots[i].replica));
		put(at, &t->slots[i].host, sizeof(t->slots[i].host));
	}
	put_lineage(at, line->lineage);
	put(at, &line->primary, sizeof(line->primary));
	put(at, &line->data_addr, sizeof(line->data_addr));
	put(at, &line->ctrl_addr, sizeof(line->ctrl_addr));
	put_le(at, body->volume.in_doubt, 1);
	put_recovery(at, &body->volume.state.recovery);
}

static void put_body(uint8_t *at, const struct record *record)
{
	const union record_body body = record_open(record);

	switch (record->kind) {
	case RECORD_VOLUME:
		put_volume(&at, &body);
		return;
	case RECORD_TOMBSTONE:
		put_le(&at, body.floor_epoch, 8);
		return;
	case RECORD_FLOOR:
		put(&at, &body.floor.replica, sizeof(body.floor.replica));
		put_lineage(&at, body.floor.lineage);
		put(&at, &body.floor.primary, sizeof(body.floor.primary));
		put_lineage(&at, body.floor.served);
		return;
	case RECORD_INCARNATION:
		put_le(&at, body.incarnation.value, 8);
		put(&at, &body.incarnation.master, STORE_ID_SIZE);
		put_le(&at, body.incarnation.lease_ms, 4);
		return;
	case RECORD_MARKER:
		put_le(&at, body.nr_frames, 8);
		return;
	case RECORD_UNSPEC:
		return;
	}
}

static void put_header(uint8_t *frame, const struct record *record,
		       const struct record_frame *place, uint8_t flags)
{
	uint8_t *at = frame;

	put(&at, magic, sizeof(magic));
	put_le(&at, RECORD_FORMAT_VERSION, 2);
	put_le(&at, record->kind, 1);
	put_le(&at, flags, 1);
	put_le(&at, 0, 4);
	put(&at, &place->store, STORE_ID_SIZE);
	put_le(&at, place->log_seq, 8);
	put_le(&at, place->durable_through, 8);
	put_le(&at, place->group_last, 8);
	put_le(&at, record->write_seq, 8);
	put(&at, &record->volume, VOLUME_ID_SIZE);
	assert(at == frame + HEADER_SIZE);
	put_le(&at, record_crc32c(0, frame, HEADER_SIZE), 4);
}

void record_encode(const struct record *record, const struct record_frame *at,
		   uint8_t frame[RECORD_FRAME_SIZE])
{
	uint8_t *crc = frame + CRC_OFFSET;

	/* Its body was judged where it came in. */
	assert(record_header_is_valid(record));
	assert(at->log_seq != 0);
	assert(at->group_last >= at->log_seq);
	memset(frame, 0, RECORD_FRAME_SIZE);
	put_header(frame, record, at, 0);
	put_body(frame + BODY_OFFSET, record);
	put_le(&crc, frame_crc(frame), 4);
}

void record_keep_damaged(const struct record *record,
			 const struct record_frame *at,
			 uint8_t frame[RECORD_FRAME_SIZE])
{
	assert(record_header_is_valid(record));
	assert(at->log_seq != 0);
	assert(at->group_last >= at->log_seq);
	put_header(frame, record, at, FLAG_DAMAGED);
}

/* --- bytes to struct ----------------------------------------------------- */

static void get(const uint8_t **at, void *to, size_t size)
{
	memcpy(to, *at, size);
	*at += size;
}

static uint64_t get_le(const uint8_t **at, unsigned int size)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < size; i++)
		value |= (uint64_t) * (*at)++ << 8 * i;
	return value;
}

static struct lineage get_lineage(const uint8_t **at)
{
	struct lineage l;

	l.epoch = get_le(at, 8);
	l.endpoint_version = get_le(at, 8);
	return l;
}

static struct recovery get_recovery(const uint8_t **at)
{
	struct recovery r = { .write_seq = get_le(at, 8) };

	r.line = get_lineage(at);
	r.floor = get_lineage(at);
	r.wall_s = get_le(at, 8);
	r.uid = (uint32_t)get_le(at, 4);
	return r;
}

/* Zeros follow a body of format 1: never recovered and not in doubt, which
 * is what such a body means. False: a doubt that is neither yes nor no. */
static bool get_volume(const uint8_t **at, union record_body *body)
{
	struct topology *t = &body->volume.state.topology;
	struct line *line = &body->volume.state.line;
	struct recovery recovery;
	uint64_t in_doubt;

	t->guard = (enum guard)get_le(at, 1);
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		get(at, &t->slots[i].replica, sizeof(t->slots[i].replica));
		get(at, &t->slots[i].host, sizeof(t->slots[i].host));
	}
	line->lineage = get_lineage(at);
	get(at, &line->primary, sizeof(line->primary));
	get(at, &line->data_addr, sizeof(line->data_addr));
	get(at, &line->ctrl_addr, sizeof(line->ctrl_addr));
	in_doubt = get_le(at, 1);
	body->volume.in_doubt = in_doubt != 0;
	recovery = get_recovery(at);
	recovery_put(&body->volume.state.recovery, &recovery);
	return in_doubt <= 1;
}

/* Gives the first byte after the body, or NULL for one that is none. */
static const uint8_t *get_body(const uint8_t *at, struct record *record)
{
	union record_body body = record_open(record);
	bool sound = true;

	switch (record->kind) {
	case RECORD_VOLUME:
		sound = get_volume(&at, &body);
		break;
	case RECORD_TOMBSTONE:
		body.floor_epoch = get_le(&at, 8);
		break;
	case RECORD_FLOOR:
		get(&at, &body.floor.replica, sizeof(body.floor.replica));
		body.floor.lineage = get_lineage(&at);
		get(&at, &body.floor.primary, sizeof(body.floor.primary));
		body.floor.served = get_lineage(&at);
		break;
	case RECORD_INCARNATION:
		body.incarnation.value = get_le(&at, 8);
		get(&at, &body.incarnation.master, STORE_ID_SIZE);
		body.incarnation.lease_ms = (uint32_t)get_le(&at, 4);
		break;
	case RECORD_MARKER:
		body.nr_frames = get_le(&at, 8);
		break;
	case RECORD_UNSPEC:
		break;
	}
	record_seal(record, &body);
	return sound ? at : NULL;
}

static uint32_t crc_at(const uint8_t *frame, size_t offset)
{
	const uint8_t *at = frame + offset;

	return (uint32_t)get_le(&at, 4);
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
	return len == 0 ||
	       (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

bool record_is_cut_short(const uint8_t frame[RECORD_FRAME_SIZE])
{
	return crc_at(frame, CRC_OFFSET) == 0;
}

unsigned int record_format_version(const uint8_t frame[RECORD_FRAME_SIZE])
{
	const uint8_t *at = frame + sizeof(magic);

	return (unsigned int)get_le(&at, 2);
}

/* RECORD_OK, RECORD_BAD_HEADER, or RECORD_BAD_BODY when its flag says so. */
static enum record_verdict get_header(const uint8_t *frame,
				      struct record *record,
				      struct record_frame *place)
{
	const uint8_t *at = frame + sizeof(magic) + 2;
	uint64_t flags, zero;

	memset(record, 0, sizeof(*record));
	record->kind = (enum record_kind)get_le(&at, 1);
	flags = get_le(&at, 1);
	zero = get_le(&at, 4);
	get(&at, &place->store, STORE_ID_SIZE);
	place->log_seq = get_le(&at, 8);
	place->durable_through = get_le(&at, 8);
	place->group_last = get_le(&at, 8);
	record->write_seq = get_le(&at, 8);
	get(&at, &record->volume, VOLUME_ID_SIZE);
	if ((flags & ~(uint64_t)FLAG_DAMAGED) || zero || !place->log_seq ||
	    place->group_last < place->log_seq ||
	    !record_header_is_valid(record))
		return RECORD_BAD_HEADER;
	return flags & FLAG_DAMAGED ? RECORD_BAD_BODY : RECORD_OK;
}

/* What a version cannot say is not in its bodies. An older body is migrated
 * by reading it: what it lacks reads as zero, and a store writes it anew in
 * the present version at its next compaction. */
static bool is_of_version(const struct record *record, unsigned int version)
{
	struct recovery r;

	if (version >= 2 || record->kind != RECORD_VOLUME)
		return true;
	r = record_recovery(record);
	return !record_is_in_doubt(record) && r.write_seq == 0 &&
	       lineage_is_none(r.line) && lineage_is_none(r.floor) &&
	       r.wall_s == 0 && r.uid == 0;
}

enum record_verdict record_decode(const uint8_t frame[RECORD_FRAME_SIZE],
				  struct record *ret_record,
				  struct record_frame *ret_at)
{
	struct record record;
	struct record_frame at;
	const uint8_t *rest;
	enum record_verdict verdict;
	unsigned int version;

	if (is_zero(frame, RECORD_FRAME_SIZE))
		return RECORD_ZERO;
	if (memcmp(frame, magic, sizeof(magic)) != 0 ||
	    crc_at(frame, HEADER_SIZE) != record_crc32c(0, frame, HEADER_SIZE))
		return RECORD_BAD_HEADER;
	version = record_format_version(frame);
	if (version > RECORD_FORMAT_VERSION)
		return RECORD_BAD_VERSION;
	if (version < RECORD_FORMAT_OLDEST)
		return RECORD_BAD_HEADER;
	verdict = get_header(frame, &record, &at);
	if (verdict == RECORD_BAD_HEADER)
		return verdict;
	*ret_at = at;
	*ret_record = record;
	if (verdict != RECORD_OK ||
	    crc_at(frame, CRC_OFFSET) != frame_crc(frame))
		return RECORD_BAD_BODY;
	rest = get_body(frame + BODY_OFFSET, &record);
	if (!rest || !is_zero(rest, (size_t)(frame + CRC_OFFSET - rest)) ||
	    !is_of_version(&record, version) || !record_is_valid(&record))
		return RECORD_BAD_BODY;
	*ret_record = record;
	return RECORD_OK;
}
