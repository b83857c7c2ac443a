// SPDX-License-Identifier: GPL-2.0
/*
 * What the master says on one connection. Must never answer a report, nor
 * know how the kernel is reached.
 */
#include "replica_state.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct message *replica_push_message(struct replica_update *update,
				     enum message_kind kind)
{
	struct message *message = &update->send[update->nr_send++];

	assert(update->nr_send <= REPLICA_UPDATE_MAX);
	memset(message, 0, sizeof(*message));
	message->kind = kind;
	return message;
}

bool replica_is_welcome(const struct replica *r)
{
	return r->session.state == SESSION_WELCOME;
}

/* --- connection ---------------------------------------------------------- */

void replica_on_up(struct replica *r, struct replica_update *update)
{
	struct hello *hello;

	memset(&r->session, 0, sizeof(r->session));
	r->session.state = SESSION_GREETING;
	r->session.inventory_at = SLOT_NONE;
	hello = &replica_push_message(update, MESSAGE_HELLO)->hello;
	hello->version_min = MESSAGE_VERSION_MIN;
	hello->version_max = MESSAGE_VERSION_MAX;
	hello->host = r->config.host;
	hello->boot = r->config.boot;
	hello->master_store = r->master.store;
	hello->incarnation = r->master.incarnation;
}

/* Gates stay as they are: their leases say how long they may. */
void replica_on_down(struct replica *r)
{
	memset(&r->session, 0, sizeof(r->session));
	r->session.inventory_at = SLOT_NONE;
	for (uint32_t i = 0; i < r->nr_slots; i++) {
		adapter_forget_commands(&r->slots[i].adapter);
		r->slots[i].is_told = false;
	}
}

/* A master that comes back with the same fault is noted once. */
static void session_note(struct replica *r, struct replica_update *update,
			 const struct replica_note *note)
{
	if (strcmp(note->text, r->session_note.text) == 0)
		return;
	r->session_note = *note;
	replica_note(update, "%s", note->text);
}

static void session_refuse(struct replica *r, struct replica_update *update,
			   const struct replica_note *note)
{
	session_note(r, update, note);
	replica_on_down(r);
	update->reset_link = true;
}

static void protocol_fault(struct replica *r, struct replica_update *update,
			   const char *what)
{
	struct replica_note note;

	snprintf(note.text, sizeof(note.text), "master-refused reason=\"%s\"",
		 what);
	session_refuse(r, update, &note);
}

static void on_refuse(struct replica *r, const struct refuse *refuse,
		      struct replica_update *update)
{
	struct replica_note note;

	snprintf(note.text, sizeof(note.text),
		 "refused-by-master reason=\"%s\"", refuse->reason);
	session_note(r, update, &note);
	replica_on_down(r);
}

/* --- welcome ------------------------------------------------------------- */

/* A replica obeys one store for ever, and of its masters the newest. */
static bool may_obey(const struct replica *r, const struct welcome *w,
		     struct replica_note *note)
{
	if (w->version < MESSAGE_VERSION_MIN ||
	    w->version > MESSAGE_VERSION_MAX) {
		snprintf(note->text, sizeof(note->text),
			 "master-refused reason=\"version %" PRIu32
			 " is not spoken here\"",
			 w->version);
		return false;
	}
	if (!store_id_is_none(&r->master.store) &&
	    !store_id_equal(&r->master.store, &w->store)) {
		snprintf(note->text, sizeof(note->text),
			 "master-refused reason=\"foreign master: store %02x%02x..., "
			 "but this host obeys %02x%02x...\"",
			 w->store.b[0], w->store.b[1], r->master.store.b[0],
			 r->master.store.b[1]);
		return false;
	}
	if (w->incarnation < r->master.incarnation) {
		snprintf(note->text, sizeof(note->text),
			 "master-refused reason=\"old master: incarnation %" PRIu64
			 ", seen was %" PRIu64 "\"",
			 w->incarnation, r->master.incarnation);
		return false;
	}
	return true;
}

static void on_welcome(struct replica *r, const struct welcome *w,
		       struct replica_update *update)
{
	struct replica_note note;

	if (r->session.state != SESSION_GREETING) {
		protocol_fault(r, update, "a second welcome");
		return;
	}
	if (!may_obey(r, w, &note)) {
		session_refuse(r, update, &note);
		return;
	}
	r->session_note.text[0] = '\0';
	r->session.state = SESSION_WELCOME;
	r->session.incarnation = w->incarnation;
	r->session.heartbeat_ms = w->heartbeat_ms ? w->heartbeat_ms :
						    r->config.heartbeat_ms;
	r->master.incarnation = w->incarnation;
	r->master.store = w->store;
	r->master.lease_ms = w->lease_ms;
}

/* --- sync ---------------------------------------------------------------- */

static void name_slot(struct replica *r, const struct volume_id *volume,
		      const struct replica_id *replica,
		      struct replica_update *update)
{
	struct slot *slot = replica_add(r, volume, update);

	if (!slot)
		return;
	slot->sync_round = r->sync_round;
	slot->left = false;
	if (adapter_name(&slot->adapter, replica) == 0) {
		slot->conflict_noted = false;
	} else if (!slot->conflict_noted) {
		slot->conflict_noted = true;
		replica_note(update,
			     "sync-refused volume=%s replica=%s: this host holds replica %s of it",
			     volume->s, replica->s,
			     slot->adapter.floor.replica.s);
	}
	replica_queue(r, slot, LIST_WORK);
}

/* The record of the volume is damaged: the master knows no more than its name,
 * and orders nothing. Its gate stays as it is, and is not spoken of. */
