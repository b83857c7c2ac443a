// SPDX-License-Identifier: GPL-2.0
/*
 * tsc: prints the kHz of this machine's time stamp counter. An emulated guest
 * has the same counter and cannot measure it well on a busy machine: one in
 * ten finds its clock many times too fast. It must never know who asks.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define NS_PER_S	1000000000LL
#define NS_PER_MS	1000000LL

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* Both clocks at one moment: the shortest of some tries was not disturbed. */
static int64_t read_both(int64_t *ret_ns)
{
	int64_t best = INT64_MAX, tsc = 0;

	for (int i = 0; i < 20; i++) {
		int64_t before = (int64_t)__rdtsc();
		int64_t ns = now_ns();
		int64_t after = (int64_t)__rdtsc();

		if (after - before < best) {
			best = after - before;
			tsc = before + best / 2;
			*ret_ns = ns;
		}
	}
	return tsc;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 50 * NS_PER_MS };
	int64_t ns_from, ns_to, tsc_from, tsc_to;

	tsc_from = read_both(&ns_from);
	nanosleep(&pause, NULL);
	tsc_to = read_both(&ns_to);
	printf("%lld\n", (long long)((tsc_to - tsc_from) * NS_PER_MS /
				     (ns_to - ns_from)));
	return 0;
}
