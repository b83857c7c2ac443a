// SPDX-License-Identifier: GPL-2.0
/*
 * The model of a host's gates. Must never know the agent that drives it.
 */
#include "gate_model.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The module has types, and members of them, of the agent's names. */
#define lineage		kmod_lineage
#define lineage_cmp	kmod_lineage_cmp
#include "verdict.h"
#undef lineage
#undef lineage_cmp

struct model {
	char volume[BFENCE_VOLUME_LEN + 1];
	char replica[BFENCE_REPLICA_LEN + 1];
	struct verdict_gate v;
	bool leased;
	bool lease_ended;
	uint64_t incarnation;
};

struct gate_model {
	size_t nr;
	struct model gates[GATE_MODEL_MAX];
	uint64_t lease_deadline_ms;
	struct verdict_host host;
};

struct gate_model *gate_model_new(void)
{
	struct gate_model *k = calloc(1, sizeof(*k));

	assert(k);
	return k;
}

void gate_model_free(struct gate_model *k)
{
	free(k);
}

size_t gate_model_count(const struct gate_model *k)
{
	return k->nr;
}

struct gate_info gate_model_show(const struct gate_model *k, size_t i)
{
	const struct model *g = &k->gates[i];
	struct gate_info info = { .drained = true, .managed = g->v.managed };

	memcpy(info.volume.s, g->volume, sizeof(g->volume));
	memcpy(info.replica.s, g->replica, sizeof(g->replica));
	memcpy(info.primary.s, g->v.primary, sizeof(info.primary.s));
	info.state = g->v.state == BFENCE_STATE_OPEN ? GATE_OPEN : GATE_CLOSED;
	info.authority.epoch = g->v.authority.epoch;
	info.authority.endpoint_version = g->v.authority.endpoint_version;
	info.leased = g->leased && info.state == GATE_OPEN;
	info.lease_ended = g->lease_ended;
	info.incarnation = g->incarnation;
	return info;
}

bool gate_model_expire(struct gate_model *k, struct mono_ms now)
{
	bool changed = false;

	k->host.lease_running = now.v < k->lease_deadline_ms;
	if (k->host.lease_running)
		return false;
	k->lease_deadline_ms = 0;
	for (size_t i = 0; i < k->nr; i++) {
		struct model *g = &k->gates[i];

		if (g->v.state != BFENCE_STATE_OPEN || !g->leased)
			continue;
		g->v.state = BFENCE_STATE_CLOSED;
		g->lease_ended = true;
		changed = true;
	}
	return changed;
}

static struct model *find(struct gate_model *k, const char *volume)
{
	for (size_t i = 0; i < k->nr; i++)
		if (strcmp(k->gates[i].volume, volume) == 0)
			return &k->gates[i];
	return NULL;
}

static enum verdict attach(struct gate_model *k, const struct kernel_op *op,
			   const struct verdict_ask *ask, struct model **ret)
{
	enum verdict verdict = verdict_attach(op->volume.s, op->replica.s,
					      "/dev/model", ask, &k->host);
	struct model *g = &k->gates[k->nr];

	if (verdict != VERDICT_APPLY)
		return verdict;
	if (find(k, op->volume.s))
		return VERDICT_VOLUME_ATTACHED;
	assert(k->nr < GATE_MODEL_MAX);
	k->nr++;
	memset(g, 0, sizeof(*g));
	memcpy(g->volume, op->volume.s, sizeof(g->volume));
	memcpy(g->replica, op->replica.s, sizeof(g->replica));
	g->v.authority = ask->kmod_lineage;
	g->v.managed = ask->incarnation != 0;
	*ret = g;
	return VERDICT_APPLY;
}

static enum verdict fence(struct gate_model *k, struct model *g,
			  const struct verdict_ask *ask)
{
	enum verdict verdict = verdict_fence(&g->v, ask, &k->host);

	if (verdict != VERDICT_APPLY)
		return verdict;
	g->v.authority = ask->kmod_lineage;
	g->v.primary[0] = '\0';
	g->v.access_known = false;
	g->v.state = BFENCE_STATE_CLOSED;
	return verdict;
}

static enum verdict open_gate(struct gate_model *k, struct model *g,
			      const struct verdict_ask *ask)
{
	enum verdict verdict = verdict_open(&g->v, ask, &k->host);

	if (verdict != VERDICT_APPLY)
		return verdict;
	g->v.state = BFENCE_STATE_OPEN;
	g->v.access = ask->flags & VERDICT_ACCESS_FLAGS;
	g->v.access_known = true;
	g->leased = ask->flags & BFENCE_F_LEASED;
	g->lease_ended = false;
	return verdict;
}

static enum verdict close_gate(struct gate_model *k, struct model *g,
			       const struct verdict_ask *ask)
{
	enum verdict verdict = verdict_close(&g->v, ask, &k->host);

	if (verdict == VERDICT_APPLY)
		g->v.state = BFENCE_STATE_CLOSED;
	return verdict;
}

static enum verdict change(struct gate_model *k, const struct kernel_op *op,
			   const struct verdict_ask *ask, struct model **ret)
{
	if (op->kind == KERNEL_ATTACH)
		return attach(k, op, ask, ret);
	*ret = find(k, op->volume.s);
	if (!*ret)
		return VERDICT_BACKING_MISSING;	/* -ENOENT, as no gate is */
	if (op->kind == KERNEL_FENCE)
		return fence(k, *ret, ask);
	if (op->kind == KERNEL_OPEN)
		return open_gate(k, *ret, ask);
	return close_gate(k, *ret, ask);
}

int gate_model_do(struct gate_model *k, const struct kernel_op *op,
		  struct mono_ms now, struct gate_info *ret,
		  const char **ret_reason)
{
	struct verdict_ask ask = {
		.kmod_lineage = { op->lineage.epoch,
				  op->lineage.endpoint_version },
		.primary = op->primary.s[0] ? op->primary.s : NULL,
		.incarnation = op->incarnation,
		.flags = (op->leased ? BFENCE_F_LEASED : 0) |
			 (op->keep_disk ? BFENCE_F_KEEP_DISK : 0),
	};
	struct model *g = NULL;
	enum verdict verdict;

	*ret_reason = "the model refuses";
	gate_model_expire(k, now);
	if (op->kind == KERNEL_LEASE) {
		verdict = verdict_lease(&ask, &k->host);
		if (verdict == VERDICT_APPLY &&
		    op->lease_deadline.v > k->lease_deadline_ms &&
		    op->lease_deadline.v > now.v)
			k->lease_deadline_ms = op->lease_deadline.v;
	} else {
		verdict = change(k, op, &ask, &g);
	}
	if (verdict_errno(verdict))
		return verdict_errno(verdict);
	if (ask.incarnation > k->host.incarnation)
		k->host.incarnation = ask.incarnation;
	if (g) {
		if (ask.primary && !g->v.primary[0])
			strcpy(g->v.primary, ask.primary);
		if (ask.incarnation > g->incarnation)
			g->incarnation = ask.incarnation;
		*ret = gate_model_show(k, (size_t)(g - k->gates));
	}
	return 0;
}