static void leave_slot(struct replica *r, const struct volume_id *volume)
{
	struct slot *slot = replica_find(r, volume);

	if (!slot)
		return;
	slot->sync_round = r->sync_round;
	slot->left = true;
}

/* What the master no longer names stays attached at its floor, closed, and is
 * not spoken of. */
static void sync_end(struct replica *r)
{
	struct session *s = &r->session;

	for (uint32_t i = 0; i < r->nr_slots; i++) {
		struct slot *slot = &r->slots[i];
		bool listed = slot->sync_round == r->sync_round;
		bool held = listed && !slot->left;

		if (slot->held && !held)
			s->inventory_due = true;
		slot->held = held;
		if (!listed && adapter_release(&slot->adapter))
			replica_queue(r, slot, LIST_WORK);
	}
	if (!s->synced || s->want_inventory)
		s->inventory_due = true;
	s->synced = true;
	s->sync_open = false;
	replica_retry(r);
}

static void on_sync(struct replica *r, const struct sync *sync,
		    struct replica_update *update)
{
	struct session *s = &r->session;

	if (sync->incarnation != s->incarnation) {
		protocol_fault(r, update, "a sync of another incarnation");
		return;
	}
	if (!sync->first && !s->sync_open) {
		protocol_fault(r, update, "a sync without its first part");
		return;
	}
	/* One that begins anew replaces the one that was not finished. */
	if (sync->first) {
		s->sync_open = true;
		s->want_inventory = false;
		r->sync_round++;
	}
	s->want_inventory |= sync->want_inventory;
	for (uint32_t i = 0; i < sync->nr_slots; i++) {
		if (sync->slots[i].replica.s[0])
			name_slot(r, &sync->slots[i].volume,
				  &sync->slots[i].replica, update);
		else
			leave_slot(r, &sync->slots[i].volume);
	}
	if (sync->last)
		sync_end(r);
}

/* --- commands ------------------------------------------------------------ */

/* Whether the master may command this at all; the slot decides the rest. */
static int check_command(const struct replica *r, const struct slot *slot,
			 const struct command *c, char *reason)
{
	if (c->incarnation < r->master.incarnation) {
		snprintf(reason, MESSAGE_REASON_SIZE,
			 "incarnation %" PRIu64 " is older than %" PRIu64,
			 c->incarnation, r->master.incarnation);
		return -ESTALE;
	}
	if (c->incarnation > r->session.incarnation) {
		snprintf(reason, MESSAGE_REASON_SIZE,
			 "incarnation %" PRIu64
			 " was not announced, only %" PRIu64,
			 c->incarnation, r->session.incarnation);
		return -EPROTO;
	}
	if (r->host.incarnation < c->incarnation && !r->host.store_error) {
		snprintf(reason, MESSAGE_REASON_SIZE,
			 "incarnation %" PRIu64 " is not durable yet",
			 c->incarnation);
		return -EAGAIN;
	}
	if (!slot) {
		snprintf(reason, MESSAGE_REASON_SIZE,
			 "this host holds no replica of volume %s",
			 c->volume.s);
		return -ENOENT;
	}
	if (!replica_id_equal(&slot->adapter.floor.replica, &c->replica)) {
		snprintf(reason, MESSAGE_REASON_SIZE,
			 "this host holds replica %s of volume %s, not %s",
			 slot->adapter.floor.replica.s, c->volume.s,
			 c->replica.s);
		return -ENOENT;
	}
	return 0;
}

static void refuse_command(struct replica *r, struct slot *slot,
			   const struct command *c, struct ack *ack,
			   struct replica_update *update)
{
	struct adapter nobody;

	if (!slot) {
		adapter_init(&nobody, &c->volume);
		adapter_refuse(&nobody, &r->host, c, ack);
	} else {
		adapter_refuse(&slot->adapter, &r->host, c, ack);
		replica_note_answer(r, slot, ack, update);
	}
	replica_push_message(update, MESSAGE_ACK)->ack = *ack;
}

static void on_command(struct replica *r, const struct command *c,
		       struct replica_update *update)
{
	struct slot *slot = replica_find(r, &c->volume);
	struct ack ack = { 0 };

	ack.error = check_command(r, slot, c, ack.reason);
	if (!ack.error)
		ack.error = adapter_command(&slot->adapter, &r->host, c,
					    ack.reason);
	if (ack.error) {
		refuse_command(r, slot, c, &ack, update);
		return;
	}
	/* Now, before anything that waits: the next message may be a lease,
	 * and it must find older grants ended. */
	replica_work(r, slot, update);
}

/* --- the door ------------------------------------------------------------ */

void replica_on_message(struct replica *r, const struct message *message,
			struct replica_update *update)
{
	if (r->session.state == SESSION_NONE)
		return;		/* what was in flight when it ended */
	if (message->kind == MESSAGE_REFUSE) {
		on_refuse(r, &message->refuse, update);
		return;
	}
	if (message->kind == MESSAGE_WELCOME) {
		on_welcome(r, &message->welcome, update);
		return;
	}
	if (r->session.state != SESSION_WELCOME) {
		protocol_fault(r, update, "a message before the welcome");
		return;
	}
	switch (message->kind) {
	case MESSAGE_SYNC:
		on_sync(r, &message->sync, update);
		return;
	case MESSAGE_COMMAND:
		on_command(r, &message->command, update);
		return;
	case MESSAGE_LEASE:
		replica_on_lease(r, &message->lease, update);
		return;
	case MESSAGE_UNSPEC:
	case MESSAGE_HELLO:
	case MESSAGE_REPORT:
	case MESSAGE_ACK:
	case MESSAGE_WELCOME:
	case MESSAGE_REFUSE:
		break;
	}
	protocol_fault(r, update, "a message that no master may send");
}
