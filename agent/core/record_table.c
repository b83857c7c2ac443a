// SPDX-License-Identifier: GPL-2.0
/*
 * Entries in the order of their arrival, found by their volume's id. Nothing
 * is ever removed. Must never know how the records got here.
 */
#include "record_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "index.h"

#define CACHE_LINE	64

struct record_table {
	struct record_entry *entries;
	size_t nr;
	size_t nr_max;
	struct index index;
};

void record_table_free(struct record_table *table)
{
	if (!table)
		return;
	index_exit(&table->index);
	free(table->entries);
	free(table);
}

int record_table_new(size_t volumes_max, struct record_table **ret)
{
	static const struct volume_id none;
	struct record_table *table;

	if (volumes_max >= INDEX_NONE / 4)
		return -EINVAL;
	table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	table->nr_max = volumes_max + 1;
	table->entries = calloc(table->nr_max, sizeof(*table->entries));
	if (!table->entries ||
	    index_init(&table->index, (uint32_t)table->nr_max)) {
		record_table_free(table);
		return -ENOMEM;
	}
	record_table_take(table, &none);
	*ret = table;
	return 0;
}

size_t record_table_nr(const struct record_table *table)
{
	return table->nr;
}

struct record_entry *record_table_at(struct record_table *table, size_t at)
{
	assert(at < table->nr);
	return &table->entries[at];
}

uint32_t record_table_index(const struct record_table *table,
			    const struct record_entry *entry)
{
	assert(entry >= table->entries);
	assert(entry < table->entries + table->nr);
	return (uint32_t)(entry - table->entries);
}

void record_table_fetch(const struct record_table *table,
			const struct volume_id *volume)
{
	uint32_t hash = index_hash(volume, sizeof(*volume));
	uint32_t at = table->index.table[hash & table->index.mask];
	const char *entry = (const char *)&table->entries[at];

	if (at == INDEX_NONE)
		return;
	for (size_t i = 0; i < sizeof(table->entries[0]); i += CACHE_LINE)
		__builtin_prefetch(entry + i);
}

struct record_entry *record_table_take(struct record_table *table,
				       const struct volume_id *volume)
{
	const struct index_keys keys = {
		.base = &table->entries[0].record.volume,
		.stride = sizeof(*table->entries),
		.size = sizeof(*volume),
	};
	uint32_t *place = index_place(&table->index, &keys, volume);
	struct record_entry *entry;

	if (*place != INDEX_NONE)
		return &table->entries[*place];
	if (table->nr == table->nr_max)
		return NULL;
	*place = (uint32_t)table->nr;
	entry = &table->entries[table->nr++];
	entry->record.volume = *volume;
	entry->skip = RECORD_NO_SKIP;
	return entry;
}

/* Deleted and created again: a tombstone came between, seen or, where only
 * the newest record was copied, not. */
static bool lost_its_line(const struct record_entry *entry,
			  const struct record *record)
{
	return entry->record.kind == RECORD_VOLUME && !entry->damaged &&
	       !lineage_is_none(record_line(&entry->record).lineage) &&
	       record->write_seq - entry->record.write_seq < 2;
}

static struct lineage line_or_floor(const struct record *record)
{
	switch (record->kind) {
	case RECORD_VOLUME:
		return record_line(record).lineage;
	case RECORD_FLOOR:
		return record_floor(record).lineage;
	case RECORD_TOMBSTONE:
	case RECORD_INCARNATION:
	case RECORD_MARKER:
	case RECORD_UNSPEC:
		break;
	}
	return (struct lineage){ 0 };
}

bool record_entry_goes_down(const struct record_entry *entry,
			    const struct record *record)
{
	struct lineage named = line_or_floor(record);

	if (record->kind == RECORD_INCARNATION)
		return false;
	if (record->kind == RECORD_TOMBSTONE)
		return record_floor_epoch(record) < entry->highest.epoch ||
		       record_floor_epoch(record) < entry->floor_epoch;
	if (record->kind == RECORD_VOLUME && lineage_is_none(named))
		return lost_its_line(entry, record);
	return lineage_cmp(named, entry->highest) < 0 ||
	       (entry->floor_epoch && named.epoch <= entry->floor_epoch);
}

void record_entry_put(struct record_entry *entry, const struct record *record,
		      uint64_t log_seq)
{
	struct lineage named = line_or_floor(record);

	if (lineage_cmp(named, entry->highest) > 0)
		entry->highest = named;
	if (record->kind == RECORD_TOMBSTONE &&
	    record_floor_epoch(record) > entry->floor_epoch)
		entry->floor_epoch = record_floor_epoch(record);
	entry->record = *record;
	entry->log_seq = log_seq;
	entry->damaged = false;
}
