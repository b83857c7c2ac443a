/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Open addressing: from the bytes of a key to the number of the entry that
 * carries it. The entries are the owner's array. Must never know what they
 * are, nor forget one.
 */
#ifndef BFENCE_INDEX_H
#define BFENCE_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define INDEX_NONE	UINT32_MAX

struct index {
	uint32_t *table;
	uint32_t mask;
};

/* Where the keys are: in entry i at base + i * stride, size bytes. */
struct index_keys {
	const void *base;
	size_t stride;
	size_t size;
};

int index_init(struct index *index, uint32_t entries_max);
void index_exit(struct index *index);

uint32_t index_hash(const void *key, size_t len);

/* The place of the key: it holds the entry's number, or INDEX_NONE and may be
 * given one. */
uint32_t *index_place(const struct index *index, const struct index_keys *keys,
		      const void *key);

#endif
