// SPDX-License-Identifier: GPL-2.0
/*
 * Linear probing over a table at most half full.
 */
#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a, 32 bit: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint32_t hash_bytes(const void *key, size_t len)
{
	const uint8_t *b = key;
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ b[i]) * 16777619u;
	return hash;
}

int index_init(struct index *index, uint32_t entries_max)
{
	size_t size = 4;

	while (size < (size_t)entries_max * 2)
		size *= 2;
	index->mask = (uint32_t)(size - 1);
	index->table = calloc(size, sizeof(*index->table));
	if (!index->table)
		return -ENOMEM;
	memset(index->table, 0xff, size * sizeof(*index->table));
	return 0;
}

void index_exit(struct index *index)
{
	free(index->table);
	index->table = NULL;
}

uint32_t *index_place(const struct index *index, const struct index_keys *keys,
		      const void *key)
{
	uint32_t at = hash_bytes(key, keys->size) & index->mask;

	while (index->table[at] != INDEX_NONE &&
	       memcmp((const char *)keys->base +
			      index->table[at] * keys->stride,
		      key, keys->size))
		at = (at + 1) & index->mask;
	return &index->table[at];
}
