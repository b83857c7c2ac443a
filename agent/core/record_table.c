// SPDX-License-Identifier: GPL-2.0
/*
 * Entries in the order of their arrival, and an open hash of their places.
 * Nothing is ever removed. Must never know how the records got here.
 */
#include "record_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct record_table {
	struct record_entry *entries;
	size_t nr;
	size_t nr_max;
	uint32_t *places;	/* index + 1 of an entry, 0 = free */
	size_t places_mask;
};

void record_table_free(struct record_table *table)
{
	if (!table)
		return;
	free(table->places);
	free(table->entries);
	free(table);
}

int record_table_new(size_t volumes_max, struct record_table **ret)
{
	static const struct volume_id none;
	struct record_table *table;
	size_t nr_places = 4;

	if (volumes_max >= UINT32_MAX / 4)
		return -EINVAL;
	table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	table->nr_max = volumes_max + 1;
	while (nr_places < 2 * table->nr_max)
		nr_places *= 2;
	table->places_mask = nr_places - 1;
	table->places = calloc(nr_places, sizeof(*table->places));
	table->entries = calloc(table->nr_max, sizeof(*table->entries));
	if (!table->places || !table->entries) {
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

/* FNV-1a; ids are NUL padded, so the text is the whole of it. */
static uint64_t hash_of(const struct volume_id *volume)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (const char *c = volume->s; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 0x100000001b3ULL;
	return hash ^ hash >> 32;
}

struct record_entry *record_table_take(struct record_table *table,
				       const struct volume_id *volume)
{
	size_t place = hash_of(volume) & table->places_mask;
	struct record_entry *entry;

	/* Ends: at most half of the places are ever taken. */
	while (table->places[place]) {
		entry = &table->entries[table->places[place] - 1];
		if (volume_id_equal(&entry->record.volume, volume))
			return entry;
		place = (place + 1) & table->places_mask;
	}
	if (table->nr == table->nr_max)
		return NULL;
	entry = &table->entries[table->nr++];
	table->places[place] = (uint32_t)table->nr;
	entry->record.volume = *volume;
	entry->skip = RECORD_NO_SKIP;
	return entry;
}
