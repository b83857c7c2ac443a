/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The authority: one line a volume, and the only writer of an epoch. Persist
 * first, then publish: an ask is staged, leaves as a record of the one group
 * in flight, and becomes the line when the store says that it is durable.
 * Must never know a fact, a host's health, or why it is asked.
 */
#ifndef BFENCE_PUBLISHER_H
#define BFENCE_PUBLISHER_H

#include "record.h"
#include "registry.h"

enum ask_intent {
	ASK_NONE,
	ASK_BIND,		/* no line in the whole volume -> 1.1 */
	ASK_REFRESH,		/* by the line's holder -> E.(V+1) */
	ASK_REASSIGN,		/* to a configured slot -> (E+1).1 */
};

/* Carries no epoch: asking is not minting. */
struct ask {
	enum ask_intent intent;
	int slot;		/* who shall be primary */
	struct addr data_addr;
	struct addr ctrl_addr;
	struct line expected;	/* the whole line that was decided on */
};

/* Why an ask was not taken. 0 is taken. */
enum ask_refusal {
	ASK_TAKEN,
	ASK_NO_CHANGE,		/* refresh to the same addresses */
	ASK_MALFORMED,		/* no such slot, no address */
	ASK_ALREADY_BOUND,
	ASK_NOT_BOUND,
	ASK_NOT_HOLDER,		/* refresh by another slot than the line's */
	ASK_LINE_MOVED,		/* the line is not the expected one */
	ASK_BUSY,		/* an ask of this volume is in flight */
	ASK_QUARANTINED,	/* damaged record: nothing may be minted */
	ASK_STORE_CLOSED,	/* a write failed: nothing is durable now */
	ASK_EXHAUSTED,		/* the epoch is at its end */
};

struct publisher;

int publisher_new(const struct registry *registry, struct publisher **ret);
void publisher_free(struct publisher *p);

/* At start: the reloaded state of a volume that the registry knows. */
void publisher_reload(struct publisher *p, uint32_t vol,
		      const struct record *record);

/* Borrowed until the next publisher_persisted(); lineage none: never bound. */
const struct line *publisher_line(const struct publisher *p, uint32_t vol);
uint64_t publisher_write_seq(const struct publisher *p, uint32_t vol);
/* On its way to the disk: neither durable nor to be taken back. */
bool publisher_in_flight(const struct publisher *p, uint32_t vol);

/* Stages the ask; of one volume the newest staged ask wins. */
enum ask_refusal publisher_ask(struct publisher *p, uint32_t vol,
			       const struct ask *ask);
/* Takes back an ask that is not in flight yet. */
void publisher_withdraw(struct publisher *p, uint32_t vol);
/* Stages the volume itself, new to the registry, without a line. */
void publisher_create(struct publisher *p, uint32_t vol);
/* A write has failed: nothing will be minted until the next start. */
bool publisher_is_closed(const struct publisher *p);

/*
 * The next group, when none is in flight: at most max records, at most one a
 * volume. Its volumes stay borrowed until publisher_persisted().
 */
size_t publisher_take_group(struct publisher *p, struct record *ret_records,
			    size_t max);

/*
 * The group's fate. On 0 its lines are published and their volumes go to
 * *ret_vols (borrowed until the next group); on an error nothing changed, and
 * the publisher takes no more asks. Returns how many volumes the group had.
 */
size_t publisher_persisted(struct publisher *p, int error,
			   const uint32_t **ret_vols);

const char *ask_intent_name(enum ask_intent intent);
const char *ask_refusal_name(enum ask_refusal refusal);

#endif
