// SPDX-License-Identifier: GPL-2.0
/*
 * Messages to bytes. The generated structs borrow every string and byte from
 * the message for the call; nothing is allocated. Must never know a socket.
 */
#include "wire.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "wire.pb-c.h"

#define SAME(a, b) _Static_assert((int)(a) == (int)(b), #a " differs from " #b)

SAME(GATE_ABSENT, BFENCE__V1__GATE_STATE__GATE_STATE_ABSENT);
SAME(GATE_CLOSED, BFENCE__V1__GATE_STATE__GATE_STATE_CLOSED);
SAME(GATE_OPEN, BFENCE__V1__GATE_STATE__GATE_STATE_OPEN);
SAME(GATE_DRAINING, BFENCE__V1__GATE_STATE__GATE_STATE_DRAINING);
SAME(GATE_QUARANTINED, BFENCE__V1__GATE_STATE__GATE_STATE_QUARANTINED);
SAME(ROLE_NONE, BFENCE__V1__ROLE__ROLE_NONE);
SAME(ROLE_CANDIDATE, BFENCE__V1__ROLE__ROLE_CANDIDATE);
SAME(ROLE_PRIMARY, BFENCE__V1__ROLE__ROLE_PRIMARY);
SAME(COMMAND_UNSPEC, BFENCE__V1__COMMAND_KIND__COMMAND_KIND_UNSPEC);
SAME(COMMAND_FENCE, BFENCE__V1__COMMAND_KIND__COMMAND_KIND_FENCE);
SAME(COMMAND_OPEN, BFENCE__V1__COMMAND_KIND__COMMAND_KIND_OPEN);
SAME(COMMAND_CLOSE, BFENCE__V1__COMMAND_KIND__COMMAND_KIND_CLOSE);

static int pack(const Bfence__V1__Envelope *envelope, uint8_t *buf, size_t size)
{
	const size_t len = bfence__v1__envelope__get_packed_size(envelope);

	if (len > size || len > WIRE_BYTES_MAX)
		return -ENOSPC;
	return (int)bfence__v1__envelope__pack(envelope, buf);
}

/* The generator knows no const; it only reads. */
static char *text_of(const char *s)
{
	return (char *)s;
}

static ProtobufCBinaryData store_id_of(const struct store_id *id)
{
	if (store_id_is_none(id))
		return (ProtobufCBinaryData){ 0, NULL };
	return (ProtobufCBinaryData){ sizeof(id->b), (uint8_t *)id->b };
}

/* None is no message at all. */
static Bfence__V1__Lineage *lineage_of(struct lineage l,
				       Bfence__V1__Lineage *to)
{
	if (lineage_is_none(l))
		return NULL;
	bfence__v1__lineage__init(to);
	to->epoch = l.epoch;
	to->endpoint_version = l.endpoint_version;
	return to;
}

/* A reason may quote anything; a log line must stay one line. */
static char *reason_of(const char reason[MESSAGE_REASON_SIZE],
		       char to[MESSAGE_REASON_SIZE])
{
	const size_t len = strnlen(reason, MESSAGE_REASON_SIZE - 1);

	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)reason[i];

		to[i] = c < ' ' || c == 0x7f ? ' ' : reason[i];
	}
	to[len] = '\0';
	return to;
}

static int put_hello(const struct hello *hello, uint8_t *buf, size_t size)
{
	Bfence__V1__Envelope envelope = BFENCE__V1__ENVELOPE__INIT;
	Bfence__V1__Hello w = BFENCE__V1__HELLO__INIT;

	w.version_min = hello->version_min;
	w.version_max = hello->version_max;
	w.host = text_of(hello->host.s);
	w.boot = text_of(hello->boot.s);
	w.master_store = store_id_of(&hello->master_store);
	w.incarnation = hello->incarnation;
	envelope.message_case = BFENCE__V1__ENVELOPE__MESSAGE_HELLO;
	envelope.hello = &w;
	return pack(&envelope, buf, size);
}

static int put_welcome(const struct welcome *welcome, uint8_t *buf, size_t size)
{
	Bfence__V1__Envelope envelope = BFENCE__V1__ENVELOPE__INIT;
	Bfence__V1__Welcome w = BFENCE__V1__WELCOME__INIT;

	w.version = welcome->version;
	w.store = store_id_of(&welcome->store);
	w.incarnation = welcome->incarnation;
	w.heartbeat_ms = welcome->heartbeat_ms;
	w.lease_ms = welcome->lease_ms;
	envelope.message_case = BFENCE__V1__ENVELOPE__MESSAGE_WELCOME;
	envelope.welcome = &w;
	return pack(&envelope, buf, size);
}

