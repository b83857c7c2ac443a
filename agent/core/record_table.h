/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The newest record of each volume of one log, found by its id. Must never
 * know how the records got here, nor what they decide.
 */
#ifndef BFENCE_RECORD_TABLE_H
#define BFENCE_RECORD_TABLE_H

#include "record.h"

#define RECORD_NO_SKIP	UINT32_MAX
#define RECORD_NO_ENTRY	UINT32_MAX

struct record_entry {
	struct record record;	/* kind RECORD_UNSPEC: nothing known yet;
				 * damaged: kind, volume, write_seq only */
	uint64_t log_seq;	/* of its frame */
	struct lineage highest;	/* line or floor that was ever named */
	uint64_t floor_epoch;	/* the same, of its tombstones */
	uint64_t log_seq_next;	/* of its frame in the log that comes next */
	uint64_t group;		/* the last group that named it */
	uint32_t skip;		/* what reload reports of it */
	uint32_t next;		/* behind it in the queue of a compaction */
	bool is_queued;
	bool damaged;
};

struct record_table;

/* Room for volumes_max volumes, and the entry of no volume, which holds the
 * incarnation and is always there, first. */
int record_table_new(size_t volumes_max, struct record_table **ret);
void record_table_free(struct record_table *table);

size_t record_table_nr(const struct record_table *table);
struct record_entry *record_table_at(struct record_table *table, size_t at);
uint32_t record_table_index(const struct record_table *table,
			    const struct record_entry *entry);

/* Whether the record, of a higher write_seq than the entry's, names less than
 * an earlier one of the volume did: nobody writes such a record. */
bool record_entry_goes_down(const struct record_entry *entry,
			    const struct record *record);

/* It does not: it is the newest now. */
void record_entry_put(struct record_entry *entry, const struct record *record,
		      uint64_t log_seq);

/* Has it brought near, where it is going to be taken soon. */
void record_table_fetch(const struct record_table *table,
			const struct volume_id *volume);
/* The volume's entry, made if there is none; NULL when the table is full. */
struct record_entry *record_table_take(struct record_table *table,
				       const struct volume_id *volume);

#endif
