// SPDX-License-Identifier: GPL-2.0
/*
 * Which commands of the master are taken for one slot, and which are refused
 * because of its floor or gate. Must never know a session or the kernel.
 */
#include "adapter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINEAGE_SIZE	44

struct lineage_text {
	char s[LINEAGE_SIZE];
};

static struct lineage_text text_of(struct lineage l)
{
	struct lineage_text text;

	if (lineage_is_none(l))
		snprintf(text.s, sizeof(text.s), "none");
	else
		snprintf(text.s, sizeof(text.s), "%" PRIu64 ".%" PRIu64,
			 l.epoch, l.endpoint_version);
	return text;
}

/* --- what is taken ------------------------------------------------------- */

/* Two primaries of one lineage: the caller is wrong, whoever it is. */
static bool names_another_primary(const struct adapter *a,
				  const struct command *c)
{
	return lineage_cmp(c->lineage, a->floor.lineage) == 0 &&
	       a->floor.primary.s[0] != '\0' &&
	       !replica_id_equal(&a->floor.primary, &c->primary);
}

static int refuse_primary(const struct adapter *a, const struct command *c,
			  char *reason)
{
	snprintf(reason, MESSAGE_REASON_SIZE,
		 "lineage %s has the primary %s, not %s", text_of(c->lineage).s,
		 a->floor.primary.s, c->primary.s);
	return -EEXIST;
}

static int check_fence(const struct adapter *a, const struct command *c,
		       char *reason)
{
	if (lineage_cmp(c->lineage, a->floor.lineage) < 0) {
		snprintf(reason, MESSAGE_REASON_SIZE,
			 "fence at %s is older than the floor %s",
			 text_of(c->lineage).s, text_of(a->floor.lineage).s);
		return -ESTALE;
	}
	if (names_another_primary(a, c))
		return refuse_primary(a, c, reason);
	if (!a->attached && !a->configured) {
		snprintf(reason, MESSAGE_REASON_SIZE,
			 "no backing device is configured for volume %s",
			 a->volume.s);
		return -ENODEV;
	}
	return 0;
}

static int open_refusal(int error, const struct command *c, const char *what,
			struct lineage have, char *reason)
{
	snprintf(reason, MESSAGE_REASON_SIZE, "open at %s, but %s %s",
		 text_of(c->lineage).s, what, text_of(have).s);
	return error;
}

/* An order of the lineages; older is stale, newer is not fenced yet. */
static int check_order(const struct command *c, const char *what,
		       struct lineage have, char *reason)
{
	int order = lineage_cmp(c->lineage, have);

	if (order == 0)
		return 0;
	return open_refusal(order < 0 ? -ESTALE : -EAGAIN, c, what, have,
			    reason);
}

int adapter_check_open(const struct adapter *a, const struct adapter_host *host,
		       const struct command *c,
		       char reason[MESSAGE_REASON_SIZE])
{
	int error = check_order(c, "the floor is", a->floor.lineage, reason);

	if (error)
		return error;
	if (host->incarnation < c->incarnation) {
		snprintf(reason, MESSAGE_REASON_SIZE,
			 "incarnation %" PRIu64
			 " is not durable, only %" PRIu64,
			 c->incarnation, host->incarnation);
		return host->store_error ? -EROFS : -EAGAIN;
	}
	if (lineage_cmp(c->lineage, a->durable.lineage))
		return open_refusal(host->store_error ? -EROFS : -EAGAIN, c,
				    "the durable floor is", a->durable.lineage,
				    reason);
	if (names_another_primary(a, c))
		return refuse_primary(a, c, reason);
	if (!a->attached)
		return open_refusal(-ENODEV, c, "no gate is attached; floor",
				    a->floor.lineage, reason);
	error = check_order(c, "the gate's authority is", a->gate.authority,
			    reason);
	if (error)
		return error;
	if (!adapter_proves(a, c->lineage))
		return open_refusal(-EAGAIN, c,
				    "older I/O is in flight at the gate; authority",
				    a->gate.authority, reason);
	return 0;
}

/* A close of another grant than the present one must not close this one. */
static int check_close(const struct adapter *a, const struct command *c,
		       char *reason)
{
	if (!a->attached) {
		snprintf(reason, MESSAGE_REASON_SIZE,
			 "no gate is attached for volume %s", a->volume.s);
		return -ENODEV;
	}
	if (lineage_is_none(c->lineage) ||
	    lineage_cmp(c->lineage, a->gate.authority) == 0)
		return 0;
	snprintf(reason, MESSAGE_REASON_SIZE,
		 "close at %s, but the gate's authority is %s",
		 text_of(c->lineage).s, text_of(a->gate.authority).s);
	return lineage_cmp(c->lineage, a->gate.authority) < 0 ? -ESTALE :
								-EAGAIN;
}

static void wait_start(struct adapter *a, const struct adapter_host *host,
		       const struct command *c)
{
	struct adapter_wait *wait = &a->waits[c->kind];

	memset(wait, 0, sizeof(*wait));
	wait->active = true;
	wait->command = *c;
	wait->since = host->now;
}

static void take_fence(struct adapter *a, const struct adapter_host *host,
		       const struct command *c)
{
	if (lineage_cmp(c->lineage, a->floor.lineage) > 0) {
		a->floor.lineage = c->lineage;
		a->floor.primary = c->primary;
		/* Whatever was asked for an older lineage is overtaken. */
		a->waits[COMMAND_OPEN].active = false;
		a->waits[COMMAND_CLOSE].active = false;
	} else if (a->floor.primary.s[0] == '\0') {
		a->floor.primary = c->primary;
	}
	wait_start(a, host, c);
}

bool adapter_must_forget(const struct command *c, const struct floor *floor)
{
	return c->late && lineage_cmp(floor->served, c->lineage) == 0;
}

static void take_open(struct adapter *a, const struct adapter_host *host,
		      const struct command *c)
{
	if (adapter_must_forget(c, &a->floor))
		a->floor.served = (struct lineage){ 0 };
	wait_start(a, host, c);
}

int adapter_command(struct adapter *a, const struct adapter_host *host,
		    const struct command *command,
		    char reason[MESSAGE_REASON_SIZE])
{
	int error;

	switch (command->kind) {
	case COMMAND_FENCE:
		error = check_fence(a, command, reason);
		if (!error)
			take_fence(a, host, command);
		return error;
	case COMMAND_OPEN:
		error = adapter_check_open(a, host, command, reason);
		if (!error)
			take_open(a, host, command);
		return error;
	case COMMAND_CLOSE:
		error = check_close(a, command, reason);
		if (!error) {
			a->waits[COMMAND_OPEN].active = false;
			wait_start(a, host, command);
		}
		return error;
	case COMMAND_UNSPEC:
		break;
	}
	snprintf(reason, MESSAGE_REASON_SIZE, "no such command");
	return -EINVAL;
}

void adapter_forget_commands(struct adapter *a)
{
	for (size_t i = 0; i <= COMMAND_CLOSE; i++)
		a->waits[i].active = false;
}
