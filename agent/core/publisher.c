// SPDX-License-Identifier: GPL-2.0
/*
 * Minting: the one place where an epoch or an endpoint version is written.
 * Must never know a fact, a host's health, or why it is asked.
 */
#include "publisher.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum stage {
	STAGE_IDLE,
	STAGE_QUEUED,
	STAGE_IN_FLIGHT,
};

struct authority {
	struct line line;		/* published: durable */
	struct line staged;
	uint64_t write_seq;		/* of the newest durable record */
	uint32_t next;			/* in the queue of staged volumes */
	uint8_t stage;
};

struct publisher {
	const struct registry *registry;
	struct authority *volumes;
	uint32_t queue_head;
	uint32_t queue_tail;
	uint32_t *group;		/* volumes of the group in flight */
	size_t nr_group;
	bool closed;
};

int publisher_new(const struct registry *registry, struct publisher **ret)
{
	struct publisher *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->registry = registry;
	p->queue_head = INDEX_NONE;
	p->queue_tail = INDEX_NONE;
	p->volumes = calloc(registry->volumes_max, sizeof(*p->volumes));
	p->group = calloc(registry->volumes_max, sizeof(*p->group));
	if (!p->volumes || !p->group) {
		publisher_free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

void publisher_free(struct publisher *p)
{
	if (!p)
		return;
	free(p->volumes);
	free(p->group);
	free(p);
}

void publisher_reload(struct publisher *p, uint32_t vol,
		      const struct record *record)
{
	struct authority *a = &p->volumes[vol];

	assert(record->kind == RECORD_VOLUME);
	a->line = record->volume_state.line;
	a->write_seq = record->write_seq;
}

const struct line *publisher_line(const struct publisher *p, uint32_t vol)
{
	return &p->volumes[vol].line;
}

uint64_t publisher_write_seq(const struct publisher *p, uint32_t vol)
{
	return p->volumes[vol].write_seq;
}

bool publisher_in_flight(const struct publisher *p, uint32_t vol)
{
	return p->volumes[vol].stage == STAGE_IN_FLIGHT;
}

static bool line_equal(const struct line *a, const struct line *b)
{
	return lineage_cmp(a->lineage, b->lineage) == 0 &&
	       replica_id_equal(&a->primary, &b->primary) &&
	       addr_equal(&a->data_addr, &b->data_addr) &&
	       addr_equal(&a->ctrl_addr, &b->ctrl_addr);
}

static void enqueue(struct publisher *p, uint32_t vol)
{
	struct authority *a = &p->volumes[vol];

	if (a->stage == STAGE_QUEUED)
		return;
	assert(a->stage == STAGE_IDLE);
	a->stage = STAGE_QUEUED;
	a->next = INDEX_NONE;
	if (p->queue_tail == INDEX_NONE)
		p->queue_head = vol;
	else
		p->volumes[p->queue_tail].next = vol;
	p->queue_tail = vol;
}

/* Anything that stands against every ask of this volume. */
static enum ask_refusal refuse_any(const struct publisher *p, uint32_t vol)
{
	if (p->closed)
		return ASK_STORE_CLOSED;
	if (p->registry->volumes[vol].corrupt)
		return ASK_QUARANTINED;
	if (p->volumes[vol].stage == STAGE_IN_FLIGHT)
		return ASK_BUSY;
	return ASK_TAKEN;
}

static enum ask_refusal check_intent(const struct line *line,
				     const struct replica_id *replica,
				     const struct ask *ask)
{
	bool bound = !lineage_is_none(line->lineage);
	bool holder = bound && replica_id_equal(&line->primary, replica);

	switch (ask->intent) {
	case ASK_NONE:
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

static struct lineage mint(struct lineage have, enum ask_intent intent)
{
	struct lineage next = { 1, 1 };

	if (intent == ASK_REFRESH) {
		next.epoch = have.epoch;
		next.endpoint_version = have.endpoint_version + 1;
	} else if (intent == ASK_REASSIGN) {
		next.epoch = have.epoch + 1;
	}
	assert(lineage_cmp(next, have) > 0);
	return next;
}

enum ask_refusal publisher_ask(struct publisher *p, uint32_t vol,
			       const struct ask *ask)
{
	struct authority *a = &p->volumes[vol];
	const struct topology *t = &p->registry->volumes[vol].topology;
	enum ask_refusal refusal = refuse_any(p, vol);

	if (refusal)
		return refusal;
	if (ask->slot < 0 || ask->slot >= REPLICA_SLOTS ||
	    ask->data_addr.s[0] == '\0' || ask->ctrl_addr.s[0] == '\0')
		return ASK_MALFORMED;
	if (a->write_seq == 0)
		return ASK_BUSY;	/* the volume itself is not durable yet */
	refusal = check_intent(&a->line, &t->slots[ask->slot].replica, ask);
	if (refusal)
		return refusal;
	if (!line_equal(&a->line, &ask->expected))
		return ASK_LINE_MOVED;
	a->staged.lineage = mint(a->line.lineage, ask->intent);
	a->staged.primary = t->slots[ask->slot].replica;
	a->staged.data_addr = ask->data_addr;
	a->staged.ctrl_addr = ask->ctrl_addr;
	enqueue(p, vol);
	return ASK_TAKEN;
}

void publisher_create(struct publisher *p, uint32_t vol)
{
	struct authority *a = &p->volumes[vol];

	assert(a->write_seq == 0 && a->stage == STAGE_IDLE);
	a->staged = a->line;
	enqueue(p, vol);
}

bool publisher_is_closed(const struct publisher *p)
{
	return p->closed;
}

/* It stays linked; publisher_take_group() passes over it. */
void publisher_withdraw(struct publisher *p, uint32_t vol)
{
	struct authority *a = &p->volumes[vol];

	if (a->stage == STAGE_QUEUED && a->write_seq != 0)
		a->staged = a->line;
}

static void fill_record(const struct publisher *p, uint32_t vol,
			struct record *record)
{
	const struct registry_volume *volume = &p->registry->volumes[vol];
	const struct authority *a = &p->volumes[vol];

	memset(record, 0, sizeof(*record));
	record->kind = RECORD_VOLUME;
	record->volume = volume->id;
	record->write_seq = a->write_seq + 1;
	record->volume_state.topology = volume->topology;
	record->volume_state.line = a->staged;
}

size_t publisher_take_group(struct publisher *p, struct record *ret_records,
			    size_t max)
{
	if (p->nr_group || p->closed)
		return 0;
	while (p->nr_group < max && p->queue_head != INDEX_NONE) {
		uint32_t vol = p->queue_head;
		struct authority *a = &p->volumes[vol];

		p->queue_head = a->next;
		if (p->queue_head == INDEX_NONE)
			p->queue_tail = INDEX_NONE;
		if (a->write_seq && line_equal(&a->staged, &a->line)) {
			a->stage = STAGE_IDLE;	/* withdrawn */
			continue;
		}
		a->stage = STAGE_IN_FLIGHT;
		fill_record(p, vol, &ret_records[p->nr_group]);
		p->group[p->nr_group++] = vol;
	}
	return p->nr_group;
}

size_t publisher_persisted(struct publisher *p, int error,
			   const uint32_t **ret_vols)
{
	size_t nr = p->nr_group;

	for (size_t i = 0; i < nr; i++) {
		struct authority *a = &p->volumes[p->group[i]];

		assert(a->stage == STAGE_IN_FLIGHT);
		a->stage = STAGE_IDLE;
		if (error)
			continue;
		assert(lineage_cmp(a->staged.lineage, a->line.lineage) > 0 ||
		       a->write_seq == 0);
		a->line = a->staged;
		a->write_seq++;
	}
	/* A group that may be half on disk: no epoch may follow it. */
	p->closed |= error != 0;
	p->nr_group = 0;
	*ret_vols = p->group;
	return nr;
}

const char *ask_intent_name(enum ask_intent intent)
{
	switch (intent) {
	case ASK_NONE:
		break;
	case ASK_BIND:
		return "Bind";
	case ASK_REFRESH:
		return "RefreshEndpoint";
	case ASK_REASSIGN:
		return "Reassign";
	}
	return "none";
}

const char *ask_refusal_name(enum ask_refusal refusal)
{
	switch (refusal) {
	case ASK_TAKEN:
		return "taken";
	case ASK_NO_CHANGE:
		return "no change";
	case ASK_MALFORMED:
		return "malformed ask";
	case ASK_ALREADY_BOUND:
		return "the volume is bound already";
	case ASK_NOT_BOUND:
		return "the volume is not bound";
	case ASK_NOT_HOLDER:
		return "only the line's holder may refresh it";
	case ASK_LINE_MOVED:
		return "the line has moved since the decision";
	case ASK_BUSY:
		return "an earlier ask is still being made durable";
	case ASK_QUARANTINED:
		return "the volume's record is damaged";
	case ASK_STORE_CLOSED:
		return "the authority log is closed after a failed write";
	case ASK_EXHAUSTED:
		return "no higher lineage exists";
	}
	return "?";
}
