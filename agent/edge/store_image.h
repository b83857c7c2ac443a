/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A whole log as one image in memory, for the tools that work beside a store:
 * read without its lock, composed of records, written to a new folder. Must
 * never know what a record decides, nor touch a store that exists but to read.
 */
#ifndef BFENCE_STORE_IMAGE_H
#define BFENCE_STORE_IMAGE_H

#include "core/record.h"
#include "err.h"

struct store_image {
	uint8_t *bytes;		/* owned; frames as they lie in the file */
	size_t nr_frames;
	size_t nr_extra;	/* bytes after the last whole frame: damage */
	struct store_id named;	/* what DIR/id says; none: there is no such
				 * file, or only an image */
};

/*
 * The log of DIR as it is at one instant, a master that runs on it or not:
 * all that was durable when the call began is there, and nothing is torn by
 * a write in flight (what changes while it is read is read again). A damaged
 * log is given as it is: judge it with reload.h. -ENOENT: no log.
 */
int store_image_read(const char *dir, struct store_image *ret, struct err *err);
void store_image_free(struct store_image *image);

/* Number of frames up to the last one that is not all zeros. */
size_t store_image_used(const struct store_image *image);

/*
 * A log of nr records alone, all counted as synced, as a compaction makes it;
 * spare frames of zeros follow. Put nr times between start and end, at most
 * one record a volume. A damaged one keeps its body as it was found, and its
 * volume stays quarantined. Abandoned: free new->image.
 */
struct store_image_new {
	struct store_image image;
	struct record_frame at;		/* of the next frame */
};

int store_image_start(struct store_image_new *new, const struct store_id *store,
		      size_t nr);
void store_image_put(struct store_image_new *new, const struct record *record);
void store_image_put_damaged(struct store_image_new *new,
			     const struct record *record,
			     const uint8_t frame[RECORD_FRAME_SIZE]);
struct store_image store_image_end(struct store_image_new *new);

/* Durable when it returns 0. DIR is made 0700 if absent; -EEXIST if it has a
 * log or is another store's folder, -EBUSY if a process holds its lock. */
int store_image_write(const char *dir, const struct store_image *image,
		      struct err *err);

#endif
