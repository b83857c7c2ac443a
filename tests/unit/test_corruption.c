// SPDX-License-Identifier: GPL-2.0
/*
 * A log of known history is damaged in every way there is, and each outcome
 * is judged by that history alone: never a lower line, never a bound volume
 * as if it had not been, never a mixed record, and the damage is told with
 * its place. Must never know how the reload comes to its judgement.
 *
 * What a log cannot tell by itself: a copy of all of it that is older. It is
 * served as what it was; incarnation, store id and the replicas' floors are
 * there to notice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/record_crc.h"
#include "core/reload.h"
#include "edge/store.h"
#include "log_image.h"

#define FIRST_SEQ	100
#define NR_FRAMES	22	/* two of them spare */
#define SIZE		RECORD_FRAME_SIZE
#define HEADER		132	/* bytes of a frame, with their sum */
#define NR_VOLUMES	7
#define NOWHERE		SIZE_MAX

static const char *const names[] = { "", "a", "b", "c", "d", "e", "f", "g" };

/* What was written, and in which order. */
struct written {
	struct record record;
	struct record_frame at;
	bool kept;		/* found damaged in an earlier life, and kept */
};

struct history {
	struct written frames[NR_FRAMES];
	size_t nr;		/* after it: spare */
	uint8_t bytes[NR_FRAMES][SIZE];
};

/* What a change of its bytes means for a frame. */
enum harm {
	INTACT,
	ZERO,
	HEAD,			/* nothing in it can be believed */
	BODY,			/* it still tells whose it is */
};

struct expected {
	enum harm harm[NR_FRAMES];
	size_t refused_at;	/* frame, or NOWHERE: the log is served */
	uint64_t synced;
	uint64_t promised;	/* highest log_seq that any frame names */
};

struct count {
	unsigned long cases, refused, quarantined, superseded, unwritten;
};

struct ring {
	struct history then;
	uint8_t now[NR_FRAMES][SIZE];
	struct reload reload;
	int ret;
	size_t stale;		/* frame that says what an older one said */
	uint64_t random;
	struct count count;
	char what[96];		/* was done to the log */
	/* the folder */
	char dir[64];
	char path[80];
	struct loop *loop;
	struct store *store;
	struct err err;
};

/* --- the history ------------------------------------------------------------ */

static struct record line_of(const char *name, uint64_t write_seq,
			     uint64_t epoch, uint64_t version)
{
	struct record r = record_of(name, write_seq, epoch);
	struct record_volume state = { .topology = record_topology(&r),
				       .line = record_line(&r) };

	state.line.lineage.endpoint_version = version;
	return record_of_volume(&r.volume, write_seq, &state);
}

static struct record unbound_of(const char *name, uint64_t write_seq)
{
	struct record r = record_of(name, write_seq, 1);
	const struct record_volume state = { .topology = record_topology(&r) };

	return record_of_volume(&r.volume, write_seq, &state);
}

static struct record tombstone_of(const char *name, uint64_t write_seq,
				  uint64_t epoch)
{
	const struct volume_id volume = volume_of(name);

	return record_of_tombstone(&volume, write_seq, epoch);
}

static struct record floor_of(const char *name, uint64_t write_seq,
			      uint64_t epoch)
{
	const struct volume_id volume = volume_of(name);
	const struct floor floor = { .replica = { "r2" },
				     .lineage = { epoch, 1 } };

	return record_of_floor(&volume, write_seq, &floor);
}

/* Makes both sums right again. */
static void seal(uint8_t *bytes)
{
	uint32_t crc = record_crc32c(0, bytes, HEADER - 4);

	for (int i = 0; i < 4; i++)
		bytes[HEADER - 4 + i] = (uint8_t)(crc >> 8 * i);
	crc = record_crc32c(crc, bytes + HEADER, SIZE - HEADER - 4);
	for (int i = 0; i < 4; i++)
		bytes[SIZE - 4 + i] = (uint8_t)(crc >> 8 * i);
}

/* The record is kept as it reads back: without what C leaves between the
 * fields, so that records compare as bytes. */
static void put(struct history *h, const struct record *record,
		struct record_frame at, bool kept)
{
	uint8_t *bytes = h->bytes[h->nr];
	struct written *w = &h->frames[h->nr++];

	record_encode(record, &at, bytes);
	assert_int_equal(record_decode(bytes, &w->record, &w->at), RECORD_OK);
	w->kept = kept;
	if (!kept)
		return;
	record_keep_damaged(record, &at, bytes);
	/* Its flag alone says that it is damaged. */
	if (record->volume.s[0] == 'd')
		seal(bytes);
}

static void put_group(struct history *h, struct record_frame *at,
		      const struct record *records, size_t nr)
{
	at->durable_through = at->log_seq - 1;
	at->group_last = at->durable_through + nr;
	for (size_t i = 0; i < nr; i++, at->log_seq++)
		put(h, &records[i], *at, false);
}

#define GROUP(...)                                                        \
	do {                                                              \
		const struct record group_[] = { __VA_ARGS__ };           \
                                                                               \
		put_group(h, &at, group_, sizeof(group_) / sizeof(group_[0])); \
	} while (0)

