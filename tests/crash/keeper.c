// SPDX-License-Identifier: GPL-2.0
/*
 * The production publisher over the production store, step by step, and the
 * book of what was promised. Must never know how a crash comes about.
 */
#include "keeper.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define UNANSWERED	12345

/* --- the book ---------------------------------------------------------------- */

static struct promise *find_promise(struct expect *expect,
				    const struct volume_id *volume)
{
	for (unsigned int i = 0; i < expect->nr; i++)
		if (volume_id_equal(&expect->promises[i].volume, volume))
			return &expect->promises[i];
	return NULL;
}

static struct promise *take_promise(struct expect *expect,
				    const struct volume_id *volume)
{
	struct promise *promise = find_promise(expect, volume);

	if (promise)
		return promise;
	assert(expect->nr < PROMISES_MAX);
	promise = &expect->promises[expect->nr++];
	*promise = (struct promise){ .volume = *volume };
	return promise;
}

static void expect_ask(struct expect *expect, const struct record *records,
		       size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		take_promise(expect, &records[i].volume)->asked = records[i];
	expect->nr_changed++;
}

static void expect_kept(struct expect *expect)
{
	for (unsigned int i = 0; i < expect->nr; i++) {
		struct promise *p = &expect->promises[i];

		if (p->asked.kind == RECORD_UNSPEC)
			continue;
		p->kept = p->asked;
		p->asked = (struct record){ 0 };
		p->is_damaged = false;
	}
	expect->nr_changed++;
	if (machine.at_point)
		machine.at_point();
}

/* Refused: what it asked for is not to be there. */
static void expect_as_before(struct expect *expect, const struct expect *before)
{
	uint64_t nr_changed = expect->nr_changed;

	*expect = *before;
	expect->nr_changed = nr_changed + 1;
}

void expect_damage(struct expect *expect, const char *volume)
{
	struct volume_id id;

	assert(volume_id_parse(volume, &id) == 0);
	take_promise(expect, &id)->is_damaged = true;
	expect->had_damage = true;
	expect->nr_changed++;
}

static void put_frame(const struct record *record, uint8_t *frame)
{
	const struct record_frame at = { .log_seq = 1, .group_last = 1 };

	memset(frame, 0, RECORD_FRAME_SIZE);
	if (record->kind != RECORD_UNSPEC)
		record_encode(record, &at, frame);
}

bool records_agree(const struct record *a, const struct record *b)
{
	uint8_t frames[2][RECORD_FRAME_SIZE];

	if (memcmp(a, b, sizeof(*a)) == 0)
		return true;
	if (a->kind != b->kind || a->write_seq != b->write_seq)
		return false;
	put_frame(a, frames[0]);
	put_frame(b, frames[1]);
	return memcmp(frames[0], frames[1], RECORD_FRAME_SIZE) == 0;
}

uint64_t expect_hash(const struct expect *expect)
{
	uint64_t hash = hash_bytes(expect->has_opened + 2 * expect->had_damage +
					   4 * expect->may_be_empty,
				   &expect->store, sizeof(expect->store));

	for (unsigned int i = 0; i < expect->nr; i++) {
		const struct promise *p = &expect->promises[i];
		uint8_t frame[RECORD_FRAME_SIZE];

		put_frame(&p->kept, frame);
		hash = hash_bytes(hash, frame, sizeof(frame));
		put_frame(&p->asked, frame);
		hash = hash_bytes(hash, frame, sizeof(frame));
		hash = hash_mix(hash, p->is_damaged);
	}
	return hash;
}

/* --- the judgement ------------------------------------------------------------ */

static const struct record *find_served(struct keeper *k,
					const struct volume_id *volume,
					struct record *room)
{
	const struct record *record;

	if (volume->s[0] == '\0') {
		*room = store_incarnation(k->store);
		return room;
	}
	for (size_t at = 0; (record = store_next_record(k->store, &at));)
		if (volume_id_equal(&record->volume, volume))
			return record;
	*room = (struct record){ 0 };
	return room;
}

