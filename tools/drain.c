// SPDX-License-Identifier: GPL-2.0
/*
 * When a drain is over and when it went wrong. Must never wait or ask.
 */
#include "drain.h"

#include "gate.h"

enum drain_verdict drain_judge(const json_t *gate,
			       const struct drain_goal *goal)
{
	struct lineage lineage = gate_lineage(gate);

	if (lineage_compare(&lineage, &goal->lineage) < 0)
		return DRAIN_LOWER;
	if (gate_is(gate, "closed"))
		return DRAIN_DONE;
	/* Only a drained gate opens: what is older has ended. */
	if (gate_is(gate, "open"))
		return goal->closed ? DRAIN_REOPENED : DRAIN_DONE;
	if (gate_is(gate, "quarantined"))
		return DRAIN_QUARANTINED;
	return DRAIN_MORE;
}
