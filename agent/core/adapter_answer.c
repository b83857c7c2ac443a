// SPDX-License-Identifier: GPL-2.0
/*
 * When a command of the master is answered, and with what. Must never change
 * a gate or a floor.
 */
#include "adapter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void fill_ack(const struct adapter *a, const struct adapter_host *host,
		     const struct command *c, struct ack *ret)
{
	ret->kind = c->kind;
	ret->asked = c->lineage;
	adapter_proof(a, host, &ret->proof);
	/* The one that was meant, also where there is none. */
	ret->proof.volume = c->volume;
	if (!adapter_is_named(a))
		ret->proof.replica = c->replica;
}

void adapter_refuse(const struct adapter *a, const struct adapter_host *host,
		    const struct command *command, struct ack *ack)
{
	fill_ack(a, host, command, ack);
}

static bool say(struct adapter *a, const struct adapter_host *host,
		const struct adapter_wait *wait, struct ack *ret)
{
	ret->error = wait->error;
	memcpy(ret->reason, wait->reason, sizeof(ret->reason));
	fill_ack(a, host, &wait->command, ret);
	return true;
}

static bool say_last(struct adapter *a, const struct adapter_host *host,
		     struct adapter_wait *wait, struct ack *ret)
{
	wait->active = false;
	return say(a, host, wait, ret);
}

/* What makes a fence fail after the kernel has taken it. */
static int fence_fault(const struct adapter *a, const struct adapter_host *host,
		       struct adapter_wait *wait)
{
	struct lineage asked = wait->command.lineage;

	if (!a->attached) {
		snprintf(wait->reason, sizeof(wait->reason),
			 "the gate of volume %s was detached", a->volume.s);
		return -ENODEV;
	}
	if (lineage_cmp(a->gate.authority, asked) ||
	    lineage_cmp(a->floor.lineage, asked)) {
		snprintf(wait->reason, sizeof(wait->reason),
			 "fence at %" PRIu64 ".%" PRIu64
			 ", but the gate's authority is %" PRIu64 ".%" PRIu64,
			 asked.epoch, asked.endpoint_version,
			 a->gate.authority.epoch,
			 a->gate.authority.endpoint_version);
		return -ESTALE;
	}
	if (host->store_error && lineage_cmp(a->durable.lineage, asked)) {
		snprintf(wait->reason, sizeof(wait->reason),
			 "the floor %" PRIu64 ".%" PRIu64
			 " is not durable: the floor log is closed after error %d",
			 asked.epoch, asked.endpoint_version,
			 host->store_error);
		return -EROFS;
	}
	return 0;
}

/* Once when it has closed, once when the deadline has passed, once when it
 * has drained and will not be forgotten. */
static bool fence_ack(struct adapter *a, const struct adapter_host *host,
		      struct ack *ret)
{
	struct adapter_wait *wait = &a->waits[COMMAND_FENCE];
	struct lineage asked = wait->command.lineage;

	if (!wait->active)
		return false;
	if (!wait->error && wait->carried_out)
		wait->error = fence_fault(a, host, wait);
	if (wait->error)
		return say_last(a, host, wait, ret);
	if (!wait->carried_out)
		return false;
	if (adapter_proves(a, asked) &&
	    lineage_cmp(a->durable.lineage, asked) == 0)
		return say_last(a, host, wait, ret);
	if (!wait->told_closed) {
		wait->told_closed = true;
		return say(a, host, wait, ret);
	}
	if (!wait->told_quarantined && a->gate.state == GATE_QUARANTINED) {
		wait->told_quarantined = true;
		return say(a, host, wait, ret);
	}
	return false;
}

static bool close_ack(struct adapter *a, const struct adapter_host *host,
		      struct ack *ret)
{
	struct adapter_wait *wait = &a->waits[COMMAND_CLOSE];

	if (!wait->active)
		return false;
	if (!wait->error && !a->attached) {
		wait->error = -ENODEV;
		snprintf(wait->reason, sizeof(wait->reason),
			 "the gate of volume %s was detached", a->volume.s);
	}
	if (wait->error)
		return say_last(a, host, wait, ret);
	if (!wait->carried_out)
		return false;
	/* Closed for good, or opened anew by a later command. */
	if (a->gate.state == GATE_CLOSED || a->gate.state == GATE_OPEN)
		return say_last(a, host, wait, ret);
	if (wait->told_closed)
		return false;
	wait->told_closed = true;
	return say(a, host, wait, ret);
}

static bool open_ack(struct adapter *a, const struct adapter_host *host,
		     struct ack *ret)
{
	struct adapter_wait *wait = &a->waits[COMMAND_OPEN];

	if (!wait->active)
		return false;
	if (wait->error)
		return say_last(a, host, wait, ret);
	return wait->carried_out && say_last(a, host, wait, ret);
}

bool adapter_next_ack(struct adapter *a, const struct adapter_host *host,
		      struct ack *ret)
{
	return fence_ack(a, host, ret) || close_ack(a, host, ret) ||
	       open_ack(a, host, ret);
}