static bool is_quarantined(struct keeper *k, const struct volume_id *volume)
{
	const struct store_skip *skips;
	size_t nr = store_skips(k->store, &skips);

	for (size_t i = 0; i < nr; i++)
		if (skips[i].class == STORE_SKIP_CORRUPT &&
		    volume->s[0] != '\0' &&
		    volume_id_equal(&skips[i].volume, volume))
			return true;
	return false;
}

static void describe(const struct record *record, char *text, size_t size)
{
	struct line line;

	switch (record->kind) {
	case RECORD_UNSPEC:
		snprintf(text, size, "nothing");
		return;
	case RECORD_VOLUME:
		line = record_line(record);
		snprintf(text, size, "%" PRIu64 ".%" PRIu64 " (%" PRIu64 ")",
			 line.lineage.epoch, line.lineage.endpoint_version,
			 record->write_seq);
		return;
	case RECORD_TOMBSTONE:
	case RECORD_FLOOR:
	case RECORD_INCARNATION:
	case RECORD_MARKER:
		snprintf(text, size, "kind %d (%" PRIu64 ")", record->kind,
			 record->write_seq);
		return;
	}
}

static bool judge_one(struct keeper *k, struct promise *p, char *why,
		      size_t size)
{
	struct record room;
	const struct record *served = find_served(k, &p->volume, &room);
	bool quarantined = is_quarantined(k, &p->volume);
	char texts[3][64];

	if (quarantined && served->kind == RECORD_UNSPEC && p->is_damaged)
		return true;
	if (!quarantined && records_agree(served, &p->kept) && !(p->is_damaged))
		return true;
	if (!quarantined && p->asked.kind != RECORD_UNSPEC &&
	    records_agree(served, &p->asked))
		return true;
	describe(served, texts[0], sizeof(texts[0]));
	describe(&p->kept, texts[1], sizeof(texts[1]));
	describe(&p->asked, texts[2], sizeof(texts[2]));
	snprintf(why, size,
		 "volume \"%s\"%s: %s is served%s; acknowledged was "
		 "%s, asked for %s",
		 p->volume.s, p->is_damaged ? " (damaged)" : "", texts[0],
		 quarantined ? " and it is quarantined" : "", texts[1],
		 texts[2]);
	return false;
}

static bool judge_strangers(struct keeper *k, char *why, size_t size)
{
	const struct record *record;
	const struct store_skip *skips;
	bool had_damage = k->expect->had_damage;
	size_t nr;

	for (size_t at = 0; (record = store_next_record(k->store, &at));) {
		if (find_promise(k->expect, &record->volume))
			continue;
		snprintf(why, size, "volume \"%s\" was never asked for",
			 record->volume.s);
		return false;
	}
	nr = store_skips(k->store, &skips);
	for (size_t i = 0; i < nr; i++) {
		if (skips[i].class != STORE_SKIP_CORRUPT || had_damage)
			continue;
		snprintf(why, size, "corruption is reported: %s",
			 skips[i].reason);
		return false;
	}
	return true;
}

/* What was served has been seen: it must never be less any more. */
static void see(struct keeper *k)
{
	struct expect *expect = k->expect;
	const struct store_skip *skips;
	size_t nr_skips = store_skips(k->store, &skips);

	for (size_t i = 0; i < nr_skips; i++)
		expect->had_damage |= skips[i].class == STORE_SKIP_CORRUPT;

	for (unsigned int i = 0; i < expect->nr; i++) {
		struct promise *p = &expect->promises[i];
		struct record room;

		p->kept = *find_served(k, &p->volume, &room);
		p->asked = (struct record){ 0 };
		p->is_damaged = is_quarantined(k, &p->volume);
	}
	expect->has_opened = true;
	expect->store = store_identity(k->store);
	expect->nr_changed++;
}