/* As a compaction leaves a log: 100 to 105. */
static struct record_frame write_opening(struct history *h,
					 struct store_id store, uint64_t first)
{
	const struct record records[] = {
		record_of_marker(NR_FRAMES), incarnation_of(7),
		line_of("a", 3, 2, 1),	     line_of("b", 5, 5, 1),
		line_of("d", 4, 4, 1),	     line_of("f", 2, 2, 1),
	};
	struct record_frame at = { .store = store,
				   .log_seq = first,
				   .durable_through = first + 5,
				   .group_last = first + 5 };

	memset(h, 0, sizeof(*h));
	for (size_t i = 0; i < 6; i++, at.log_seq++)
		put(h, &records[i], at, i >= 4);
	return at;
}

/* d stays damaged, f is recovered, b is deleted and lives again; 117 to 119
 * is the last group, of which nothing says that it was synced. */
static void write_history(struct history *h, struct store_id store,
			  uint64_t first)
{
	struct record_frame at = write_opening(h, store, first);

	GROUP(line_of("a", 4, 3, 1), unbound_of("c", 1), floor_of("e", 1, 1));
	GROUP(line_of("c", 2, 1, 1));
	GROUP(record_of_marker(0));
	GROUP(tombstone_of("b", 6, 5), incarnation_of(8));
	GROUP(line_of("a", 5, 3, 2));
	GROUP(floor_of("e", 2, 2), line_of("f", 3, 3, 1));
	GROUP(record_of_marker(0));
	GROUP(line_of("a", 6, 4, 1), line_of("b", 7, 6, 1),
	      line_of("g", 1, 1, 1));
	assert_int_equal(h->nr, NR_FRAMES - 2);
}

/* --- what the history allows ------------------------------------------------- */

static bool is_zero(const uint8_t *bytes)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, SIZE - 1) == 0;
}

static enum harm harm_of(const struct ring *r, size_t i)
{
	const uint8_t *then = r->then.bytes[i], *now = r->now[i];

	if (memcmp(then, now, SIZE) == 0)
		return INTACT;
	if (i == r->stale)
		return BODY;
	if (is_zero(now))
		return ZERO;
	if (i >= r->then.nr || memcmp(then, now, HEADER) != 0)
		return HEAD;
	return BODY;
}

static bool belongs_to(const struct written *w, const char *name)
{
	return w->record.kind != RECORD_MARKER &&
	       strcmp(w->record.volume.s, name) == 0;
}

static bool has_no_volume(const struct written *w)
{
	return w->record.volume.s[0] == '\0';
}

static bool is_refused(const struct ring *r, const struct expected *e, size_t i)
{
	const struct written *w = &r->then.frames[i];

	switch (e->harm[i]) {
	case INTACT:
		return false;
	case ZERO:
		return i < r->then.nr && w->at.log_seq <= e->synced;
	case HEAD:
		return true;
	case BODY:
		return has_no_volume(w);
	}
	return true;
}

/* The sum lies at a frame's end, and spare space is zeros: its end never
 * arrived. Of the last group that was no more acknowledged than all zeros. */
static bool is_cut(const struct ring *r, const struct expected *e, size_t i)
{
	static const uint8_t no_sum[4];

	if ((e->harm[i] != HEAD && e->harm[i] != BODY) ||
	    (i < r->then.nr && r->then.frames[i].at.log_seq <= e->synced))
		return false;
	return memcmp(r->now[i] + SIZE - 4, no_sum, 4) == 0;
}

static void forgive_cuts(const struct ring *r, struct expected *e)
{
	for (size_t i = 0; i < NR_FRAMES; i++)
		if (is_cut(r, e, i))
			e->harm[i] = ZERO;
}

static struct expected expect(const struct ring *r)
{
	struct expected e = { .refused_at = NOWHERE };

	for (size_t i = 0; i < NR_FRAMES; i++) {
		const struct record_frame *at = &r->then.frames[i].at;

		e.harm[i] = harm_of(r, i);
		if (e.harm[i] == ZERO || e.harm[i] == HEAD)
			continue;
		if (at->durable_through > e.synced)
			e.synced = at->durable_through;
		if (at->group_last > e.promised)
			e.promised = at->group_last;
	}
	forgive_cuts(r, &e);
	if (e.harm[0] != INTACT)
		e.refused_at = 0;
	for (size_t i = 0; e.refused_at == NOWHERE && i < NR_FRAMES; i++)
		if (is_refused(r, &e, i))
			e.refused_at = i;
	return e;
}

static bool is_damaged(const struct ring *r, const struct expected *e, size_t i)
{
	return e->harm[i] == BODY || r->then.frames[i].kept;
}

/* The volume's last frame that is still there, or that is damaged. */
static size_t newest_of(const struct ring *r, const struct expected *e,
			const char *name, bool damaged)
{
	size_t newest = NOWHERE;

	for (size_t i = 0; i < r->then.nr; i++)
		if (belongs_to(&r->then.frames[i], name) &&
		    e->harm[i] != ZERO && (!damaged || is_damaged(r, e, i)))
			newest = i;
	return newest;
}

/* --- what came out ------------------------------------------------------------ */

#define require(r, condition)                                               \
	do {                                                                \
		if (!(condition))                                           \
			fail_msg("%s: %s does not hold; %d, offset %" PRIu64 \
				 ": %s",                                    \
				 (r)->what, #condition, (r)->ret,           \
				 (r)->reload.bad_offset,                    \
				 (r)->reload.bad_reason);                   \
	} while (0)

