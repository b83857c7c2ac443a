/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What this master wants of each volume and how far it has come: asking, then
 * rolling out, then settled; or stuck, with the step that failed. Nothing of
 * it is durable: after a restart it follows from the lines and the facts.
 * Must never mint, and never ask twice for what may have been minted.
 */
#ifndef BFENCE_CONVERGENCE_H
#define BFENCE_CONVERGENCE_H

#include "controller.h"

enum convergence_phase {
	CONVERGENCE_SETTLED,	/* the target has applied the line */
	CONVERGENCE_ASKING,	/* an ask is on its way to become a line */
	CONVERGENCE_ROLLING,	/* the line is on its way to the slots */
};

/* What tells one ask from another, without its addresses. */
struct ask_mark {
	uint8_t intent;
	int8_t slot;
	uint32_t endpoint;		/* hash of both addresses */
	struct lineage expected;
};

struct desired {
	uint8_t phase;			/* enum convergence_phase */
	uint8_t reason;			/* enum decision_reason */
	uint8_t refusal;		/* of the ask, when it was refused */
	bool stuck;
	struct ask_mark ask;		/* while ASKING */
	struct mono_ms since;
};

enum convergence_change {
	CONVERGENCE_SAME,
	CONVERGENCE_BEGUN,
	CONVERGENCE_CONFIRMED,
	CONVERGENCE_SUPERSEDED,
	CONVERGENCE_STUCK,
};

/* The target itself reports the line, applied and open as primary. */
bool convergence_is_confirmed(const struct view *view);

/*
 * Looks at the facts before a new decision is taken: confirms, drops what the
 * line has overtaken, starts to follow a line that is not applied, judges the
 * retry window.
 */
enum convergence_change convergence_judge(struct desired *d,
					  const struct view *view,
					  uint64_t retry_ms,
					  struct mono_ms now);

/*
 * Takes in a decision. True when its ask has to go to the publisher: it is
 * new, or the same was refused and nothing was minted.
 */
bool convergence_want(struct desired *d, const struct decision *decision,
		      struct mono_ms now);

/* The publisher's answer to the ask, and the line that came of it. */
void convergence_answered(struct desired *d, enum ask_refusal refusal);
void convergence_minted(struct desired *d);
/* A line that no decision of this master asked for. */
void convergence_follow(struct desired *d, enum decision_reason reason,
			struct mono_ms now);

/* When convergence_judge() may say something new by time alone. */
struct mono_ms convergence_deadline(const struct desired *d, uint64_t retry_ms);

#endif
