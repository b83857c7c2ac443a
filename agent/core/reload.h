/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The judgement of a log image: which record of each volume is the newest,
 * what was skipped and why, or why the log must not be served. Pure: frames
 * in, verdict out. Must never know a file.
 *
 * A log opens with a marker that says how many frames it has. Frames follow
 * by log_seq, one a place. What is not above the highest durable_through was
 * synced: there every flaw is damage. Above it lies the last group alone; its
 * zero frames, and those whose end is still zeros, never reached the disk, its
 * sound ones are adopted. Damage in a body whose header is sound costs that
 * volume and no other, and so does a record that is not above the volume's last
 * one; a later sound record of the volume, higher in write_seq, is its whole
 * state and ends the damage. All other damage is nobody's, and the log is
 * refused.
 */
#ifndef BFENCE_RELOAD_H
#define BFENCE_RELOAD_H

#include "record_table.h"

enum store_skip_class {
	STORE_SKIP_CORRUPT,	/* body damaged: AuthorityRecordCorrupt */
	STORE_SKIP_UNWRITTEN,	/* last group never reached the disk */
};

struct store_skip {
	enum store_skip_class class;
	struct volume_id volume;	/* whose newest record is lost; empty
					 * when no volume has lost any */
	uint64_t offset;		/* of the frame in the log, bytes */
	uint64_t write_seq;		/* CORRUPT: no epoch of the volume was
					 * above it */
	char reason[160];
};

struct reload {
	uint64_t nr_frames;		/* of the log */
	uint64_t nr_unsurveyed;		/* of them, from the first on */
	uint64_t nr_taken;		/* the same */
	/* Sized by reload_init(). */
	struct record_table *table;
	struct store_skip *skips;
	size_t nr_skips;
	size_t skips_max;
	/* Filled by reload_begin(). */
	struct store_id store;
	uint64_t first_seq;		/* log_seq of the first frame */
	/* Filled by the survey. */
	uint64_t durable_through;
	uint64_t last_seq;		/* end of the last group, frames of
					 * zeros included */
	/* Filled by reload_take(). */
	uint64_t cut_seq;		/* above last_seq: up to here lie pieces
					 * of frames, to be written over */
	bool has_news;			/* above durable_through: not only
					 * a marker */
	/* Filled by whichever call refuses. */
	uint64_t bad_offset;
	char bad_reason[160];
};

int reload_init(struct reload *r, size_t volumes_max);
void reload_exit(struct reload *r);

/*
 * In slices of any size: reload_begin() with the first frame; then, from the
 * end of the log towards its begin, reload_survey() while reload_is_surveyed()
 * is false, which says how far the log is synced; then, from the begin,
 * reload_take() until all were taken. Once after reload_init(), and no
 * further when one refuses: -EBADMSG for damage that no volume can be blamed
 * for, -EPROTONOSUPPORT for a later format version, -ENOSPC for more volumes
 * than volumes_max; then bad_offset and bad_reason say where and why. Borrow
 * the frames for the call.
 */
int reload_begin(struct reload *r, const uint8_t opening[RECORD_FRAME_SIZE],
		 uint64_t nr_frames);
int reload_survey(struct reload *r, const uint8_t *frames, size_t nr);
bool reload_is_surveyed(const struct reload *r);
int reload_take(struct reload *r, const uint8_t *frames, size_t nr);

/* The same for a log that is in memory as a whole. */
int reload_judge(struct reload *r, const uint8_t *image, size_t nr_frames);

#endif
