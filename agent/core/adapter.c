// SPDX-License-Identifier: GPL-2.0
/*
 * What is known of one slot: record, gate, facts. Must never know a session.
 */
#include "adapter.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct lineage no_lineage;

void adapter_init(struct adapter *a, const struct volume_id *volume)
{
	memset(a, 0, sizeof(*a));
	a->volume = *volume;
	a->noted.state = GATE_ABSENT;
}

bool adapter_is_named(const struct adapter *a)
{
	return a->floor.replica.s[0] != '\0';
}

/* --- the floor ----------------------------------------------------------- */

static bool floor_equal(const struct floor *a, const struct floor *b)
{
	return replica_id_equal(&a->replica, &b->replica) &&
	       replica_id_equal(&a->primary, &b->primary) &&
	       lineage_cmp(a->lineage, b->lineage) == 0 &&
	       lineage_cmp(a->served, b->served) == 0;
}

void adapter_load(struct adapter *a, const struct record *record)
{
	assert(record->kind == RECORD_FLOOR);
	a->floor = record_floor(record);
	a->durable = a->floor;
	a->write_seq = record->write_seq;
	a->recorded = true;
}

/* Every slot of a known replica has a record: a host that holds a slot says
 * so for ever, also before its first fence. */
bool adapter_is_dirty(const struct adapter *a)
{
	if (a->writing || !adapter_is_named(a))
		return false;
	/* Without gate and backing nothing was ever promised. */
	if (!a->recorded && !a->attached && !a->configured)
		return false;
	return !a->recorded || !floor_equal(&a->floor, &a->durable);
}

void adapter_write(struct adapter *a, struct record *ret)
{
	assert(adapter_is_dirty(a));
	assert(lineage_cmp(a->floor.lineage, a->durable.lineage) >= 0);
	*ret = record_of_floor(&a->volume, a->write_seq + 1, &a->floor);
	a->in_flight = a->floor;
	a->writing = true;
}

void adapter_written(struct adapter *a, int error)
{
	assert(a->writing);
	a->writing = false;
	if (error)
		return;
	assert(lineage_cmp(a->in_flight.lineage, a->durable.lineage) >= 0);
	a->durable = a->in_flight;
	a->recorded = true;
	a->write_seq++;
}

int adapter_name(struct adapter *a, const struct replica_id *replica)
{
	/* A name that was never promised anything may still change. */
	if (adapter_is_named(a) && !a->released &&
	    (a->recorded || a->writing || a->attached) &&
	    !replica_id_equal(&a->floor.replica, replica))
		return -EEXIST;
	a->floor.replica = *replica;
	a->released = false;
	return 0;
}

bool adapter_release(struct adapter *a)
{
	bool is_new = !a->released;

	a->released = true;
	/* An open that waits must not come after the close. */
	if (is_new)
		adapter_forget_commands(a);
	return is_new;
}

void adapter_retry(struct adapter *a)
{
	a->op_failed = false;
}

/* --- the gate ------------------------------------------------------------ */

/*
 * Errors that are new make the slot's data at that lineage doubtful. After a
 * restart nobody knows under which lineage they came: then it is this one.
 */
static void take_io_errors(struct adapter *a, const struct gate_info *gate)
{
	const struct gate_info *old = &a->gate;
	uint64_t known = a->attached ? old->io_errors : 0;

	if (gate->io_errors <= known)
		return;
	if (!a->attached || lineage_cmp(old->authority, gate->authority) == 0)
		a->faulty = gate->authority;
	if (lineage_cmp(a->floor.served, gate->authority) == 0 ||
	    (a->attached && lineage_cmp(a->floor.served, old->authority) == 0))
		a->floor.served = no_lineage;
}

/* A gate knows a higher lineage than the log: the log follows. */
static void take_authority(struct adapter *a, const struct gate_info *gate)
{
	int order = lineage_cmp(gate->authority, a->floor.lineage);

	if (order > 0) {
		a->floor.lineage = gate->authority;
		a->floor.primary = gate->primary;
	} else if (order == 0 && a->floor.primary.s[0] == '\0') {
		a->floor.primary = gate->primary;
	}
}

void adapter_take_gate(struct adapter *a, const struct gate_info *gate)
{
	assert(volume_id_equal(&a->volume, &gate->volume));
	take_io_errors(a, gate);
	take_authority(a, gate);
	if (!adapter_is_named(a))
		a->floor.replica = gate->replica;
	a->gate = *gate;
	a->attached = true;
	a->attach_failed = false;
}

