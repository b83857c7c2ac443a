// SPDX-License-Identifier: GPL-2.0
/*
 * The verbs that take a sound log as it is: backup copies it, raise lifts its
 * incarnation. Must never know how a log is repaired.
 */
#include "verbs.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "edge/loop.h"
#include "edge/store.h"
#include "json.h"

#define RING_ENTRIES	8

/* --- backup ----------------------------------------------------------------- */

int store_tool_backup(const struct store_tool *tool, struct err *err)
{
	struct judged j;
	json_t *report;
	int ret = judged_read(&j, tool->dir, err);

	if (ret == 0)
		ret = judged_refuse(&j, tool->dir, err);
	if (ret == 0)
		ret = store_image_write(tool->dest, &j.image, err);
	if (ret == 0) {
		report = judged_report(&j);
		json_put_text(&report, "backup", tool->dest);
		if (json_answer(stdout, report, tool->json))
			ret = err_set(err, -ENOMEM,
				      "%s is made; no memory for the answer",
				      tool->dest);
	}
	judged_exit(&j);
	return ret;
}

/* --- raise ------------------------------------------------------------------ */

static int commit_raise(const struct store_tool *tool, struct store *store,
			uint64_t *ret_before, struct err *err)
{
	const struct record newest = store_incarnation(store); /* or none */
	struct incarnation next = record_incarnation(&newest);
	struct record record;
	int ret;

	*ret_before = next.value;
	if (!store_id_is_none(&next.master))
		return err_set(
			err, -EINVAL,
			"%s is a replica's: its incarnation is the one that it has seen of its master",
			tool->dir);
	if (next.value >= tool->number)
		return 0;
	next.value = tool->number;
	record = record_of_incarnation(newest.write_seq + 1, &next);
	ret = store_commit_now(store, &record);
	return ret ? err_set(err, ret,
			     "%s: the incarnation could not be raised: %s",
			     tool->dir, strerror(-ret)) :
		     0;
}

static int answer_raise(const struct store_tool *tool, uint64_t before,
			struct err *err)
{
	json_t *object = json_object();
	uint64_t now = before > tool->number ? before : tool->number;

	json_put_text(&object, "dir", tool->dir);
	json_put_u64(&object, "incarnation_before", before);
	json_put_u64(&object, "incarnation", now);
	if (json_answer(stdout, object, tool->json))
		return err_set(err, -ENOMEM,
			       "the incarnation is %" PRIu64
			       "; no memory for the answer",
			       now);
	return 0;
}

/* The lock says whether a process owns it. The store takes nothing from the
 * log that it opens but room for as many volumes as it has. */
static int raise_in(const struct store_tool *tool, size_t nr_volumes,
		    struct loop *loop, struct err *err)
{
	const struct store_config config = { .dir = tool->dir,
					     .volumes_max = nr_volumes + 1 };
	struct store *store;
	uint64_t before;
	int ret = store_open(&config, loop, &store, err);

	if (ret)
		return ret;
	ret = commit_raise(tool, store, &before, err);
	store_close(store);
	return ret ? ret : answer_raise(tool, before, err);
}

/* Read first: an absent store is not made, and a big one gets its room. */
int store_tool_raise(const struct store_tool *tool, struct err *err)
{
	struct judged j;
	struct loop *loop;
	size_t nr_volumes = 0;
	int ret = judged_read(&j, tool->dir, err);

	if (ret == 0)
		ret = judged_refuse(&j, tool->dir, err);
	if (ret == 0)
		nr_volumes = record_table_nr(j.reload.table);
	judged_exit(&j);
	if (ret)
		return ret;
	ret = loop_new(RING_ENTRIES, &loop);
	if (ret)
		return err_set(err, ret, "io_uring: %s", strerror(-ret));
	ret = raise_in(tool, nr_volumes, loop, err);
	loop_free(loop);
	return ret;
}
