// SPDX-License-Identifier: GPL-2.0
/*
 * The door of the replica's core: events in, updates out. Must never know a
 * socket, a file, netlink or a clock.
 */
#include "replica_state.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A note is one line, whatever the sentences in it were made of. */
void replica_note(struct replica_update *update, const char *format, ...)
{
	struct replica_note *note = &update->notes[update->nr_notes];
	va_list args;

	if (update->nr_notes == REPLICA_UPDATE_MAX)
		return;
	update->nr_notes++;
	va_start(args, format);
	vsnprintf(note->text, sizeof(note->text), format, args);
	va_end(args);
	for (char *c = note->text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

int replica_new(const struct replica_config *config, struct replica **ret)
{
	struct replica *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->config = *config;
	r->host.config = &r->config;
	r->session.inventory_at = SLOT_NONE;
	if (replica_slots_init(r)) {
		replica_free(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

void replica_free(struct replica *replica)
{
	if (!replica)
		return;
	index_exit(&replica->by_volume);
	free(replica->slots);
	free(replica);
}

/* --- start --------------------------------------------------------------- */

static void on_backing(struct replica *r, const struct volume_id *volume,
		       struct replica_update *update)
{
	struct slot *slot = replica_add(r, volume, update);

	if (slot)
		slot->adapter.configured = true;
}

static int on_record(struct replica *r, const struct record *record,
		     struct replica_update *update)
{
	struct incarnation incarnation;
	struct slot *slot;

	if (record->kind == RECORD_FLOOR) {
		slot = replica_add(r, &record->volume, update);
		if (slot)
			adapter_load(&slot->adapter, record);
		return 0;
	}
	if (record->kind != RECORD_INCARNATION)
		return -EINVAL;
	incarnation = record_incarnation(record);
	r->master.incarnation = incarnation.value;
	r->master.store = incarnation.master;
	r->master.lease_ms = incarnation.lease_ms;
	r->master_write_seq = record->write_seq;
	r->host.incarnation = incarnation.value;
	return 0;
}

/* --- the kernel ---------------------------------------------------------- */

static void on_gate(struct replica *r, const struct gate_info *gate,
		    struct replica_update *update)
{
	struct slot *slot = replica_add(r, &gate->volume, update);

	if (!slot)
		return;
	slot->listed = true;
	adapter_take_gate(&slot->adapter, gate);
	replica_queue(r, slot, LIST_WORK);
}

static void on_gone(struct replica *r, const struct volume_id *volume)
{
	struct slot *slot = replica_find(r, volume);

	if (!slot)
		return;
	adapter_lose_gate(&slot->adapter);
	replica_queue(r, slot, LIST_WORK);
}

static void on_listed(struct replica *r)
{
	for (uint32_t i = 0; i < r->nr_slots; i++) {
		struct slot *slot = &r->slots[i];

		if (slot->adapter.attached && !slot->listed)
			on_gone(r, &slot->adapter.volume);
		slot->listed = false;
	}
}

static const char *kernel_op_name(enum kernel_op_kind kind)
{
	switch (kind) {
	case KERNEL_ATTACH:
		return "attach";
	case KERNEL_FENCE:
		return "fence";
	case KERNEL_OPEN:
		return "open";
	case KERNEL_CLOSE:
		return "close";
	case KERNEL_LEASE:
		return "lease";
	case KERNEL_UNSPEC:
		break;
	}
	return "?";
}

static void note_op_error(struct adapter *a, const struct replica_event *event,
			  struct replica_update *update)
{
	if (event->kernel.error == a->noted.op_error)
		return;
	a->noted.op_error = event->kernel.error;
	replica_note(update,
		     "kernel-refused op=%s volume=%s error=%d reason=\"%s\"",
		     kernel_op_name(event->kernel.op.kind), a->volume.s,
		     event->kernel.error,
		     event->kernel.reason ? event->kernel.reason : "");
}

static void on_lease_done(struct replica *r, const struct replica_event *event,
			  struct replica_update *update)
{
	if (event->kernel.error)
		replica_lease_failed(r,
				     event->kernel.reason ?
					     event->kernel.reason :
					     "",
				     update);
	else
		r->lease_fault = LEASE_TAKEN;
}

static int on_kernel_done(struct replica *r, const struct replica_event *event,
			  struct replica_update *update)
{
	struct slot *slot = replica_find(r, &event->kernel.op.volume);

	if (!r->nr_ops)
		return -EINVAL;
	if (event->kernel.op.kind == KERNEL_LEASE) {
		r->nr_ops--;
		on_lease_done(r, event, update);
		return 0;
	}
	if (!slot || !slot->adapter.op_in_flight)
		return -EINVAL;
	r->nr_ops--;
	if (event->kernel.error)
		note_op_error(&slot->adapter, event, update);
	else
		slot->listed = true;
	adapter_done(&slot->adapter, event);
	replica_queue(r, slot, LIST_WORK);
	return 0;
}

/* --- what follows -------------------------------------------------------- */

static bool has_more(const struct replica *r)
{
	if (r->nr_ops)
		return false;	/* the kernel's answers come first */
	if (r->head[LIST_WORK] != SLOT_NONE)
		return true;
	return replica_may_report(r) && (r->head[LIST_CHANGED] != SLOT_NONE ||
					 r->session.inventory_at != SLOT_NONE);
}

static struct mono_ms next_timer(const struct replica *r)
{
	struct mono_ms at = r->retry_at;

	if (replica_may_report(r) &&
	    (!at.v || r->session.next_heartbeat.v < at.v))
		at = r->session.next_heartbeat;
	return at;
}

/* New ops wait until the kernel has answered all, so that no more than an
 * update of them is ever unanswered. */
static void pump(struct replica *r, struct replica_update *update)
{
	bool may_work = !r->nr_ops;
	struct slot *slot;

	while (may_work && replica_has_room(update) &&
	       (slot = replica_dequeue(r, LIST_WORK)))
		replica_work(r, slot, update);
	replica_write(r, update);
	replica_report(r, update);
	update->timer = next_timer(r);
	update->more = has_more(r);
}

static int on_start(struct replica *r, const struct replica_event *event,
		    struct replica_update *update)
{
	switch (event->type) {
	case REPLICA_BACKING:
		on_backing(r, &event->backing, update);
		return 0;
	case REPLICA_RECORD:
		return on_record(r, event->record, update);
	case REPLICA_GATE:
		on_gate(r, &event->gate, update);
		return 0;
	case REPLICA_READY:
		r->ready = true;
		replica_queue_all(r, LIST_WORK);
		return 0;
	case REPLICA_UNSPEC:
	case REPLICA_GATE_GONE:
	case REPLICA_LISTED:
	case REPLICA_UP:
	case REPLICA_DOWN:
	case REPLICA_MESSAGE:
	case REPLICA_KERNEL_DONE:
	case REPLICA_PERSISTED:
	case REPLICA_TICK:
		break;
	}
	return -EINVAL;
}

static int on_event(struct replica *r, const struct replica_event *event,
		    struct replica_update *update)
{
	switch (event->type) {
	case REPLICA_GATE:
		on_gate(r, &event->gate, update);
		return 0;
	case REPLICA_GATE_GONE:
		on_gone(r, &event->gone);
		return 0;
	case REPLICA_LISTED:
		on_listed(r);
		return 0;
	case REPLICA_UP:
		replica_on_up(r, update);
		return 0;
	case REPLICA_DOWN:
		replica_on_down(r);
		return 0;
	case REPLICA_MESSAGE:
		replica_on_message(r, event->message, update);
		return 0;
	case REPLICA_KERNEL_DONE:
		return on_kernel_done(r, event, update);
	case REPLICA_PERSISTED:
		if (!r->group_in_flight)
			return -EINVAL;
		replica_written(r, event->persist_error, update);
		return 0;
	case REPLICA_TICK:
		if (r->retry_at.v && event->now.v >= r->retry_at.v)
			replica_retry(r);
		return 0;
	case REPLICA_UNSPEC:
	case REPLICA_BACKING:
	case REPLICA_RECORD:
	case REPLICA_READY:
		break;
	}
	return -EINVAL;
}

int replica_step(struct replica *replica, const struct replica_event *event,
		 struct replica_update *update)
{
	int error;

	update->nr_kernel = 0;
	update->nr_persist = 0;
	update->nr_send = 0;
	update->nr_notes = 0;
	update->reset_link = false;
	update->timer.v = 0;
	update->more = false;
	replica->host.now = event->now;
	error = replica->ready ? on_event(replica, event, update) :
				 on_start(replica, event, update);
	if (!error && replica->ready)
		pump(replica, update);
	return error;
}