static bool is_lower(const struct keeper *k, uint32_t vol,
		     const struct record *kept)
{
	struct lineage have;

	if (kept->kind == RECORD_TOMBSTONE)
		return publisher_floor_epoch(k->publisher, vol) <
		       record_floor_epoch(kept);
	if (kept->kind != RECORD_VOLUME)
		return false;
	have = publisher_line(k->publisher, vol)->lineage;
	return lineage_cmp(have, record_line(kept).lineage) < 0 &&
	       publisher_exists(k->publisher, vol);
}

/* The publisher has been reloaded from what the store serves. */
static bool judge_lines(struct keeper *k, char *why, size_t size)
{
	for (unsigned int i = 0; i < k->expect->nr; i++) {
		const struct promise *p = &k->expect->promises[i];
		int vol = registry_find_volume(&k->registry, &p->volume);

		if (p->is_damaged || vol < 0 ||
		    !is_lower(k, (uint32_t)vol, &p->kept))
			continue;
		snprintf(why, size,
			 "volume \"%s\": the publisher has a lower "
			 "line than was acknowledged",
			 p->volume.s);
		return false;
	}
	return true;
}

static bool is_empty(const struct keeper *k)
{
	const struct store_skip *skips;
	size_t at = 0;

	return !store_next_record(k->store, &at) &&
	       store_skips(k->store, &skips) == 0 &&
	       store_incarnation(k->store).kind == RECORD_UNSPEC;
}

bool keeper_judge(struct keeper *k, char *why, size_t size)
{
	struct store_id id = store_identity(k->store);

	if (k->expect->may_be_empty && is_empty(k)) {
		const char *dir = k->expect->dir;

		*k->expect = (struct expect){ .dir = dir };
		see(k);
		return true;
	}
	k->expect->may_be_empty = false;
	if (k->expect->has_opened && !store_id_equal(&id, &k->expect->store)) {
		snprintf(why, size, "the store has another id");
		return false;
	}
	for (unsigned int i = 0; i < k->expect->nr; i++)
		if (!judge_one(k, &k->expect->promises[i], why, size))
			return false;
	if (!judge_strangers(k, why, size))
		return false;
	if (!judge_lines(k, why, size))
		return false;
	see(k);
	return true;
}

/* --- life --------------------------------------------------------------------- */

static struct volume_id volume_name(int volume)
{
	struct volume_id id = { 0 };

	snprintf(id.s, sizeof(id.s), "v%d", volume);
	return id;
}

static struct topology the_topology(void)
{
	struct topology t = { .guard = GUARD_LEASE };

	for (int i = 0; i < REPLICA_SLOTS; i++) {
		snprintf(t.slots[i].replica.s, REPLICA_ID_SIZE, "r%d", i + 1);
		snprintf(t.slots[i].host.s, HOST_ID_SIZE, "host-%c", 'a' + i);
	}
	return t;
}

static void publish(struct keeper *k, int error)
{
	const uint32_t *vols;
	size_t nr = publisher_persisted(k->publisher, error, &vols);

	for (size_t i = 0; i < nr && !error; i++) {
		struct registry_volume *volume = &k->registry.volumes[vols[i]];

		if (!publisher_exists(k->publisher, vols[i]))
			registry_delete(&k->registry, vols[i]);
		volume->corrupt = false;
		volume->in_doubt = false;
	}
	k->by_publisher = false;
}

static void on_committed(struct loop_op *op, int res)
{
	struct keeper *k = loop_container(op, struct keeper, committed);

	k->res = res;
	k->is_waiting = false;
	if (res == 0)
		expect_kept(k->expect);
	if (k->by_publisher)
		publish(k, res);
	loop_stop(k->loop);
}

static void on_alarm(struct loop_op *op, int res)
{
	struct keeper *k = loop_container(op, struct keeper, alarm);

	(void)res;
	loop_stop(k->loop);
}

