/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fence before serve: how a published line reaches its three slots. For each
 * volume a plan, driven by level: from the line, the facts and what was sent
 * follows which command each slot needs now. Also the master's memory of the
 * leases it gave. Must never mint, and never know a socket.
 *
 * A line L may be opened only when
 *   quorum  two slots, the target among them, have acknowledged a fence at L,
 *   guard   nothing older can still serve as primary: each slot that may hold
 *           an older primary grant has said that it refuses everything below
 *           L, or (guard lease) its host's lease is over, margin included.
 */
#ifndef BFENCE_BRIDGE_H
#define BFENCE_BRIDGE_H

#include "snapshot.h"

/* What was last sent to a slot. */
struct plan_slot {
	struct mono_ms sent_at;
	uint32_t inventory;		/* of the host, when it was sent */
	int16_t error;			/* the replica's refusal of it */
	uint8_t sent;			/* enum command_kind */
};

struct plan {
	struct lineage lineage;
	struct mono_ms since;		/* when the line was published */
	struct mono_ms not_before;	/* till then a primary of an earlier
					 * life may serve, somewhere */
	uint8_t acked;			/* bit a slot: fenced at the line */
	uint8_t opened;			/* seen open at the line */
	uint8_t member;			/* served the line from its start */
	uint8_t maybe_primary;		/* may hold an older primary grant */
	bool guarded;			/* the guard is satisfied */
	bool serving;			/* quorum and guard: may be opened */
	struct plan_slot slots[REPLICA_SLOTS];
};

struct host_lease {
	struct mono_ms renewed;		/* last answer that carried one */
	struct mono_ms over;		/* nothing leased serves after it */
	bool given;			/* on the present connection */
};

struct bridge_config {
	uint64_t incarnation;
	uint32_t lease_ms;
	uint32_t lease_ms_before;	/* longest an earlier master gave */
	uint32_t retry_ms;
	uint32_t drain_ms;
};

struct bridge {
	const struct registry *registry;	/* borrowed */
	struct bridge_config config;
	struct plan *plans;			/* by volume */
	struct host_lease *leases;		/* by host */
};

/* Which step a rollout stands at; the first that is not done. */
enum rollout_step {
	ROLLOUT_DONE,
	ROLLOUT_NOT_DELIVERED,	/* the target's host is not heard now */
	ROLLOUT_NOT_FENCED,	/* quorum of fences is not there */
	ROLLOUT_LEASE,		/* an older primary's lease is not over */
	ROLLOUT_NOT_OPENED,
	ROLLOUT_NOT_APPLIED,	/* open, but not as primary of the line */
};

/* Clock margin of a lease: 1/8, never 0. */
uint32_t bridge_margin_ms(uint32_t lease_ms);

int bridge_init(struct bridge *b, const struct registry *r,
		const struct bridge_config *config, struct mono_ms now);
void bridge_exit(struct bridge *b);

/* A line that was reloaded: whoever held it before is not known. */
void bridge_reload(struct bridge *b, uint32_t vol, const struct line *line,
		   struct mono_ms now);
/* A line that was minted; before is the slot of the line it replaces, or -1. */
void bridge_publish(struct bridge *b, uint32_t vol, const struct line *line,
		    int before, struct mono_ms now);

/* A volume that has no line now: it was deleted, or its record is damaged;
 * whoever held it before is not known. */
void bridge_reload_without_line(struct bridge *b, uint32_t vol,
				struct mono_ms now);
/* A line that continues above all that is known: anybody may be primary. */
void bridge_recover(struct bridge *b, uint32_t vol, const struct line *line,
		    struct mono_ms now);
/* The volume is deleted; holder is the slot of its last line, or -1. Its
 * slots are still those of the registry. */
void bridge_end(struct bridge *b, uint32_t vol, int holder);

/* What bridge_plan() wants. */
struct bridge_orders {
	unsigned int mask;		/* bit i: commands[i] goes to slot i */
	struct command commands[REPLICA_SLOTS];
	struct mono_ms deadline;	/* when to look again */
};

/* Which commands to send now. They count as sent. */
void bridge_plan(struct bridge *b, const struct view *view,
		 const struct observation *o, struct mono_ms now,
		 struct bridge_orders *ret);

/* A replica refused what was sent to its slot. */
void bridge_refused(struct bridge *b, uint32_t vol, int slot, int error);

enum rollout_step bridge_step(const struct bridge *b, const struct view *view,
			      const struct observation *o);

/* Leases. A host that comes up has none until it is given one anew. */
void bridge_host_up(struct bridge *b, uint32_t host);
void bridge_renew(struct bridge *b, uint32_t host, struct mono_ms now);
bool bridge_lease_runs(const struct bridge *b, uint32_t host,
		       struct mono_ms now);

const char *rollout_step_name(enum rollout_step step);

#endif
