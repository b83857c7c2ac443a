// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel has to do for one slot, and what follows from its answer.
 * Must never know a session, nor answer a command.
 */
#include "adapter.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- what the kernel has to do ------------------------------------------- */

static bool needs_kernel(const struct adapter_wait *wait)
{
	return wait->active && !wait->carried_out && !wait->error;
}

static void op_start(struct adapter *a, enum kernel_op_kind kind,
		     uint64_t incarnation, struct kernel_op *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->kind = kind;
	ret->volume = a->volume;
	ret->incarnation = incarnation;
	a->op_in_flight = true;
}

/* The gate starts closed at the floor: a fence that needs no drain. */
static void op_attach(struct adapter *a, uint64_t incarnation,
		      struct kernel_op *ret)
{
	op_start(a, KERNEL_ATTACH, incarnation, ret);
	ret->replica = a->floor.replica;
	ret->lineage = a->floor.lineage;
	ret->primary = a->floor.primary;
}

/* The kernel hands a disk on within one epoch and to one primary alone. */
static bool may_keep_disk(const struct adapter *a, const struct command *c)
{
	return c->keep_disk && a->gate.authority.epoch == c->lineage.epoch &&
	       replica_id_equal(&a->gate.primary, &c->primary);
}

static void op_of_command(struct adapter *a, enum kernel_op_kind kind,
			  const struct command *c, struct kernel_op *ret)
{
	op_start(a, kind, c->incarnation, ret);
	ret->lineage = c->lineage;
	ret->primary = c->primary;
	ret->drain_ms = kind == KERNEL_OPEN ? 0 : c->drain_ms;
	ret->keep_disk = kind == KERNEL_FENCE && may_keep_disk(a, c);
	ret->leased = kind == KERNEL_OPEN && c->leased;
}

/* The gate is behind the floor, by a crash or by another hand. */
static bool lags_behind(const struct adapter *a)
{
	return a->attached &&
	       lineage_cmp(a->gate.authority, a->floor.lineage) < 0;
}

/* Nobody would fence it, and a lease is the whole host's. What was opened by
 * hand is its opener's to close. */
static bool is_left_open(const struct adapter *a)
{
	return a->released && a->attached && a->gate.managed &&
	       a->gate.state == GATE_OPEN;
}

static bool own_op(struct adapter *a, const struct adapter_host *host,
		   struct kernel_op *ret)
{
	if (a->op_failed)
		return false;
	/* Without an incarnation the gate would obey anybody. */
	if (!a->attached && a->configured && adapter_is_named(a) &&
	    host->incarnation) {
		op_attach(a, host->incarnation, ret);
		return true;
	}
	if (lags_behind(a)) {
		op_start(a, KERNEL_FENCE, host->incarnation, ret);
		ret->lineage = a->floor.lineage;
		ret->primary = a->floor.primary;
		return true;
	}
	if (is_left_open(a)) {
		op_start(a, KERNEL_CLOSE, host->incarnation, ret);
		return true;
	}
	return false;
}

/* The evidence that a late open takes back must be off the log first. */
static bool open_is_due(struct adapter *a, const struct adapter_host *host)
{
	struct adapter_wait *wait = &a->waits[COMMAND_OPEN];
	const struct command *c = &wait->command;

	if (!needs_kernel(wait))
		return false;
	wait->error = adapter_check_open(a, host, c, wait->reason);
	if (wait->error)
		return false;
	if (!adapter_must_forget(c, &a->durable) &&
	    !(a->writing && adapter_must_forget(c, &a->in_flight)))
		return true;
	if (host->store_error) {
		wait->error = -EROFS;
		snprintf(wait->reason, sizeof(wait->reason),
			 "late open at %" PRIu64 ".%" PRIu64
			 ", but the floor log is closed after error %d",
			 c->lineage.epoch, c->lineage.endpoint_version,
			 host->store_error);
	}
	return false;
}

bool adapter_next_op(struct adapter *a, const struct adapter_host *host,
		     struct kernel_op *ret)
{
	const struct adapter_wait *fence = &a->waits[COMMAND_FENCE];
	const struct adapter_wait *close = &a->waits[COMMAND_CLOSE];

	if (a->op_in_flight)
		return false;
	if (needs_kernel(fence)) {
		if (a->attached)
			op_of_command(a, KERNEL_FENCE, &fence->command, ret);
		else
			op_attach(a, fence->command.incarnation, ret);
		return true;
	}
	if (own_op(a, host, ret))
		return true;
	if (needs_kernel(close)) {
		op_of_command(a, KERNEL_CLOSE, &close->command, ret);
		return true;
	}
	if (open_is_due(a, host)) {
		op_of_command(a, KERNEL_OPEN, &a->waits[COMMAND_OPEN].command,
			      ret);
		return true;
	}
	return false;
}

/* --- what the kernel has done -------------------------------------------- */

/* Sentences of others go on the wire: printable bytes only. */
static void copy_reason(char to[MESSAGE_REASON_SIZE], const char *from)
{
	snprintf(to, MESSAGE_REASON_SIZE, "%s", from ? from : "");
	for (char *c = to; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static struct adapter_wait *wait_of(struct adapter *a, enum kernel_op_kind kind)
{
	switch (kind) {
	case KERNEL_ATTACH:
	case KERNEL_FENCE:
		return &a->waits[COMMAND_FENCE];
	case KERNEL_OPEN:
		return &a->waits[COMMAND_OPEN];
	case KERNEL_CLOSE:
		return &a->waits[COMMAND_CLOSE];
	case KERNEL_LEASE:
	case KERNEL_UNSPEC:
		break;
	}
	return NULL;
}

/* Evidence of data: open at the lineage from its start, and never an error
 * since. */
static bool has_served(const struct adapter *a, const struct command *c,
		       bool was_open)
{
	return !c->late && !was_open && a->gate.state == GATE_OPEN &&
	       lineage_cmp(a->gate.authority, c->lineage) == 0 &&
	       lineage_cmp(a->faulty, c->lineage) != 0;
}

static void op_failed(struct adapter *a, const struct replica_event *event,
		      struct adapter_wait *wait)
{
	enum kernel_op_kind kind = event->kernel.op.kind;

	if (kind == KERNEL_ATTACH)
		a->attach_failed = true;
	else if (event->kernel.error == -ENOENT)
		adapter_lose_gate(a);
	if (kind == KERNEL_ATTACH || !a->attached || lags_behind(a) ||
	    is_left_open(a))
		a->op_failed = true;
	if (!needs_kernel(wait))
		return;
	wait->error = event->kernel.error;
	copy_reason(wait->reason, event->kernel.reason);
}

void adapter_done(struct adapter *a, const struct replica_event *event)
{
	const struct kernel_op *op = &event->kernel.op;
	struct adapter_wait *wait = wait_of(a, op->kind);
	bool was_open = a->attached && a->gate.state == GATE_OPEN &&
			lineage_cmp(a->gate.authority, op->lineage) == 0;

	assert(wait && a->op_in_flight);
	a->op_in_flight = false;
	if (event->kernel.error) {
		op_failed(a, event, wait);
		return;
	}
	adapter_take_gate(a, &event->kernel.gate);
	a->noted.op_error = 0;
	if (!needs_kernel(wait))
		return;
	/* It may have been an attach or a repair at an older lineage. */
	if (wait != &a->waits[COMMAND_FENCE] ||
	    lineage_cmp(op->lineage, wait->command.lineage) == 0)
		wait->carried_out = true;
	if (op->kind == KERNEL_OPEN && has_served(a, &wait->command, was_open))
		a->floor.served = op->lineage;
}
