// SPDX-License-Identifier: GPL-2.0
/*
 * Desired, confirmed, superseded, stuck. Must never mint.
 */
#include "convergence.h"

#include <string.h>

bool convergence_is_confirmed(const struct view *view)
{
	const struct slot_view *target;

	if (lineage_is_none(view->line->lineage) || view->primary < 0)
		return false;
	target = &view->slots[view->primary];
	return target->covered && target->obs->role == ROLE_PRIMARY &&
	       lineage_cmp(target->obs->applied, view->line->lineage) == 0;
}

static void settle(struct desired *d)
{
	memset(d, 0, sizeof(*d));
}

/* Two addresses of one hash: the first is asked for, and once it is the line's
 * the other is a refresh. */
static struct ask_mark mark_of(const struct ask *ask)
{
	return (struct ask_mark){
		.intent = (uint8_t)ask->intent,
		.slot = (int8_t)ask->slot,
		.endpoint = index_hash(&ask->data_addr, sizeof(struct addr)) ^
			    ~index_hash(&ask->ctrl_addr, sizeof(struct addr)),
		.expected = ask->expected.lineage,
	};
}

static bool is_asked(const struct ask_mark *a, const struct ask *ask)
{
	const struct ask_mark b = mark_of(ask);

	return a->intent == b.intent && a->slot == b.slot &&
	       a->endpoint == b.endpoint &&
	       lineage_cmp(a->expected, b.expected) == 0;
}

static enum convergence_change judge_stuck(struct desired *d, uint64_t retry_ms,
					   struct mono_ms now)
{
	if (d->stuck || now.v - d->since.v < retry_ms)
		return CONVERGENCE_SAME;
	d->stuck = true;
	return CONVERGENCE_STUCK;
}

enum convergence_change convergence_judge(struct desired *d,
					  const struct view *view,
					  uint64_t retry_ms, struct mono_ms now)
{
	switch ((enum convergence_phase)d->phase) {
	case CONVERGENCE_ASKING:
		if (lineage_cmp(view->line->lineage, d->ask.expected)) {
			settle(d);
			return CONVERGENCE_SUPERSEDED;
		}
		return judge_stuck(d, retry_ms, now);
	case CONVERGENCE_ROLLING:
		if (convergence_is_confirmed(view)) {
			settle(d);
			return CONVERGENCE_CONFIRMED;
		}
		return judge_stuck(d, retry_ms, now);
	case CONVERGENCE_SETTLED:
		break;
	}
	if (lineage_is_none(view->line->lineage) ||
	    convergence_is_confirmed(view))
		return CONVERGENCE_SAME;
	d->phase = CONVERGENCE_ROLLING;
	d->since = now;
	return CONVERGENCE_BEGUN;
}

bool convergence_want(struct desired *d, const struct decision *decision,
		      struct mono_ms now)
{
	if (decision->ask.intent == ASK_NONE) {
		if (d->phase == CONVERGENCE_ASKING)
			settle(d);
		return false;
	}
	if (d->phase == CONVERGENCE_ASKING && is_asked(&d->ask, &decision->ask))
		return d->refusal != ASK_TAKEN;
	settle(d);
	d->phase = CONVERGENCE_ASKING;
	d->reason = (uint8_t)decision->reason;
	d->ask = mark_of(&decision->ask);
	d->since = now;
	return true;
}

void convergence_answered(struct desired *d, enum ask_refusal refusal)
{
	d->refusal = (uint8_t)refusal;
}

void convergence_minted(struct desired *d)
{
	d->phase = CONVERGENCE_ROLLING;
}

void convergence_follow(struct desired *d, enum decision_reason reason,
			struct mono_ms now)
{
	settle(d);
	d->phase = CONVERGENCE_ROLLING;
	d->reason = (uint8_t)reason;
	d->since = now;
}

struct mono_ms convergence_deadline(const struct desired *d, uint64_t retry_ms)
{
	if (d->phase == CONVERGENCE_SETTLED || d->stuck)
		return (struct mono_ms){ UINT64_MAX };
	return (struct mono_ms){ d->since.v + retry_ms };
}
