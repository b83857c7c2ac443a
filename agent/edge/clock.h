/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only place that reads a clock or random bytes. CLOCK_BOOTTIME, so that
 * a suspended host wakes with its lease over.
 */
#ifndef BFENCE_CLOCK_H
#define BFENCE_CLOCK_H

#include "core/types.h"

struct mono_ms clock_now(void);
/* Unix time, to be shown to people. Nothing may follow from it. */
uint64_t clock_wall_s(void);

/* Fills buf with random bytes: 0 or a negative errno. */
int clock_random(void *buf, size_t len);

#endif
