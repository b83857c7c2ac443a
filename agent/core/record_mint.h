/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How an epoch comes into a record. For publisher.c and the record's own
 * files alone: a test of the house proves that nobody else includes this.
 * Must never know why a line is what it is.
 */
#ifndef BFENCE_RECORD_MINT_H
#define BFENCE_RECORD_MINT_H

#include "record.h"

/* A volume with its line (lineage none: not bound yet). Never in doubt. */
struct record_volume {
	struct topology topology;
	struct line line;
	struct recovery recovery;
};

struct record record_of_volume(const struct volume_id *volume,
			       uint64_t write_seq,
			       const struct record_volume *state);
struct record record_of_tombstone(const struct volume_id *volume,
				  uint64_t write_seq, uint64_t floor_epoch);

#endif
