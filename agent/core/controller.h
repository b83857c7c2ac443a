/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What to ask for, given one volume's view: place, fail over, refresh, move,
 * or nothing with a reason. Never mints, never waits, keeps no memory but how
 * many primaries each host carries. Must never know the store or a message.
 */
#ifndef BFENCE_CONTROLLER_H
#define BFENCE_CONTROLLER_H

#include "publisher.h"
#include "snapshot.h"

enum decision_reason {
	DECISION_NOTHING,	/* the volume is as it should be */
	DECISION_WAIT,		/* undecidable now; the view says why */
	DECISION_PLACEMENT,
	DECISION_FAILOVER,
	DECISION_REFRESH,
	DECISION_RECOVERY,	/* an operator's, never the controller's own */
	DECISION_NO_CANDIDATE,	/* failover is due, nobody may take over */
	DECISION_HELD_BACK,	/* failover is due, too soon after the last */
	DECISION_REASSIGN,	/* an operator's: to another slot */
	DECISION_DRAIN,		/* the primary's host is being emptied */
	DECISION_REBALANCE,	/* to a host with fewer primaries */
};

struct decision {
	enum decision_reason reason;
	struct ask ask;			/* ASK_NONE unless there is one */
};

/* Primaries per host: of lines, and of asks that are not lines yet. */
struct controller {
	uint32_t *load;			/* by host */
	uint32_t *carrier;		/* by volume: host that counts it */
};

int controller_init(struct controller *c, const struct registry *r);
void controller_exit(struct controller *c);

/* The volume's primary is, or is asked to be, on this host (or on none). */
void controller_count(struct controller *c, uint32_t vol, uint32_t host);

struct decision controller_decide(const struct controller *c,
				  const struct view *view);

/* Where a volume goes on that an operator recovers: to the best evidence of
 * data. No candidate, when no slot may be primary. */
struct decision controller_recover(const struct controller *c,
				   const struct view *view);

/* --- moves of a primary that could stay (controller_move.c) ---------------- */

enum move_refusal {
	MOVE_ALLOWED,
	MOVE_NO_LINE,		/* there is no primary */
	MOVE_BLOCKED,		/* evidence stands against any decision */
	MOVE_NO_QUORUM,		/* a fence could not be acknowledged */
	MOVE_ALREADY,		/* the slot is primary */
	MOVE_SILENT,		/* no fresh word of it */
	MOVE_UNSOUND,		/* heard, and it may not be primary */
	MOVE_DRAINED,
	MOVE_BEHIND,		/* another slot has served something newer */
};

/* May the slot take over now? With any_data: however old its data are. */
enum move_refusal controller_check_move(const struct view *view, int slot,
					bool any_data);
/* Where a planned move goes: the best evidence, then the lightest host; or
 * -1, when no slot is allowed. */
int controller_move_target(const struct controller *c, const struct view *view);
/* The allowed slot of the lightest host that carries so much less than the
 * primary's: by more than skew; or -1. */
int controller_lighter_slot(const struct controller *c, const struct view *view,
			    uint32_t skew);
struct decision controller_move(const struct view *view, int slot,
				enum decision_reason reason);
bool decision_is_move(enum decision_reason reason);
const char *move_refusal_name(enum move_refusal refusal);

/* --- shared by the files of the controller --------------------------------- */

/* Slot a is the better one of two to be primary. */
bool controller_is_better(const struct controller *c, const struct view *view,
			  int a, int b, bool evidence_first);
/* Another slot, but for this one, has served something newer. */
bool controller_is_behind(const struct view *view, int slot, int but);

const char *decision_name(enum decision_reason reason);

#endif
