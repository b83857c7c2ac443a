// SPDX-License-Identifier: GPL-2.0
/*
 * Minting: the one place where an epoch or an endpoint version is written.
 * Must never know a fact, a host's health, or why it is asked.
 */
#include "publisher_state.h"
#include "record_mint.h"

#include <assert.h>
#include <string.h>

void publisher_reload(struct publisher *p, uint32_t vol,
		      const struct record *record)
{
	struct authority *a = &p->volumes[vol];

	a->write_seq = record->write_seq;
	if (record->kind == RECORD_TOMBSTONE) {
		a->floor_epoch = record_floor_epoch(record);
		return;
	}
	assert(record->kind == RECORD_VOLUME);
	a->exists = true;
	a->line = record_line(record);
	a->recovery = record_recovery(record);
	/* Its earlier lives ended with a tombstone, at a lower write_seq. */
	if (lineage_is_none(a->line.lineage))
		a->floor_epoch = record->write_seq - 1;
}

void publisher_reload_corrupt(struct publisher *p, uint32_t vol,
			      uint64_t write_seq)
{
	p->volumes[vol].write_seq = write_seq;
	p->volumes[vol].floor_epoch = write_seq;
}

static bool line_equal(const struct line *a, const struct line *b)
{
	return lineage_cmp(a->lineage, b->lineage) == 0 &&
	       replica_id_equal(&a->primary, &b->primary) &&
	       addr_equal(&a->data_addr, &b->data_addr) &&
	       addr_equal(&a->ctrl_addr, &b->ctrl_addr);
}

static uint64_t higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The highest epoch that the record names or forbids never passes its
 * write_seq, so that a damaged body still bounds them. */
static struct staged *stage(struct publisher *p, uint32_t vol,
			    enum staged_as as, uint64_t epoch)
{
	struct staged *s = publisher_enqueue(p, vol);

	memset(&s->line, 0, sizeof(s->line));
	memset(&s->recovery, 0, sizeof(s->recovery));
	s->as = (uint8_t)as;
	s->write_seq = higher(p->volumes[vol].write_seq + 1, epoch);
	return s;
}

/* Anything that stands against every ask of this volume. */
static enum ask_refusal refuse_any(const struct publisher *p, uint32_t vol)
{
	const struct authority *a = &p->volumes[vol];

	if (p->closed)
		return ASK_STORE_CLOSED;
	if (a->stage == STAGE_IN_FLIGHT ||
	    (a->stage == STAGE_QUEUED && p->staged[a->staged].as != AS_LINE))
		return ASK_BUSY;
	if (a->stage == STAGE_IDLE && !publisher_has_room(p))
		return ASK_NO_ROOM;
	if (!a->exists && !p->registry->volumes[vol].corrupt)
		return ASK_NO_VOLUME;
	return a->write_seq == UINT64_MAX ? ASK_EXHAUSTED : ASK_TAKEN;
}

static bool is_quarantined(const struct publisher *p, uint32_t vol)
{
	return p->registry->volumes[vol].corrupt ||
	       p->registry->volumes[vol].in_doubt;
}

/* Without a line, what the earlier lives of the name had is lawful. */
static bool is_regressed_by(const struct authority *a, struct lineage floor)
{
	if (lineage_is_none(a->line.lineage))
		return floor.epoch > a->floor_epoch;
	return lineage_cmp(floor, a->line.lineage) > 0;
}

static bool is_malformed(const struct ask *ask)
{
	return ask->slot < 0 || ask->slot >= REPLICA_SLOTS ||
	       ask->data_addr.s[0] == '\0' || ask->ctrl_addr.s[0] == '\0';
}

static enum ask_refusal check_intent(const struct line *line,
				     const struct replica_id *replica,
				     const struct ask *ask)
{
	bool bound = !lineage_is_none(line->lineage);
	bool holder = bound && replica_id_equal(&line->primary, replica);

	switch (ask->intent) {
	case ASK_NONE:
	case ASK_RECOVER:	/* by publisher_recover() alone */
		return ASK_MALFORMED;
	case ASK_BIND:
		return bound ? ASK_ALREADY_BOUND : ASK_TAKEN;
	case ASK_REFRESH:
		if (!bound)
			return ASK_NOT_BOUND;
		if (!holder)
			return ASK_NOT_HOLDER;
		if (addr_equal(&ask->data_addr, &line->data_addr) &&
		    addr_equal(&ask->ctrl_addr, &line->ctrl_addr))
			return ASK_NO_CHANGE;
		return line->lineage.endpoint_version == UINT64_MAX ?
			       ASK_EXHAUSTED :
			       ASK_TAKEN;
	case ASK_REASSIGN:
		if (!bound)
			return ASK_NOT_BOUND;
		return line->lineage.epoch == UINT64_MAX ? ASK_EXHAUSTED :
							   ASK_TAKEN;
	}
	return ASK_MALFORMED;
}

static struct lineage mint(const struct authority *a, const struct ask *ask)
{
	struct lineage have = a->line.lineage;
	struct lineage next = { a->floor_epoch + 1, 1 };

