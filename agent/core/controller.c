// SPDX-License-Identifier: GPL-2.0
/*
 * The decision table. Must never know the store or a message.
 */
#include "controller.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int controller_init(struct controller *c, const struct registry *r)
{
	c->load = calloc(r->hosts_max, sizeof(*c->load));
	c->carrier = calloc(r->volumes_max, sizeof(*c->carrier));
	if (!c->load || !c->carrier) {
		controller_exit(c);
		return -ENOMEM;
	}
	memset(c->carrier, 0xff, r->volumes_max * sizeof(*c->carrier));
	return 0;
}

void controller_exit(struct controller *c)
{
	free(c->load);
	free(c->carrier);
	memset(c, 0, sizeof(*c));
}

void controller_count(struct controller *c, uint32_t vol, uint32_t host)
{
	if (c->carrier[vol] != INDEX_NONE)
		c->load[c->carrier[vol]]--;
	c->carrier[vol] = host;
	if (host != INDEX_NONE)
		c->load[host]++;
}

/* Without itself: a volume must not count against its own present host. */
static uint32_t load_of(const struct controller *c, const struct view *view,
			int slot)
{
	uint32_t host = view->slots[slot].host;

	return c->load[host] - (c->carrier[view->vol] == host);
}

/* Negative when a's data is the better evidence. Between equals a host that
 * is not drained is. Slot order ends a tie. */
static int compare_evidence(const struct slot_view *a,
			    const struct slot_view *b)
{
	int served = lineage_cmp(b->obs->served, a->obs->served);

	if (served)
		return served;
	if (a->drained != b->drained)
		return a->drained ? 1 : -1;
	if (a->obs->io_errors != b->obs->io_errors)
		return a->obs->io_errors < b->obs->io_errors ? -1 : 1;
	return 0;
}

bool controller_is_better(const struct controller *c, const struct view *view,
			  int a, int b, bool evidence_first)
{
	const struct slot_view *sa = &view->slots[a], *sb = &view->slots[b];
	int evidence = compare_evidence(sa, sb);
	int load = (int)load_of(c, view, a) - (int)load_of(c, view, b);
	int first = evidence_first ? evidence : load;
	int second = evidence_first ? load : evidence;

	/* A drained host is a last resort, but better than old data. */
	if (!evidence_first && sa->drained != sb->drained)
		return sb->drained;
	if (first)
		return first < 0;
	return second < 0;
}

bool controller_is_behind(const struct view *view, int slot, int but)
{
	const struct lineage served = view->slots[slot].obs->served;

	for (int i = 0; i < REPLICA_SLOTS; i++) {
		const struct slot_obs *obs = view->slots[i].obs;

		if (i != but && obs && !obs->wrong_replica &&
		    lineage_cmp(obs->served, served) > 0)
			return true;
	}
	return false;
}

static int best_slot(const struct controller *c, const struct view *view,
		     int except, bool evidence_first)
{
	int best = -1;

	for (int i = 0; i < REPLICA_SLOTS; i++) {
		if (i == except || !view->slots[i].acceptable)
			continue;
		if (best < 0 ||
		    controller_is_better(c, view, i, best, evidence_first))
			best = i;
	}
	return best;
}

static struct decision decide(const struct view *view,
			      enum decision_reason reason,
			      enum ask_intent intent, int slot)
{
	const struct endpoint *endpoint = view->slots[slot].endpoint;

	return (struct decision){
		.reason = reason,
		.ask = { .intent = intent,
			 .slot = slot,
			 .data_addr = endpoint->data_addr,
			 .ctrl_addr = endpoint->ctrl_addr,
			 .expected = *view->line,
			 .floor = view->highest },
	};
}

/* The first line wants every slot's word: a floor might be anywhere. */
static struct decision place(const struct controller *c,
			     const struct view *view)
{
	int slot = best_slot(c, view, -1, false);

	if (view->nr_covered < REPLICA_SLOTS)
		return (struct decision){ .reason = DECISION_WAIT };
	if (slot < 0)
		return (struct decision){ .reason = DECISION_NO_CANDIDATE };
	return decide(view, DECISION_PLACEMENT, ASK_BIND, slot);
}

/*
 * A fence needs a majority, so a failover needs a majority's word. Nor may it
 * go to data that are behind those of a slot that cannot take over now: who
 * knows better is the operator. The primary itself is the one that is lost.
 */
static struct decision fail_over(const struct controller *c,
				 const struct view *view)
{
	int slot = best_slot(c, view, view->primary, true);

	if (slot < 0 || view->nr_covered < FENCE_QUORUM ||
	    controller_is_behind(view, slot, view->primary))
		return (struct decision){ .reason = DECISION_NO_CANDIDATE };
	return decide(view, DECISION_FAILOVER, ASK_REASSIGN, slot);
}

struct decision controller_decide(const struct controller *c,
				  const struct view *view)
{
	const struct slot_view *primary;

	if (view->reasons & EVIDENCE_BLOCKING)
		return (struct decision){ .reason = DECISION_WAIT };
	if (lineage_is_none(view->line->lineage))
		return place(c, view);
	if (view->primary < 0)
		return (struct decision){ .reason = DECISION_WAIT };
	primary = &view->slots[view->primary];
	if (primary->coverage == COVERAGE_PENDING)
		return (struct decision){ .reason = DECISION_WAIT };
	if (!primary->acceptable)
		return fail_over(c, view);
	if (!addr_equal(&primary->endpoint->data_addr,
			&view->line->data_addr) ||
	    !addr_equal(&primary->endpoint->ctrl_addr, &view->line->ctrl_addr))
		return decide(view, DECISION_REFRESH, ASK_REFRESH,
			      view->primary);
	return (struct decision){ .reason = DECISION_NOTHING };
}

struct decision controller_recover(const struct controller *c,
				   const struct view *view)
{
	int slot = best_slot(c, view, -1, true);

	if (slot < 0)
		return (struct decision){ .reason = DECISION_NO_CANDIDATE };
	return decide(view, DECISION_RECOVERY, ASK_RECOVER, slot);
}

const char *decision_name(enum decision_reason reason)
{
	switch (reason) {
	case DECISION_NOTHING:
		return "nothing";
	case DECISION_WAIT:
		return "wait";
	case DECISION_PLACEMENT:
		return "initial placement";
	case DECISION_FAILOVER:
		return "failover";
	case DECISION_REFRESH:
		return "endpoint refresh";
	case DECISION_RECOVERY:
		return "recovery";
	case DECISION_NO_CANDIDATE:
		return "no acceptable candidate";
	case DECISION_HELD_BACK:
		return "held back";
	case DECISION_REASSIGN:
		return "reassign";
	case DECISION_DRAIN:
		return "drain";
	case DECISION_REBALANCE:
		return "rebalance";
	}
	return "?";
}
