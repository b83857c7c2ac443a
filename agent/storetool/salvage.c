// SPDX-License-Identifier: GPL-2.0
/*
 * Finding what a refused log still says: whose it is, where its frames belong,
 * the newest of each volume, and how many are lost. Must never know a file.
 */
#include "salvage.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

/* One frame of the image, decoded. */
struct found {
	size_t place;
	const uint8_t *bytes;
	enum record_verdict verdict;
	struct record record;
	struct record_frame at;
};

static struct found frame_at(const struct salvage *s, size_t place)
{
	struct found f = { .place = place,
			   .bytes =
				   s->from->bytes + place * RECORD_FRAME_SIZE };

	f.verdict = record_decode(f.bytes, &f.record, &f.at);
	return f;
}

static bool is_believed(const struct found *f)
{
	return f->verdict == RECORD_OK || f->verdict == RECORD_BAD_BODY;
}

static bool is_ours(const struct salvage *s, const struct found *f)
{
	return is_believed(f) && store_id_equal(&f->at.store, &s->store);
}

/* --- whose, and where ------------------------------------------------------- */

/* The store id that most frames carry: the one that outlives the others when
 * each takes one of another kind with it. */
static bool find_store(struct salvage *s, size_t nr)
{
	size_t votes = 0;

	for (size_t i = 0; i < nr; i++) {
		const struct found f = frame_at(s, i);

		if (!is_believed(&f))
			continue;
		if (votes == 0)
			s->store = f.at.store;
		if (store_id_equal(&f.at.store, &s->store))
			votes++;
		else
			votes--;
	}
	return !store_id_is_none(&s->store);
}

/* The same for the log_seq of the first place. */
static void find_first_seq(struct salvage *s, size_t nr)
{
	size_t votes = 0;

	for (size_t i = 0; i < nr; i++) {
		const struct found f = frame_at(s, i);
		uint64_t first = f.at.log_seq - i;

		if (!is_ours(s, &f) || f.at.log_seq <= i)
			continue;
		if (votes == 0)
			s->first_seq = first;
		if (first == s->first_seq)
			votes++;
		else
			votes--;
	}
	if (s->first_seq == 0)
		s->first_seq = 1;
}

/* --- the newest ------------------------------------------------------------- */

/* One write_seq has one content; two tell that neither can be believed. */
static bool says_another(const struct record *a, const struct record *b)
{
	return a->kind != b->kind ||
	       memcmp(a->sealed, b->sealed, sizeof(a->sealed)) != 0;
}

static void take_newest(struct salvage *s, const struct found *f)
{
	struct record_entry *entry =
		record_table_take(s->table, &f->record.volume);
	const bool sound = f->verdict == RECORD_OK;
	bool known;

	assert(entry);	/* there is room for one volume a frame */
	known = entry->record.kind != RECORD_UNSPEC;
	if (known && f->record.write_seq < entry->record.write_seq)
		return;
	if (known && f->record.write_seq == entry->record.write_seq) {
		if (!sound)
			return;
		if (!entry->damaged &&
		    says_another(&f->record, &entry->record)) {
			entry->damaged = true;
			return;
		}
	}
	entry->record = f->record;
	entry->log_seq = f->place + 1;
	entry->damaged = !sound;
}

/* Of a master the next start must be above all of them; a replica only says
 * how high its master was. */
static void take_incarnation(struct salvage *s, const struct found *f)
{
	struct incarnation one, *most = &s->seen;

	if (f->record.kind != RECORD_INCARNATION || f->verdict != RECORD_OK)
		return;
	one = record_incarnation(&f->record);
	if (one.value > most->value)
		most->value = one.value;
	if (one.lease_ms > most->lease_ms)
		most->lease_ms = one.lease_ms;
	if (!store_id_is_none(&one.master))
		most->master = one.master;
	if (f->record.write_seq > s->seen_write_seq)
		s->seen_write_seq = f->record.write_seq;
}

static void note_unread(struct salvage *s, const struct found *f)
{
	json_t *object = json_object();

	json_put_u64(&object, "offset", (uint64_t)f->place * RECORD_FRAME_SIZE);
	json_put_text(&object, "note",
		      is_believed(f) ? "frame of a foreign store" :
				       "damaged header");
	json_push(&s->unread, object);
}

/* --- what is lost ----------------------------------------------------------- */

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static int compare_seqs(const void *a, const void *b)
{
	const uint64_t *sa = a, *sb = b;

	return *sa < *sb ? -1 : *sa > *sb;
}

static void lose_run(struct salvage *s, uint64_t from, uint64_t to)
{
	json_t *object = json_object();

	json_put_u64(&object, "first_log_seq", from);
	json_put_u64(&object, "last_log_seq", to);
	json_push(&s->lost, object);
	s->nr_lost = add(s->nr_lost, add(to - from, 1));
}

/* Runs of log_seq that no frame carries, up to the last one that is promised;
 * the seqs are sorted. */
