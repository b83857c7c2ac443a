// SPDX-License-Identifier: GPL-2.0
/*
 * A node's log on a disk with a cache: groups of real frames, of which a crash
 * leaves what it likes until they are synced. Must never know what a record
 * says.
 */
#include "sim.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MARKER_US	(1000 * MS)

static uint8_t *place_of(struct disk *d, uint64_t log_seq)
{
	assert(log_seq >= d->first_seq);
	assert(log_seq < d->first_seq + d->nr_frames);
	return d->image + (log_seq - d->first_seq) * RECORD_FRAME_SIZE;
}

static void put_opening(struct disk *d, uint64_t durable_through)
{
	const struct record marker = record_of_marker(d->nr_frames);
	const struct record_frame at = { .store = d->store,
					 .log_seq = d->first_seq,
					 .durable_through = durable_through,
					 .group_last = durable_through };

	record_encode(&marker, &at, d->image);
}

void disk_make(struct sim *s, struct disk *d, uint8_t store, uint64_t nr)
{
	(void)s;
	memset(d, 0, sizeof(*d));
	d->image = calloc(nr, RECORD_FRAME_SIZE);
	d->group = calloc(RECORD_GROUP_MAX, sizeof(*d->group));
	d->frames = calloc(RECORD_GROUP_MAX, RECORD_FRAME_SIZE);
	assert(d->image && d->group && d->frames);
	d->nr_frames = nr;
	d->store.b[0] = store;
	d->first_seq = 1;
	d->next_seq = 2;
	put_opening(d, 1);
}

static void encode(struct disk *d, const struct record *records, size_t nr)
{
	struct record_frame at = { .store = d->store,
				   .log_seq = d->next_seq,
				   .durable_through = d->next_seq - 1,
				   .group_last = d->next_seq + nr - 1 };

	for (size_t i = 0; i < nr; i++, at.log_seq++)
		record_encode(&records[i], &at,
			      d->frames + i * RECORD_FRAME_SIZE);
	d->nr_group = nr;
}

static void write_frame(struct disk *d, size_t i)
{
	memcpy(place_of(d, d->next_seq + i), d->frames + i * RECORD_FRAME_SIZE,
	       RECORD_FRAME_SIZE);
}

static void write_all(struct disk *d)
{
	for (size_t i = 0; i < d->nr_group; i++)
		write_frame(d, i);
	d->next_seq += d->nr_group;
	d->nr_group = 0;
}

/* The newest records alone, in a log that takes the place of the old one. */
static void compact(struct sim *s, int node)
{
	struct disk *d = &s->nodes[node].disk;
	struct reload r;
	uint64_t nr = 0;

	assert(reload_init(&r, s->nr_volumes + 1) == 0);
	assert(reload_judge(&r, d->image, d->nr_frames) == 0);
	memset(d->image, 0, d->nr_frames * RECORD_FRAME_SIZE);
	d->first_seq = d->next_seq++;
	for (size_t i = 0; i < record_table_nr(r.table); i++) {
		const struct record_entry *e = record_table_at(r.table, i);

		assert(!e->damaged);
		if (e->record.kind == RECORD_UNSPEC)
			continue;
		d->group[nr++] = e->record;
	}
	put_opening(d, d->first_seq + nr);
	for (uint64_t i = 0; i < nr; i++) {
		const struct record_frame at = {
			.store = d->store,
			.log_seq = d->next_seq,
			.durable_through = d->first_seq + nr,
			.group_last = d->first_seq + nr,
		};

		record_encode(&d->group[i], &at, place_of(d, d->next_seq++));
	}
	reload_exit(&r);
}

static uint64_t latency_us(struct node *n)
{
	uint64_t us = 500 + rng_below(&n->rng, 10 * MS);

	return us + n->disk.slow_ms * (rng_below(&n->rng, 1000) + 1);
}

int disk_commit(struct sim *s, int node, const struct record *records,
		size_t nr)
{
	struct node *n = &s->nodes[node];
	struct disk *d = &n->disk;

	if (d->closed)
		return -EROFS;
	assert(!d->busy);
	if (d->next_seq + nr + 2 >= d->first_seq + d->nr_frames)
		compact(s, node);
	memcpy(d->group, records, nr * sizeof(*records));
	encode(d, records, nr);
	d->busy = true;
	sim_at(s, s->now + latency_us(n),
	       (struct event){
		       .kind = EVENT_DISK, .node = node, .life = n->life });
	return 0;
}