static void reload_one(struct keeper *k, const struct record *record)
{
	const struct mono_ms now = { machine.running->now_ms };
	struct topology t;
	int vol;

	if (record->kind == RECORD_TOMBSTONE) {
		vol = registry_add_deleted(&k->registry, &record->volume, now);
	} else if (record->kind == RECORD_VOLUME) {
		t = record_topology(record);
		vol = registry_add_volume(&k->registry, &record->volume, &t,
					  now);
	} else {
		return;
	}
	assert(vol >= 0);
	publisher_reload(k->publisher, (uint32_t)vol, record);
}

static void reload_corrupt(struct keeper *k, const struct store_skip *skip)
{
	const struct mono_ms now = { machine.running->now_ms };
	int vol;

	if (skip->class != STORE_SKIP_CORRUPT || skip->volume.s[0] == '\0')
		return;
	vol = registry_add_corrupt(&k->registry, &skip->volume, now);
	assert(vol >= 0);
	publisher_reload_corrupt(k->publisher, (uint32_t)vol, skip->write_seq);
}

static void reload_publisher(struct keeper *k)
{
	const struct record *record;
	const struct store_skip *skips;
	size_t nr;

	assert(registry_init(&k->registry, KEEPER_VOLUMES, REPLICA_SLOTS) == 0);
	assert(publisher_new(&k->registry, &k->publisher) == 0);
	for (size_t at = 0; (record = store_next_record(k->store, &at));)
		reload_one(k, record);
	nr = store_skips(k->store, &skips);
	for (size_t i = 0; i < nr; i++)
		reload_corrupt(k, &skips[i]);
}

int keeper_boot(struct keeper *k, struct expect *expect)
{
	const struct store_config config = { .dir = expect->dir ? expect->dir :
								  KEEPER_DIR,
					     .volumes_max = KEEPER_VOLUMES };
	int ret;

	memset(k, 0, sizeof(*k));
	k->expect = expect;
	k->committed.done = on_committed;
	k->alarm.done = on_alarm;
	assert(loop_new(64, &k->loop) == 0);
	ret = store_open(&config, k->loop, &k->store, &k->err);
	if (ret == 0)
		reload_publisher(k);
	return ret;
}

void keeper_shut(struct keeper *k)
{
	if (k->publisher) {
		publisher_free(k->publisher);
		registry_exit(&k->registry);
	}
	store_close(k->store);
	k->by_publisher = false;
	loop_free(k->loop);
	memset(k, 0, sizeof(*k));
}

/* --- steps ---------------------------------------------------------------------- */

static int step(struct keeper *k, int ret)
{
	if (!k->error)
		k->error = ret;
	return ret;
}

/* Refused: nothing of it may be there. */
static bool changed_nothing(int error)
{
	return error == -EBUSY || error == -EINVAL || error == -EROFS;
}

int keeper_raise(struct keeper *k)
{
	const struct record newest = store_incarnation(k->store);
	struct incarnation next = record_incarnation(&newest);
	struct expect before = *k->expect;
	struct record record;
	int ret;

	next.value++;
	next.lease_ms = 6000;
	record = record_of_incarnation(newest.write_seq + 1, &next);
	expect_ask(k->expect, &record, 1);
	ret = store_commit_now(k->store, &record);
	if (ret == 0)
		expect_kept(k->expect);
	else if (changed_nothing(ret))
		expect_as_before(k->expect, &before);
	return step(k, ret);
}

int keeper_submit(struct keeper *k, const struct record *records, size_t nr)
{
	struct expect before = *k->expect;
	int ret;

	expect_ask(k->expect, records, nr);
	ret = store_commit(k->store, records, nr, &k->committed);
	if (ret) {
		/* Not taken: whatever failed, it was not written. */
		expect_as_before(k->expect, &before);
		return step(k, ret);
	}
	k->res = UNANSWERED;
	k->is_waiting = true;
	return 0;
}

