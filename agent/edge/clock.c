// SPDX-License-Identifier: GPL-2.0
/*
 * Clock and random bytes of the real machine.
 */
#include "clock.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

struct mono_ms clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (struct mono_ms){ (uint64_t)ts.tv_sec * 1000 +
				 (uint64_t)ts.tv_nsec / 1000000 };
}

uint64_t clock_wall_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec;
}

int clock_random(void *buf, size_t len)
{
	ssize_t got = getrandom(buf, len, 0);

	if (got < 0)
		return -errno;
	return (size_t)got == len ? 0 : -EIO;
}