static const struct record_entry *served(struct ring *r, const char *name)
{
	for (size_t i = 0; i < record_table_nr(r->reload.table); i++) {
		const struct record_entry *entry =
			record_table_at(r->reload.table, i);

		if (entry->record.kind != RECORD_UNSPEC &&
		    strcmp(entry->record.volume.s, name) == 0)
			return entry;
	}
	return NULL;
}

static const struct store_skip *skip_at(const struct ring *r, size_t frame)
{
	for (size_t i = 0; i < r->reload.nr_skips; i++)
		if (r->reload.skips[i].offset == frame * SIZE)
			return &r->reload.skips[i];
	return NULL;
}

static bool is_skipped(const struct ring *r, const char *name)
{
	for (size_t i = 0; i < r->reload.nr_skips; i++)
		if (strcmp(r->reload.skips[i].volume.s, name) == 0 &&
		    r->reload.skips[i].class == STORE_SKIP_CORRUPT)
			return true;
	return false;
}

/* Says one thing of the volume: its record, or that it is damaged. */
static size_t check_volume(struct ring *r, const struct expected *e,
			   const char *name)
{
	const struct record_entry *entry = served(r, name);
	size_t newest = newest_of(r, e, name, false);
	size_t damaged = newest_of(r, e, name, true);
	const struct store_skip *skip =
		damaged == NOWHERE ? NULL : skip_at(r, damaged);
	bool lost = damaged != NOWHERE && damaged == newest;

	require(r, (newest == NOWHERE) == (entry == NULL));
	if (damaged != NOWHERE) {
		require(r, skip != NULL);
		require(r, skip->class == STORE_SKIP_CORRUPT);
		require(r, strcmp(skip->volume.s, lost ? name : "") == 0);
		require(r, strstr(skip->reason, lost ? "log_seq" : name));
		r->count.quarantined += lost;
		r->count.superseded += !lost;
	}
	if (entry && !lost) {
		require(r, !entry->damaged);
		require(r,
			memcmp(&entry->record, &r->then.frames[newest].record,
			       sizeof(entry->record)) == 0);
	}
	return damaged != NOWHERE;
}

static void check_served(struct ring *r, const struct expected *e)
{
	size_t nr_skips = 0;

	require(r, r->ret == 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		nr_skips += check_volume(r, e, names[i]);
	for (size_t i = 0; i < r->then.nr; i++) {
		const struct store_skip *skip;

		if (e->harm[i] != ZERO ||
		    r->then.frames[i].at.log_seq > e->promised)
			continue;
		nr_skips++;
		r->count.unwritten++;
		skip = skip_at(r, i);
		require(r, skip && skip->class == STORE_SKIP_UNWRITTEN);
		require(r, skip->volume.s[0] == '\0');
	}
	require(r, r->reload.nr_skips == nr_skips);
}

/* The number of the frame that this record came from. */
static size_t origin_of(const struct ring *r, const struct record *record)
{
	for (size_t i = r->then.nr; i > 0; i--)
		if (memcmp(&r->then.frames[i - 1].record, record,
			   sizeof(*record)) == 0)
			return i - 1;
	return NOWHERE;
}

/* What no rule of recovery may be an excuse for: all that was synced is
 * there or named as lost, whole, and as new as it was. */
static void check_promises(struct ring *r, uint64_t synced)
{
	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		const struct record_entry *entry = served(r, names[n]);
		size_t oldest = NOWHERE, origin;

		for (size_t i = 0; i < r->then.nr; i++)
			if (belongs_to(&r->then.frames[i], names[n]) &&
			    r->then.frames[i].at.log_seq <= synced)
				oldest = i;
		if (entry && entry->damaged) {
			require(r, n > 0 && is_skipped(r, names[n]));
			continue;
		}
		if (!entry) {
			require(r, oldest == NOWHERE);
			continue;
		}
		origin = origin_of(r, &entry->record);
		require(r, origin != NOWHERE);
		require(r, belongs_to(&r->then.frames[origin], names[n]));
		require(r, oldest == NOWHERE || origin >= oldest);
	}
	for (size_t i = 0; i < record_table_nr(r->reload.table); i++) {
		bool known = false;
		const struct record_entry *entry =
			record_table_at(r->reload.table, i);

		for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
			known |= strcmp(entry->record.volume.s, names[n]) == 0;
		require(r, known);
	}
}

static void check_refused(struct ring *r, size_t frame)
{
	require(r, r->ret == -EBADMSG);
	require(r, r->reload.bad_offset == frame * SIZE);
	require(r, r->reload.bad_reason[0] != '\0');
	r->count.refused++;
}

static void load(struct ring *r, size_t nr_frames)
{
	reload_exit(&r->reload);
	if (reload_init(&r->reload, NR_VOLUMES))
		fail_msg("no memory");
	r->ret = reload_judge(&r->reload, r->now[0], nr_frames);
	r->count.cases++;
}

/* One frame was damaged: what was synced then is what binds. */
#define ALL_SYNCED	(FIRST_SEQ + 16)

static void judge(struct ring *r, uint64_t synced)
{
	const struct expected e = expect(r);

	load(r, NR_FRAMES);
	if (e.refused_at != NOWHERE) {
		check_refused(r, e.refused_at);
		return;
	}
	check_served(r, &e);
	check_promises(r, synced ? synced : e.synced);
}

static void judge_one(struct ring *r)
{
	judge(r, ALL_SYNCED);
}

/* Many frames were: what those that are left tell to be synced. */
static void judge_many(struct ring *r)
{
	judge(r, 0);
}

