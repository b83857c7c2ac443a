// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes to messages: every id, enum, count and length is checked here, once.
 * Must never know a socket, nor trust a byte.
 */
#include "wire.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire.pb-c.h"

/*
 * What the generated reader may allocate for one message. The largest lawful
 * one needs a fifth of it; a frame of many tiny fields would else unfold to
 * megabytes.
 */
#define DECODE_BYTES_MAX	(256 * 1024)
#define ERRNO_MAX		4095

struct budget {
	size_t left;
};

static void *budget_alloc(void *data, size_t size)
{
	struct budget *budget = data;

	if (size > budget->left)
		return NULL;
	budget->left -= size;
	return malloc(size);
}

static void budget_free(void *data, void *pointer)
{
	(void)data;
	free(pointer);
}

static int lineage_get(const Bfence__V1__Lineage *w, struct lineage *ret)
{
	if (!w)
		return 0;	/* none: *ret is zero already */
	if ((w->epoch == 0) != (w->endpoint_version == 0))
		return -EBADMSG;
	ret->epoch = w->epoch;
	ret->endpoint_version = w->endpoint_version;
	return 0;
}

static int addr_get(const char *text, struct addr *ret)
{
	return *text ? addr_parse(text, ret) : 0;
}

static int reason_get(const char *text, char ret[MESSAGE_REASON_SIZE])
{
	const size_t len = strlen(text);

	if (len >= MESSAGE_REASON_SIZE)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return -EBADMSG;
	memcpy(ret, text, len + 1);
	return 0;
}

static int store_id_get(const ProtobufCBinaryData *w, struct store_id *ret)
{
	if (w->len != sizeof(ret->b))
		return -EBADMSG;
	memcpy(ret->b, w->data, sizeof(ret->b));
	return 0;
}

static int slot_get(const char *volume, const char *replica,
		    struct volume_id *ret_volume,
		    struct replica_id *ret_replica)
{
	if (volume_id_parse(volume, ret_volume))
		return -EBADMSG;
	if (replica_id_parse(replica, ret_replica))
		return -EBADMSG;
	return 0;
}

static int state_get(int value, enum gate_state *ret)
{
	if (value < GATE_ABSENT || value > GATE_QUARANTINED)
		return -EBADMSG;
	*ret = (enum gate_state)value;
	return 0;
}

static int role_get(int value, enum role *ret)
{
	if (value < ROLE_NONE || value > ROLE_PRIMARY)
		return -EBADMSG;
	*ret = (enum role)value;
	return 0;
}

static int kind_get(int value, enum command_kind *ret)
{
	if (value < COMMAND_FENCE || value > COMMAND_CLOSE)
		return -EBADMSG;
	*ret = (enum command_kind)value;
	return 0;
}

static int hello_get(const Bfence__V1__Hello *w, struct hello *ret)
{
	ret->version_min = w->version_min;
	ret->version_max = w->version_max;
	ret->incarnation = w->incarnation;
	if (w->version_min == 0 || w->version_max < w->version_min)
		return -EBADMSG;
	if (host_id_parse(w->host, &ret->host))
		return -EBADMSG;
	if (boot_id_parse(w->boot, &ret->boot))
		return -EBADMSG;
	if (w->master_store.len == 0)
		return 0;	/* it obeys any master */
	return store_id_get(&w->master_store, &ret->master_store);
}

static int welcome_get(const Bfence__V1__Welcome *w, struct welcome *ret)
{
	ret->version = w->version;
	ret->incarnation = w->incarnation;
	ret->heartbeat_ms = w->heartbeat_ms;
	ret->lease_ms = w->lease_ms;
	if (w->version == 0 || w->incarnation == 0)
		return -EBADMSG;
	if (w->heartbeat_ms == 0 || w->lease_ms == 0)
		return -EBADMSG;
	if (store_id_get(&w->store, &ret->store))
		return -EBADMSG;
	return store_id_is_none(&ret->store) ? -EBADMSG : 0;
}