static int put_refuse(const struct refuse *refuse, uint8_t *buf, size_t size)
{
	Bfence__V1__Envelope envelope = BFENCE__V1__ENVELOPE__INIT;
	Bfence__V1__Refuse w = BFENCE__V1__REFUSE__INIT;
	char reason[MESSAGE_REASON_SIZE];

	w.reason = reason_of(refuse->reason, reason);
	envelope.message_case = BFENCE__V1__ENVELOPE__MESSAGE_REFUSE;
	envelope.refuse = &w;
	return pack(&envelope, buf, size);
}

struct fact_parts {
	Bfence__V1__SlotFact fact;
	Bfence__V1__Lineage authority, floor, applied, served;
};

static Bfence__V1__SlotFact *fact_of(const struct slot_fact *fact,
				     struct fact_parts *parts)
{
	Bfence__V1__SlotFact *w = &parts->fact;

	bfence__v1__slot_fact__init(w);
	w->volume = text_of(fact->volume.s);
	w->replica = text_of(fact->replica.s);
	w->data_addr = text_of(fact->data_addr.s);
	w->ctrl_addr = text_of(fact->ctrl_addr.s);
	w->state = (Bfence__V1__GateState)fact->state;
	w->role = (Bfence__V1__Role)fact->role;
	w->authority = lineage_of(fact->authority, &parts->authority);
	w->floor = lineage_of(fact->floor, &parts->floor);
	w->applied = lineage_of(fact->applied, &parts->applied);
	w->served = lineage_of(fact->served, &parts->served);
	w->backing_ok = fact->backing_ok;
	w->withdrawn = fact->withdrawn;
	w->io_errors = fact->io_errors;
	return w;
}

static int put_report(const struct report *report, uint8_t *buf, size_t size)
{
	Bfence__V1__Envelope envelope = BFENCE__V1__ENVELOPE__INIT;
	Bfence__V1__Report w = BFENCE__V1__REPORT__INIT;
	Bfence__V1__SlotFact *slots[MESSAGE_SLOTS_MAX];
	struct fact_parts parts[MESSAGE_SLOTS_MAX];

	if (report->nr_slots > MESSAGE_SLOTS_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < report->nr_slots; i++)
		slots[i] = fact_of(&report->slots[i], &parts[i]);
	w.seq = report->seq;
	w.full = report->full;
	w.first = report->first;
	w.last = report->last;
	w.digest = report->digest;
	w.n_slots = report->nr_slots;
	w.slots = slots;
	envelope.message_case = BFENCE__V1__ENVELOPE__MESSAGE_REPORT;
	envelope.report = &w;
	return pack(&envelope, buf, size);
}

static void proof_of(const struct proof *proof, Bfence__V1__Proof *w,
		     Bfence__V1__Lineage *lineage)
{
	w->volume = text_of(proof->volume.s);
	w->replica = text_of(proof->replica.s);
	w->lineage = lineage_of(proof->lineage, lineage);
	w->boot = text_of(proof->boot.s);
	w->state = (Bfence__V1__GateState)proof->state;
	w->drained = proof->drained;
	w->floor_durable = proof->floor_durable;
	w->forced = proof->forced;
	w->incarnation = proof->incarnation;
	w->admitted = proof->admitted;
	w->rejected = proof->rejected;
	w->drained_ios = proof->drained_ios;
	w->inflight = proof->inflight;
	w->close_ns = proof->close_ns;
	w->drain_ns = proof->drain_ns;
}

static int put_ack(const struct ack *ack, uint8_t *buf, size_t size)
{
	Bfence__V1__Envelope envelope = BFENCE__V1__ENVELOPE__INIT;
	Bfence__V1__Ack w = BFENCE__V1__ACK__INIT;
	Bfence__V1__Proof proof = BFENCE__V1__PROOF__INIT;
	Bfence__V1__Lineage asked, lineage;
	char reason[MESSAGE_REASON_SIZE];

	w.kind = (Bfence__V1__CommandKind)ack->kind;
	w.asked = lineage_of(ack->asked, &asked);
	w.error = ack->error;
	w.reason = reason_of(ack->reason, reason);
	proof_of(&ack->proof, &proof, &lineage);
	w.proof = &proof;
	envelope.message_case = BFENCE__V1__ENVELOPE__MESSAGE_ACK;
	envelope.ack = &w;
	return pack(&envelope, buf, size);
}

