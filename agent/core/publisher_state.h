/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inside of struct publisher, shared by publisher.c (what is minted) and
 * publisher_group.c (its way to the disk). Nobody else includes this.
 */
#ifndef BFENCE_PUBLISHER_STATE_H
#define BFENCE_PUBLISHER_STATE_H

#include "publisher.h"

enum stage {
	STAGE_IDLE,
	STAGE_QUEUED,
	STAGE_IN_FLIGHT,
};

/* What a staged record will be. */
enum staged_as {
	AS_LINE,			/* the one that may be withdrawn */
	AS_VOLUME,			/* a new one, without a line */
	AS_TOMBSTONE,
	AS_RECOVERED,
};

/* The record that a volume will have. */
struct staged {
	struct line line;
	struct recovery recovery;
	uint64_t write_seq;
	uint64_t floor_epoch;		/* of the tombstone */
	uint32_t next_free;
	uint8_t as;			/* enum staged_as */
};

struct authority {
	struct line line;		/* published: durable */
	struct recovery recovery;	/* the last one */
	uint64_t write_seq;		/* of the newest durable record */
	uint64_t floor_epoch;		/* no mint up to it: earlier lives */
	uint32_t staged;		/* while not idle: place in the pool */
	uint32_t next;			/* in the queue of staged volumes */
	uint8_t stage;
	bool withdrawn;			/* while queued */
	bool exists;			/* durable, sound, not deleted */
};

struct publisher {
	const struct registry *registry;
	struct authority *volumes;
	struct staged *staged;		/* a pool */
	uint32_t first_free;
	uint32_t queue_head;
	uint32_t queue_tail;
	uint32_t *group;		/* volumes of the group in flight */
	size_t nr_group;
	bool closed;
};

/* publisher_group.c: the staged record of the volume, to be filled in; it goes
 * out with the next group. There is room. */
struct staged *publisher_enqueue(struct publisher *p, uint32_t vol);

/* publisher.c: what was staged as the record that goes out, and as what is
 * published when it is durable. */
struct record publisher_make_record(const struct publisher *p, uint32_t vol);
void publisher_publish(struct publisher *p, uint32_t vol);

#endif