static int fact_get(const Bfence__V1__SlotFact *w, struct slot_fact *ret)
{
	ret->backing_ok = w->backing_ok;
	ret->withdrawn = w->withdrawn;
	ret->io_errors = w->io_errors;
	if (slot_get(w->volume, w->replica, &ret->volume, &ret->replica))
		return -EBADMSG;
	if (addr_get(w->data_addr, &ret->data_addr))
		return -EBADMSG;
	if (addr_get(w->ctrl_addr, &ret->ctrl_addr))
		return -EBADMSG;
	if (state_get((int)w->state, &ret->state))
		return -EBADMSG;
	if (role_get((int)w->role, &ret->role))
		return -EBADMSG;
	if (lineage_get(w->authority, &ret->authority))
		return -EBADMSG;
	if (lineage_get(w->floor, &ret->floor))
		return -EBADMSG;
	if (lineage_get(w->applied, &ret->applied))
		return -EBADMSG;
	return lineage_get(w->served, &ret->served);
}

static int report_get(const Bfence__V1__Report *w, struct report *ret)
{
	if (w->n_slots > MESSAGE_SLOTS_MAX)
		return -EBADMSG;
	ret->seq = w->seq;
	ret->full = w->full;
	ret->first = w->first;
	ret->last = w->last;
	ret->digest = w->digest;
	ret->nr_slots = (uint32_t)w->n_slots;
	for (size_t i = 0; i < w->n_slots; i++)
		if (fact_get(w->slots[i], &ret->slots[i]))
			return -EBADMSG;
	return 0;
}

static int proof_get(const Bfence__V1__Proof *w, struct proof *ret)
{
	ret->drained = w->drained;
	ret->floor_durable = w->floor_durable;
	ret->forced = w->forced;
	ret->incarnation = w->incarnation;
	ret->admitted = w->admitted;
	ret->rejected = w->rejected;
	ret->drained_ios = w->drained_ios;
	ret->inflight = w->inflight;
	ret->close_ns = w->close_ns;
	ret->drain_ns = w->drain_ns;
	if (slot_get(w->volume, w->replica, &ret->volume, &ret->replica))
		return -EBADMSG;
	if (*w->boot && boot_id_parse(w->boot, &ret->boot))
		return -EBADMSG;
	if (state_get((int)w->state, &ret->state))
		return -EBADMSG;
	return lineage_get(w->lineage, &ret->lineage);
}

static int ack_get(const Bfence__V1__Ack *w, struct ack *ret)
{
	if (!w->proof || w->error > 0 || w->error < -ERRNO_MAX)
		return -EBADMSG;
	ret->error = w->error;
	if (kind_get((int)w->kind, &ret->kind))
		return -EBADMSG;
	if (lineage_get(w->asked, &ret->asked))
		return -EBADMSG;
	if (lineage_is_none(ret->asked) && ret->kind != COMMAND_CLOSE)
		return -EBADMSG;
	if (reason_get(w->reason, ret->reason))
		return -EBADMSG;
	if (proof_get(w->proof, &ret->proof))
		return -EBADMSG;
	/* Success is proven by a host in one of its boots. */
	return !ret->error && !ret->proof.boot.s[0] ? -EBADMSG : 0;
}

static int sync_slot_get(const Bfence__V1__SyncSlot *w, struct sync *ret,
			 size_t i)
{
	/* One that is to be left as it is. */
	if (*w->replica == '\0')
		return volume_id_parse(w->volume, &ret->slots[i].volume);
	return slot_get(w->volume, w->replica, &ret->slots[i].volume,
			&ret->slots[i].replica);
}

static int sync_get(const Bfence__V1__Sync *w, struct sync *ret)
{
	if (w->n_slots > MESSAGE_SLOTS_MAX || w->incarnation == 0)
		return -EBADMSG;
	ret->first = w->first;
	ret->last = w->last;
	ret->want_inventory = w->want_inventory;
	ret->incarnation = w->incarnation;
	ret->nr_slots = (uint32_t)w->n_slots;
	for (size_t i = 0; i < w->n_slots; i++)
		if (sync_slot_get(w->slots[i], ret, i))
			return -EBADMSG;
	return 0;
}

