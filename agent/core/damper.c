// SPDX-License-Identifier: GPL-2.0
/*
 * The time between two failovers of one volume. Must never know which volume.
 */
#include "damper.h"

#define CALM_HOLDS	4	/* without a failover: it begins anew */

static uint64_t hold_ms(const struct damper *d, uint32_t interval_ms)
{
	return (uint64_t)interval_ms << d->doublings;
}

struct mono_ms damper_until(const struct damper *d, uint32_t interval_ms)
{
	if (!d->last.v)
		return (struct mono_ms){ 0 };
	return (struct mono_ms){ d->last.v + hold_ms(d, interval_ms) };
}

void damper_note_failover(struct damper *d, uint32_t interval_ms,
			  struct mono_ms now)
{
	uint64_t calm = CALM_HOLDS * hold_ms(d, interval_ms);

	if (!d->last.v || now.v - d->last.v >= calm)
		d->doublings = 0;
	else if (d->doublings < DAMPER_DOUBLINGS_MAX)
		d->doublings++;
	d->last = now;
}
