// SPDX-License-Identifier: GPL-2.0
/*
 * Where a primary may go that could as well stay: for an operator, for a host
 * that is drained, for balance. Must never know when, nor who asks.
 */
#include "controller.h"

#include <stddef.h>

enum move_refusal controller_check_move(const struct view *view, int slot,
					bool any_data)
{
	const struct slot_view *s = &view->slots[slot];

	if (view->reasons & EVIDENCE_BLOCKING)
		return MOVE_BLOCKED;
	if (lineage_is_none(view->line->lineage) || view->primary < 0)
		return MOVE_NO_LINE;
	if (slot == view->primary)
		return MOVE_ALREADY;
	if (!s->covered)
		return MOVE_SILENT;
	if (!s->acceptable)
		return MOVE_UNSOUND;
	if (s->drained)
		return MOVE_DRAINED;
	if (view->nr_covered < FENCE_QUORUM)
		return MOVE_NO_QUORUM;
	if (!any_data && controller_is_behind(view, slot, -1))
		return MOVE_BEHIND;
	return MOVE_ALLOWED;
}

int controller_move_target(const struct controller *c, const struct view *view)
{
	int best = -1;

	for (int i = 0; i < REPLICA_SLOTS; i++) {
		if (controller_check_move(view, i, false))
			continue;
		if (best < 0 || controller_is_better(c, view, i, best, true))
			best = i;
	}
	return best;
}

int controller_lighter_slot(const struct controller *c, const struct view *view,
			    uint32_t skew)
{
	int best = -1;

	for (int i = 0; i < REPLICA_SLOTS; i++) {
		uint32_t load = c->load[view->slots[i].host];

		if (controller_check_move(view, i, false))
			continue;
		if (c->load[view->slots[view->primary].host] <=
		    (uint64_t)load + skew)
			continue;
		if (best < 0 || controller_is_better(c, view, i, best, false))
			best = i;
	}
	return best;
}

struct decision controller_move(const struct view *view, int slot,
				enum decision_reason reason)
{
	const struct endpoint *endpoint = view->slots[slot].endpoint;

	return (struct decision){
		.reason = reason,
		.ask = { .intent = ASK_REASSIGN,
			 .slot = slot,
			 .data_addr = endpoint->data_addr,
			 .ctrl_addr = endpoint->ctrl_addr,
			 .expected = *view->line,
			 .floor = view->highest },
	};
}

bool decision_is_move(enum decision_reason reason)
{
	return reason == DECISION_REASSIGN || reason == DECISION_DRAIN ||
	       reason == DECISION_REBALANCE;
}

const char *move_refusal_name(enum move_refusal refusal)
{
	switch (refusal) {
	case MOVE_ALLOWED:
		return "may take over";
	case MOVE_NO_LINE:
		return "there is no primary yet";
	case MOVE_BLOCKED:
		return "the volume's evidence stands against any change";
	case MOVE_NO_QUORUM:
		return "fewer than two of its hosts are heard, so a fence could not be acknowledged";
	case MOVE_ALREADY:
		return "is primary already";
	case MOVE_SILENT:
		return "is not heard, or does not report the slot";
	case MOVE_UNSOUND:
		return "has a slot that may not be primary: no sound backing device, quarantined, or withdrawn";
	case MOVE_DRAINED:
		return "is drained";
	case MOVE_BEHIND:
		return "has older data than another slot";
	}
	return "?";
}
