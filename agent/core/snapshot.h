/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One volume as it stands now: its line beside what its slots reported, and
 * the reasons that stand against deciding on it. Built anew for each look,
 * from facts alone, never from an earlier verdict. Must never decide.
 */
#ifndef BFENCE_SNAPSHOT_H
#define BFENCE_SNAPSHOT_H

#include "observation.h"

/* Why something was not done. The first six names are pinned. */
enum evidence_code {
	EVIDENCE_PARTIAL_INVENTORY,
	EVIDENCE_MISSING_SERVER_OBSERVATION,
	EVIDENCE_STALE_OBSERVATION,
	EVIDENCE_CONFLICTING_PRIMARY_CLAIM,
	EVIDENCE_UNKNOWN_REPLICA_CLAIM,
	EVIDENCE_DUPLICATE_SERVER_TOPOLOGY,
	EVIDENCE_AUTHORITY_RECORD_CORRUPT,
	EVIDENCE_AUTHORITY_REGRESSED,
	EVIDENCE_NO_ACCEPTABLE_CANDIDATE,
	EVIDENCE_QUARANTINED,
	EVIDENCE_CONVERGENCE_STUCK,
	EVIDENCE_FAILOVER_HELD_BACK,
	NR_EVIDENCE,
};

#define EVIDENCE_BIT(code)	(1u << (code))

/* Against any decision at all; the others are judged per decision. */
#define EVIDENCE_BLOCKING                                   \
	(EVIDENCE_BIT(EVIDENCE_CONFLICTING_PRIMARY_CLAIM) | \
	 EVIDENCE_BIT(EVIDENCE_DUPLICATE_SERVER_TOPOLOGY) | \
	 EVIDENCE_BIT(EVIDENCE_AUTHORITY_RECORD_CORRUPT) |  \
	 EVIDENCE_BIT(EVIDENCE_AUTHORITY_REGRESSED))

struct slot_view {
	uint32_t host;
	enum coverage coverage;
	const struct slot_obs *obs;	/* NULL: no fact to rely on */
	const struct endpoint *endpoint;	/* of obs; or NULL */
	bool covered;			/* fresh, and about this replica */
	bool acceptable;		/* may be primary, as far as it says */
	bool drained;			/* an operator wants no primary there */
};

struct view {
	uint32_t vol;
	const struct line *line;	/* lineage none: never bound */
	int primary;			/* slot of the line's holder, or -1 */
	struct slot_view slots[REPLICA_SLOTS];
	int nr_covered;
	bool pending;			/* some slot is within its grace */
	struct lineage highest;		/* that any slot ever acknowledged */
	uint64_t floor_epoch;		/* of the earlier lives of the name */
	uint32_t reasons;		/* EVIDENCE_BIT() of what is wrong */
};

void snapshot_build(const struct observation *o, const struct line *line,
		    uint32_t vol, struct mono_ms now, struct view *ret);

/* The log knows of no lineage so high: it is older than what it ordered. */
bool view_is_regressed_by(const struct view *view, struct lineage acknowledged);

const char *evidence_name(enum evidence_code code);

#endif
