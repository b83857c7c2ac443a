// SPDX-License-Identifier: GPL-2.0
/*
 * Store, loop, registry and publisher, wired as the master wires them, for
 * one volume of the smoke's own. Must never write an epoch, nor report a line
 * that is not durable.
 */
#include "restart_smoke.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/publisher.h"
#include "edge/clock.h"
#include "edge/store.h"
#include "restart_smoke_note.h"

#define PASS		"restart-smoke"
#define VOLUME		"restart-smoke"
#define DATA_ADDR	"smoke-h1:4420"
#define CTRL_ADDR	"smoke-h1:7000"
#define RING_ENTRIES	64
#define VOLUMES_MAX	100000
#define MINT_MS_MAX	2000	/* for the first line to be durable */

struct smoke {
	const char *dir;
	struct err *err;
	struct loop *loop;
	struct store *store;
	struct registry registry;
	struct publisher *publisher;
	int vol;			/* the smoke's own, or -ENOENT */
	size_t nr_reloaded;
	size_t nr_skips;
	bool damaged;			/* the own volume's record */
	struct smoke_note before;	/* of the run before */
	struct line found;
	bool first;
	bool backward;

	struct record group[2];
	struct loop_op persisted;
	struct loop_op late;
	int error;			/* of the mint */
};

static struct volume_id own_volume(void)
{
	struct volume_id id = { 0 };

	snprintf(id.s, sizeof(id.s), "%s", VOLUME);
	return id;
}

/* --- what comes back -------------------------------------------------------- */

static int reload_record(struct smoke *s, const struct record *record)
{
	const struct mono_ms now = clock_now();
	int vol;

	if (record->kind == RECORD_TOMBSTONE) {
		vol = registry_add_deleted(&s->registry, &record->volume, now);
	} else if (record->kind == RECORD_VOLUME) {
		const struct topology t = record_topology(record);

		vol = registry_add_volume(&s->registry, &record->volume, &t,
					  now);
		s->nr_reloaded++;
	} else {
		return 0;
	}
	if (vol >= 0)
		publisher_reload(s->publisher, (uint32_t)vol, record);
	return vol < 0 ? vol : 0;
}

static int reload(struct smoke *s)
{
	const struct volume_id own = own_volume();
	const struct store_skip *skips;
	const struct record *record;
	size_t nr_volumes = 1;
	int ret = 0;

	for (size_t at = 0; store_next_record(s->store, &at);)
		nr_volumes++;
	s->nr_skips = store_skips(s->store, &skips);
	for (size_t i = 0; i < s->nr_skips; i++)
		s->damaged |= skips[i].class == STORE_SKIP_CORRUPT &&
			      volume_id_equal(&skips[i].volume, &own);
	ret = registry_init(&s->registry, (uint32_t)nr_volumes,
			    (uint32_t)nr_volumes * REPLICA_SLOTS);
	if (ret == 0)
		ret = publisher_new(&s->registry, &s->publisher);
	for (size_t at = 0;
	     ret == 0 && (record = store_next_record(s->store, &at));)
		ret = reload_record(s, record);
	s->vol = registry_find_volume(&s->registry, &own);
	return ret ? err_set(s->err, ret, "%s: not reloaded: %s", s->dir,
			     strerror(-ret)) :
		     0;
}

static void look(struct smoke *s)
{
	if (s->vol >= 0)
		s->found = *publisher_line(s->publisher, (uint32_t)s->vol);
}

/* The name's epochs have gone backward, with a line or without one. */
static bool went_backward(const struct smoke *s)
{
	const uint64_t *before = s->before.parts;
	const struct lineage found = s->found.lineage;
	uint64_t floor = 0;

	if (s->damaged)
		return false;	/* nobody knows */
	if (s->vol >= 0)
		floor = publisher_floor_epoch(s->publisher, (uint32_t)s->vol);
	if (lineage_is_none(found))
		return floor < before[0];
	return found.epoch < before[0] ||
	       (found.epoch == before[0] && found.endpoint_version < before[1]);
}

/* --- the first line --------------------------------------------------------- */

/* False: nothing waits any more. */
static bool commit_next(struct smoke *s)
{
	size_t nr =
		publisher_take_group(s->publisher, s->group,
				     sizeof(s->group) / sizeof(s->group[0]));

	if (nr == 0)
		return false;
	s->error = store_commit(s->store, s->group, nr, &s->persisted);
	return s->error == 0;
}

static void on_persisted(struct loop_op *op, int res)
{
	struct smoke *s = loop_container(op, struct smoke, persisted);
	const uint32_t *vols;

	publisher_persisted(s->publisher, res, &vols);
	s->error = res;
	if (res || !commit_next(s))
		loop_stop(s->loop);
}

static void on_late(struct loop_op *op, int res)
{
	struct smoke *s = loop_container(op, struct smoke, late);

	if (res != -ETIME)
		return;
	s->error = -ETIMEDOUT;
	loop_stop(s->loop);
}

