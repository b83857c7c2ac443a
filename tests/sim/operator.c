// SPDX-License-Identifier: GPL-2.0
/*
 * The operator: asks at random, and what he does about evidence that wants
 * him. Must never know more than a status tells, but where volumes were.
 */
#include "sim.h"

#include <assert.h>
#include <string.h>

#define RECOVERIES_MAX	5	/* in vain, then the volume is made anew */

void operator_asks(struct sim *s, enum master_event_type type,
		   const struct master_ask *ask)
{
	int node = sim_master_node(s);
	const struct node *n = &s->nodes[node];
	struct master_event event = { .type = type };

	if (!n->up || n->stalled || n->frozen)
		return;
	event.ask = *ask;
	event.ask.token = ++s->token;
	event.ask.uid = 1000;
	event.ask.wall_s = 1700000000;
	assert(s->nr_asks < s->asks_max);
	s->asks[s->nr_asks++] = (struct ask_watch){ .token = s->token,
						    .since = s->now,
						    .life = n->life };
	master_feed(s, node, event);
}

static void name_hosts(struct sim *s, const struct fault *f,
		       struct master_ask *ask)
{
	struct rng r = { f->arg };
	int first = f->node + 1;
	int step = s->nr_hosts == 3 && rng_one_in(&r, 2) ? 2 : 1;

	for (int i = 0; i < REPLICA_SLOTS; i++)
		ask->hosts[i] =
			sim_is_large(s) ?
				sim_home(s, f->vol,
					 (first + i) % REPLICA_SLOTS) :
				sim_host_id((first + i * step) % s->nr_hosts);
	ask->guard = rng_one_in(&r, 3) ? GUARD_QUORUM : GUARD_LEASE;
}

void operator_obeys(struct sim *s, const struct fault *f)
{
	struct volume *v = &s->volumes[f->vol];
	struct master_ask ask = { .volume = v->id };

	ask.any_line = f->arg & 1;
	ask.expected = v->line.lineage;
	switch (f->kind) {
	case FAULT_CREATE:
		name_hosts(s, f, &ask);
		operator_asks(s, MASTER_CREATE, &ask);
		break;
	case FAULT_DELETE:
		operator_asks(s, MASTER_DELETE, &ask);
		break;
	case FAULT_REASSIGN:
		ask.any_data = f->arg & 2;
		if (f->arg & 4)
			ask.hosts[0] = sim_host_id(f->node);
		operator_asks(s, MASTER_REASSIGN, &ask);
		break;
	case FAULT_DRAIN:
		ask.hosts[0] = sim_host_id(f->node);
		operator_asks(s, MASTER_DRAIN, &ask);
		break;
	default:
		operator_asks(s, MASTER_RECOVER, &ask);
	}
}

void operator_undrains(struct sim *s, int host)
{
	const struct master_ask ask = { .hosts = { sim_host_id(host) } };

	operator_asks(s, MASTER_UNDRAIN, &ask);
}

static bool has(const struct volume_status *status, enum evidence_code code)
{
	for (unsigned int i = 0; i < status->nr_evidence; i++)
		if (status->evidence[i].code == code)
			return true;
	return false;
}

/* Of a damaged record nobody knows which host held which name: the first that
 * is told is r1 again. */
static void name_by_replica(const struct topology *t, struct master_ask *ask)
{
	int at[REPLICA_SLOTS] = { 0, 1, 2 };

	for (int i = 0; i < REPLICA_SLOTS; i++)
		for (int j = i + 1; j < REPLICA_SLOTS; j++)
			if (strcmp(t->slots[at[i]].replica.s,
				   t->slots[at[j]].replica.s) > 0) {
				int swap = at[i];

				at[i] = at[j];
				at[j] = swap;
			}
	for (int i = 0; i < REPLICA_SLOTS; i++)
		ask->hosts[i] = t->slots[at[i]].host;
}

static void recover(struct sim *s, struct volume *v, bool is_damaged)
{
	struct master_ask ask = { .volume = v->id,
				  .expected = v->line.lineage,
				  .guard = v->topology.guard };

	if (is_damaged)
		name_by_replica(&v->topology, &ask);
	operator_asks(s, MASTER_RECOVER, &ask);
	v->nr_recoveries++;
}

/* A host that has not heard of the end of a volume keeps the name that it had
 * there, and takes no other: only another end takes it away. */
static void make_anew(struct sim *s, struct volume *v)
{
	struct master_ask ask = { .volume = v->id, .any_line = true };

	v->comes_back = true;
	operator_asks(s, MASTER_DELETE, &ask);
}

static void operate_one(struct sim *s, struct volume *v,
			const struct volume_status *status)
{
	struct master_ask ask = { .volume = v->id, .guard = v->topology.guard };

	if (!v->exists) {
		for (int h = 0; h < REPLICA_SLOTS; h++)
			ask.hosts[h] = v->topology.slots[h].host;
		if (v->comes_back)
			operator_asks(s, MASTER_CREATE, &ask);
	} else if (has(status, EVIDENCE_UNKNOWN_REPLICA_CLAIM) ||
		   v->nr_recoveries == RECOVERIES_MAX) {
		v->nr_recoveries = 0;
		make_anew(s, v);
	} else if (has(status, EVIDENCE_AUTHORITY_RECORD_CORRUPT) ||
		   has(status, EVIDENCE_AUTHORITY_REGRESSED)) {
		recover(s, v, status->damaged);
	} else {
		v->nr_recoveries = 0;
	}
}

/* What an operator does about the evidence that asks for one. */
void operator_mends(struct sim *s)
{
	int node = sim_master_node(s);
	const struct manager *m = sim_manager(s, node);

	for (uint32_t i = 0; i < s->nr_volumes && s->nodes[node].up; i++) {
		struct volume *v = &s->volumes[i];
		struct volume_status status;
		int at = master_find_volume(m->master, &v->id);

		if (at < 0)
			continue;
		master_volume_status(m->master, (uint32_t)at, node_now(s, node),
				     &status);
		operate_one(s, v, &status);
	}
}
