// SPDX-License-Identifier: GPL-2.0
/*
 * What a host is told of its own: the list of its slots, and its lease. Must
 * never decide.
 */
#include "master_state.h"

static void add_slots(struct master *m, struct host_state *h, struct sync *sync)
{
	while (h->sync_cursor != INDEX_NONE &&
	       sync->nr_slots < MESSAGE_SLOTS_MAX) {
		uint32_t vol = h->sync_cursor / REPLICA_SLOTS;
		const struct registry_volume *volume =
			&m->registry.volumes[vol];

		if (master_is_named(m, vol)) {
			sync->slots[sync->nr_slots].volume = volume->id;
			sync->slots[sync->nr_slots++].replica =
				volume->topology
					.slots[h->sync_cursor % REPLICA_SLOTS]
					.replica;
		}
		h->sync_cursor = m->registry.next_slot[h->sync_cursor];
	}
}

static bool holds_slot(const struct registry_volume *volume, uint32_t host)
{
	for (int i = 0; i < REPLICA_SLOTS; i++)
		if (volume->hosts[i] == host)
			return true;
	return false;
}

/*
 * Nobody knows the hosts of a damaged volume, and nothing is minted for it: so
 * its gates may stay as they are, wherever they are. Every host is told so.
 */
static void add_damaged(struct master *m, uint32_t host, struct sync *sync)
{
	struct host_state *h = &m->hosts[host];

	while (h->left_cursor != INDEX_NONE &&
	       sync->nr_slots < MESSAGE_SLOTS_MAX) {
		const struct registry_volume *volume =
			&m->registry.volumes[h->left_cursor];

		/* A recovery has named its hosts: it is above already. */
		if (!holds_slot(volume, host)) {
			sync->slots[sync->nr_slots].volume = volume->id;
			sync->slots[sync->nr_slots++].replica =
				(struct replica_id){ 0 };
		}
		h->left_cursor = volume->next_corrupt;
	}
}

/* The next part of the list of slots; true when it was the last one. */
static bool send_sync(struct master *m, uint32_t host,
		      struct master_update *update)
{
	struct host_state *h = &m->hosts[host];
	struct sync *sync =
		&master_new_send(update, host, MESSAGE_SYNC)->message.sync;

	sync->first = !h->sync_running;
	sync->incarnation = m->config.incarnation;
	sync->want_inventory = h->want_inventory;
	sync->nr_slots = 0;
	if (!h->sync_running) {
		h->sync_cursor = m->registry.hosts[host].first_slot;
		h->left_cursor = m->registry.corrupt_head;
	}
	add_slots(m, h, sync);
	if (h->sync_cursor == INDEX_NONE)
		add_damaged(m, host, sync);
	sync->last = h->sync_cursor == INDEX_NONE &&
		     h->left_cursor == INDEX_NONE;
	h->sync_running = !sync->last;
	return sync->last;
}

static void send_lease(struct master *m, uint32_t host, struct mono_ms now,
		       struct master_update *update)
{
	struct host_state *h = &m->hosts[host];
	struct lease *lease =
		&master_new_send(update, host, MESSAGE_LEASE)->message.lease;

	lease->seq = h->lease_seq;
	lease->lease_ms = m->config.lease_ms;
	lease->incarnation = m->config.incarnation;
	h->lease_seq = 0;
	/* An OPEN may have waited for it. */
	if (!bridge_lease_runs(&m->bridge, host, now))
		master_mark_host(m, host);
	bridge_renew(&m->bridge, host, now);
}

/* One host's turn; false when the update has no room left. */
bool master_serve_host(struct master *m, uint32_t host, struct mono_ms now,
		       struct master_update *update)
{
	struct host_state *h = &m->hosts[host];

	if (!h->greeted) {
		h->sync_due = false;
		h->sync_running = false;
		h->lease_seq = 0;
		return true;
	}
	while (h->sync_due || h->sync_running) {
		if (update->nr_sends + 2 > MASTER_SENDS_MAX)
			return false;
		if (!h->sync_running)
			h->sync_due = false;
		if (send_sync(m, host, update))
			h->want_inventory = false;
	}
	if (h->lease_seq) {
		if (update->nr_sends + 1 > MASTER_SENDS_MAX)
			return false;
		send_lease(m, host, now, update);
	}
	return true;
}
