// SPDX-License-Identifier: GPL-2.0
/*
 * The table of slots, what waits in its lists, and the one group of records.
 * Must never know a session but whether somebody listens.
 */
#include "replica_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What one slot may add to an update, so that it is never cut short. */
#define SLOT_SENDS_MAX	4
#define SLOT_NOTES_MAX	4

int replica_slots_init(struct replica *r)
{
	r->slots = calloc(r->config.slots_max, sizeof(*r->slots));
	if (!r->slots ||
	    index_init(&r->by_volume, (uint32_t)r->config.slots_max))
		return -ENOMEM;
	for (int i = 0; i < NR_LISTS; i++)
		r->head[i] = r->tail[i] = SLOT_NONE;
	return 0;
}

static uint32_t *place_of(const struct replica *r, const struct volume_id *id)
{
	const struct index_keys keys = {
		.base = &r->slots[0].adapter.volume,
		.stride = sizeof(*r->slots),
		.size = sizeof(*id),
	};

	return index_place(&r->by_volume, &keys, id);
}

struct slot *replica_find(const struct replica *r, const struct volume_id *id)
{
	uint32_t at = *place_of(r, id);

	return at == INDEX_NONE ? NULL : &r->slots[at];
}

struct slot *replica_add(struct replica *r, const struct volume_id *id,
			 struct replica_update *update)
{
	uint32_t *place = place_of(r, id);
	struct slot *slot;

	if (*place != INDEX_NONE)
		return &r->slots[*place];
	if (r->nr_slots == r->config.slots_max) {
		if (!r->full_noted)
			replica_note(update,
				     "slots-full volume=%s slots_max=%zu",
				     id->s, r->config.slots_max);
		r->full_noted = true;
		return NULL;
	}
	*place = r->nr_slots++;
	slot = &r->slots[*place];
	adapter_init(&slot->adapter, id);
	return slot;
}

/* --- lists --------------------------------------------------------------- */

void replica_queue(struct replica *r, struct slot *slot, enum slot_list list)
{
	uint32_t at = (uint32_t)(slot - r->slots);

	if (slot->queued[list])
		return;
	slot->queued[list] = true;
	slot->next[list] = SLOT_NONE;
	if (r->tail[list] == SLOT_NONE)
		r->head[list] = at;
	else
		r->slots[r->tail[list]].next[list] = at;
	r->tail[list] = at;
}

struct slot *replica_dequeue(struct replica *r, enum slot_list list)
{
	struct slot *slot;

	if (r->head[list] == SLOT_NONE)
		return NULL;
	slot = &r->slots[r->head[list]];
	r->head[list] = slot->next[list];
	if (r->head[list] == SLOT_NONE)
		r->tail[list] = SLOT_NONE;
	slot->queued[list] = false;
	return slot;
}

void replica_queue_all(struct replica *r, enum slot_list list)
{
	for (uint32_t i = 0; i < r->nr_slots; i++)
		replica_queue(r, &r->slots[i], list);
}

/* --- work ---------------------------------------------------------------- */

void replica_push_op(struct replica *r, const struct kernel_op *op,
		     struct replica_update *update)
{
	assert(update->nr_kernel < REPLICA_UPDATE_MAX);
	update->kernel[update->nr_kernel++] = *op;
	r->nr_ops++;
}

bool replica_has_room(const struct replica_update *update)
{
	return update->nr_kernel < REPLICA_UPDATE_MAX &&
	       update->nr_send + SLOT_SENDS_MAX <= REPLICA_UPDATE_MAX &&
	       update->nr_notes + SLOT_NOTES_MAX <= REPLICA_UPDATE_MAX;
}

/* A refusal is noted once, however often the master asks again. */
void replica_note_answer(struct replica *r, struct slot *slot,
			 const struct ack *ack, struct replica_update *update)
{
	struct adapter *a = &slot->adapter;

	if (ack->error && ack->error != a->noted.refusal)
		replica_note(update,
			     "refused command=%s volume=%s replica=%s asked=" LINEAGE_FORMAT
			     " error=%d reason=\"%s\"",
			     command_name(ack->kind), a->volume.s,
			     a->floor.replica.s, LINEAGE_ARGS(ack->asked),
			     ack->error, ack->reason);
	a->noted.refusal = ack->error;
	/* Not while there is a further word to come. */
	if (ack->error || ack->kind != COMMAND_FENCE ||
	    a->waits[COMMAND_FENCE].active)
		return;
	replica_note(update,
		     "fence volume=%s replica=%s asked=" LINEAGE_FORMAT
		     " drained=%" PRIu64 " ms=%" PRIu64,
		     a->volume.s, a->floor.replica.s, LINEAGE_ARGS(ack->asked),
		     ack->proof.drained_ios,
		     r->host.now.v - a->waits[COMMAND_FENCE].since.v);
}

