/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The durable record: one 512-byte frame of the authority log or of a
 * replica's floor log, as a struct and as bytes. Must never know a file; the
 * log's order, groups and recovery are reload.h's and store.h's affair.
 *
 * The frame, little endian. Its header keeps this layout in every version:
 *
 *     0  magic "bfenclog"         40  durable_through u64
 *     8  format version u16       48  group_last u64
 *    10  kind u8                  56  write_seq u64
 *    11  flags u8                 64  volume, NUL padded
 *    12  zero u32                128  CRC32C of bytes 0..127
 *    16  store id                132  body by kind, the rest of it zero
 *    32  log_seq u64             508  CRC32C of bytes 0..127, 132..507
 *
 * The second sum leaves out the first: a CRC over bytes that end with their
 * own CRC no longer depends on them, and any body would fit any header.
 * Flag 1: the body was found damaged and is kept as it was found.
 */
#ifndef BFENCE_RECORD_H
#define BFENCE_RECORD_H

#include "types.h"

#define RECORD_FRAME_SIZE	512
#define RECORD_FORMAT_VERSION	2	/* the one that is written */
#define RECORD_FORMAT_OLDEST	1	/* without recovery and doubt */
#define RECORD_GROUP_MAX	1024	/* frames made durable by one sync */

enum record_kind {
	RECORD_UNSPEC,
	RECORD_INCARNATION,	/* the master's own, or the highest seen */
	RECORD_VOLUME,		/* topology and, once minted, the line */
	RECORD_TOMBSTONE,	/* deleted; a new life starts above the floor */
	RECORD_FLOOR,		/* replica: highest lineage acknowledged */
	RECORD_MARKER,		/* only says durable_through; opens a log */
};

/*
 * The newest record of a volume is its whole state: no record is a delta.
 * What it says is sealed: anybody may copy a record and ask it, but a line or
 * a floor epoch comes in by record_mint.h alone, which is the publisher's.
 * No lineage of a volume has an epoch above the write_seq of its record, so
 * that a damaged body still bounds what it said.
 */
#define RECORD_SEALED_SIZE	344

struct record {
	enum record_kind kind;
	struct volume_id volume;	/* empty: INCARNATION, MARKER */
	uint64_t write_seq;		/* of this volume, counts up from 1;
					 * 0: MARKER */
	uint64_t sealed[RECORD_SEALED_SIZE / 8];
};

/* An operator's word that continued a volume whose line was not to be
 * trusted. The trace that it leaves: every later record carries it. */
struct recovery {
	uint64_t write_seq;		/* of the record that came of it; 0:
					 * never */
	struct lineage line;		/* replaced; none: body was damaged */
	struct lineage floor;		/* highest that a replica had reported */
	uint64_t wall_s;		/* Unix time, for people alone */
	uint32_t uid;			/* of who asked */
};

/* What a replica host must never forget of one slot. */
struct floor {
	struct replica_id replica;
	struct lineage lineage;		/* none until the first fence */
	struct replica_id primary;	/* of that lineage, empty = unknown */
	struct lineage served;		/* last open at with complete data */
};

/* The start of a master; on a replica, of the one that it obeys. */
struct incarnation {
	uint64_t value;
	struct store_id master;		/* replica: whose it is */
	uint32_t lease_ms;		/* longest lease it grants */
};

/* RECORD_VOLUME. */
struct topology record_topology(const struct record *record);
struct line record_line(const struct record *record);
struct recovery record_recovery(const struct record *record);
/* Salvaged from a damaged log: a newer line may have been lost with it. */
bool record_is_in_doubt(const struct record *record);
void record_put_in_doubt(struct record *record);
/* RECORD_TOMBSTONE: the highest epoch that the volume ever had. */
uint64_t record_floor_epoch(const struct record *record);
/* RECORD_FLOOR, RECORD_INCARNATION; all zero for RECORD_UNSPEC. */
struct floor record_floor(const struct record *record);
struct incarnation record_incarnation(const struct record *record);
/* RECORD_MARKER: frames of the log that it opens, or 0. */
uint64_t record_nr_frames(const struct record *record);

struct record record_of_floor(const struct volume_id *volume,
			      uint64_t write_seq, const struct floor *floor);
struct record record_of_incarnation(uint64_t write_seq,
				    const struct incarnation *incarnation);
struct record record_of_marker(uint64_t nr_frames);

/* The frame's place in its log; the store fills it, the reload checks it. */
struct record_frame {
	struct store_id store;
	uint64_t log_seq;		/* 1, 2, 3 ... without a gap */
	uint64_t durable_through;	/* highest log_seq known synced */
	uint64_t group_last;		/* highest log_seq of its own group */
};

enum record_verdict {
	RECORD_OK,
	RECORD_ZERO,		/* never written */
	RECORD_BAD_HEADER,	/* nothing in it can be believed */
	RECORD_BAD_VERSION,	/* sound, but of a later format */
	RECORD_BAD_BODY,	/* header sound: its volume is known */
};

/* Whether the record has the form that record_decode() gives: known kind,
 * well-formed ids where its kind needs them. The header is kind, volume and
 * write_seq. */
bool record_is_valid(const struct record *record);
bool record_header_is_valid(const struct record *record);

/* The record is valid. */
void record_encode(const struct record *record, const struct record_frame *at,
		   uint8_t frame[RECORD_FRAME_SIZE]);

/*
 * Moves a frame whose body is damaged to another place of the log: the body
 * stays as it is, the header is made anew from kind, volume and write_seq of
 * the record, and the frame decodes as RECORD_BAD_BODY for ever.
 */
void record_keep_damaged(const struct record *record,
			 const struct record_frame *at,
			 uint8_t frame[RECORD_FRAME_SIZE]);

/*
 * On RECORD_OK both outputs are filled; on RECORD_BAD_BODY *ret_at and of
 * *ret_record kind, volume and write_seq are, the rest is zero.
 */
enum record_verdict record_decode(const uint8_t frame[RECORD_FRAME_SIZE],
				  struct record *ret_record,
				  struct record_frame *ret_at);

/*
 * For a frame that is not RECORD_OK: its end never arrived. Spare space is
 * zeroed ahead, and the sum of a frame is its last word; a sector that loses
 * its power amid a write is taken to break between words.
 */
bool record_is_cut_short(const uint8_t frame[RECORD_FRAME_SIZE]);

/* What a frame of RECORD_BAD_VERSION says it is. */
unsigned int record_format_version(const uint8_t frame[RECORD_FRAME_SIZE]);

#endif
