// SPDX-License-Identifier: GPL-2.0
/*
 * The input is a script that writes a log and harms it; sums do not stop it,
 * for it can make them right again. What the reload then serves is judged by
 * the frames alone. Must never know how the reload comes to its judgement.
 *
 * The first byte says how many volumes are allowed. Each further one is a
 * step (enum step) and takes its operands from the bytes behind it; zeros
 * follow the last byte.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/log_image.h"
#include "core/reload.h"
#include "fuzz.h"
#include "seal.h"

#define FIRST_SEQ	40
#define NR_NAMES	6

enum step {
	STEP_GROUP,	/* count, then volume and act of each record */
	STEP_MARKER,
	STEP_INCARNATION,
	STEP_FLIP,	/* frame, bit */
	STEP_SET,	/* frame, offset, byte */
	STEP_ZERO,	/* frame */
	STEP_COPY,	/* frame, over frame */
	STEP_SWAP,	/* frame, frame */
	STEP_FOREIGN,	/* frame: sound, of another store */
	STEP_KEEP,	/* frame: kept as damaged */
	STEP_CUT,	/* frames that are left */
	STEP_FORGE,	/* frame, offset, byte: and the sums made right */
	STEP_FORGE_U64,	/* frame, field, what is added to it */
	STEP__NR,
};

static const char *const names[NR_NAMES] = { "a", "b", "c", "d", "e", "f" };

struct script {
	const uint8_t *at, *end;
	struct image image;
	size_t nr_frames;
	bool harmed, forged;
	/* What was written last. */
	struct {
		uint64_t write_seq;
		uint64_t epoch;
		bool deleted;
	} volumes[NR_NAMES];
	uint64_t incarnation;
};

static uint8_t next(struct script *s)
{
	return s->at < s->end ? *s->at++ : 0;
}

static unsigned int next_u16(struct script *s)
{
	unsigned int high = next(s);

	return high << 8 | next(s);
}

static uint8_t *next_frame(struct script *s)
{
	return s->image.bytes[next(s) % IMAGE_FRAMES];
}

/* --- writing ----------------------------------------------------------------- */

static struct record next_record(struct script *s, size_t v, uint8_t act)
{
	const struct volume_id volume = volume_of(names[v]);

	s->volumes[v].write_seq++;
	switch (act % 4) {
	case 0:		/* the highest that its write_seq allows */
		s->volumes[v].epoch = s->volumes[v].write_seq;
		s->volumes[v].deleted = false;
		break;
	case 1:
		s->volumes[v].write_seq += act;
		break;
	case 2:
		s->volumes[v].deleted = true;
		return record_of_tombstone(&volume, s->volumes[v].write_seq,
					   s->volumes[v].epoch);
	default:
		break;
	}
	if (s->volumes[v].deleted || s->volumes[v].epoch == 0)
		s->volumes[v].epoch++;
	s->volumes[v].deleted = false;
	return record_of(names[v], s->volumes[v].write_seq,
			 s->volumes[v].epoch);
}

static size_t room(const struct script *s)
{
	return s->image.first_seq + IMAGE_FRAMES - s->image.next_seq;
}

static void write_group(struct script *s)
{
	struct record records[NR_NAMES];
	unsigned int named = 0;
	size_t nr = 1 + next(s) % NR_NAMES, nr_records = 0;

	if (nr > room(s))
		nr = room(s);
	while (nr--) {
		size_t v = next(s) % NR_NAMES;
		uint8_t act = next(s);

		if (named & 1u << v)
			continue;	/* one frame a volume */
		named |= 1u << v;
		records[nr_records++] = next_record(s, v, act);
	}
	image_group(&s->image, records, nr_records);
}

/* --- harm --------------------------------------------------------------------- */

static void swap(uint8_t *a, uint8_t *b)
{
	uint8_t held[RECORD_FRAME_SIZE];

	memcpy(held, a, sizeof(held));
	memmove(a, b, sizeof(held));
	memcpy(b, held, sizeof(held));
}

static void keep(uint8_t *frame)
{
	struct record record;
	struct record_frame at;

	if (record_decode(frame, &record, &at) == RECORD_OK &&
	    record.kind != RECORD_MARKER)
		record_keep_damaged(&record, &at, frame);
}

static void forge_u64(struct script *s, uint8_t *frame)
{
	static const uint16_t fields[] = { 32, 40, 48, 56, 132, 277 };
	uint8_t *field = frame + fields[next(s) % 6];
	uint64_t value = (uint64_t)(int64_t)(int8_t)next(s);

	for (int i = 0; i < 8; i++)
		value += (uint64_t)field[i] << 8 * i;
	for (int i = 0; i < 8; i++)
		field[i] = (uint8_t)(value >> 8 * i);
	seal(frame);
}