	if (ask->intent == ASK_REFRESH) {
		next.epoch = have.epoch;
		next.endpoint_version = have.endpoint_version + 1;
	} else if (ask->intent == ASK_REASSIGN) {
		next.epoch = have.epoch + 1;
	} else if (ask->intent == ASK_RECOVER) {
		next.epoch = higher(higher(have.epoch, ask->floor.epoch),
				    a->floor_epoch) +
			     1;
	}
	assert(lineage_cmp(next, have) > 0);
	return next;
}

static struct staged *stage_line(struct publisher *p, uint32_t vol,
				 enum staged_as as, const struct ask *ask)
{
	const struct topology *t = &p->registry->volumes[vol].topology;
	struct authority *a = &p->volumes[vol];
	struct lineage next = mint(a, ask);
	struct staged *s = stage(p, vol, as, next.epoch);

	s->line.lineage = next;
	s->line.primary = t->slots[ask->slot].replica;
	s->line.data_addr = ask->data_addr;
	s->line.ctrl_addr = ask->ctrl_addr;
	s->recovery = a->recovery;
	return s;
}

enum ask_refusal publisher_ask(struct publisher *p, uint32_t vol,
			       const struct ask *ask)
{
	struct authority *a = &p->volumes[vol];
	const struct topology *t = &p->registry->volumes[vol].topology;
	enum ask_refusal refusal = refuse_any(p, vol);

	if (refusal)
		return refusal;
	if (is_quarantined(p, vol))
		return ASK_QUARANTINED;
	if (is_malformed(ask))
		return ASK_MALFORMED;
	refusal = check_intent(&a->line, &t->slots[ask->slot].replica, ask);
	if (refusal)
		return refusal;
	if (!line_equal(&a->line, &ask->expected))
		return ASK_LINE_MOVED;
	if (is_regressed_by(a, ask->floor))
		return ASK_REGRESSED;
	stage_line(p, vol, AS_LINE, ask);
	return ASK_TAKEN;
}

enum ask_refusal publisher_recover(struct publisher *p, uint32_t vol,
				   const struct ask *ask,
				   const struct recovery *trace)
{
	struct authority *a = &p->volumes[vol];
	enum ask_refusal refusal = refuse_any(p, vol);
	struct staged *s;

	if (refusal)
		return refusal;
	if (ask->intent != ASK_RECOVER || is_malformed(ask))
		return ASK_MALFORMED;
	if (!line_equal(&a->line, &ask->expected))
		return ASK_LINE_MOVED;
	if (!is_quarantined(p, vol) && !is_regressed_by(a, ask->floor))
		return ASK_SOUND;
	if (ask->floor.epoch == UINT64_MAX ||
	    a->line.lineage.epoch == UINT64_MAX)
		return ASK_EXHAUSTED;
	s = stage_line(p, vol, AS_RECOVERED, ask);
	s->recovery = (struct recovery){
		.write_seq = s->write_seq,
		.line = a->line.lineage,
		.floor = ask->floor,
		.wall_s = trace->wall_s,
		.uid = trace->uid,
	};
	return ASK_TAKEN;
}

enum ask_refusal publisher_delete(struct publisher *p, uint32_t vol,
				  struct lineage expected,
				  struct lineage reported)
{
	struct authority *a = &p->volumes[vol];
	enum ask_refusal refusal = refuse_any(p, vol);
	uint64_t floor = higher(higher(a->line.lineage.epoch, reported.epoch),
				a->floor_epoch);

	if (refusal)
		return refusal;
	if (lineage_cmp(a->line.lineage, expected))
		return ASK_LINE_MOVED;
	/* Room for a new life: its creation and its first line. */
	if (floor >= UINT64_MAX - 2 || a->write_seq >= UINT64_MAX - 2)
		return ASK_EXHAUSTED;
	stage(p, vol, AS_TOMBSTONE, floor)->floor_epoch = floor;
	return ASK_TAKEN;
}

void publisher_create(struct publisher *p, uint32_t vol)
{
	struct authority *a = &p->volumes[vol];

	assert(!a->exists && a->stage == STAGE_IDLE);
	stage(p, vol, AS_VOLUME, a->floor_epoch);
}

struct record publisher_make_record(const struct publisher *p, uint32_t vol)
{
	const struct registry_volume *volume = &p->registry->volumes[vol];
	const struct staged *s = &p->staged[p->volumes[vol].staged];
	const struct record_volume state = { .topology = volume->topology,
					     .line = s->line,
					     .recovery = s->recovery };

	if (s->as == AS_TOMBSTONE)
		return record_of_tombstone(&volume->id, s->write_seq,
					   s->floor_epoch);
	return record_of_volume(&volume->id, s->write_seq, &state);
}

void publisher_publish(struct publisher *p, uint32_t vol)
{
	struct authority *a = &p->volumes[vol];
	const struct staged *s = &p->staged[a->staged];
	bool is_line = s->as == AS_LINE || s->as == AS_RECOVERED;

	assert(s->write_seq > a->write_seq);
	assert(!is_line || lineage_cmp(s->line.lineage, a->line.lineage) > 0);
	a->write_seq = s->write_seq;
	a->exists = s->as != AS_TOMBSTONE;
	/* A tombstone has neither. */
	a->line = s->line;
	a->recovery = s->recovery;
	if (!a->exists)
		a->floor_epoch = s->floor_epoch;
}