static void lose_gaps(struct salvage *s, const uint64_t *seqs, size_t nr)
{
	uint64_t next = s->first_seq;

	for (size_t i = 0; i < nr; i++) {
		if (seqs[i] < next)
			continue;
		if (seqs[i] > next)
			lose_run(s, next, seqs[i] - 1);
		next = seqs[i] + 1;
	}
	if (next <= s->last_seq)
		lose_run(s, next, s->last_seq);
}

/* Places that the file had once, by its opening frame, beyond what is
 * promised; without that frame the end is not known. */
static void lose_cut(struct salvage *s)
{
	struct found f = frame_at(s, 0);
	uint64_t end = s->first_seq + s->from->nr_frames - 1, was;

	if (!is_ours(s, &f) || f.verdict != RECORD_OK ||
	    f.record.kind != RECORD_MARKER || !record_nr_frames(&f.record)) {
		s->nr_lost = add(s->nr_lost, s->from->nr_extra != 0);
		return;
	}
	was = add(s->first_seq, record_nr_frames(&f.record) - 1);
	if (was > max(end, s->last_seq))
		lose_run(s, max(end, s->last_seq) + 1, was);
}

/* --- the whole -------------------------------------------------------------- */

static void take_frame(struct salvage *s, const struct found *f, uint64_t *seqs,
		       size_t *nr_seqs)
{
	if (f->verdict == RECORD_ZERO)
		return;
	if (!is_ours(s, f)) {
		note_unread(s, f);
		s->nr_beyond += s->first_seq + f->place > s->last_seq;
		return;
	}
	seqs[(*nr_seqs)++] = f->at.log_seq;
	take_incarnation(s, f);
	if (f->record.kind != RECORD_MARKER)
		take_newest(s, f);
}

static uint64_t find_last_seq(const struct salvage *s, size_t nr)
{
	uint64_t last = 0;

	for (size_t i = 0; i < nr; i++) {
		const struct found f = frame_at(s, i);

		if (is_ours(s, &f))
			last = max(last,
				   max(f.at.group_last, f.at.durable_through));
	}
	return last;
}

static int collect(struct salvage *s, size_t nr)
{
	uint64_t *seqs = calloc(nr + 1, sizeof(*seqs));
	size_t nr_seqs = 0;

	if (!seqs)
		return -ENOMEM;
	find_first_seq(s, nr);
	s->last_seq = find_last_seq(s, nr);
	for (size_t i = 0; i < nr; i++) {
		const struct found f = frame_at(s, i);

		take_frame(s, &f, seqs, &nr_seqs);
	}
	qsort(seqs, nr_seqs, sizeof(*seqs), compare_seqs);
	lose_gaps(s, seqs, nr_seqs);
	lose_cut(s);
	s->nr_lost = add(s->nr_lost, s->nr_beyond);
	free(seqs);
	return s->lost && s->unread ? 0 : -ENOMEM;
}

static int refuse_later_format(const struct salvage *s, size_t nr,
			       struct err *err)
{
	for (size_t i = 0; i < nr; i++) {
		const struct found f = frame_at(s, i);

		if (f.verdict == RECORD_BAD_VERSION)
			return err_set(
				err, -EPROTONOSUPPORT,
				"offset %zu: frame of format version %u, this program knows %d: salvage with a newer one",
				i * RECORD_FRAME_SIZE,
				record_format_version(f.bytes),
				RECORD_FORMAT_VERSION);
	}
	return 0;
}

/* A damaged incarnation is above the sound ones by what its write_seq is. */
static uint64_t raised_incarnation(const struct salvage *s)
{
	const struct record *newest = &record_table_at(s->table, 0)->record;
	uint64_t value = s->seen.value;

	if (newest->write_seq > s->seen_write_seq)
		value = add(value, newest->write_seq - s->seen_write_seq);
	value = add(value, s->nr_lost);
	return store_id_is_none(&s->seen.master) ? add(value, 1) : value;
}

int salvage_init(struct salvage *s, const struct store_image *from,
		 struct err *err)
{
	size_t nr = store_image_used(from);
	int ret;

	memset(s, 0, sizeof(*s));
	s->from = from;
	ret = refuse_later_format(s, nr, err);
	if (ret)
		return ret;
	if (!find_store(s, nr))
		return err_set(
			err, -EBADMSG,
			"no frame of it can be believed: nothing is left to save");
	s->lost = json_array();
	s->unread = json_array();
	ret = record_table_new(nr, &s->table);
	if (ret == 0)
		ret = collect(s, nr);
	if (ret) {
		salvage_exit(s);
		return err_set(err, ret, "no memory for %zu frames", nr);
	}
	s->incarnation = raised_incarnation(s);
	return 0;
}

void salvage_exit(struct salvage *s)
{
	record_table_free(s->table);
	json_decref(s->lost);
	json_decref(s->unread);
	memset(s, 0, sizeof(*s));
}
