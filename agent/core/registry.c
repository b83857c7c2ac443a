// SPDX-License-Identifier: GPL-2.0
/*
 * The tables of volumes and hosts. Must never know what was
 * observed or decided.
 */
#include "registry.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t *volume_place(const struct registry *r,
			      const struct volume_id *id)
{
	const struct index_keys keys = {
		.base = r->volumes,
		.stride = sizeof(*r->volumes),
		.size = sizeof(*id),
	};

	return index_place(&r->volume_index, &keys, id);
}

static uint32_t *host_place(const struct registry *r, const struct host_id *id)
{
	const struct index_keys keys = {
		.base = r->hosts,
		.stride = sizeof(*r->hosts),
		.size = sizeof(*id),
	};

	return index_place(&r->host_index, &keys, id);
}

int registry_init(struct registry *r, uint32_t volumes_max, uint32_t hosts_max)
{
	size_t nr_slots = (size_t)volumes_max * REPLICA_SLOTS;

	memset(r, 0, sizeof(*r));
	r->volumes_max = volumes_max;
	r->hosts_max = hosts_max;
	r->corrupt_head = INDEX_NONE;
	r->volumes = calloc(volumes_max, sizeof(*r->volumes));
	r->hosts = calloc(hosts_max, sizeof(*r->hosts));
	r->next_slot = calloc(nr_slots, sizeof(*r->next_slot));
	if (r->volumes && r->hosts && r->next_slot &&
	    index_init(&r->volume_index, volumes_max) == 0 &&
	    index_init(&r->host_index, hosts_max) == 0)
		return 0;
	registry_exit(r);
	return -ENOMEM;
}

void registry_exit(struct registry *r)
{
	free(r->volumes);
	free(r->hosts);
	index_exit(&r->volume_index);
	index_exit(&r->host_index);
	free(r->next_slot);
	memset(r, 0, sizeof(*r));
}

int registry_add_host(struct registry *r, const struct host_id *id,
		      bool configured)
{
	uint32_t *place = host_place(r, id);
	struct registry_host *host;

	if (*place == INDEX_NONE) {
		if (r->nr_hosts == r->hosts_max)
			return -ENOSPC;
		*place = r->nr_hosts++;
		host = &r->hosts[*place];
		host->id = *id;
		host->first_slot = INDEX_NONE;
	}
	r->hosts[*place].configured |= configured;
	return (int)*place;
}

int registry_find_host(const struct registry *r, const struct host_id *id)
{
	uint32_t at = *host_place(r, id);

	return at == INDEX_NONE ? -ENOENT : (int)at;
}

int registry_find_volume(const struct registry *r, const struct volume_id *id)
{
	uint32_t at = *volume_place(r, id);

	return at == INDEX_NONE ? -ENOENT : (int)at;
}

static int add_volume(struct registry *r, const struct volume_id *id,
		      struct mono_ms now)
{
	uint32_t *place = volume_place(r, id);
	struct registry_volume *volume;

	if (*place != INDEX_NONE)
		return -EEXIST;
	if (r->nr_volumes == r->volumes_max)
		return -ENOSPC;
	*place = r->nr_volumes++;
	volume = &r->volumes[*place];
	volume->id = *id;
	volume->known_since = now;
	for (int i = 0; i < REPLICA_SLOTS; i++)
		volume->hosts[i] = INDEX_NONE;
	return (int)*place;
}

static void link_slot(struct registry *r, uint32_t vol, int slot, uint32_t host)
{
	uint32_t nr = registry_slot(vol, slot);

	r->volumes[vol].hosts[slot] = host;
	r->next_slot[nr] = r->hosts[host].first_slot;
	r->hosts[host].first_slot = nr;
	r->hosts[host].nr_slots++;
}

static void unlink_slot(struct registry *r, uint32_t vol, int slot)
{
	uint32_t nr = registry_slot(vol, slot);
	struct registry_host *host = &r->hosts[r->volumes[vol].hosts[slot]];
	uint32_t *at = &host->first_slot;

	while (*at != nr)
		at = &r->next_slot[*at];
	*at = r->next_slot[nr];
	host->nr_slots--;
	r->volumes[vol].hosts[slot] = INDEX_NONE;
}

static int add_hosts(struct registry *r, const struct topology *topology,
		     int hosts[REPLICA_SLOTS])
{
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		hosts[i] =
			registry_add_host(r, &topology->slots[i].host, false);
		if (hosts[i] < 0)
			return hosts[i];
	}
	return 0;
}

bool registry_is_placed(const struct registry *r, uint32_t vol)
{
	return r->volumes[vol].hosts[0] != INDEX_NONE;
}

int registry_place(struct registry *r, uint32_t vol,
		   const struct topology *topology, struct mono_ms now)
{
	int hosts[REPLICA_SLOTS];
	int ret = add_hosts(r, topology, hosts);

	assert(!registry_is_placed(r, vol));
	if (ret)
		return ret;
	r->volumes[vol].topology = *topology;
	r->volumes[vol].known_since = now;
	for (int i = 0; i < REPLICA_SLOTS; i++)
		link_slot(r, vol, i, (uint32_t)hosts[i]);
	return 0;
}

void registry_unplace(struct registry *r, uint32_t vol)
{
	if (!registry_is_placed(r, vol))
		return;
	for (int i = 0; i < REPLICA_SLOTS; i++)
		unlink_slot(r, vol, i);
}

void registry_end_corrupt(struct registry *r, uint32_t vol)
{
	uint32_t *at = &r->corrupt_head;

	if (!r->volumes[vol].corrupt)
		return;
	while (*at != vol)
		at = &r->volumes[*at].next_corrupt;
	*at = r->volumes[vol].next_corrupt;
	r->volumes[vol].corrupt = false;
}

void registry_delete(struct registry *r, uint32_t vol)
{
	assert(!r->volumes[vol].deleted);
	registry_unplace(r, vol);
	registry_end_corrupt(r, vol);
	r->volumes[vol].in_doubt = false;
	r->volumes[vol].deleted = true;
	r->nr_deleted++;
}

int registry_add_volume(struct registry *r, const struct volume_id *id,
			const struct topology *topology, struct mono_ms now)
{
	int hosts[REPLICA_SLOTS];
	int vol = registry_find_volume(r, id);
	int ret = add_hosts(r, topology, hosts);

	if (ret)
		return ret;
	if (vol >= 0 && r->volumes[vol].deleted) {
		r->volumes[vol].deleted = false;
		r->nr_deleted--;
	} else {
		vol = add_volume(r, id, now);
		if (vol < 0)
			return vol;
	}
	/* Room for its hosts there is: they were added just now. */
	ret = registry_place(r, (uint32_t)vol, topology, now);
	assert(ret == 0);
	return vol;
}

int registry_add_corrupt(struct registry *r, const struct volume_id *id,
			 struct mono_ms now)
{
	int vol = add_volume(r, id, now);

	if (vol < 0)
		return vol;
	r->volumes[vol].corrupt = true;
	r->volumes[vol].next_corrupt = r->corrupt_head;
	r->corrupt_head = (uint32_t)vol;
	return vol;
}

int registry_add_deleted(struct registry *r, const struct volume_id *id,
			 struct mono_ms now)
{
	int vol = add_volume(r, id, now);

	if (vol >= 0)
		registry_delete(r, (uint32_t)vol);
	return vol;
}