static int command_get(const Bfence__V1__Command *w, struct command *ret)
{
	ret->incarnation = w->incarnation;
	ret->drain_ms = w->drain_ms;
	ret->keep_disk = w->keep_disk;
	ret->leased = w->leased;
	ret->late = w->late;
	if (w->incarnation == 0)
		return -EBADMSG;
	if (kind_get((int)w->kind, &ret->kind))
		return -EBADMSG;
	if (slot_get(w->volume, w->replica, &ret->volume, &ret->replica))
		return -EBADMSG;
	if (lineage_get(w->lineage, &ret->lineage))
		return -EBADMSG;
	if (lineage_is_none(ret->lineage) && ret->kind != COMMAND_CLOSE)
		return -EBADMSG;
	if (*w->primary == '\0')
		return ret->kind == COMMAND_CLOSE ? 0 : -EBADMSG;
	return replica_id_parse(w->primary, &ret->primary);
}

static int lease_get(const Bfence__V1__Lease *w, struct lease *ret)
{
	ret->seq = w->seq;
	ret->lease_ms = w->lease_ms;
	ret->incarnation = w->incarnation;
	return w->incarnation == 0 ? -EBADMSG : 0;
}

static int message_get(const Bfence__V1__Envelope *w, struct message *ret)
{
	switch ((int)w->message_case) {
	case BFENCE__V1__ENVELOPE__MESSAGE_HELLO:
		ret->kind = MESSAGE_HELLO;
		return hello_get(w->hello, &ret->hello);
	case BFENCE__V1__ENVELOPE__MESSAGE_REPORT:
		ret->kind = MESSAGE_REPORT;
		return report_get(w->report, &ret->report);
	case BFENCE__V1__ENVELOPE__MESSAGE_ACK:
		ret->kind = MESSAGE_ACK;
		return ack_get(w->ack, &ret->ack);
	case BFENCE__V1__ENVELOPE__MESSAGE_WELCOME:
		ret->kind = MESSAGE_WELCOME;
		return welcome_get(w->welcome, &ret->welcome);
	case BFENCE__V1__ENVELOPE__MESSAGE_REFUSE:
		ret->kind = MESSAGE_REFUSE;
		return reason_get(w->refuse->reason, ret->refuse.reason);
	case BFENCE__V1__ENVELOPE__MESSAGE_SYNC:
		ret->kind = MESSAGE_SYNC;
		return sync_get(w->sync, &ret->sync);
	case BFENCE__V1__ENVELOPE__MESSAGE_COMMAND:
		ret->kind = MESSAGE_COMMAND;
		return command_get(w->command, &ret->command);
	case BFENCE__V1__ENVELOPE__MESSAGE_LEASE:
		ret->kind = MESSAGE_LEASE;
		return lease_get(w->lease, &ret->lease);
	}
	return -EBADMSG;	/* a message of no kind we know */
}

int wire_decode(const uint8_t *buf, size_t len, struct message *ret)
{
	struct budget budget = { .left = DECODE_BYTES_MAX };
	ProtobufCAllocator allocator = {
		.alloc = budget_alloc,
		.free = budget_free,
		.allocator_data = &budget,
	};
	Bfence__V1__Envelope *envelope;
	int r;

	if (len == 0 || len > WIRE_BYTES_MAX)
		return -EBADMSG;
	envelope = bfence__v1__envelope__unpack(&allocator, len, buf);
	if (!envelope)
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret));
	r = message_get(envelope, ret);
	bfence__v1__envelope__free_unpacked(envelope, &allocator);
	return r ? -EBADMSG : 0;
}

int wire_frame_get(const uint8_t *buf, size_t len, struct message *ret)
{
	uint32_t be, body;

	if (len < WIRE_HEADER_BYTES)
		return 0;
	memcpy(&be, buf, sizeof(be));
	body = be32toh(be);
	if (body == 0 || body > WIRE_BYTES_MAX)
		return -EMSGSIZE;
	if (len - WIRE_HEADER_BYTES < body)
		return 0;
	if (wire_decode(buf + WIRE_HEADER_BYTES, body, ret))
		return -EBADMSG;
	return WIRE_HEADER_BYTES + (int)body;
}
