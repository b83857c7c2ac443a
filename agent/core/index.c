// SPDX-License-Identifier: GPL-2.0
/*
 * Linear probing over a table at most half full.
 */
#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MULTIPLIER	0x9e3779b97f4a7c15ULL	/* 2^64 / golden ratio, odd */

/* A word at a time; each product's upper half goes into its lower one, which
 * alone would never see the upper bytes of a word. */
uint32_t index_hash(const void *key, size_t len)
{
	const char *at = key;
	uint64_t hash = len;

	for (; len; at += sizeof(uint64_t)) {
		size_t nr = len < sizeof(uint64_t) ? len : sizeof(uint64_t);
		uint64_t word = 0;

		memcpy(&word, at, nr);
		hash = (hash ^ word) * MULTIPLIER;
		hash ^= hash >> 32;
		len -= nr;
	}
	return (uint32_t)hash;
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
	uint32_t at = index_hash(key, keys->size) & index->mask;

	while (index->table[at] != INDEX_NONE &&
	       memcmp((const char *)keys->base +
			      index->table[at] * keys->stride,
		      key, keys->size))
		at = (at + 1) & index->mask;
	return &index->table[at];
}
