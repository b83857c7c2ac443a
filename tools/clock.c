// SPDX-License-Identifier: GPL-2.0
/*
 * The only place that reads a clock.
 */
#include "clock.h"

#include <time.h>

uint64_t clock_boottime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}