static void harm(struct script *s, enum step step)
{
	uint8_t *frame = next_frame(s);
	unsigned int at;

	s->harmed = true;
	switch (step) {
	case STEP_FLIP:
		at = next_u16(s) % (RECORD_FRAME_SIZE * 8);
		frame[at / 8] ^= (uint8_t)(1 << at % 8);
		return;
	case STEP_SET:
		at = next_u16(s) % RECORD_FRAME_SIZE;
		frame[at] = next(s);
		return;
	case STEP_ZERO:
		memset(frame, 0, RECORD_FRAME_SIZE);
		return;
	case STEP_COPY:
		memmove(next_frame(s), frame, RECORD_FRAME_SIZE);
		return;
	case STEP_SWAP:
		swap(next_frame(s), frame);
		return;
	case STEP_FOREIGN:
		frame[16] ^= 1;
		seal(frame);
		return;
	case STEP_KEEP:
		keep(frame);
		return;
	case STEP_FORGE:
		at = next_u16(s) % RECORD_FRAME_SIZE;
		frame[at] = next(s);
		seal(frame);
		s->forged = true;
		return;
	case STEP_FORGE_U64:
		forge_u64(s, frame);
		s->forged = true;
		return;
	case STEP_CUT:
	case STEP_GROUP:
	case STEP_MARKER:
	case STEP_INCARNATION:
	case STEP__NR:
		break;
	}
}

static void run(struct script *s)
{
	while (s->at < s->end) {
		const enum step step = (enum step)(next(s) % STEP__NR);

		if (step == STEP_CUT) {
			s->nr_frames = next(s) % (IMAGE_FRAMES + 1);
			s->harmed |= s->nr_frames != IMAGE_FRAMES;
		} else if (step > STEP_INCARNATION) {
			harm(s, step);
		} else if (room(s) == 0) {
			continue;
		} else if (step == STEP_GROUP) {
			write_group(s);
		} else if (step == STEP_MARKER) {
			image_marker(&s->image);
		} else {
			image_one(&s->image, incarnation_of(++s->incarnation));
		}
	}
}

/* --- what may be served ----------------------------------------------------------- */

struct seen {
	enum record_verdict verdict;
	bool in_place;		/* sound header, of this store, at its place */
	uint64_t seq;		/* of its place */
	struct record record;
	struct record_frame at;
};

struct judged {
	const struct script *script;
	struct reload reload;
	struct seen frames[IMAGE_FRAMES];
	uint64_t synced, promised;
};

static void look(struct judged *j)
{
	const struct script *s = j->script;

	for (size_t i = 0; i < s->nr_frames; i++) {
		struct seen *f = &j->frames[i];

		f->verdict =
			record_decode(s->image.bytes[i], &f->record, &f->at);
		f->seq = j->reload.first_seq + i;
		f->in_place = (f->verdict == RECORD_OK ||
			       f->verdict == RECORD_BAD_BODY) &&
			      f->at.log_seq == f->seq &&
			      store_id_equal(&f->at.store, &j->reload.store);
		if (!f->in_place)
			continue;
		if (f->at.durable_through > j->synced)
			j->synced = f->at.durable_through;
		if (f->at.group_last > j->promised)
			j->promised = f->at.group_last;
	}
	if (j->promised < j->synced)
		j->promised = j->synced;
}

/* Nothing is overlooked: each frame is in its place, or was never written. */
static void check_frames(const struct judged *j)
{
	const struct seen *opening = &j->frames[0];

	assert(j->script->nr_frames > 0 && opening->verdict == RECORD_OK);
	assert(opening->record.kind == RECORD_MARKER);
	assert(record_nr_frames(&opening->record) == j->script->nr_frames);
	assert(j->reload.durable_through == j->synced);
	assert(j->reload.last_seq == j->promised);
	assert(j->promised < j->reload.first_seq + j->script->nr_frames);
	for (size_t i = 0; i < j->script->nr_frames; i++) {
		const struct seen *f = &j->frames[i];

		if (f->verdict == RECORD_ZERO) {
			assert(f->seq > j->synced);
			continue;
		}
		assert(f->in_place);
		assert(f->verdict == RECORD_OK || f->record.volume.s[0]);
	}
}

static const struct record_entry *entry_of(const struct judged *j,
					   const struct volume_id *volume)
{
	for (size_t i = 0; i < record_table_nr(j->reload.table); i++) {
		const struct record_entry *entry =
			record_table_at(j->reload.table, i);

		if (entry->record.kind != RECORD_UNSPEC &&
		    volume_id_equal(&entry->record.volume, volume))
			return entry;
	}
	return NULL;
}

static struct lineage line_of(const struct record *record)
{
	switch (record->kind) {
	case RECORD_VOLUME:
		return record_line(record).lineage;
	case RECORD_TOMBSTONE:
		return (struct lineage){ record_floor_epoch(record),
					 UINT64_MAX };
	case RECORD_FLOOR:
		return record_floor(record).lineage;
	case RECORD_INCARNATION:
	case RECORD_MARKER:
	case RECORD_UNSPEC:
		break;
	}
	return (struct lineage){ 0 };
}

