// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a store: taken, opened, asked, closed. Must never know what a
 * record decides, nor how one reaches the disk.
 */
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store_state.h"

/* The logs before the locks: none writes what another may own. */
void store_release(struct store *store)
{
	if (store_group_flies(store) || store_swap_flies(store))
		return;
	store_file_close(&store->log_fd);
	store_file_close(&store->next.fd);
	if (!store->next.close_op.in_flight)
		store_file_close(&store->next.old_fd);
	store_file_close(&store->lock_fd);
	store_file_close(&store->dir_fd);
	if (store_group_is_held(store) || store_swap_is_held(store))
		return;
	reload_exit(&store->reload);
	free(store->group);
	free(store->entries);
	free(store->frames);
	free(store->next.frames);
	free(store);
}

static struct store *store_new(size_t volumes_max, struct loop *loop)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return NULL;
	store->loop = loop;
	store->volumes_max = volumes_max;
	store->dir_fd = -1;
	store->lock_fd = -1;
	store->log_fd = -1;
	store_group_init(store);
	store_swap_init(store);
	store->group = calloc(RECORD_GROUP_MAX, sizeof(*store->group));
	store->entries = calloc(RECORD_GROUP_MAX, sizeof(*store->entries));
	store->frames = calloc(RECORD_GROUP_MAX, RECORD_FRAME_SIZE);
	store->next.frames = calloc(STORE_SLICE, RECORD_FRAME_SIZE);
	if (!store->group || !store->entries || !store->frames ||
	    !store->next.frames || reload_init(&store->reload, volumes_max)) {
		store_release(store);
		return NULL;
	}
	return store;
}

int store_open(const struct store_config *config, struct loop *loop,
	       struct store **ret, struct err *err)
{
	struct store *store;
	int code;

	if (config->volumes_max == 0)
		return err_set(err, -EINVAL, "%s: room for no volume",
			       config->dir);
	store = store_new(config->volumes_max, loop);
	if (!store)
		return err_set(err, -ENOMEM, "%s: no memory for %zu volumes",
			       config->dir, config->volumes_max);
	code = store_lock(store, config->dir, err);
	if (code == 0)
		code = store_log_load(store, config->dir, err);
	if (code) {
		store_release(store);
		return code;
	}
	store_group_arm(store);
	*ret = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	store->ended = true;
	if (store->waiter)
		store->waiter->in_flight = false;
	store->waiter = NULL;
	loop_cancel(store->loop, &store->timer);
	store_release(store);
}

struct store_id store_identity(const struct store *store)
{
	return store->reload.store;
}

static bool is_served(const struct record_entry *entry)
{
	return entry->record.kind != RECORD_UNSPEC && !entry->damaged;
}

/* The first entry of the table is the incarnation's. */
const struct record *store_next_record(const struct store *store, size_t *at)
{
	struct record_table *table = store->reload.table;

	while (*at + 1 < record_table_nr(table)) {
		const struct record_entry *entry;

		entry = record_table_at(table, ++*at);
		if (is_served(entry))
			return &entry->record;
	}
	return NULL;
}

struct record store_incarnation(const struct store *store)
{
	return record_table_at(store->reload.table, 0)->record;
}

size_t store_skips(const struct store *store, const struct store_skip **ret)
{
	*ret = store->reload.skips;
	return store->reload.nr_skips;
}

struct store_status store_status(const struct store *store)
{
	return (struct store_status){
		.closed = store->closed,
		.nr_frames = store->nr_frames,
		.nr_free = store_log_left(store),
		.compacts = store->next.phase != COMPACT_IDLE,
		.compaction_error = store->next.error,
	};
}
