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

struct authority {
	struct line line;		/* published: durable */
	struct line staged;
	struct recovery recovery;	/* the last one */
	struct recovery staged_recovery;
	uint64_t write_seq;		/* of the newest durable record */
	uint64_t staged_seq;
	uint64_t floor_epoch;		/* no mint up to it: earlier lives */
	uint64_t staged_floor;		/* of the tombstone */
	uint32_t next;			/* in the queue of staged volumes */
	uint8_t stage;
	uint8_t staged_as;
	bool withdrawn;			/* while queued */
	bool exists;			/* durable, sound, not deleted */
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

/* publisher_group.c: the staged record is to go out. */
void publisher_enqueue(struct publisher *p, uint32_t vol);

/* publisher.c: what was staged as the record that goes out, and as what is
 * published when it is durable. */
struct record publisher_make_record(const struct publisher *p, uint32_t vol);
void publisher_publish(struct authority *a);

#endif