static void send_acks(struct replica *r, struct slot *slot,
		      struct replica_update *update)
{
	struct ack ack;

	while (adapter_next_ack(&slot->adapter, &r->host, &ack)) {
		struct message *message;

		replica_note_answer(r, slot, &ack, update);
		if (!replica_is_welcome(r))
			continue;
		message = replica_push_message(update, MESSAGE_ACK);
		message->ack = ack;
	}
}

void replica_work(struct replica *r, struct slot *slot,
		  struct replica_update *update)
{
	struct adapter *a = &slot->adapter;
	struct kernel_op op;

	assert(replica_has_room(update));
	if (adapter_next_op(a, &r->host, &op))
		replica_push_op(r, &op, update);
	send_acks(r, slot, update);
	if (adapter_note(a, &update->notes[update->nr_notes]))
		update->nr_notes++;
	if (a->op_failed && !r->retry_at.v)
		r->retry_at.v = r->host.now.v + RETRY_MS;
	if (adapter_is_dirty(a))
		replica_queue(r, slot, LIST_WRITE);
	if (replica_slot_changed(r, slot))
		replica_queue(r, slot, LIST_CHANGED);
}

void replica_retry(struct replica *r)
{
	r->retry_at.v = 0;
	for (uint32_t i = 0; i < r->nr_slots; i++) {
		if (!r->slots[i].adapter.op_failed)
			continue;
		adapter_retry(&r->slots[i].adapter);
		replica_queue(r, &r->slots[i], LIST_WORK);
	}
}

/* --- the floor log ------------------------------------------------------- */

static void write_master(struct replica *r, struct replica_update *update)
{
	const struct incarnation incarnation = {
		.value = r->master.incarnation,
		.master = r->master.store,
		.lease_ms = r->master.lease_ms,
	};

	if (r->master.incarnation == r->host.incarnation)
		return;
	update->persist[update->nr_persist++] =
		record_of_incarnation(r->master_write_seq + 1, &incarnation);
	r->master_in_flight = r->master;
	r->group_has_master = true;
}

void replica_write(struct replica *r, struct replica_update *update)
{
	struct slot *slot;

	if (r->group_in_flight || r->host.store_error)
		return;
	r->nr_group = 0;
	r->group_has_master = false;
	write_master(r, update);
	while (update->nr_persist < REPLICA_UPDATE_MAX &&
	       (slot = replica_dequeue(r, LIST_WRITE))) {
		if (!adapter_is_dirty(&slot->adapter))
			continue;
		adapter_write(&slot->adapter,
			      &update->persist[update->nr_persist++]);
		r->group[r->nr_group++] = (uint32_t)(slot - r->slots);
	}
	r->group_in_flight = update->nr_persist > 0;
}

void replica_written(struct replica *r, int error,
		     struct replica_update *update)
{
	assert(r->group_in_flight);
	r->group_in_flight = false;
	for (uint32_t i = 0; i < r->nr_group; i++) {
		struct slot *slot = &r->slots[r->group[i]];

		adapter_written(&slot->adapter, error);
		replica_queue(r, slot, LIST_WORK);
	}
	if (error) {
		r->host.store_error = error;
		replica_note(update,
			     "floor-log-closed error=%d: no floor is "
			     "durable any more, no gate is opened",
			     error);
	} else if (r->group_has_master) {
		r->host.incarnation = r->master_in_flight.incarnation;
		r->master_write_seq++;
		replica_note(update, "master incarnation=%" PRIu64,
			     r->host.incarnation);
	}
	/* Whoever waited for the log, or for an incarnation, goes on. */
	if (error || r->group_has_master)
		replica_queue_all(r, LIST_WORK);
}