static int run_until_durable(struct smoke *s)
{
	int ret = commit_next(s) ? loop_run(s->loop) : 0;

	return ret ? ret : s->error;
}

static int create(struct smoke *s)
{
	const struct volume_id own = own_volume();
	struct topology t = { .guard = GUARD_LEASE };

	for (int i = 0; i < REPLICA_SLOTS; i++) {
		snprintf(t.slots[i].replica.s, REPLICA_ID_SIZE, "smoke-r%c",
			 '1' + i);
		snprintf(t.slots[i].host.s, HOST_ID_SIZE, "smoke-h%c", '1' + i);
	}
	s->vol = registry_add_volume(&s->registry, &own, &t, clock_now());
	if (s->vol < 0)
		return s->vol;
	publisher_create(s->publisher, (uint32_t)s->vol);
	return run_until_durable(s);
}

static int mint_first(struct smoke *s)
{
	const struct ask ask = {
		.intent = ASK_BIND,
		.data_addr.s = DATA_ADDR,
		.ctrl_addr.s = CTRL_ADDR,
		.expected = *publisher_line(s->publisher, (uint32_t)s->vol),
	};

	if (publisher_ask(s->publisher, (uint32_t)s->vol, &ask) != ASK_TAKEN)
		return -EINVAL;
	return run_until_durable(s);
}

static int mint(struct smoke *s)
{
	int ret;

	s->persisted.done = on_persisted;
	s->late.done = on_late;
	loop_timer(s->loop, &s->late, clock_now().v + MINT_MS_MAX);
	ret = create(s);
	if (ret == 0)
		ret = mint_first(s);
	return ret ? err_set(s->err, ret,
			     "volume %s: no durable line within %d ms: %s",
			     VOLUME, MINT_MS_MAX, strerror(-ret)) :
		     0;
}

/* --- one run ---------------------------------------------------------------- */

static int judge(struct smoke *s)
{
	struct smoke_note note;

	if (s->backward)
		return err_set(s->err, -ESTALE,
			       "volume %s: line %" PRIu64 ".%" PRIu64
			       " is older than %" PRIu64 ".%" PRIu64
			       " of the run before",
			       VOLUME, s->found.lineage.epoch,
			       s->found.lineage.endpoint_version,
			       s->before.parts[0], s->before.parts[1]);
	if (s->damaged)
		return err_set(s->err, -EBADMSG,
			       "volume %s: its record is damaged", VOLUME);
	if (lineage_is_none(s->found.lineage))
		return err_set(
			s->err, -ENODATA,
			"volume %s: the store has volumes, but no line of this one",
			VOLUME);
	note = (struct smoke_note){
		.parts = { s->found.lineage.epoch,
			   s->found.lineage.endpoint_version },
		.primary = s->found.primary,
	};
	return smoke_note_write(s->dir, &note, s->err);
}

static int run(struct smoke *s)
{
	const struct store_config config = { .dir = s->dir,
					     .volumes_max = VOLUMES_MAX };
	int ret = loop_new(RING_ENTRIES, &s->loop);

	if (ret)
		return err_set(s->err, ret, "io_uring: %s", strerror(-ret));
	ret = store_open(&config, s->loop, &s->store, s->err);
	if (ret == 0)
		ret = smoke_note_read(s->dir, &s->before, s->err);
	if (ret == 0)
		ret = reload(s);
	if (ret)
		return ret;
	look(s);
	s->backward = went_backward(s);
	s->first = !s->nr_reloaded && !s->nr_skips && !s->backward;
	if (s->first) {
		ret = mint(s);
		if (ret)
			return ret;
		look(s);
	}
	return judge(s);
}

static int print(const struct smoke *s, int error)
{
	json_t *object =
		json_pack("{s:s, s:s, s:I, s:I, s:{s:s, s:s, s:I, s:I}, s:b}",
			  "pass", error ? "" : PASS, "run",
			  s->first ? "first" : "second", "reloaded",
			  (json_int_t)s->nr_reloaded, "skips",
			  (json_int_t)s->nr_skips, "line", "vid", VOLUME, "rid",
			  s->found.primary.s, "epoch",
			  (json_int_t)s->found.lineage.epoch, "endpointVersion",
			  (json_int_t)s->found.lineage.endpoint_version,
			  "backwardMint", s->backward);
	int ret = -ENOMEM;

	if (object &&
	    (!error ||
	     !json_object_set_new(object, "error", json_string(s->err->text))))
		ret = json_dumpf(object, stdout, JSON_COMPACT) ? -EIO : error;
	json_decref(object);
	putchar('\n');
	return fflush(stdout) ? -errno : ret;
}

int restart_smoke(const char *dir)
{
	struct err err = { 0 };
	struct smoke s = { .dir = dir, .err = &err, .vol = -ENOENT };
	int ret = print(&s, run(&s));

	store_close(s.store);
	loop_free(s.loop);
	publisher_free(s.publisher);
	registry_exit(&s.registry);
	return ret;
}