void adapter_lose_gate(struct adapter *a)
{
	a->attached = false;
	a->op_failed = true;	/* somebody detached it: no hurry */
	memset(&a->gate, 0, sizeof(a->gate));
}

bool adapter_proves(const struct adapter *a, struct lineage lineage)
{
	return a->attached && a->gate.drained &&
	       (a->gate.state == GATE_CLOSED || a->gate.state == GATE_OPEN) &&
	       lineage_cmp(a->gate.authority, lineage) == 0;
}

/* --- what it says of itself ---------------------------------------------- */

static enum role role_of(const struct adapter *a)
{
	if (!a->attached || a->gate.state != GATE_OPEN)
		return ROLE_NONE;
	return replica_id_equal(&a->gate.primary, &a->floor.replica) ?
		       ROLE_PRIMARY :
		       ROLE_CANDIDATE;
}

/* The log may still have to forget evidence, or to learn it. */
static struct lineage served_of(const struct adapter *a)
{
	return lineage_cmp(a->floor.served, a->durable.served) < 0 ?
		       a->floor.served :
		       a->durable.served;
}

void adapter_fact(const struct adapter *a, const struct replica_config *config,
		  struct slot_fact *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->volume = a->volume;
	ret->replica = a->floor.replica;
	ret->data_addr = config->data_addr;
	ret->ctrl_addr = config->ctrl_addr;
	ret->floor = a->durable.lineage;
	ret->served = served_of(a);
	if (!a->attached) {
		ret->state = GATE_ABSENT;
		ret->backing_ok = a->configured && !a->attach_failed;
		return;
	}
	ret->state = a->gate.state;
	ret->role = role_of(a);
	ret->authority = a->gate.authority;
	if (a->gate.state == GATE_OPEN)
		ret->applied = a->gate.authority;
	ret->backing_ok = !a->gate.backing_gone;
	ret->io_errors = a->gate.io_errors;
}

void adapter_proof(const struct adapter *a, const struct adapter_host *host,
		   struct proof *ret)
{
	const struct gate_info *gate = &a->gate;

	memset(ret, 0, sizeof(*ret));
	ret->volume = a->volume;
	ret->replica = a->floor.replica;
	ret->boot = host->config->boot;
	ret->incarnation = host->incarnation;
	if (!a->attached)
		return;
	ret->lineage = gate->authority;
	ret->state = gate->state;
	ret->drained = adapter_proves(a, gate->authority);
	ret->floor_durable = !lineage_is_none(gate->authority) &&
			     lineage_cmp(a->durable.lineage, gate->authority) ==
				     0;
	ret->forced = gate->forced;
	if (ret->incarnation < gate->incarnation)
		ret->incarnation = gate->incarnation;
	ret->admitted = gate->admitted;
	ret->rejected = gate->rejected;
	ret->drained_ios = gate->drained_ios;
	ret->inflight = gate->inflight;
	ret->close_ns = gate->close_ns;
	ret->drain_ns = gate->drain_ns;
}

static const char *why_of(const struct adapter *a)
{
	if (!a->attached || a->gate.state == GATE_OPEN)
		return "";
	if (a->gate.backing_gone)
		return " reason=backing-gone";
	if (a->released)
		return " reason=not-named";
	return a->gate.lease_ended ? " reason=lease-ended" : "";
}

bool adapter_note(struct adapter *a, struct replica_note *ret)
{
	enum gate_state state = a->attached ? a->gate.state : GATE_ABSENT;
	struct lineage lineage = a->attached ? a->gate.authority : no_lineage;
	enum role role = role_of(a);

	if (state == a->noted.state && role == a->noted.role &&
	    lineage_cmp(lineage, a->noted.lineage) == 0)
		return false;
	snprintf(ret->text, sizeof(ret->text),
		 "gate volume=%s replica=%s state=%s->%s lineage=%" PRIu64
		 ".%" PRIu64 " role=%s%s%s",
		 a->volume.s, a->floor.replica.s,
		 gate_state_name(a->noted.state), gate_state_name(state),
		 lineage.epoch, lineage.endpoint_version, role_name(role),
		 why_of(a), a->attached && a->gate.forced ? " forced=1" : "");
	a->noted.state = state;
	a->noted.role = role;
	a->noted.lineage = lineage;
	return true;
}
