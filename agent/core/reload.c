// SPDX-License-Identifier: GPL-2.0
/*
 * How far a log is known synced, from its end, then each frame by the rule of
 * its side of that mark. Must never know a file.
 */
#include "reload.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One frame, decoded, at its place. */
struct frame {
	uint64_t offset;
	uint64_t seq;		/* that its place asks for */
	enum record_verdict verdict;
	bool is_cut;		/* its end never arrived */
	unsigned int version;
	struct record record;
	struct record_frame at;
};

int reload_init(struct reload *r, size_t volumes_max)
{
	int ret;

	memset(r, 0, sizeof(*r));
	ret = record_table_new(volumes_max, &r->table);
	if (ret)
		return ret;
	/* One a volume, one a frame of the last group. */
	r->skips_max = volumes_max + RECORD_GROUP_MAX;
	r->skips = calloc(r->skips_max, sizeof(*r->skips));
	if (!r->skips) {
		reload_exit(r);
		return -ENOMEM;
	}
	return 0;
}

void reload_exit(struct reload *r)
{
	record_table_free(r->table);
	free(r->skips);
	memset(r, 0, sizeof(*r));
}

static int refuse(struct reload *r, int code, uint64_t offset,
		  const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse(struct reload *r, int code, uint64_t offset,
		  const char *format, ...)
{
	va_list args;

	r->bad_offset = offset;
	va_start(args, format);
	vsnprintf(r->bad_reason, sizeof(r->bad_reason), format, args);
	va_end(args);
	return code;
}

static struct frame frame_at(const struct reload *r, const uint8_t *bytes,
			     uint64_t at)
{
	struct frame f = {
		.offset = at * RECORD_FRAME_SIZE,
		.seq = r->first_seq + at,
	};

	f.verdict = record_decode(bytes, &f.record, &f.at);
	f.is_cut = f.verdict != RECORD_OK && record_is_cut_short(bytes);
	if (f.verdict == RECORD_BAD_VERSION)
		f.version = record_format_version(bytes);
	return f;
}

static bool header_is_sound(const struct frame *f)
{
	return f->verdict == RECORD_OK || f->verdict == RECORD_BAD_BODY;
}

static bool is_in_place(const struct reload *r, const struct frame *f)
{
	return store_id_equal(&f->at.store, &r->store) &&
	       f->at.log_seq == f->seq;
}

/* --- how far -------------------------------------------------------------- */

static int refuse_version(struct reload *r, const struct frame *f)
{
	return refuse(r, -EPROTONOSUPPORT, f->offset,
		      "frame of format version %u, this program knows %d",
		      f->version, RECORD_FORMAT_VERSION);
}

/* Each log is made with its opening frame already synced. */
int reload_begin(struct reload *r, const uint8_t opening[RECORD_FRAME_SIZE],
		 uint64_t nr_frames)
{
	struct frame f;
	uint64_t promised;

	if (nr_frames == 0)
		return refuse(r, -EBADMSG, 0, "the log is empty");
	r->nr_frames = nr_frames;
	r->nr_unsurveyed = nr_frames;
	r->nr_taken = 0;
	f = frame_at(r, opening, 0);
	if (f.verdict == RECORD_BAD_VERSION)
		return refuse_version(r, &f);
	if (f.verdict != RECORD_OK || f.record.kind != RECORD_MARKER ||
	    f.at.durable_through < f.at.log_seq)
		return refuse(r, -EBADMSG, 0,
			      "the log does not begin with its opening frame");
	promised = record_nr_frames(&f.record);
	if (promised != nr_frames)
		return refuse(r, -EBADMSG,
			      (promised < nr_frames ? promised : nr_frames) *
				      RECORD_FRAME_SIZE,
			      "the log was made with %" PRIu64
			      " frames and has %" PRIu64,
			      promised, nr_frames);
	r->store = f.at.store;
	r->first_seq = f.at.log_seq;
	r->durable_through = f.at.durable_through;
	r->last_seq = f.at.group_last;
	return 0;
}

/* Of the last group, or of one after it that left nothing else. */
static void note_cut(struct reload *r, const struct frame *f)
{
	if (f->verdict != RECORD_ZERO && f->is_cut && r->cut_seq < f->seq)
		r->cut_seq = f->seq;
}

static int judge_last_group(struct reload *r)
{
	uint64_t end = r->first_seq + r->nr_frames;

	if (r->last_seq < r->durable_through)
		r->last_seq = r->durable_through;
	if (r->cut_seq > r->last_seq + RECORD_GROUP_MAX)
		return refuse(r, -EBADMSG,
			      (r->cut_seq - r->first_seq) * RECORD_FRAME_SIZE,
			      "damage too far above log_seq %" PRIu64
			      " to be of a group that was being written",
			      r->last_seq);
	if (r->last_seq >= end)
		return refuse(r, -EBADMSG, r->nr_frames * RECORD_FRAME_SIZE,
			      "gap: frames up to log_seq %" PRIu64
			      " are promised and the log ends at %" PRIu64,
			      r->last_seq, end - 1);
	if (r->last_seq - r->durable_through > RECORD_GROUP_MAX)
		return refuse(r, -EBADMSG,
			      (r->durable_through + 1 - r->first_seq) *
				      RECORD_FRAME_SIZE,
			      "gap: log_seq %" PRIu64 " to %" PRIu64
			      " are more than one group, none known synced",
			      r->durable_through + 1, r->last_seq);
	return 0;
}

/*
 * What is written later says more: so the last frame that can be believed has
 * the last word, but for the opening one, which knew the whole of the log
 * that it opened. Any other that says more is found in its turn.
 */
int reload_survey(struct reload *r, const uint8_t *frames, size_t nr)
{
	assert(nr <= r->nr_unsurveyed);
	while (nr--) {
		struct frame f = frame_at(r, frames + nr * RECORD_FRAME_SIZE,
					  --r->nr_unsurveyed);

		if (!header_is_sound(&f) || !is_in_place(r, &f)) {
			note_cut(r, &f);
			continue;
		}
		if (f.at.durable_through > r->durable_through)
			r->durable_through = f.at.durable_through;
		if (f.at.group_last > r->last_seq)
			r->last_seq = f.at.group_last;
		r->nr_unsurveyed = 0;
		break;
	}
	return reload_is_surveyed(r) ? judge_last_group(r) : 0;
}

bool reload_is_surveyed(const struct reload *r)
{
	return r->nr_unsurveyed == 0;
}

/* --- each frame ------------------------------------------------------------ */

static struct store_skip *skip_new(struct reload *r)
{
	assert(r->nr_skips < r->skips_max);
	return &r->skips[r->nr_skips++];
}

/* The volume has lost its newest record: no older one is served for it. */
static void take_damaged(struct reload *r, struct record_entry *entry,
			 const struct frame *f, const char *what)
{
	struct store_skip *skip;
	uint64_t write_seq = entry->record.write_seq;

	if (f->record.write_seq > write_seq)
		write_seq = f->record.write_seq;
	entry->record = (struct record){ .kind = f->record.kind,
					 .volume = f->record.volume,
					 .write_seq = write_seq };
	entry->log_seq = f->seq;
	entry->damaged = true;
	if (entry->skip == RECORD_NO_SKIP) {
		entry->skip = (uint32_t)r->nr_skips;
		skip_new(r);
	}
	skip = &r->skips[entry->skip];
	skip->class = STORE_SKIP_CORRUPT;
	skip->volume = f->record.volume;
	skip->offset = f->offset;
	skip->write_seq = write_seq;
	snprintf(skip->reason, sizeof(skip->reason),
		 "%s, log_seq %" PRIu64 ", write_seq %" PRIu64, what, f->seq,
		 f->record.write_seq);
}

static void take_sound(struct reload *r, struct record_entry *entry,
		       const struct frame *f)
{
	if (entry->damaged) {
		struct store_skip *skip = &r->skips[entry->skip];

		memset(&skip->volume, 0, sizeof(skip->volume));
		snprintf(skip->reason, sizeof(skip->reason),
			 "damaged record of volume %s, superseded by log_seq %" PRIu64,
			 f->record.volume.s, f->seq);
	}
	record_entry_put(entry, &f->record, f->seq);
}

/* What is wrong with it as the volume's newest; NULL: nothing. */
static const char *flaw_of(const struct record_entry *entry,
			   const struct frame *f)
{
	if (f->verdict == RECORD_BAD_BODY)
		return "body damaged";
	if (f->record.write_seq <= entry->record.write_seq)
		return "write_seq does not rise";
	if (record_entry_goes_down(entry, &f->record))
		return "the line goes down";
	return NULL;
}

static int take_frame(struct reload *r, const struct frame *f)
{
	struct record_entry *entry;
	const char *flaw;
	bool damaged = f->verdict == RECORD_BAD_BODY;

	if (damaged && f->record.volume.s[0] == '\0')
		return refuse(
			r, -EBADMSG, f->offset,
			"damaged record that belongs to no volume, log_seq %" PRIu64,
			f->seq);
	if (f->record.kind == RECORD_MARKER)
		return 0;
	entry = record_table_take(r->table, &f->record.volume);
	if (!entry)
		return refuse(r, -ENOSPC, f->offset,
			      "volume %s is one more than the configured %zu",
			      f->record.volume.s,
			      record_table_nr(r->table) - 1);
	flaw = flaw_of(entry, f);
	if (!flaw)
		take_sound(r, entry, f);
	else if (f->record.volume.s[0] != '\0')
		take_damaged(r, entry, f, flaw);
	else
		return refuse(r, -EBADMSG, f->offset,
			      "the incarnation's write_seq %" PRIu64
			      " does not rise",
			      f->record.write_seq);
	return 0;
}

static int judge_unwritten(struct reload *r, const struct frame *f)
{
	struct store_skip *skip;

	if (f->seq <= r->durable_through)
		return refuse(r, -EBADMSG, f->offset,
			      "gap: log_seq %" PRIu64 " is a frame of zeros, "
			      "synced was all through %" PRIu64,
			      f->seq, r->durable_through);
	if (f->seq > r->last_seq)
		return 0;	/* spare space, or not to be told from it */
	r->has_news = true;
	skip = skip_new(r);
	skip->class = STORE_SKIP_UNWRITTEN;
	skip->offset = f->offset;
	snprintf(skip->reason, sizeof(skip->reason),
		 "log_seq %" PRIu64
		 " of the last group never reached the disk%s",
		 f->seq, f->verdict == RECORD_ZERO ? "" : " as a whole");
	return 0;
}

/* Where nothing is known synced: no one was ever told of what it says. */
static bool is_cut_off(const struct reload *r, const struct frame *f)
{
	return f->is_cut && f->seq > r->durable_through;
}

/* Only one group is ever in flight, so above the mark all frames agree. */
static int judge_place(struct reload *r, const struct frame *f)
{
	if (!store_id_equal(&f->at.store, &r->store))
		return refuse(r, -EBADMSG, f->offset,
			      "frame of a foreign store, log_seq %" PRIu64,
			      f->at.log_seq);
	if (f->at.log_seq != f->seq)
		return refuse(r, -EBADMSG, f->offset,
			      "gap: log_seq %" PRIu64 " where %" PRIu64
			      " belongs",
			      f->at.log_seq, f->seq);
	if (f->at.durable_through > r->durable_through ||
	    f->at.group_last > r->last_seq)
		return refuse(r, -EBADMSG, f->offset,
			      "log_seq %" PRIu64 " promises up to %" PRIu64
			      ", all after it up to %" PRIu64,
			      f->seq, f->at.group_last, r->last_seq);
	if (f->seq > r->durable_through &&
	    (f->at.durable_through != r->durable_through ||
	     f->at.group_last != r->last_seq))
		return refuse(r, -EBADMSG, f->offset,
			      "gap: log_seq %" PRIu64
			      " is above durable_through %" PRIu64
			      " and not of the last group",
			      f->seq, r->durable_through);
	return 0;
}

static int judge(struct reload *r, const struct frame *f)
{
	bool is_bad = f->verdict == RECORD_BAD_HEADER;
	int ret;

	if (f->verdict == RECORD_ZERO || (is_bad && is_cut_off(r, f)))
		return judge_unwritten(r, f);
	if (f->verdict == RECORD_BAD_VERSION)
		return refuse_version(r, f);
	if (is_bad)
		return refuse(
			r, -EBADMSG, f->offset,
			"damage that no volume can be blamed for, where log_seq %" PRIu64
			" belongs",
			f->seq);
	ret = judge_place(r, f);
	if (ret)
		return ret;
	if (is_cut_off(r, f))
		return judge_unwritten(r, f);
	if (f->seq > r->durable_through && f->record.kind != RECORD_MARKER)
		r->has_news = true;
	return take_frame(r, f);
}

int reload_take(struct reload *r, const uint8_t *frames, size_t nr)
{
	int ret = 0;

	assert(nr <= r->nr_frames - r->nr_taken);
	for (size_t i = 0; ret == 0 && i < nr; i++) {
		struct frame f = frame_at(r, frames + i * RECORD_FRAME_SIZE,
					  r->nr_taken++);

		ret = judge(r, &f);
	}
	return ret;
}

int reload_judge(struct reload *r, const uint8_t *image, size_t nr_frames)
{
	int ret = reload_begin(r, image, nr_frames);

	if (ret == 0)
		ret = reload_survey(r, image, nr_frames);
	return ret ? ret : reload_take(r, image, nr_frames);
}
