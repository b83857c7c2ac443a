/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The usual beginning and end of a scenario: a master whose volume v1 is open
 * on three hosts.
 */
#ifndef BFENCE_TEST_WORLD_VOLUME_H
#define BFENCE_TEST_WORLD_VOLUME_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "world.h"

static inline int open_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	world_with_open_volume(w, GUARD_QUORUM);
	world_forget_trace(w);
	*state = w;
	return 0;
}

/* The third had joined late; now all three have the same data. */
static inline int open_level_world(void **state)
{
	struct world *w;
	int ret = open_world(state);

	w = *state;
	w->hosts[2].facts[0].served = w->hosts[0].facts[0].served;
	world_report(w, 2, false);
	world_forget_trace(w);
	return ret;
}

static inline int end_world(void **state)
{
	struct world *w = *state;

	world_stop(w);
	free(w);
	return 0;
}

static inline void assert_line(struct world *w, uint64_t epoch,
			       uint64_t version, const char *primary)
{
	const struct volume_status s = world_status(w, "v1");

	assert_int_equal(s.line.lineage.epoch, epoch);
	assert_int_equal(s.line.lineage.endpoint_version, version);
	assert_string_equal(s.line.primary.s, primary);
}

#endif
