/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What to ask for, given one volume's view: place, fail over, refresh, or
 * nothing with a reason. Never mints, never waits, keeps no memory but how
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

const char *decision_name(enum decision_reason reason);

#endif
