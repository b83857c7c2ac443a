// SPDX-License-Identifier: GPL-2.0
/*
 * The judge of what a master makes of it: I1 and I5 of its lines, I6, I7,
 * and whether a world without faults has become well. Sees what an operator
 * sees, and must never reach into the core.
 */
#include "sim.h"

#include <stdio.h>
#include <string.h>

/* A volume is looked at by its deadline, and a tick is at most 100 ms. */
#define TICK_MS		100
#define LOOKS		4	/* volumes of a large world, a step */
#define ANSWER_US	(6000 * MS)

static bool has_evidence(const struct volume_status *status,
			 enum evidence_code code)
{
	for (unsigned int i = 0; i < status->nr_evidence; i++)
		if (status->evidence[i].code == code)
			return true;
	return false;
}

static bool wants_operator(const struct volume_status *status)
{
	return has_evidence(status, EVIDENCE_UNKNOWN_REPLICA_CLAIM) ||
	       has_evidence(status, EVIDENCE_AUTHORITY_RECORD_CORRUPT) ||
	       has_evidence(status, EVIDENCE_AUTHORITY_REGRESSED);
}

void check_master_heard(struct sim *s, int node, int host,
			const struct message *message)
{
	if (message->kind == MESSAGE_REPORT)
		sim_manager(s, node)->heard_ms[host] = node_now(s, node).v;
}

/* I1, I5: what it serves is what is durable, no more and no less. */
static void check_line(struct sim *s, const struct volume *v,
		       const struct volume_status *status)
{
	int order = lineage_cmp(status->line.lineage, v->line.lineage);

	if (status->exists != v->exists)
		sim_fail(s, "I5: %s %s for the master, durable is otherwise",
			 v->id.s, status->exists ? "exists" : "is gone");
	if (order)
		sim_fail(s,
			 "%s: the master's line of %s is %llu.%llu, durable is %llu.%llu",
			 order > 0 ? "I5" : "I1", v->id.s,
			 (unsigned long long)status->line.lineage.epoch,
			 (unsigned long long)
				 status->line.lineage.endpoint_version,
			 (unsigned long long)v->line.lineage.epoch,
			 (unsigned long long)v->line.lineage.endpoint_version);
}

/* I6: who is silent past the window is named, whoever else speaks. */
static void check_silence(struct sim *s, const struct manager *m,
			  const struct volume *v,
			  const struct volume_status *status, uint64_t now)
{
	for (int i = 0; i < REPLICA_SLOTS && !status->damaged; i++) {
		int host = sim_host_index(s, &v->topology.slots[i].host);
		uint64_t since, window = m->config.freshness_ms;

		if (host < 0)
			continue;
		since = m->heard_ms[host];
		if (!since) {
			since = m->started_ms;
			window = m->config.grace_ms;
		}
		if (now - since <= window + TICK_MS)
			continue;
		s->result->nr_evidence++;
		if (!status->nr_evidence)
			sim_fail(s, "I6: %s is silent and %s has no evidence",
				 sim_node_name(s, host), v->id.s);
	}
}

/* I7: what is not confirmed in time is stuck, and says at which step. */
static void check_progress(struct sim *s, const struct manager *m,
			   struct volume *v, const struct volume_status *status,
			   uint64_t now)
{
	uint64_t bound = 2 * m->config.retry_ms + 5 * TICK_MS;

	if (!strcmp(status->state, "stuck") &&
	    !has_evidence(status, EVIDENCE_CONVERGENCE_STUCK))
		sim_fail(s, "I7: %s is stuck without evidence", v->id.s);
	if (strcmp(status->state, "fencing") ||
	    has_evidence(status, EVIDENCE_NO_ACCEPTABLE_CANDIDATE)) {
		v->fencing_ms = 0;
		return;
	}
	if (!v->fencing_ms || lineage_cmp(v->fencing, status->line.lineage)) {
		v->fencing_ms = now;
		v->fencing = status->line.lineage;
	}
	if (now - v->fencing_ms > bound)
		sim_fail(s,
			 "I7: %s is on its way for %llu ms, neither confirmed nor stuck",
			 v->id.s, (unsigned long long)(now - v->fencing_ms));
}

static void check_one(struct sim *s, int node, uint32_t vol)
{
	struct manager *m = sim_manager(s, node);
	struct volume *v = &s->volumes[vol];
	const struct mono_ms now = node_now(s, node);
	struct volume_status status;
	int at = master_find_volume(m->master, &v->id);

	if (at < 0) {
		if (v->exists)
			sim_fail(s, "I1: the master does not know %s", v->id.s);
		return;
	}
	master_volume_status(m->master, (uint32_t)at, now, &status);
	check_line(s, v, &status);
	if (!status.exists) {
		v->fencing_ms = 0;
		return;
	}
	check_silence(s, m, v, &status, now.v);
	check_progress(s, m, v, &status, now.v);
}