int disk_done(struct sim *s, int node)
{
	struct disk *d = &s->nodes[node].disk;
	int error = d->fail_next;

	assert(d->busy);
	d->busy = false;
	if (error) {
		/* What is in the cache, and what of it gets out, is open. */
		d->closed = true;
		d->fail_next = 0;
		d->busy = true;
		disk_crash(s, node, true);
		return error;
	}
	write_all(d);
	d->behind = true;
	d->idle_since = s->now;
	sim_at(s, s->now + MARKER_US,
	       (struct event){ .kind = EVENT_MARKER,
			       .node = node,
			       .life = s->nodes[node].life });
	return 0;
}

void disk_marker(struct sim *s, int node)
{
	struct disk *d = &s->nodes[node].disk;
	const struct record marker = record_of_marker(0);

	if (!d->behind || d->busy || d->closed ||
	    s->now < d->idle_since + MARKER_US ||
	    d->next_seq + 1 >= d->first_seq + d->nr_frames)
		return;
	encode(d, &marker, 1);
	write_all(d);
	d->behind = false;
}

void disk_crash(struct sim *s, int node, bool power)
{
	struct node *n = &s->nodes[node];
	struct disk *d = &n->disk;
	bool issued = rng_one_in(&n->rng, 2);

	if (!d->busy)
		return;
	d->busy = false;
	for (size_t i = 0; i < d->nr_group; i++)
		if (power ? rng_one_in(&n->rng, 2) : issued)
			write_frame(d, i);
}

/* As the store does at open: the last group is synced before it is served,
 * its frames that never arrived as markers. */
static void adopt(struct disk *d, const struct reload *r)
{
	const struct record marker = record_of_marker(0);
	struct record_frame at = { .store = d->store,
				   .durable_through = r->durable_through,
				   .group_last = r->last_seq };

	for (uint64_t seq = r->durable_through + 1; seq <= r->last_seq; seq++) {
		uint8_t *frame = place_of(d, seq);
		struct record record;
		struct record_frame found;

		at.log_seq = seq;
		if (record_decode(frame, &record, &found) == RECORD_ZERO)
			record_encode(&marker, &at, frame);
	}
	d->first_seq = r->first_seq;
	d->next_seq = r->last_seq + 1;
	d->behind = r->has_news;
}

void disk_load(struct sim *s, int node, struct reload *ret)
{
	struct disk *d = &s->nodes[node].disk;
	int error;

	assert(!d->busy);
	d->closed = false;
	d->fail_next = 0;
	assert(reload_init(ret, s->nr_volumes + 1) == 0);
	error = reload_judge(ret, d->image, d->nr_frames);
	if (error)
		sim_fail(s,
			 "disk: the log of %s is refused after a lawful crash: %s",
			 sim_node_name(s, node), ret->bad_reason);
	adopt(d, ret);
}

void disk_append(struct sim *s, int node, const struct record *record)
{
	struct disk *d = &s->nodes[node].disk;

	if (d->next_seq + 2 >= d->first_seq + d->nr_frames)
		compact(s, node);
	encode(d, record, 1);
	write_all(d);
	d->behind = true;
	d->idle_since = s->now;
}

void disk_copy(struct disk *to, const struct disk *from)
{
	uint8_t *image = to->image;
	struct record *group = to->group;
	uint8_t *frames = to->frames;

	*to = *from;
	to->image = image;
	to->group = group;
	to->frames = frames;
	to->busy = false;
	memcpy(to->image, from->image, from->nr_frames * RECORD_FRAME_SIZE);
}

bool disk_damage(struct sim *s, int node, const struct volume_id *volume)
{
	struct disk *d = &s->nodes[node].disk;

	for (uint64_t seq = d->next_seq - 1; seq > d->first_seq; seq--) {
		uint8_t *frame = place_of(d, seq);
		struct record record;
		struct record_frame at;

		if (record_decode(frame, &record, &at) != RECORD_OK ||
		    !volume_id_equal(&record.volume, volume))
			continue;
		frame[132 + rng_below(&s->nodes[node].rng, 300)] ^= 0x40;
		return true;
	}
	return false;
}
