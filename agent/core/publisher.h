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
	ASK_BIND,		/* no line in the whole volume -> 1.1, or one
				 * above the epochs of its earlier lives */
	ASK_REFRESH,		/* by the line's holder -> E.(V+1) */
	ASK_REASSIGN,		/* to a configured slot -> (E+1).1 */
	ASK_RECOVER,		/* an operator's, when the line is not to be
				 * trusted -> above all that is known, .1 */
};

/* Carries no epoch: asking is not minting. */
struct ask {
	enum ask_intent intent;
	int slot;		/* who shall be primary */
	struct addr data_addr;
	struct addr ctrl_addr;
	struct line expected;	/* the whole line that was decided on */
	struct lineage floor;	/* highest that any slot is known to have
				 * acknowledged; none: no slot has */
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
	ASK_NO_ROOM,		/* too many volumes wait for the disk */
	ASK_NO_VOLUME,		/* deleted: there is no such volume */
	ASK_QUARANTINED,	/* damaged record or doubt: no mint */
	ASK_REGRESSED,		/* a slot has acknowledged what is above */
	ASK_SOUND,		/* recover: nothing is wrong with the line */
	ASK_STORE_CLOSED,	/* a write failed: nothing is durable now */
	ASK_EXHAUSTED,		/* epoch or write_seq is at its end */
};

/* Of so many volumes an ask may be staged at one time. */
#define PUBLISHER_STAGED_MAX	(4 * RECORD_GROUP_MAX)

struct publisher;

int publisher_new(const struct registry *registry, struct publisher **ret);
void publisher_free(struct publisher *p);

/* At start: the reloaded state of a volume that the registry knows, or the
 * tombstone of its name. */
void publisher_reload(struct publisher *p, uint32_t vol,
		      const struct record *record);
/* The same for a damaged record: of it only the write_seq is known. */
void publisher_reload_corrupt(struct publisher *p, uint32_t vol,
			      uint64_t write_seq);

/* Borrowed until the next publisher_persisted(); lineage none: never bound. */
const struct line *publisher_line(const struct publisher *p, uint32_t vol);
uint64_t publisher_write_seq(const struct publisher *p, uint32_t vol);
struct recovery publisher_recovery(const struct publisher *p, uint32_t vol);
/* The newest durable record is a sound one of a volume. */
bool publisher_exists(const struct publisher *p, uint32_t vol);
/* No epoch up to it will ever be minted for the name, line or not. */
uint64_t publisher_floor_epoch(const struct publisher *p, uint32_t vol);
/* On its way to the disk: neither durable nor to be taken back. */
bool publisher_in_flight(const struct publisher *p, uint32_t vol);

/* Stages the ask; of one volume the newest staged ask wins. */
enum ask_refusal publisher_ask(struct publisher *p, uint32_t vol,
			       const struct ask *ask);
/* Takes back an ask that is not in flight yet; not one of those below. */
void publisher_withdraw(struct publisher *p, uint32_t vol);

/* What operators ask for. It replaces a staged ask, and none replaces it. */

/* Whether an ask of a volume that has none staged can be taken. */
bool publisher_has_room(const struct publisher *p);
/* Stages the volume itself, new to the registry, without a line. There is
 * room. */
void publisher_create(struct publisher *p, uint32_t vol);
/* Stages the end of the volume. reported: highest that a slot has. */
enum ask_refusal publisher_delete(struct publisher *p, uint32_t vol,
				  struct lineage expected,
				  struct lineage reported);
/* The ask is ASK_RECOVER; of the trace wall_s and uid are the caller's. */
enum ask_refusal publisher_recover(struct publisher *p, uint32_t vol,
				   const struct ask *ask,
				   const struct recovery *trace);
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
