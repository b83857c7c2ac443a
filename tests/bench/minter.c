// SPDX-License-Identifier: GPL-2.0
/*
 * Ask, take the group, commit, persisted: the daemon's own order, on its own
 * loop. Must never know what is measured.
 */
#include "minter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/publisher.h"
#include "core/registry.h"
#include "edge/clock.h"
#include "edge/store.h"

#include "engine.h"

#define LOOP_ENTRIES	256
#define HOSTS		64

struct minter {
	struct loop *loop;
	struct store *store;
	struct registry registry;
	struct publisher *publisher;	/* NULL until the first mint */
	uint32_t nr_volumes;
	struct record *group;
	struct loop_op persisted;
	int error;
};

/* --- the way of a group ----------------------------------------------------- */

/* False: nothing waits any more. */
static bool commit_next(struct minter *m)
{
	size_t nr =
		publisher_take_group(m->publisher, m->group, RECORD_GROUP_MAX);

	if (nr == 0)
		return false;
	m->error = store_commit(m->store, m->group, nr, &m->persisted);
	return m->error == 0;
}

static void on_persisted(struct loop_op *op, int res)
{
	struct minter *m = loop_container(op, struct minter, persisted);
	const uint32_t *volumes;

	publisher_persisted(m->publisher, res, &volumes);
	m->error = res;
	if (res || !commit_next(m))
		loop_stop(m->loop);
}

static int run(struct minter *m)
{
	int ret = commit_next(m) ? loop_run(m->loop) : 0;

	return ret ? ret : m->error;
}

/* --- the volumes ------------------------------------------------------------ */

/* Three slots on three of the hosts. */
static struct topology topology_of(uint32_t volume)
{
	struct topology t = { .guard = GUARD_LEASE };

	for (uint32_t i = 0; i < REPLICA_SLOTS; i++) {
		snprintf(t.slots[i].replica.s, REPLICA_ID_SIZE, "r%u", i + 1);
		snprintf(t.slots[i].host.s, HOST_ID_SIZE, "host-%u",
			 (volume + i * 7) % HOSTS);
	}
	return t;
}

static int reload(struct minter *m)
{
	const struct record *record;
	size_t at = 0;

	while ((record = store_next_record(m->store, &at))) {
		const struct topology t = record_topology(record);
		int vol = registry_add_volume(&m->registry, &record->volume, &t,
					      clock_now());

		if (vol < 0)
			return vol;
		publisher_reload(m->publisher, (uint32_t)vol, record);
	}
	return 0;
}

static int get_ready(struct minter *m)
{
	int ret;

	if (m->publisher)
		return 0;
	m->group = calloc(RECORD_GROUP_MAX, sizeof(*m->group));
	if (!m->group)
		return -ENOMEM;
	ret = registry_init(&m->registry, m->nr_volumes, HOSTS);
	if (ret == 0)
		ret = publisher_new(&m->registry, &m->publisher);
	return ret ? ret : reload(m);
}

static int create(struct minter *m, uint32_t volume)
{
	const struct topology t = topology_of(volume);
	struct volume_id id = { 0 };
	int vol;

	engine_id(volume, id.s);
	if (registry_find_volume(&m->registry, &id) >= 0)
		return 0;
	vol = registry_add_volume(&m->registry, &id, &t, clock_now());
	if (vol < 0)
		return vol;
	publisher_create(m->publisher, (uint32_t)vol);
	return 0;
}

int minter_fill(struct minter *m, const uint32_t *volumes, size_t nr)
{
	int ret = get_ready(m);

	for (size_t i = 0; ret == 0 && i < nr; i++)
		ret = create(m, volumes[i]);
	if (ret == 0)
		ret = run(m);
	return ret ? ret : minter_mint(m, volumes, nr);
}

/* --- minting ---------------------------------------------------------------- */

/* The first line, and then from slot to slot. */
static int ask(struct minter *m, uint32_t vol)
{
	struct ask ask = { .intent = ASK_BIND,
			   .expected = *publisher_line(m->publisher, vol) };
	uint64_t epoch = ask.expected.lineage.epoch;

	if (epoch)
		ask.intent = ASK_REASSIGN;
	ask.slot = (int)(epoch % REPLICA_SLOTS);
	memcpy(ask.data_addr.s, "10.0.0.1:4420", sizeof("10.0.0.1:4420"));
	memcpy(ask.ctrl_addr.s, "10.0.0.1:7000", sizeof("10.0.0.1:7000"));
	return publisher_ask(m->publisher, vol, &ask) ? -EINVAL : 0;
}

int minter_mint(struct minter *m, const uint32_t *volumes, size_t nr)
{
	int ret = get_ready(m);

	for (size_t i = 0; ret == 0 && i < nr; i++)
		ret = ask(m, volumes[i]);
	return ret ? ret : run(m);
}

/* --- life ------------------------------------------------------------------- */

struct loop *minter_loop(struct minter *m)
{
	return m->loop;
}

void minter_close(struct minter *m)
{
	store_close(m->store);
	publisher_free(m->publisher);
	if (m->publisher)
		registry_exit(&m->registry);
	loop_free(m->loop);
	free(m->group);
	free(m);
}

int minter_open(const char *dir, uint32_t nr_volumes, struct minter **ret,
		size_t *ret_found)
{
	const struct store_config config = { .dir = dir,
					     .volumes_max = nr_volumes };
	struct minter *m = calloc(1, sizeof(*m));
	struct err err;
	size_t at = 0;
	int code;

	if (!m)
		return -ENOMEM;
	m->nr_volumes = nr_volumes;
	m->persisted.done = on_persisted;
	code = loop_new(LOOP_ENTRIES, &m->loop);
	if (code) {
		free(m);
		return code;
	}
	code = store_open(&config, m->loop, &m->store, &err);
	if (code) {
		fprintf(stderr, "%s\n", err.text);
		minter_close(m);
		return code;
	}
	*ret_found = 0;
	while (store_next_record(m->store, &at))
		++*ret_found;
	*ret = m;
	return 0;
}
