// SPDX-License-Identifier: GPL-2.0
/*
 * What is staged, on its way to the disk in groups, and what is published.
 * Must never make a lineage or a record.
 */
#include "publisher_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static void leave(struct publisher *p, uint32_t staged)
{
	p->staged[staged].next_free = p->first_free;
	p->first_free = staged;
}

int publisher_new(const struct registry *registry, struct publisher **ret)
{
	struct publisher *p = calloc(1, sizeof(*p));
	uint32_t nr_staged = registry->volumes_max;

	if (!p)
		return -ENOMEM;
	if (nr_staged > PUBLISHER_STAGED_MAX)
		nr_staged = PUBLISHER_STAGED_MAX;
	p->registry = registry;
	p->queue_head = INDEX_NONE;
	p->queue_tail = INDEX_NONE;
	p->volumes = calloc(registry->volumes_max, sizeof(*p->volumes));
	p->staged = calloc(nr_staged, sizeof(*p->staged));
	p->group = calloc(nr_staged, sizeof(*p->group));
	if (!p->volumes || !p->staged || !p->group) {
		publisher_free(p);
		return -ENOMEM;
	}
	p->first_free = INDEX_NONE;
	for (uint32_t i = nr_staged; i-- > 0;)
		leave(p, i);
	*ret = p;
	return 0;
}

void publisher_free(struct publisher *p)
{
	if (!p)
		return;
	free(p->volumes);
	free(p->staged);
	free(p->group);
	free(p);
}

const struct line *publisher_line(const struct publisher *p, uint32_t vol)
{
	return &p->volumes[vol].line;
}

uint64_t publisher_write_seq(const struct publisher *p, uint32_t vol)
{
	return p->volumes[vol].write_seq;
}

struct recovery publisher_recovery(const struct publisher *p, uint32_t vol)
{
	return p->volumes[vol].recovery;
}

bool publisher_exists(const struct publisher *p, uint32_t vol)
{
	return p->volumes[vol].exists;
}

uint64_t publisher_floor_epoch(const struct publisher *p, uint32_t vol)
{
	return p->volumes[vol].floor_epoch;
}

bool publisher_in_flight(const struct publisher *p, uint32_t vol)
{
	return p->volumes[vol].stage == STAGE_IN_FLIGHT;
}

bool publisher_is_closed(const struct publisher *p)
{
	return p->closed;
}

bool publisher_has_room(const struct publisher *p)
{
	return p->first_free != INDEX_NONE;
}

struct staged *publisher_enqueue(struct publisher *p, uint32_t vol)
{
	struct authority *a = &p->volumes[vol];

	a->withdrawn = false;
	if (a->stage == STAGE_QUEUED)
		return &p->staged[a->staged];
	assert(a->stage == STAGE_IDLE);
	assert(publisher_has_room(p));
	a->staged = p->first_free;
	p->first_free = p->staged[a->staged].next_free;
	a->stage = STAGE_QUEUED;
	a->next = INDEX_NONE;
	if (p->queue_tail == INDEX_NONE)
		p->queue_head = vol;
	else
		p->volumes[p->queue_tail].next = vol;
	p->queue_tail = vol;
	return &p->staged[a->staged];
}

/* It stays linked; publisher_take_group() passes over it. */
void publisher_withdraw(struct publisher *p, uint32_t vol)
{
	struct authority *a = &p->volumes[vol];

	if (a->stage == STAGE_QUEUED && p->staged[a->staged].as == AS_LINE)
		a->withdrawn = true;
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
		if (a->withdrawn) {
			a->stage = STAGE_IDLE;
			leave(p, a->staged);
			continue;
		}
		a->stage = STAGE_IN_FLIGHT;
		ret_records[p->nr_group] = publisher_make_record(p, vol);
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
		if (!error)
			publisher_publish(p, p->group[i]);
		leave(p, a->staged);
	}
	/* A group that may be half on disk: no epoch may follow it. */
	p->closed |= error != 0;
	p->nr_group = 0;
	*ret_vols = p->group;
	return nr;
}
