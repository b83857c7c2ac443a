/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DIR/smoke: the line that the last smoke of a store reported. It lies beside
 * the log and not in it, so that an older log does not bring an older note
 * with it. Must never know how a line comes about.
 */
#ifndef BFENCE_RESTART_SMOKE_NOTE_H
#define BFENCE_RESTART_SMOKE_NOTE_H

#include "core/types.h"
#include "err.h"

/* What was said of a line; no lineage, for it goes nowhere. */
struct smoke_note {
	uint64_t parts[2];		/* epoch, endpoint version; or 0 */
	struct replica_id primary;	/* or empty */
};

/* Of a store that has none yet: zero. */
int smoke_note_read(const char *dir, struct smoke_note *ret, struct err *err);
/* Durable when it returns. */
int smoke_note_write(const char *dir, const struct smoke_note *note,
		     struct err *err);

#endif
