/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a store must do to be measured. One program an engine: it defines
 * `engine`, engine.c is its main(). Must never know which stores there are.
 *
 * The program is PLACE NR_VOLUMES; it answers each line with a line of
 * numbers, times in nanoseconds:
 *
 *     (start)   time to open and read all, peak RSS in KiB, volumes found
 *     fill      time to make every volume, or to mint each one once more
 *     mint N    N times: one mint, from its ask to its durable end
 *     batch N   time until N mints that were asked for at once are durable
 */
#ifndef BFENCE_BENCH_ENGINE_H
#define BFENCE_BENCH_ENGINE_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define ENGINE_FRAME	512	/* bytes that a mint makes durable */
#define ENGINE_BATCH	1000	/* mints that `fill` asks for at once */

struct engine {
	/* Opens what is in place, made if absent, and reads all of it.
	 * 0 or a negative errno, as all of these. */
	int (*open)(const char *place, uint32_t nr_volumes, void **ret,
		    size_t *ret_found);
	/* A new line of each of these volumes, asked for at once. */
	int (*mint)(void *store, const uint32_t *volumes, size_t nr);
	/* The volumes themselves; NULL when a mint makes them too. */
	int (*fill)(void *store, const uint32_t *volumes, size_t nr);
	void (*close)(void *store);
};

extern const struct engine engine;

/* Ids of equal length, in the order of their numbers. */
#define ENGINE_ID_SIZE	16

static inline void engine_id(uint32_t volume, char ret[ENGINE_ID_SIZE])
{
	snprintf(ret, ENGINE_ID_SIZE, "vol-%08" PRIu32, volume);
}

/* What follows a word of an argument or a command: a whole number above 0. */
static inline bool engine_number(const char *text, uint32_t *ret)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (value == 0 || value > UINT32_MAX || (*end && *end != '\n'))
		return false;
	*ret = (uint32_t)value;
	return true;
}

#endif
