/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What one reading of a gate means to somebody who waits for its drain. Pure.
 */
#ifndef BFENCE_TOOLS_DRAIN_H
#define BFENCE_TOOLS_DRAIN_H

#include <stdbool.h>
#include <jansson.h>

#include "parse.h"

/* What is waited for. */
struct drain_goal {
	const char *volume;
	struct lineage lineage;		/* drained at this one or a later */
	bool closed;			/* and closed; else open will do too */
};

enum drain_verdict {
	DRAIN_MORE,			/* older I/O is still in flight */
	DRAIN_DONE,
	DRAIN_QUARANTINED,		/* past its deadline */
	DRAIN_REOPENED,			/* someone opened what was closed */
	DRAIN_LOWER,			/* another gate took the name */
};

enum drain_verdict drain_judge(const json_t *gate,
			       const struct drain_goal *goal);

#endif
