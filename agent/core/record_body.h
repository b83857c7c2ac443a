/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is sealed in a record, for the record's own files alone. Must never
 * know bytes of a frame.
 */
#ifndef BFENCE_RECORD_BODY_H
#define BFENCE_RECORD_BODY_H

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "record_mint.h"

union record_body {
	struct {
		struct record_volume state;
		bool in_doubt;
	} volume;
	uint64_t floor_epoch;
	struct floor floor;
	struct incarnation incarnation;
	uint64_t nr_frames;
};

static_assert(sizeof(union record_body) == RECORD_SEALED_SIZE,
	      "RECORD_SEALED_SIZE is what the largest body needs");

static inline union record_body record_open(const struct record *record)
{
	union record_body body;

	memcpy(&body, record->sealed, sizeof(body));
	return body;
}

/* One member alone, where the whole would only be copied to be forgotten. */
#define RECORD_MEMBER(record, member)					\
	({                                                           \
		__typeof__(((union record_body *)0)->member) value_; \
                                                                     \
		memcpy(&value_,                                      \
		       (const char *)(record)->sealed +              \
			       offsetof(union record_body, member),  \
		       sizeof(value_));                              \
		value_;                                              \
	})

/* Not as a struct: the bytes after the uid are nobody's, and two records that
 * say the same must be sealed as the same bytes. */
static inline void recovery_put(struct recovery *to,
				const struct recovery *from)
{
	to->write_seq = from->write_seq;
	to->line = from->line;
	to->floor = from->floor;
	to->wall_s = from->wall_s;
	to->uid = from->uid;
}

static inline void record_seal(struct record *record,
			       const union record_body *body)
{
	memcpy(record->sealed, body, sizeof(*body));
}

#endif