static int await(struct keeper *k)
{
	while (k->is_waiting)
		loop_run(k->loop);
	return step(k, k->res);
}

int keeper_commit(struct keeper *k, const struct record *records, size_t nr)
{
	int ret = keeper_submit(k, records, nr);

	return ret ? ret : await(k);
}

void keeper_idle(struct keeper *k)
{
	loop_timer(k->loop, &k->alarm, machine.running->now_ms + 3000);
	while (k->alarm.in_flight)
		loop_run(k->loop);
}

int keeper_find(const struct keeper *k, int volume)
{
	const struct volume_id id = volume_name(volume);

	return registry_find_volume(&k->registry, &id);
}

int keeper_create(struct keeper *k, int volume)
{
	const struct volume_id id = volume_name(volume);
	const struct topology t = the_topology();
	int vol = registry_add_volume(&k->registry, &id, &t,
				      (struct mono_ms){
					      machine.running->now_ms });

	if (vol < 0)
		return vol;
	publisher_create(k->publisher, (uint32_t)vol);
	return 0;
}

static struct ask ask_of(const struct keeper *k, uint32_t vol, int slot)
{
	struct ask ask = { .slot = slot,
			   .expected = *publisher_line(k->publisher, vol) };

	snprintf(ask.data_addr.s, ADDR_SIZE, "10.0.0.%d:%" PRIu64, slot + 1,
		 4420 + ask.expected.lineage.endpoint_version);
	snprintf(ask.ctrl_addr.s, ADDR_SIZE, "10.0.0.%d:7000", slot + 1);
	return ask;
}

int keeper_ask(struct keeper *k, int volume, enum ask_intent intent, int slot)
{
	int vol = keeper_find(k, volume);
	struct ask ask;

	if (vol < 0)
		return vol;
	ask = ask_of(k, (uint32_t)vol, slot);
	ask.intent = intent;
	return publisher_ask(k->publisher, (uint32_t)vol, &ask) ? -EPERM : 0;
}

int keeper_delete(struct keeper *k, int volume)
{
	const struct lineage none = { 0 };
	int vol = keeper_find(k, volume);
	struct lineage line;

	if (vol < 0)
		return vol;
	line = publisher_line(k->publisher, (uint32_t)vol)->lineage;
	return publisher_delete(k->publisher, (uint32_t)vol, line, none) ?
		       -EPERM :
		       0;
}

int keeper_recover(struct keeper *k, int volume, uint64_t floor_epoch)
{
	const struct recovery trace = { .wall_s = 1700000000, .uid = 1 };
	const struct mono_ms now = { machine.running->now_ms };
	const struct topology t = the_topology();
	int vol = keeper_find(k, volume);
	struct ask ask;

	if (vol < 0)
		return vol;
	if (!registry_is_placed(&k->registry, (uint32_t)vol))
		registry_place(&k->registry, (uint32_t)vol, &t, now);
	ask = ask_of(k, (uint32_t)vol, 0);
	ask.intent = ASK_RECOVER;
	ask.floor = (struct lineage){ floor_epoch, 1 };
	return publisher_recover(k->publisher, (uint32_t)vol, &ask, &trace) ?
		       -EPERM :
		       0;
}

int keeper_mint_submit(struct keeper *k)
{
	size_t nr =
		publisher_take_group(k->publisher, k->group, KEEPER_VOLUMES);
	int ret;

	assert(nr || publisher_is_closed(k->publisher));
	if (!nr)
		return step(k, -EROFS);
	k->by_publisher = true;
	ret = keeper_submit(k, k->group, nr);
	if (ret)
		publish(k, ret);
	return ret;
}

int keeper_mint(struct keeper *k)
{
	int ret = keeper_mint_submit(k);

	return ret ? ret : await(k);
}
