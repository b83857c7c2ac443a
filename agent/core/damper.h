/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The time between two failovers of one volume, so that a host that comes and
 * goes does not drive its epochs. Must never know a volume, a host or a clock.
 */
#ifndef BFENCE_DAMPER_H
#define BFENCE_DAMPER_H

#include "types.h"

#define DAMPER_DOUBLINGS_MAX	3

/*
 * The first failover is never held back. Each that follows soon after another
 * doubles the time to the next one, up to eight times the interval; a calm
 * time ends it.
 */
struct damper {
	struct mono_ms last;		/* failover; 0: none yet */
	uint8_t doublings;
};

/* Before this instant no failover may follow. */
struct mono_ms damper_until(const struct damper *d, uint32_t interval_ms);
void damper_note_failover(struct damper *d, uint32_t interval_ms,
			  struct mono_ms now);

#endif
