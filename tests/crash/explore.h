/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Crashes a scenario at each of its points: the process alone, and the power,
 * with all that the disk may make of what was not synced. After each the
 * production code boots on what is left, and crashes there too. Must never
 * know what the scenario is about.
 */
#ifndef BFENCE_CRASH_EXPLORE_H
#define BFENCE_CRASH_EXPLORE_H

#include "keeper.h"

/* Of a scenario, from its name to its end. */
struct findings {
	unsigned long nr_points;	/* calls of the scenario */
	unsigned long nr_boot_points;	/* calls of boots after a crash */
	unsigned long nr_states;	/* of disk and promise, not seen before */
	unsigned long nr_images;	/* that were booted and judged */
	unsigned long nr_same;		/* had been judged before */
	unsigned long nr_random;	/* of the subsets: drawn */
	unsigned long nr_torn;		/* of the images: with a torn sector */
	unsigned long nr_faults;	/* runs with a fault */
	unsigned long nr_closed;	/* of them: an error, and all refused after */
	char failure[1024];		/* the first one; empty: none */
};

typedef void scenario(struct keeper *k);

struct run {
	const char *name;
	/* The disk before; NULL: an empty one. */
	struct disk *(*disk)(struct expect *expect);
	/* After a boot; or a tool, which has no store open: 0 or an error. */
	scenario *steps;
	int (*tool)(struct expect *expect);
	uint64_t order;		/* of the loop */
	struct lies lies;
};

/* Every point is a crash point. */
struct findings explore(const struct run *run);
/* Every call fails once, in each way that fits it. */
struct findings explore_faults(const struct run *run);

/* Prints the counts; fails the test on a failure. */
void report(const struct run *run, const struct findings *findings);

/* A folder with a log of so many frames, none but the opening one used. */
struct disk *small_log(size_t nr_frames);

#endif
