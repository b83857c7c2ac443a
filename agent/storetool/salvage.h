/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What can be saved of a log that boot refuses. Pure: an image in, an image
 * out. Must never know a file.
 *
 * Every frame that believes its own sums counts, wherever it lies; of each
 * volume the newest one by write_seq. A lost frame may have held a newer line
 * of any volume, so that each volume is put in doubt, its write_seq is raised
 * by the number of lost frames (no lost line had a higher epoch than that),
 * and what cannot be in doubt (a tombstone, a floor) is kept as damaged.
 */
#ifndef BFENCE_STORE_TOOL_SALVAGE_H
#define BFENCE_STORE_TOOL_SALVAGE_H

#include <jansson.h>

#include "core/record_table.h"
#include "edge/store_image.h"
#include "err.h"

struct salvage {
	const struct store_image *from;	/* borrowed until exit */
	struct store_id store;
	uint64_t first_seq;		/* log_seq of the place 0 */
	uint64_t last_seq;		/* highest that a sound frame promises */
	struct record_table *table;	/* log_seq: place of the frame, from 1 */
	struct incarnation seen;	/* the highest of each */
	uint64_t seen_write_seq;
	uint64_t incarnation;		/* of the new store */
	uint64_t nr_lost;		/* frames that may have held a record */
	uint64_t nr_beyond;		/* of them above last_seq, in the file */
	json_t *lost;			/* runs of log_seq without a frame */
	json_t *unread;			/* frames that say nothing, or nothing
					 * of this store */
};

/* -EBADMSG: nothing to save. -EPROTONOSUPPORT: a frame of a later format. */
int salvage_init(struct salvage *s, const struct store_image *from,
		 struct err *err);
void salvage_exit(struct salvage *s);

/* --- saved.c ----------------------------------------------------- */

/* The new store, as an image. */
int salvage_compose(const struct salvage *s, struct store_image *ret);

/* Saved and lost, volume by volume; NULL without memory. */
json_t *salvage_report(const struct salvage *s);

#endif
