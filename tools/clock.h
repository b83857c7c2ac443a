/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only clock of the tool: CLOCK_BOOTTIME, as the kernel module counts.
 */
#ifndef BFENCE_TOOLS_CLOCK_H
#define BFENCE_TOOLS_CLOCK_H

#include <stdint.h>

uint64_t clock_boottime_ns(void);

#endif
