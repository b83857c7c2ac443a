/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A store in use, and beside it what it has promised: of each volume what was
 * acknowledged and what is asked for and not yet answered. Must never know
 * how a crash comes about.
 */
#ifndef BFENCE_CRASH_KEEPER_H
#define BFENCE_CRASH_KEEPER_H

#include "core/publisher.h"
#include "edge/store.h"
#include "machine.h"

#define KEEPER_DIR	"/store"
#define KEEPER_VOLUMES	16
#define PROMISES_MAX	(KEEPER_VOLUMES + 1)	/* and the incarnation */

/* Of one volume; of none: the incarnation. Kind RECORD_UNSPEC: nothing. */
struct promise {
	struct volume_id volume;
	struct record kept;	/* acknowledged */
	struct record asked;	/* may be there or not */
	bool is_damaged;	/* by the test: quarantined until written */
};

struct expect {
	const char *dir;	/* NULL: KEEPER_DIR */
	bool has_opened;	/* the store's id is known to somebody */
	struct store_id store;
	bool may_be_empty;	/* there may be no log at all: all or none */
	bool had_damage;	/* which may still be reported */
	unsigned int nr;
	struct promise promises[PROMISES_MAX];
	uint64_t nr_changed;
};

struct keeper {
	struct loop *loop;
	struct store *store;
	struct expect *expect;	/* borrowed */
	struct registry registry;
	struct publisher *publisher;
	struct loop_op committed;
	struct loop_op alarm;
	bool is_waiting;	/* for committed */
	bool by_publisher;	/* the group in flight is its */
	int res;
	int error;		/* the first one of a step */
	struct record group[KEEPER_VOLUMES];
	struct err err;
};

/* In what they say: bytes between the fields may differ. */
bool records_agree(const struct record *a, const struct record *b);
uint64_t expect_hash(const struct expect *expect);
/* The volume's record on the disk has been damaged. */
void expect_damage(struct expect *expect, const char *volume);

/*
 * Whether the store serves what it promised, or why not. Then the expectation is what was served: it has been seen.
 */
bool keeper_judge(struct keeper *k, char *why, size_t size);

/* Where a volume is in the publisher, or a negative errno. */
int keeper_find(const struct keeper *k, int volume);

/* A new life: opens the store, reloads the publisher. */
int keeper_boot(struct keeper *k, struct expect *expect);
/* Closes what is open. Fine after a failed boot. */
void keeper_shut(struct keeper *k);

/* Each 0 or why it was not done: a negative errno. */
int keeper_raise(struct keeper *k);
int keeper_commit(struct keeper *k, const struct record *records, size_t nr);
/* Without waiting for the answer. */
int keeper_submit(struct keeper *k, const struct record *records, size_t nr);
/* So long that a marker is written. */
void keeper_idle(struct keeper *k);

/* Through the publisher. Volumes are v1, v2 ...; -EPERM: it refuses. */
int keeper_create(struct keeper *k, int volume);
int keeper_ask(struct keeper *k, int volume, enum ask_intent intent, int slot);
int keeper_delete(struct keeper *k, int volume);
/* By an operator who knows of this floor. */
int keeper_recover(struct keeper *k, int volume, uint64_t floor_epoch);
/* All that waits, as one group. */
int keeper_mint(struct keeper *k);
int keeper_mint_submit(struct keeper *k);

#endif