void check_master(struct sim *s, int node)
{
	if (node != sim_master_node(s) || !s->nodes[node].up)
		return;
	if (s->nr_volumes <= 5) {
		for (uint32_t v = 0; v < s->nr_volumes; v++)
			check_one(s, node, v);
		return;
	}
	for (int i = 0; i < LOOKS; i++)
		check_one(s, node, s->look_at++ % s->nr_volumes);
}

/* --- operators ---------------------------------------------------------------------- */

void check_answer(struct sim *s, const struct master_answer *answer)
{
	sim_trace(s, "answer: %d %s", answer->error, answer->text);
	for (size_t i = 0; i < s->nr_asks; i++) {
		if (s->asks[i].token != answer->token)
			continue;
		s->asks[i] = s->asks[--s->nr_asks];
		return;
	}
	sim_fail(s, "ask: an answer to no ask, or a second one");
}

/* Each is answered by the master that took it, unless that is gone. */
static bool is_answered(struct sim *s, char *why, size_t size)
{
	for (size_t i = 0; i < s->nr_asks; i++) {
		if (s->asks[i].life != s->nodes[sim_master_node(s)].life ||
		    s->now - s->asks[i].since < ANSWER_US)
			continue;
		snprintf(why, size, "ask %llu is not answered",
			 (unsigned long long)s->asks[i].token);
		return false;
	}
	return true;
}

/* --- well ---------------------------------------------------------------------------- */

/* By the kernels: open at the line wherever somebody lives, one primary. */
static bool is_open(struct sim *s, const struct volume *v, uint32_t vol,
		    const bool *host_is_down, char *why, size_t size)
{
	int primaries = 0;

	for (int i = 0; i < REPLICA_SLOTS; i++) {
		int host = sim_host_index(s, &v->topology.slots[i].host);
		struct gate_info g;

		if (host < 0 || host_is_down[host])
			continue;
		kernel_peek(s, host, vol, &g);
		if (!kernel_serves(s, host, vol) ||
		    lineage_cmp(g.authority, v->line.lineage)) {
			snprintf(why, size, "%s is %s at %llu.%llu on %s",
				 v->id.s, gate_state_name(g.state),
				 (unsigned long long)g.authority.epoch,
				 (unsigned long long)
					 g.authority.endpoint_version,
				 sim_node_name(s, host));
			return false;
		}
		primaries += check_is_primary(s, host, vol, g.authority);
	}
	if (primaries == 1)
		return true;
	snprintf(why, size, "%s has %d primaries", v->id.s, primaries);
	return false;
}

/* A deleted volume is closed wherever its end can be heard of. */
static bool is_closed(struct sim *s, uint32_t vol, const bool *host_is_down,
		      char *why, size_t size)
{
	for (int h = 0; h < s->nr_hosts; h++) {
		if (host_is_down[h] || !kernel_serves(s, h, vol))
			continue;
		snprintf(why, size, "%s is deleted and open on %s",
			 s->volumes[vol].id.s, sim_node_name(s, h));
		return false;
	}
	return true;
}

static bool is_well(struct sim *s, uint32_t vol, const bool *host_is_down,
		    char *why, size_t size)
{
	const struct manager *m = sim_manager(s, sim_master_node(s));
	const struct volume *v = &s->volumes[vol];
	bool is_degraded = false;
	struct volume_status status;

	for (int h = 0; h < s->nr_hosts; h++)
		is_degraded |= host_is_down[h];
	if (v->hung_until > s->now)
		return true;	/* it may take as long as it likes */
	if (v->comes_back) {
		snprintf(why, size, "%s is about to be made anew", v->id.s);
		return false;
	}
	if (!v->exists)
		return is_closed(s, vol, host_is_down, why, size);
	master_volume_status(m->master,
			     (uint32_t)master_find_volume(m->master, &v->id),
			     node_now(s, sim_master_node(s)), &status);
	/* A first line, and a recovery, may want every host's word. */
	if (is_degraded &&
	    (lineage_is_none(v->line.lineage) || wants_operator(&status)))
		return true;
	if (strcmp(status.state, "open")) {
		snprintf(why, size, "%s is %s: %s", v->id.s, status.state,
			 status.nr_evidence ? status.evidence[0].note : "");
		return false;
	}
	return is_open(s, v, vol, host_is_down, why, size);
}

bool check_is_well(struct sim *s, const bool *host_is_down, char *why,
		   size_t size)
{
	if (!s->nodes[sim_master_node(s)].up) {
		snprintf(why, size, "the master is down");
		return false;
	}
	for (int h = 0; h < s->nr_hosts; h++) {
		if (host_is_down[h] || net_is_whole(s, h))
			continue;
		snprintf(why, size, "%s is not connected", sim_node_name(s, h));
		return false;
	}
	for (uint32_t v = 0; v < s->nr_volumes; v++)
		if (!is_well(s, v, host_is_down, why, size))
			return false;
	return is_answered(s, why, size);
}