#define did(r, ...) snprintf((r)->what, sizeof((r)->what), __VA_ARGS__)

static void restore(struct ring *r)
{
	memcpy(r->now, r->then.bytes, sizeof(r->now));
}

static void wipe(struct ring *r, size_t frame)
{
	memset(r->now[frame], 0, SIZE);
}

/* --- one frame ---------------------------------------------------------------- */

static void undamaged_log_is_served_whole(void **state)
{
	struct ring *r = *state;

	did(r, "nothing");
	judge_one(r);
	require(r, r->ret == 0);
	require(r, r->reload.durable_through == ALL_SYNCED);
	require(r, r->reload.last_seq == FIRST_SEQ + 19);
	/* d alone: f was recovered. */
	require(r, r->count.quarantined == 1 && r->count.superseded == 1);
}

static void each_bit_of_each_frame_flipped(void **state)
{
	struct ring *r = *state;

	for (size_t i = 0; i <= r->then.nr; i++) {
		for (size_t bit = 0; bit < SIZE * 8; bit++) {
			did(r, "bit %zu of frame %zu flipped", bit, i);
			r->now[i][bit / 8] ^= (uint8_t)(1 << bit % 8);
			judge_one(r);
			r->now[i][bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void each_byte_of_each_frame_cleared_and_filled(void **state)
{
	struct ring *r = *state;

	for (size_t i = 0; i <= r->then.nr; i++) {
		for (size_t at = 0; at < SIZE; at++) {
			const uint8_t then = r->then.bytes[i][at];

			did(r, "byte %zu of frame %zu set", at, i);
			r->now[i][at] = 0;
			if (then != 0)
				judge_one(r);
			r->now[i][at] = 0xff;
			if (then != 0xff)
				judge_one(r);
			r->now[i][at] = then;
		}
	}
}

static uint64_t next_random(struct ring *r)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return r->random;
}

static void scribble(struct ring *r, size_t frame, size_t from, size_t to)
{
	for (size_t at = from; at < to; at++)
		r->now[frame][at] = (uint8_t)next_random(r);
}

static void each_sector_lost_or_garbage(void **state)
{
	struct ring *r = *state;

	for (size_t i = 0; i < NR_FRAMES; i++) {
		did(r, "frame %zu zeroed", i);
		wipe(r, i);
		judge_one(r);
		for (size_t at = 0; at < SIZE; at += 12) {
			did(r, "frame %zu garbage from byte %zu", i, at);
			restore(r);
			scribble(r, i, at, SIZE);
			judge_one(r);
			did(r, "frame %zu torn at byte %zu", i, at);
			restore(r);
			memset(r->now[i] + at, 0, SIZE - at);
			judge_one(r);
		}
		restore(r);
	}
}

/* --- frames of this log, elsewhere ----------------------------------------------- */

static void each_two_frames_swapped(void **state)
{
	struct ring *r = *state;

	for (size_t i = 0; i < NR_FRAMES; i++) {
		for (size_t k = 0; k < i; k++) {
			did(r, "frames %zu and %zu swapped", k, i);
			memcpy(r->now[i], r->then.bytes[k], SIZE);
			memcpy(r->now[k], r->then.bytes[i], SIZE);
			judge_many(r);
			restore(r);
		}
	}
}

static void each_frame_over_each_other(void **state)
{
	struct ring *r = *state;

	for (size_t i = 0; i < NR_FRAMES; i++) {
		for (size_t k = 0; k < NR_FRAMES; k++) {
			did(r, "frame %zu over frame %zu", k, i);
			memcpy(r->now[i], r->then.bytes[k], SIZE);
			judge_one(r);
			restore(r);
		}
	}
}

/* All behind it slides up or down. */
static void each_frame_left_out_or_doubled(void **state)
{
	struct ring *r = *state;

	for (size_t i = 0; i < r->then.nr; i++) {
		const size_t rest = NR_FRAMES - 1 - i;

		did(r, "frame %zu left out", i);
		memcpy(r->now[i], r->then.bytes[i + 1], rest * SIZE);
		wipe(r, NR_FRAMES - 1);
		judge_many(r);
		restore(r);
		did(r, "frame %zu doubled", i);
		memcpy(r->now[i + 1], r->then.bytes[i], rest * SIZE);
		judge_many(r);
		restore(r);
	}
}

/* --- frames of another log -------------------------------------------------------- */

/*
 * A run of sectors of another log, sound and in the same places. With its
 * opening frame it is our frames that are foreign: the offset is the first
 * of them.
 */
static void each_run_of(struct ring *r, const struct history *other)
{
	for (size_t i = 0; i < r->then.nr; i++) {
		for (size_t end = i + 1; end <= r->then.nr; end++) {
			if (i == 0 && end == r->then.nr)
				continue;	/* wholly the other log */
			did(r, "frames %zu to %zu of another log", i, end - 1);
			memcpy(r->now[i], other->bytes[i], (end - i) * SIZE);
			load(r, NR_FRAMES);
			check_refused(r, i ? i : end);
			restore(r);
		}
	}
}

static void sectors_of_a_foreign_store(void **state)
{
	struct ring *r = *state;
	struct store_id foreign = image_store;
	struct history other;

	foreign.b[STORE_ID_SIZE - 1] ^= 1;
	write_history(&other, foreign, FIRST_SEQ);
	each_run_of(r, &other);
}

/* The file before a compaction: the same store, other numbers. */
static void sectors_of_an_older_log_of_the_store(void **state)
{
	struct ring *r = *state;
	struct history other;

	write_history(&other, image_store, FIRST_SEQ - 20);
	each_run_of(r, &other);
	write_history(&other, image_store, FIRST_SEQ - 1);
	each_run_of(r, &other);
}

/* --- frames that are sound and in place ------------------------------------------- */

static void say_again(struct ring *r, size_t older, size_t newer)
{
	record_encode(&r->then.frames[older].record, &r->then.frames[newer].at,
		      r->now[newer]);
	r->stale = newer;
}

/*
 * As when a copy of the store has had a life of its own. The volume is not
 * what its older record says: it is lost, as by damage, also when the record
 * in between, which it repeats, is damaged.
 */
static void each_record_said_again_in_place_of_a_newer_one(void **state)
{
	struct ring *r = *state;

	for (size_t i = 0; i < r->then.nr; i++) {
		const struct written *older = &r->then.frames[i];

		for (size_t k = i + 1; k < r->then.nr; k++) {
			if (!belongs_to(&r->then.frames[k],
					older->record.volume.s) ||
			    older->record.kind == RECORD_MARKER)
				continue;
			did(r, "record of frame %zu again in frame %zu", i, k);
			say_again(r, i, k);
			judge_one(r);
			r->now[i][IMAGE_BODY_BYTE] ^= 1;
			judge_one(r);
			r->stale = NOWHERE;
			restore(r);
		}
	}
	assert_true(r->count.quarantined > 10);
}

static void each_frame_of_a_format_version_that_is_not_known(void **state)
{
	struct ring *r = *state;

	for (size_t i = 0; i < r->then.nr; i++) {
		did(r, "frame %zu of a later version", i);
		r->now[i][8] = RECORD_FORMAT_VERSION + 1;
		seal(r->now[i]);
		load(r, NR_FRAMES);
		require(r, r->ret == -EPROTONOSUPPORT);
		require(r, r->reload.bad_offset == i * SIZE);
		did(r, "frame %zu of version 0", i);
		r->now[i][8] = 0;
		seal(r->now[i]);
		load(r, NR_FRAMES);
		check_refused(r, i);
		restore(r);
	}
}

/* --- many frames --------------------------------------------------------------------- */

static void each_two_sectors_lost(void **state)
{
	struct ring *r = *state;

	for (size_t i = 0; i < NR_FRAMES; i++) {
		for (size_t k = 0; k < i; k++) {
			did(r, "frames %zu and %zu zeroed", k, i);
			wipe(r, i);
			wipe(r, k);
			judge_many(r);
			restore(r);
		}
	}
}

/* Sectors of an older copy of the file are spare there, or the same. */
static void
each_subset_of_the_last_twelve_sectors_as_it_was_before(void **state)
{
	struct ring *r = *state;
	const size_t first = r->then.nr - 12;

	for (unsigned int set = 0; set < 1u << 12; set++) {
		did(r, "subset %#x of the last twelve zeroed", set);
		for (size_t i = 0; i < 12; i++)
			if (set & 1u << i)
				wipe(r, first + i);
		judge_many(r);
		restore(r);
	}
}

static void each_tail_lost_or_garbage(void **state)
{
	struct ring *r = *state;

	for (size_t i = 0; i < NR_FRAMES; i++) {
		did(r, "garbage from frame %zu on", i);
		for (size_t k = i; k < NR_FRAMES; k++)
			scribble(r, k, 0, SIZE);
		judge_many(r);
		did(r, "zeros from frame %zu on", i);
		restore(r);
		for (size_t k = i; k < NR_FRAMES; k++)
			wipe(r, k);
		judge_many(r);
		restore(r);
	}
}

static void harm_at_random(struct ring *r)
{
	const size_t i = next_random(r) % NR_FRAMES;
	const size_t k = next_random(r) % NR_FRAMES;
	const size_t bit = next_random(r) % (SIZE * 8);

	switch (next_random(r) % 6) {
	case 0:
		r->now[i][bit / 8] ^= (uint8_t)(1 << bit % 8);
		break;
	case 1:
	case 2:	/* the body alone: a refusal hides what comes after */
		r->now[i][HEADER + bit % (SIZE - HEADER)] ^= 0x10;
		break;
	case 3:
		memcpy(r->now[i], r->now[k], SIZE);
		break;
	case 4:
		scribble(r, i, bit / 8, SIZE);
		break;
	default:
		wipe(r, i < 10 ? i + 10 : i);
		break;
	}
}

static void many_harms_at_once(void **state)
{
	struct ring *r = *state;

	for (unsigned int round = 0; round < 6000; round++) {
		const unsigned int nr = 2 + round % 4;

		did(r, "round %u of %u harms", round, nr);
		for (unsigned int i = 0; i < nr; i++)
			harm_at_random(r);
		judge_many(r);
		restore(r);
	}
}

/* The opening frame says how long the log is: the offset is where it ends and
 * should not, or goes on and should not. */
static void log_cut_at_each_frame_or_longer_than_it_was(void **state)
{
	struct ring *r = *state;
	static uint8_t longer[NR_FRAMES + 1][SIZE];

	for (size_t nr = 0; nr < NR_FRAMES; nr++) {
		did(r, "cut to %zu frames", nr);
		load(r, nr);
		check_refused(r, nr);
	}
	did(r, "one frame longer");
	memcpy(longer, r->now, sizeof(r->now));
	reload_exit(&r->reload);
	assert_int_equal(reload_init(&r->reload, NR_VOLUMES), 0);
	r->ret = reload_judge(&r->reload, longer[0], NR_FRAMES + 1);
	check_refused(r, NR_FRAMES);
}

/* --- a line that goes down ------------------------------------------------------------- */

/* Sound in itself, after all others, synced or not: no fault of a disk. */
static void append(struct ring *r, const struct record *record)
{
	uint64_t log_seq = FIRST_SEQ + r->then.nr;
	const struct record_frame at = { .store = image_store,
					 .log_seq = log_seq,
					 .durable_through = log_seq - 1,
					 .group_last = log_seq };

	record_encode(record, &at, r->now[r->then.nr]);
}

static void check_fallen(struct ring *r, const struct record *record)
{
	const char *name = record->volume.s;
	const struct expected e = expect(r);

	append(r, record);
	did(r, "%s falls: kind %d", name, (int)record->kind);
	load(r, NR_FRAMES);
	require(r, r->ret == 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) != 0)
			check_volume(r, &e, names[i]);
	require(r, served(r, name)->damaged);
	require(r, is_skipped(r, name));
	require(r, strstr(skip_at(r, r->then.nr)->reason, "goes down"));
	r->count.quarantined++;
	restore(r);
}

static void line_that_goes_down_is_damage(void **state)
{
	struct ring *r = *state;
	const struct record fallen[] = {
		line_of("a", 7, 3, 9),	line_of("a", 9, 1, 1),
		tombstone_of("a", 7, 3), unbound_of("a", 7),
		line_of("b", 8, 5, 1),	line_of("c", 3, 0, 0),
		tombstone_of("c", 3, 0), floor_of("e", 3, 1),
		line_of("f", 4, 2, 7),	tombstone_of("g", 2, 0),
	};

	for (size_t i = 0; i < sizeof(fallen) / sizeof(fallen[0]); i++)
		check_fallen(r, &fallen[i]);
}

/* --- the folder ------------------------------------------------------------------------ */

#define LOG_MAX		(4200 * SIZE)	/* of the logs that a store makes */

static const char *path_of(struct ring *r, const char *name)
{
	snprintf(r->path, sizeof(r->path), "%s/%s", r->dir, name);
	return r->path;
}

static void write_log(struct ring *r, const void *bytes, size_t size)
{
	int fd = open(path_of(r, "log"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

static size_t read_log(struct ring *r, void *bytes, size_t max)
{
	int fd = open(path_of(r, "log"), O_RDONLY);
	ssize_t size;

	assert_true(fd >= 0);
	size = read(fd, bytes, max);
	assert_true(size >= 0 && (size_t)size < max);
	close(fd);
	return (size_t)size;
}

static int open_folder(struct ring *r)
{
	const struct store_config config = { .dir = r->dir,
					     .volumes_max = NR_VOLUMES };

	r->err.text[0] = '\0';
	r->ret = store_open(&config, r->loop, &r->store, &r->err);
	r->count.cases++;
	return r->ret;
}

static void close_folder(struct ring *r)
{
	store_close(r->store);
	r->store = NULL;
}

/* Refused, with the offset, and not a byte of it touched. */
static void check_folder_refused(struct ring *r, const void *bytes, size_t size,
				 uint64_t offset)
{
	static uint8_t after[LOG_MAX];
	char words[40];

	snprintf(words, sizeof(words), "offset %" PRIu64 ":", offset);
	if (open_folder(r) != -EBADMSG || !strstr(r->err.text, words))
		fail_msg("%s: %d \"%s\" does not say \"%s\"", r->what, r->ret,
			 r->err.text, words);
	assert_int_equal(read_log(r, after, sizeof(after)), size);
	assert_memory_equal(after, bytes, size);
	r->count.refused++;
}

static const struct record *folder_record(struct ring *r, const char *name)
{
	const struct record *record;

	for (size_t at = 0; (record = store_next_record(r->store, &at));)
		if (strcmp(record->volume.s, name) == 0)
			return record;
	return NULL;
}

static bool folder_skips(struct ring *r, const char *name)
{
	const struct store_skip *skips;
	size_t nr = store_skips(r->store, &skips);

	for (size_t i = 0; i < nr; i++)
		if (strcmp(skips[i].volume.s, name) == 0)
			return true;
	return false;
}

static void check_folder_served(struct ring *r, const struct expected *e)
{
	if (r->ret)
		fail_msg("%s: refused: %s", r->what, r->err.text);
	for (size_t n = 1; n < sizeof(names) / sizeof(names[0]); n++) {
		const struct record *record = folder_record(r, names[n]);
		size_t newest = newest_of(r, e, names[n], false);
		bool lost = newest != NOWHERE && is_damaged(r, e, newest);

		require(r, folder_skips(r, names[n]) == lost);
		require(r, (record != NULL) == (newest != NOWHERE && !lost));
		require(r, !record || memcmp(record,
					     &r->then.frames[newest].record,
					     sizeof(*record)) == 0);
		r->count.quarantined += lost;
	}
}

/* Once as it is found, once as the first opening has left it. */
static void judge_folder(struct ring *r)
{
	const struct expected e = expect(r);

	write_log(r, r->now, sizeof(r->now));
	if (e.refused_at != NOWHERE) {
		check_folder_refused(r, r->now, sizeof(r->now),
				     e.refused_at * SIZE);
		return;
	}
	for (int i = 0; i < 2; i++) {
		open_folder(r);
		check_folder_served(r, &e);
		close_folder(r);
	}
}

static void folder_with_each_frame_damaged(void **state)
{
	struct ring *r = *state;

	for (size_t i = 0; i < NR_FRAMES; i++) {
		did(r, "frame %zu zeroed in the folder", i);
		wipe(r, i);
		judge_folder(r);
		restore(r);
		did(r, "body of frame %zu damaged in the folder", i);
		r->now[i][IMAGE_BODY_BYTE] ^= 1;
		judge_folder(r);
		restore(r);
		did(r, "header of frame %zu damaged in the folder", i);
		r->now[i][IMAGE_HEADER_BYTE] ^= 1;
		judge_folder(r);
		restore(r);
	}
}

static void file_cut_at_each_sector_and_between(void **state)
{
	static const int off[] = { -511, -256, -1, 0, 1 };
	struct ring *r = *state;

	for (size_t i = 0; i < NR_FRAMES; i++) {
		for (size_t k = 0; k < sizeof(off) / sizeof(off[0]); k++) {
			size_t size = (size_t)((int)(i * SIZE) + off[k]);

			if ((int)(i * SIZE) + off[k] < 0)
				continue;
			did(r, "file cut to %zu bytes", size);
			write_log(r, r->now, size);
			check_folder_refused(r, r->now, size,
					     size - size % SIZE);
		}
	}
}

static void file_that_has_grown(void **state)
{
	static uint8_t longer[(NR_FRAMES + 1) * SIZE];
	struct ring *r = *state;

	memcpy(longer, r->now, sizeof(r->now));
	did(r, "file grown by a byte");
	write_log(r, longer, sizeof(r->now) + 1);
	check_folder_refused(r, longer, sizeof(r->now) + 1, sizeof(r->now));
	did(r, "file grown by a frame");
	write_log(r, longer, sizeof(longer));
	check_folder_refused(r, longer, sizeof(longer), sizeof(r->now));
}

static int commit(struct ring *r, struct record record)
{
	return store_commit_now(r->store, &record);
}

/*
 * The log cannot know that it is old. What it must do: be the store it was,
 * with what it held then, its incarnation too, by which and by whose floors
 * the cluster sees that it is old.
 */
static void older_copy_of_the_folder_is_what_it_was(void **state)
{
	static uint8_t old[LOG_MAX];
	struct ring *r = *state;
	struct store_id id, again;
	size_t size;

	did(r, "older copy of the folder");
	assert_int_equal(open_folder(r), 0);
	id = store_identity(r->store);
	assert_int_equal(commit(r, incarnation_of(1)), 0);
	assert_int_equal(commit(r, record_of("a", 1, 1)), 0);
	assert_int_equal(commit(r, record_of("b", 1, 1)), 0);
	close_folder(r);
	size = read_log(r, old, sizeof(old));
	assert_int_equal(open_folder(r), 0);
	assert_int_equal(commit(r, incarnation_of(2)), 0);
	assert_int_equal(commit(r, record_of("a", 2, 2)), 0);
	assert_int_equal(commit(r, record_of("c", 1, 1)), 0);
	close_folder(r);
	write_log(r, old, size);
	assert_int_equal(open_folder(r), 0);
	again = store_identity(r->store);
	require(r, store_id_equal(&id, &again));
	require(r, folder_record(r, "a") && folder_record(r, "b"));
	require(r, !folder_record(r, "c"));
	require(r, folder_record(r, "a")->write_seq == 1);
	require(r, store_incarnation(r->store).write_seq == 1);
	close_folder(r);
}

static void commit_epochs(struct ring *r, uint64_t first, uint64_t last)
{
	assert_int_equal(open_folder(r), 0);
	for (uint64_t i = first; i <= last; i++)
		assert_int_equal(commit(r, record_of("a", i, i)), 0);
	close_folder(r);
}

/* A write that the disk lost after it had said that it was synced. The last
 * one may be lost unseen: nothing that is left says that it was. */
static void each_older_sector_of_a_real_log(void **state)
{
	static uint8_t before[LOG_MAX], after[LOG_MAX];
	struct ring *r = *state;
	uint8_t lost[SIZE];
	size_t size, nr_unseen = 0, nr_seen = 0;

	commit_epochs(r, 1, 5);
	size = read_log(r, before, sizeof(before));
	commit_epochs(r, 6, 20);
	assert_int_equal(read_log(r, after, sizeof(after)), size);
	for (size_t at = 0; at < size; at += SIZE) {
		if (memcmp(before + at, after + at, SIZE) == 0)
			continue;
		did(r, "sector at %zu as it was before", at);
		memcpy(lost, after + at, SIZE);
		memcpy(after + at, before + at, SIZE);
		write_log(r, after, size);
		if (nr_seen < 14) {
			check_folder_refused(r, after, size, at);
			nr_seen++;
		} else {
			assert_int_equal(open_folder(r), 0);
			require(r, folder_record(r, "a")->write_seq == 19);
			close_folder(r);
			nr_unseen++;
		}
		memcpy(after + at, lost, SIZE);
	}
	assert_int_equal(nr_seen, 14);
	assert_int_equal(nr_unseen, 1);
}

/* Nothing in it says that any volume was ever bound; that there was a log, the
 * file beside it does. */
static void folder_without_its_log_is_refused(void **state)
{
	struct ring *r = *state;

	did(r, "log removed");
	write_log(r, r->now, sizeof(r->now));
	assert_int_equal(open_folder(r), 0);
	close_folder(r);
	assert_int_equal(unlink(path_of(r, "log")), 0);
	assert_int_equal(open_folder(r), -EBADMSG);
	assert_non_null(strstr(r->err.text, "/log is missing"));
	assert_int_equal(access(path_of(r, "log"), F_OK), -1);
	r->count.refused++;
}

static void write_id(struct ring *r, const char *line, size_t size)
{
	int fd = open(path_of(r, "id"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, line, size), size);
	close(fd);
}

/* With the log it names another store, or none; without it no new one. */
static void folder_with_each_bit_of_its_id_flipped(void **state)
{
	struct ring *r = *state;
	char line[64];
	int fd;

	write_log(r, r->now, sizeof(r->now));
	assert_int_equal(open_folder(r), 0);
	close_folder(r);
	fd = open(path_of(r, "id"), O_RDONLY);
	assert_int_equal(read(fd, line, sizeof(line)), 33);
	close(fd);
	for (size_t bit = 0; bit < 33 * 8; bit++) {
		did(r, "bit %zu of the id flipped", bit);
		line[bit / 8] ^= (char)(1 << bit % 8);
		write_id(r, line, 33);
		require(r, open_folder(r) == -EBADMSG);
		line[bit / 8] ^= (char)(1 << bit % 8);
		r->count.refused++;
	}
	for (size_t size = 0; size < 33; size++) {
		did(r, "id cut to %zu bytes", size);
		write_id(r, line, size);
		require(r, open_folder(r) == -EBADMSG);
		r->count.refused++;
	}
	write_id(r, line, 33);
	assert_int_equal(open_folder(r), 0);
	close_folder(r);
}

static void garbage_beside_the_log_harms_nothing(void **state)
{
	struct ring *r = *state;
	int fd = open(path_of(r, "log.new"), O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	scribble(r, 0, 0, SIZE);
	assert_int_equal(write(fd, r->now[0], SIZE), SIZE);
	close(fd);
	restore(r);
	did(r, "garbage in log.new");
	judge_folder(r);
	assert_int_equal(access(path_of(r, "log.new"), F_OK), -1);
}

/* --- the ring ------------------------------------------------------------------------- */

static int setup(void **state)
{
	struct ring *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	write_history(&r->then, image_store, FIRST_SEQ);
	restore(r);
	r->random = 0x9e3779b97f4a7c15;
	r->stale = NOWHERE;
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct ring *r = *state;
	const struct count *c = &r->count;

	print_message("%lu cases: %lu refused, %lu volumes quarantined, "
		      "%lu damages superseded, %lu frames never written\n",
		      c->cases, c->refused, c->quarantined, c->superseded,
		      c->unwritten);
	reload_exit(&r->reload);
	free(r);
	return 0;
}

static int setup_folder(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct ring *r;

	/* Nothing is asked of the disk here: what is in memory is faster. */
	if (!tmp)
		tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	if (setup(state))
		return -1;
	r = *state;
	snprintf(r->dir, sizeof(r->dir), "%s/bfence-corrupt-XXXXXX", tmp);
	if (!mkdtemp(r->dir))
		return -1;
	return loop_new(64, &r->loop);
}

static int teardown_folder(void **state)
{
	static const char *const files[] = { "log", "log.new", "lock", "id",
					     "id.new" };
	struct ring *r = *state;

	store_close(r->store);
	loop_free(r->loop);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(path_of(r, files[i]));
	rmdir(r->dir);
	return teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define FOLDER(name) \
	cmocka_unit_test_setup_teardown(name, setup_folder, teardown_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(undamaged_log_is_served_whole),
		TEST(each_bit_of_each_frame_flipped),
		TEST(each_byte_of_each_frame_cleared_and_filled),
		TEST(each_sector_lost_or_garbage),
		TEST(each_two_frames_swapped),
		TEST(each_frame_over_each_other),
		TEST(each_frame_left_out_or_doubled),
		TEST(sectors_of_a_foreign_store),
		TEST(sectors_of_an_older_log_of_the_store),
		TEST(each_record_said_again_in_place_of_a_newer_one),
		TEST(each_frame_of_a_format_version_that_is_not_known),
		TEST(each_two_sectors_lost),
		TEST(each_subset_of_the_last_twelve_sectors_as_it_was_before),
		TEST(each_tail_lost_or_garbage),
		TEST(many_harms_at_once),
		TEST(log_cut_at_each_frame_or_longer_than_it_was),
		TEST(line_that_goes_down_is_damage),
		FOLDER(folder_with_each_frame_damaged),
		FOLDER(file_cut_at_each_sector_and_between),
		FOLDER(file_that_has_grown),
		FOLDER(older_copy_of_the_folder_is_what_it_was),
		FOLDER(each_older_sector_of_a_real_log),
		FOLDER(folder_without_its_log_is_refused),
		FOLDER(folder_with_each_bit_of_its_id_flipped),
		FOLDER(garbage_beside_the_log_harms_nothing),
	};

	return cmocka_run_group_tests_name("corruption", tests, NULL, NULL);
}