static int put_sync(const struct sync *sync, uint8_t *buf, size_t size)
{
	Bfence__V1__Envelope envelope = BFENCE__V1__ENVELOPE__INIT;
	Bfence__V1__Sync w = BFENCE__V1__SYNC__INIT;
	Bfence__V1__SyncSlot *slots[MESSAGE_SLOTS_MAX];
	Bfence__V1__SyncSlot parts[MESSAGE_SLOTS_MAX];

	if (sync->nr_slots > MESSAGE_SLOTS_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < sync->nr_slots; i++) {
		bfence__v1__sync_slot__init(&parts[i]);
		parts[i].volume = text_of(sync->slots[i].volume.s);
		parts[i].replica = text_of(sync->slots[i].replica.s);
		slots[i] = &parts[i];
	}
	w.first = sync->first;
	w.last = sync->last;
	w.want_inventory = sync->want_inventory;
	w.incarnation = sync->incarnation;
	w.n_slots = sync->nr_slots;
	w.slots = slots;
	envelope.message_case = BFENCE__V1__ENVELOPE__MESSAGE_SYNC;
	envelope.sync = &w;
	return pack(&envelope, buf, size);
}

static int put_command(const struct command *command, uint8_t *buf, size_t size)
{
	Bfence__V1__Envelope envelope = BFENCE__V1__ENVELOPE__INIT;
	Bfence__V1__Command w = BFENCE__V1__COMMAND__INIT;
	Bfence__V1__Lineage lineage;

	w.kind = (Bfence__V1__CommandKind)command->kind;
	w.volume = text_of(command->volume.s);
	w.replica = text_of(command->replica.s);
	w.lineage = lineage_of(command->lineage, &lineage);
	w.primary = text_of(command->primary.s);
	w.incarnation = command->incarnation;
	w.drain_ms = command->drain_ms;
	w.keep_disk = command->keep_disk;
	w.leased = command->leased;
	w.late = command->late;
	envelope.message_case = BFENCE__V1__ENVELOPE__MESSAGE_COMMAND;
	envelope.command = &w;
	return pack(&envelope, buf, size);
}

static int put_lease(const struct lease *lease, uint8_t *buf, size_t size)
{
	Bfence__V1__Envelope envelope = BFENCE__V1__ENVELOPE__INIT;
	Bfence__V1__Lease w = BFENCE__V1__LEASE__INIT;

	w.seq = lease->seq;
	w.lease_ms = lease->lease_ms;
	w.incarnation = lease->incarnation;
	envelope.message_case = BFENCE__V1__ENVELOPE__MESSAGE_LEASE;
	envelope.lease = &w;
	return pack(&envelope, buf, size);
}

int wire_encode(const struct message *message, uint8_t *buf, size_t size)
{
	switch (message->kind) {
	case MESSAGE_HELLO:
		return put_hello(&message->hello, buf, size);
	case MESSAGE_REPORT:
		return put_report(&message->report, buf, size);
	case MESSAGE_ACK:
		return put_ack(&message->ack, buf, size);
	case MESSAGE_WELCOME:
		return put_welcome(&message->welcome, buf, size);
	case MESSAGE_REFUSE:
		return put_refuse(&message->refuse, buf, size);
	case MESSAGE_SYNC:
		return put_sync(&message->sync, buf, size);
	case MESSAGE_COMMAND:
		return put_command(&message->command, buf, size);
	case MESSAGE_LEASE:
		return put_lease(&message->lease, buf, size);
	case MESSAGE_UNSPEC:
		break;
	}
	return -EINVAL;
}

int wire_frame_put(const struct message *message,
		   uint8_t buf[WIRE_FRAME_BYTES_MAX])
{
	const int len =
		wire_encode(message, buf + WIRE_HEADER_BYTES, WIRE_BYTES_MAX);
	uint32_t be;

	if (len < 0)
		return len;
	be = htobe32((uint32_t)len);
	memcpy(buf, &be, sizeof(be));
	return WIRE_HEADER_BYTES + len;
}
