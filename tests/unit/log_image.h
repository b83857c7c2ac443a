/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Records to write and logs in memory to damage, for the tests of record,
 * reload and store.
 */
#ifndef BFENCE_TEST_LOG_IMAGE_H
#define BFENCE_TEST_LOG_IMAGE_H

#include <stdio.h>
#include <string.h>

#include "core/record_mint.h"

#define IMAGE_FRAMES	64

static const struct store_id image_store = { .b = { 0xb, 0xf, 1 } };

/* A log as the store makes it; the frames lie in bytes. */
struct image {
	uint8_t bytes[IMAGE_FRAMES][RECORD_FRAME_SIZE];
	struct store_id store;
	uint64_t first_seq;
	uint64_t next_seq;
};

static inline struct volume_id volume_of(const char *name)
{
	struct volume_id id = { 0 };

	snprintf(id.s, sizeof(id.s), "%s", name);
	return id;
}

/* A bound volume: its lineage is `epoch`.1, its record the write_seq-th. */
static inline struct record record_of(const char *name, uint64_t write_seq,
				      uint64_t epoch)
{
	const struct volume_id volume = volume_of(name);
	struct record_volume state = { 0 };
	struct line *line = &state.line;
	struct topology *t = &state.topology;

	t->guard = GUARD_QUORUM;
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		snprintf(t->slots[i].replica.s, REPLICA_ID_SIZE, "r%d", i + 1);
		snprintf(t->slots[i].host.s, HOST_ID_SIZE, "host-%d", i + 1);
	}
	line->lineage = (struct lineage){ epoch, 1 };
	line->primary = t->slots[1].replica;
	snprintf(line->data_addr.s, ADDR_SIZE, "192.0.2.2:4000");
	snprintf(line->ctrl_addr.s, ADDR_SIZE, "[2001:db8::2]:4001");
	return record_of_volume(&volume, write_seq, &state);
}

static inline struct record incarnation_of(uint64_t value)
{
	const struct incarnation incarnation = { .value = value,
						 .master = image_store,
						 .lease_ms = 6000 };

	return record_of_incarnation(value, &incarnation);
}

static inline uint8_t *image_frame(struct image *image, uint64_t log_seq)
{
	return image->bytes[log_seq - image->first_seq];
}

static inline uint64_t image_offset(const struct image *image, uint64_t log_seq)
{
	return (log_seq - image->first_seq) * RECORD_FRAME_SIZE;
}

static inline void image_put(struct image *image, const struct record *record,
			     uint64_t durable_through, uint64_t group_last)
{
	const struct record_frame at = { .store = image->store,
					 .log_seq = image->next_seq,
					 .durable_through = durable_through,
					 .group_last = group_last };

	record_encode(record, &at, image_frame(image, image->next_seq++));
}

/* Spare space behind an opening frame. */
static inline void image_init(struct image *image, uint64_t first_seq)
{
	const struct record opening = record_of_marker(IMAGE_FRAMES);

	memset(image, 0, sizeof(*image));
	image->store = image_store;
	image->first_seq = first_seq;
	image->next_seq = first_seq;
	image_put(image, &opening, first_seq, first_seq);
}

/* All before it was synced. */
static inline void image_group(struct image *image,
			       const struct record *records, size_t nr)
{
	uint64_t through = image->next_seq - 1;

	for (size_t i = 0; i < nr; i++)
		image_put(image, &records[i], through, through + nr);
}

static inline void image_one(struct image *image, struct record record)
{
	image_group(image, &record, 1);
}

static inline void image_marker(struct image *image)
{
	image_one(image, record_of_marker(0));
}

#define IMAGE_BODY_BYTE		200
#define IMAGE_HEADER_BYTE	70

#endif
