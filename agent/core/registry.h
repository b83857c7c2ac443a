/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which volumes and hosts there are, by small index, and which slots a host
 * holds. The accepted topology and nothing that was observed. Must never know
 * a line, a fact or a time but when a volume became known.
 *
 * All memory is taken by registry_init(); a full table is -ENOSPC.
 */
#ifndef BFENCE_REGISTRY_H
#define BFENCE_REGISTRY_H

#include "index.h"
#include "types.h"

struct registry_volume {
	struct volume_id id;		/* first: looked up by it, and next to
					 * it what each fact asks for */
	uint32_t hosts[REPLICA_SLOTS];	/* index of each slot's host */
	bool corrupt;			/* record damaged: topology unknown */
	bool in_doubt;			/* a newer record may have been lost */
	bool deleted;			/* only the name and its floor are kept;
					 * topology: what it last was, if known */
	uint32_t next_corrupt;		/* while corrupt, or INDEX_NONE */
	struct topology topology;
	struct mono_ms known_since;
	uint64_t floor_epoch;		/* epochs up to it are of earlier lives
					 * of this name; 0: there were none */
};

struct registry_host {
	struct host_id id;		/* first: looked up by it */
	bool configured;		/* has a key; else only named by slots */
	bool drained;			/* an operator wants no primary here */
	uint32_t first_slot;		/* head of its slots, or INDEX_NONE */
	uint32_t nr_slots;
};

struct registry {
	uint32_t volumes_max;
	uint32_t hosts_max;
	uint32_t nr_volumes;		/* deleted ones included */
	uint32_t nr_deleted;
	uint32_t nr_hosts;
	uint32_t corrupt_head;		/* the damaged volumes, or INDEX_NONE */
	struct registry_volume *volumes;
	struct registry_host *hosts;
	struct index volume_index;	/* by id */
	struct index host_index;
	uint32_t *next_slot;		/* by slot number, same host */
};

int registry_init(struct registry *r, uint32_t volumes_max, uint32_t hosts_max);
void registry_exit(struct registry *r);

/* Index of the host, added when new; -ENOSPC. */
int registry_add_host(struct registry *r, const struct host_id *id,
		      bool configured);
int registry_find_host(const struct registry *r, const struct host_id *id);

/*
 * Index of the new volume; -EEXIST, -ENOSPC. Hosts that nobody configured
 * are added as such, since a reloaded record is the truth about its slots.
 * The name of a deleted volume begins a new life under its old index.
 */
int registry_add_volume(struct registry *r, const struct volume_id *id,
			const struct topology *topology, struct mono_ms now);
/* The same for a volume of which only the name survived. */
int registry_add_corrupt(struct registry *r, const struct volume_id *id,
			 struct mono_ms now);
int registry_add_deleted(struct registry *r, const struct volume_id *id,
			 struct mono_ms now);

/* Its record is sound from now on. */
void registry_end_corrupt(struct registry *r, uint32_t vol);

/* Puts a volume that has no slots on these hosts; -ENOSPC. */
int registry_place(struct registry *r, uint32_t vol,
		   const struct topology *topology, struct mono_ms now);
/* Takes its slots from their hosts; it still tells the topology. */
void registry_unplace(struct registry *r, uint32_t vol);
bool registry_is_placed(const struct registry *r, uint32_t vol);
/* Unplaces a volume and keeps no more than its name. */
void registry_delete(struct registry *r, uint32_t vol);
int registry_find_volume(const struct registry *r, const struct volume_id *id);

/* A slot number names one slot of one volume. */
static inline uint32_t registry_slot(uint32_t vol, int slot)
{
	return vol * REPLICA_SLOTS + (uint32_t)slot;
}

#endif
