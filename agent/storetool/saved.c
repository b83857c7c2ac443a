// SPDX-License-Identifier: GPL-2.0
/*
 * The new store of a salvage: nothing in it may mint below a line that was
 * lost. Must never know how the frames were found.
 */
#include "salvage.h"

#include <errno.h>
#include <string.h>

#include "json.h"
#include "verbs.h"

static uint64_t raised(const struct salvage *s, uint64_t write_seq)
{
	return write_seq > UINT64_MAX - s->nr_lost ? UINT64_MAX :
						     write_seq + s->nr_lost;
}

/* What has no doubt of its own and may have been followed by a lost record. */
static bool is_closed(const struct salvage *s, const struct record_entry *entry)
{
	return entry->damaged ||
	       (entry->record.kind != RECORD_VOLUME && s->nr_lost);
}

static bool is_saved(const struct record_entry *entry)
{
	return entry->record.kind != RECORD_UNSPEC;
}

static void put_saved(const struct salvage *s, struct store_image_new *new,
		      const struct record_entry *entry)
{
	struct record record = entry->record;

	record.write_seq = raised(s, record.write_seq);
	if (is_closed(s, entry)) {
		store_image_put_damaged(new, &record,
					s->from->bytes +
						(entry->log_seq - 1) *
							RECORD_FRAME_SIZE);
		return;
	}
	if (record.kind == RECORD_VOLUME)
		record_put_in_doubt(&record);
	store_image_put(new, &record);
}

static struct record new_incarnation(const struct salvage *s)
{
	const struct record *newest = &record_table_at(s->table, 0)->record;
	struct incarnation next = s->seen;
	uint64_t write_seq = raised(s, newest->write_seq);

	next.value = s->incarnation;
	return record_of_incarnation(write_seq == UINT64_MAX ? write_seq :
							       write_seq + 1,
				     &next);
}

int salvage_compose(const struct salvage *s, struct store_image *ret)
{
	const struct record incarnation = new_incarnation(s);
	struct store_image_new new;
	size_t nr = 1;
	int error;

	for (size_t i = 1; i < record_table_nr(s->table); i++)
		nr += is_saved(record_table_at(s->table, i));
	error = store_image_start(&new, &s->store, nr);
	if (error)
		return error;
	store_image_put(&new, &incarnation);
	for (size_t i = 1; i < record_table_nr(s->table); i++) {
		const struct record_entry *entry = record_table_at(s->table, i);

		if (is_saved(entry))
			put_saved(s, &new, entry);
	}
	*ret = store_image_end(&new);
	return 0;
}

/* --- in words --------------------------------------------------------------- */

static json_t *saved_json(const struct salvage *s,
			  const struct record_entry *entry)
{
	json_t *object = json_object();
	const char *state = "sound";

	if (is_closed(s, entry))
		state = "damaged";
	else if (entry->record.kind == RECORD_VOLUME)
		state = "in_doubt";
	json_put_record(&object, &entry->record, entry->damaged);
	json_put_text(&object, "saved", state);
	return object;
}

json_t *salvage_report(const struct salvage *s)
{
	json_t *object = json_object(), *saved = json_array();

	json_put_store(&object, "store_id", &s->store);
	json_put_u64(&object, "incarnation", s->incarnation);
	json_put_u64(&object, "frames_lost", s->nr_lost);
	json_put(&object, "lost", json_incref(s->lost));
	json_put(&object, "unread", json_incref(s->unread));
	for (size_t i = 1; i < record_table_nr(s->table); i++) {
		const struct record_entry *entry = record_table_at(s->table, i);

		if (is_saved(entry))
			json_push(&saved, saved_json(s, entry));
	}
	json_put(&object, "records", saved);
	return object;
}

/* --- the verb --------------------------------------------------------------- */

static int write_saved(const struct store_tool *tool, const struct salvage *s,
		       struct err *err)
{
	struct store_image image;
	struct judged j = { 0 };
	int ret = salvage_compose(s, &image);

	if (ret == 0)
		ret = judged_init(&j, &image);
	if (ret)
		err_set(err, ret, "%s: no memory for the new store",
			tool->dest);
	/* What boot would refuse is not made. */
	if (ret == 0)
		ret = judged_refuse(&j, tool->dest, err);
	if (ret == 0)
		ret = store_image_write(tool->dest, &j.image, err);
	judged_exit(&j);
	return ret;
}

static int salvage_image(const struct store_tool *tool,
			 const struct store_image *image, struct err *err)
{
	struct salvage s;
	struct err why = { 0 };
	int ret = salvage_init(&s, image, &why);

	if (ret)
		return err_set(err, ret, "%s/log: %s", tool->dir, why.text);
	ret = write_saved(tool, &s, err);
	if (ret == 0 && json_answer(stdout, salvage_report(&s), tool->json))
		ret = err_set(err, -ENOMEM,
			      "%s is made; no memory for the answer",
			      tool->dest);
	salvage_exit(&s);
	return ret;
}

/* What boot accepts loses by a salvage: each volume would be in doubt. */
int store_tool_salvage(const struct store_tool *tool, struct err *err)
{
	struct judged j;
	int ret = judged_read(&j, tool->dir, err);

	if (ret == 0 && !j.refusal)
		ret = err_set(err, -EINVAL,
			      "%s/log is not refused: copy it with backup",
			      tool->dir);
	if (ret == 0)
		ret = salvage_image(tool, &j.image, err);
	judged_exit(&j);
	return ret;
}