/* No record of a volume is newer than what is served or named as lost. */
static void check_newest(const struct judged *j)
{
	for (size_t i = 0; i < j->script->nr_frames; i++) {
		const struct seen *f = &j->frames[i];
		const struct record_entry *entry;

		if (!f->in_place || f->record.kind == RECORD_MARKER)
			continue;
		entry = entry_of(j, &f->record.volume);
		assert(entry);
		assert(entry->record.write_seq >= f->record.write_seq);
		assert(entry->log_seq >= f->seq);
		if (entry->damaged || j->script->forged ||
		    f->verdict != RECORD_OK)
			continue;
		assert(lineage_cmp(line_of(&entry->record),
				   line_of(&f->record)) >= 0);
	}
}

static void check_entry(const struct judged *j,
			const struct record_entry *entry)
{
	const struct seen *f = &j->frames[entry->log_seq - j->reload.first_seq];
	const struct store_skip *skip;

	assert(volume_id_equal(&f->record.volume, &entry->record.volume));
	if (!entry->damaged) {
		assert(f->verdict == RECORD_OK);
		assert(memcmp(&f->record, &entry->record, sizeof(f->record)) ==
		       0);
		return;
	}
	assert(entry->record.volume.s[0]);
	assert(entry->skip < j->reload.nr_skips);
	skip = &j->reload.skips[entry->skip];
	assert(skip->class == STORE_SKIP_CORRUPT);
	assert(volume_id_equal(&skip->volume, &entry->record.volume));
	assert(skip->offset ==
	       (f->seq - j->reload.first_seq) * RECORD_FRAME_SIZE);
}

static void check_entries(const struct judged *j)
{
	for (size_t i = 0; i < record_table_nr(j->reload.table); i++) {
		const struct record_entry *entry =
			record_table_at(j->reload.table, i);

		if (entry->record.kind == RECORD_UNSPEC)
			continue;
		assert(entry->log_seq >= j->reload.first_seq);
		assert(entry->log_seq <= j->promised);
		check_entry(j, entry);
	}
}

/* Each tells of a place that is as it says, and all damage is told. */
static void check_skips(const struct judged *j)
{
	size_t nr_unwritten = 0;

	for (size_t i = 0; i < j->reload.nr_skips; i++) {
		const struct store_skip *skip = &j->reload.skips[i];
		const struct seen *f;

		assert(skip->offset % RECORD_FRAME_SIZE == 0);
		assert(skip->offset / RECORD_FRAME_SIZE < j->script->nr_frames);
		assert(skip->reason[0] != '\0');
		f = &j->frames[skip->offset / RECORD_FRAME_SIZE];
		if (skip->class == STORE_SKIP_UNWRITTEN) {
			assert(f->verdict == RECORD_ZERO);
			nr_unwritten++;
		} else if (skip->volume.s[0]) {
			assert(entry_of(j, &skip->volume)->damaged);
		}
	}
	for (size_t i = 0; i < j->script->nr_frames; i++) {
		const struct seen *f = &j->frames[i];

		nr_unwritten -= f->verdict == RECORD_ZERO &&
				f->seq <= j->promised;
	}
	assert(nr_unwritten == 0);
}

/* What nobody harmed is served as it was written. */
static void check_unharmed(const struct judged *j)
{
	for (size_t v = 0; v < NR_NAMES; v++) {
		const struct volume_id volume = volume_of(names[v]);
		const struct record_entry *entry = entry_of(j, &volume);
		uint64_t write_seq = j->script->volumes[v].write_seq;

		assert((entry != NULL) == (write_seq != 0));
		if (!entry)
			continue;
		assert(!entry->damaged);
		assert(entry->record.write_seq == write_seq);
		assert(line_of(&entry->record).epoch ==
		       j->script->volumes[v].epoch);
	}
	assert(j->reload.nr_skips == 0);
}

static void check_refused(const struct judged *j, int ret)
{
	const uint64_t size = j->script->nr_frames * RECORD_FRAME_SIZE;

	assert(ret == -EBADMSG || ret == -EPROTONOSUPPORT || ret == -ENOSPC);
	assert(j->script->harmed || ret == -ENOSPC);
	assert(j->reload.bad_offset % RECORD_FRAME_SIZE == 0);
	/* Past its end: what was promised there is missing. */
	assert(j->reload.bad_offset <= size);
	assert(j->reload.bad_reason[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct script s;
	static struct judged j;
	int ret;

	memset(&s, 0, sizeof(s));
	memset(&j, 0, sizeof(j));
	s.at = data;
	s.end = data + size;
	s.nr_frames = IMAGE_FRAMES;
	image_init(&s.image, FIRST_SEQ);
	j.script = &s;
	ret = reload_init(&j.reload, 1 + next(&s) % 8);
	assert(ret == 0);
	run(&s);
	ret = reload_judge(&j.reload, s.image.bytes[0], s.nr_frames);
	if (ret) {
		check_refused(&j, ret);
	} else {
		look(&j);
		check_frames(&j);
		check_entries(&j);
		check_newest(&j);
		check_skips(&j);
		if (!s.harmed)
			check_unharmed(&j);
	}
	reload_exit(&j.reload);
	return 0;
}
