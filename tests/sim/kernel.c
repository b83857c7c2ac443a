// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel of one host as a model: gates that decide by the module's own
 * kmod/verdict.h, drain I/O that is really in flight, and lose their leased
 * grants by the machine's clock. Must never know the agent that drives it.
 */
#include "sim.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The module has types, and members of them, of the agent's names. */
#define lineage		kmod_lineage
#define lineage_cmp	kmod_lineage_cmp
#include "verdict.h"
#undef lineage
#undef lineage_cmp

#define DRAIN_MS_DEFAULT	5000

struct gate {
	char volume[BFENCE_VOLUME_LEN + 1];
	char replica[BFENCE_REPLICA_LEN + 1];
	struct verdict_gate v;
	uint64_t grant;		/* 0: none, neither open nor draining */
	struct kmod_lineage granted;
	bool leased;
	bool ended;		/* the grant lets nothing in any more */
	bool grace_over;
	bool lease_ended;
	uint64_t inflight;
	uint64_t at_close;	/* in flight when it was closed */
	uint64_t drained_ios;
	uint64_t drain_ms;
	uint64_t deadline_ms;
	uint64_t incarnation;
	uint64_t admitted;
	uint64_t rejected;
	uint64_t io_errors;
};

struct kernel {
	struct verdict_host host;
	uint64_t lease_deadline_ms;
	uint64_t grants;
	struct gate **gates;	/* by volume; NULL: not attached */
};

struct kernel *kernel_new(uint32_t nr_volumes)
{
	struct kernel *k = calloc(1, sizeof(*k));

	assert(k);
	k->gates = calloc(nr_volumes, sizeof(struct gate *));
	assert(k->gates);
	return k;
}

void kernel_free(struct kernel *k)
{
	free(k->gates);
	free(k);
}

static struct lineage ours(struct kmod_lineage l)
{
	return (struct lineage){ l.epoch, l.endpoint_version };
}

static void later(struct sim *s, enum event_kind kind, int host, uint32_t vol,
		  uint64_t at)
{
	sim_at(s, at,
	       (struct event){ .kind = kind,
			       .node = host,
			       .life = s->nodes[host].boot,
			       .a = vol });
}

/* The agent hears of it, but nobody says when. */
static void notify(struct sim *s, int host, uint32_t vol)
{
	struct node *n = &s->nodes[host];
	uint64_t late = rng_one_in(&n->rng, 10) ? 500 * MS : 20 * MS;

	if (n->up)
		sim_at(s, s->now + rng_below(&n->rng, late),
		       (struct event){ .kind = EVENT_NOTIFY,
				       .node = host,
				       .life = n->life,
				       .a = vol });
}

/* --- the end of a grant --------------------------------------------------------- */

static bool lease_is_over(const struct sim *s, int host)
{
	return node_now(s, host).v >= s->kernels[host]->lease_deadline_ms;
}

static void start_drain(struct sim *s, int host, uint32_t vol, struct gate *g)
{
	g->v.state = BFENCE_STATE_DRAINING;
	g->deadline_ms = node_now(s, host).v + g->drain_ms;
	later(s, EVENT_OVERDUE, host, vol, node_when(s, host, g->deadline_ms));
}

static void unpublish(struct sim *s, int host, uint32_t vol, struct gate *g)
{
	g->ended = true;
	g->grace_over = false;
	start_drain(s, host, vol, g);
	later(s, EVENT_GRACE, host, vol,
	      s->now + rng_below(&s->nodes[host].rng, 5 * MS));
}

static void drained(struct sim *s, int host, uint32_t vol, struct gate *g)
{
	g->grant = 0;
	g->v.state = BFENCE_STATE_CLOSED;
	g->drained_ios = g->at_close;
	notify(s, host, vol);
}

static void settle(struct sim *s, int host, uint32_t vol, struct gate *g)
{
	if (g->v.state != BFENCE_STATE_OPEN || !g->leased ||
	    !lease_is_over(s, host))
		return;
	g->lease_ended = true;
	unpublish(s, host, vol, g);
	notify(s, host, vol);
}

static void settle_all(struct sim *s, int host)
{
	struct kernel *k = s->kernels[host];

	for (uint32_t v = 0; v < s->nr_volumes; v++)
		if (k->gates[v])
			settle(s, host, v, k->gates[v]);
}

static void on_grace(struct sim *s, int host, uint32_t vol, struct gate *g)
{
	if (!g->ended || !g->grant || g->grace_over)
		return;
	g->grace_over = true;
	g->at_close = g->inflight;
	if (!g->inflight)
		drained(s, host, vol, g);
}

static void on_overdue(struct sim *s, int host, uint32_t vol, struct gate *g)
{
	if (g->v.state != BFENCE_STATE_DRAINING)
		return;
	if (node_now(s, host).v < g->deadline_ms) {
		later(s, EVENT_OVERDUE, host, vol,
		      node_when(s, host, g->deadline_ms));
		return;
	}
	g->v.state = BFENCE_STATE_QUARANTINED;
	notify(s, host, vol);
}

void kernel_event(struct sim *s, const struct event *event)
{
	struct kernel *k = s->kernels[event->node];
	struct gate *g = k->gates[event->a];

	if (event->life != s->nodes[event->node].boot)
		return;
	if (event->kind == EVENT_LEASE)
		settle_all(s, event->node);
	else if (event->kind == EVENT_IO_DONE)
		kernel_io_done(s, event->node, event->a, event->b);
	else if (g && event->kind == EVENT_GRACE)
		on_grace(s, event->node, event->a, g);
	else if (g && event->kind == EVENT_OVERDUE)
		on_overdue(s, event->node, event->a, g);
}

/* --- commands ---------------------------------------------------------------------- */

static enum verdict attach(struct sim *s, int host, uint32_t vol,
			   const struct kernel_op *op,
			   const struct verdict_ask *ask)
{
	struct kernel *k = s->kernels[host];
	enum verdict verdict = verdict_attach(op->volume.s, op->replica.s,
					      "/dev/model", ask, &k->host);
	struct gate *g;

	if (verdict != VERDICT_APPLY)
		return verdict;
	if (k->gates[vol])
		return VERDICT_VOLUME_ATTACHED;
	g = k->gates[vol] = calloc(1, sizeof(*g));
	assert(g);
	memcpy(g->volume, op->volume.s, sizeof(g->volume));
	memcpy(g->replica, op->replica.s, sizeof(g->replica));
	g->v.authority = ask->kmod_lineage;
	g->v.managed = ask->incarnation != 0;
	g->drain_ms = DRAIN_MS_DEFAULT;
	check_attached(s, host, vol, ours(g->v.authority));
	return VERDICT_APPLY;
}

static enum verdict fence(struct sim *s, int host, uint32_t vol,
			  const struct verdict_ask *ask, uint32_t drain_ms)
{
	struct kernel *k = s->kernels[host];
	struct gate *g = k->gates[vol];
	enum verdict verdict = verdict_fence(&g->v, ask, &k->host);
	bool was_open = g->v.state == BFENCE_STATE_OPEN;

	if (verdict != VERDICT_APPLY)
		return verdict;
	g->v.authority = ask->kmod_lineage;
	g->v.primary[0] = '\0';
	g->v.access_known = false;
	g->lease_ended = false;
	g->drain_ms = drain_ms ? drain_ms : DRAIN_MS_DEFAULT;
	if (was_open)
		unpublish(s, host, vol, g);
	else if (g->grant)
		start_drain(s, host, vol, g);
	notify(s, host, vol);
	return verdict;
}

static enum verdict open_gate(struct sim *s, int host, uint32_t vol,
			      const struct verdict_ask *ask)
{
	struct kernel *k = s->kernels[host];
	struct gate *g = k->gates[vol];
	enum verdict verdict = verdict_open(&g->v, ask, &k->host);

	if (verdict != VERDICT_APPLY)
		return verdict;
	g->v.state = BFENCE_STATE_OPEN;
	g->v.access = ask->flags & VERDICT_ACCESS_FLAGS;
	g->v.access_known = true;
	g->leased = ask->flags & BFENCE_F_LEASED;
	g->lease_ended = false;
	g->grant = ++k->grants;
	g->granted = g->v.authority;
	g->ended = false;
	g->inflight = 0;
	notify(s, host, vol);
	return verdict;
}

static enum verdict close_gate(struct sim *s, int host, uint32_t vol,
			       const struct verdict_ask *ask, uint32_t drain_ms)
{
	struct kernel *k = s->kernels[host];
	struct gate *g = k->gates[vol];
	enum verdict verdict = verdict_close(&g->v, ask, &k->host);

	if (verdict != VERDICT_APPLY)
		return verdict;
	g->drain_ms = drain_ms ? drain_ms : DRAIN_MS_DEFAULT;
	unpublish(s, host, vol, g);
	notify(s, host, vol);
	return verdict;
}

static enum verdict lease(struct sim *s, int host, const struct kernel_op *op,
			  const struct verdict_ask *ask)
{
	struct kernel *k = s->kernels[host];
	struct node *n = &s->nodes[host];
	enum verdict verdict = verdict_lease(ask, &k->host);
	uint64_t at;

	if (verdict != VERDICT_APPLY ||
	    op->lease_deadline.v <= node_now(s, host).v)
		return verdict;
	/* One that is over has ended its grants: it is not what runs on. */
	settle_all(s, host);
	if (op->lease_deadline.v <= k->lease_deadline_ms)
		return verdict;
	k->lease_deadline_ms = op->lease_deadline.v;
	at = node_when(s, host, op->lease_deadline.v);
	later(s, EVENT_LEASE, host, 0, at + rng_below(&n->rng, 30 * MS));
	return verdict;
}

static enum verdict change(struct sim *s, int host, int vol,
			   const struct kernel_op *op,
			   const struct verdict_ask *ask)
{
	if (op->kind == KERNEL_LEASE)
		return lease(s, host, op, ask);
	assert(vol >= 0);
	if (op->kind == KERNEL_ATTACH)
		return attach(s, host, (uint32_t)vol, op, ask);
	if (!s->kernels[host]->gates[vol])
		return VERDICT_BACKING_MISSING;	/* -ENOENT, as no gate is */
	settle(s, host, (uint32_t)vol, s->kernels[host]->gates[vol]);
	if (op->kind == KERNEL_FENCE)
		return fence(s, host, (uint32_t)vol, ask, op->drain_ms);
	if (op->kind == KERNEL_OPEN)
		return open_gate(s, host, (uint32_t)vol, ask);
	return close_gate(s, host, (uint32_t)vol, ask, op->drain_ms);
}

/* A command that was taken: who gave it, and whom it named. */
static void accept(struct kernel *k, struct gate *g,
		   const struct verdict_ask *ask)
{
	if (ask->incarnation > k->host.incarnation)
		k->host.incarnation = ask->incarnation;
	if (!g)
		return;
	if (ask->primary && !g->v.primary[0])
		snprintf(g->v.primary, sizeof(g->v.primary), "%s",
			 ask->primary);
	if (ask->incarnation > g->incarnation)
		g->incarnation = ask->incarnation;
}

int kernel_do(struct sim *s, int host, const struct kernel_op *op,
	      struct gate_info *ret, const char **ret_reason)
{
	struct kernel *k = s->kernels[host];
	const struct verdict_ask ask = {
		.kmod_lineage = { op->lineage.epoch,
				  op->lineage.endpoint_version },
		.primary = op->primary.s[0] ? op->primary.s : NULL,
		.incarnation = op->incarnation,
		.flags = (op->leased ? BFENCE_F_LEASED : 0) |
			 (op->keep_disk ? BFENCE_F_KEEP_DISK : 0),
	};
	int vol = op->kind == KERNEL_LEASE ? -1 :
					     sim_volume_index(s, &op->volume);
	enum verdict verdict;

	*ret_reason = "the model refuses";
	k->host.lease_running = !lease_is_over(s, host);
	verdict = change(s, host, vol, op, &ask);
	if (verdict_errno(verdict))
		return verdict_errno(verdict);
	accept(k, vol < 0 ? NULL : k->gates[vol], &ask);
	if (vol >= 0)
		kernel_show(s, host, (uint32_t)vol, ret);
	if (verdict == VERDICT_APPLY && op->kind == KERNEL_OPEN)
		check_opened(s, host, (uint32_t)vol, ret);
	return 0;
}

bool kernel_detach(struct sim *s, int host, uint32_t vol)
{
	struct kernel *k = s->kernels[host];
	struct gate *g = k->gates[vol];
	const struct verdict_ask ask = { .flags = BFENCE_F_FORCE };

	if (!g || verdict_detach(&g->v, &ask, &k->host, false) != VERDICT_APPLY)
		return false;
	free(g);
	k->gates[vol] = NULL;
	notify(s, host, vol);
	return true;
}

/* --- what it shows ------------------------------------------------------------------- */

static enum gate_state state_of(enum bfence_state state)
{
	static const enum gate_state states[] = {
		[BFENCE_STATE_CLOSED] = GATE_CLOSED,
		[BFENCE_STATE_OPEN] = GATE_OPEN,
		[BFENCE_STATE_DRAINING] = GATE_DRAINING,
		[BFENCE_STATE_QUARANTINED] = GATE_QUARANTINED,
	};

	return states[state];
}

bool kernel_peek(struct sim *s, int host, uint32_t vol, struct gate_info *ret)
{
	const struct gate *g = s->kernels[host]->gates[vol];

	memset(ret, 0, sizeof(*ret));
	ret->state = GATE_ABSENT;
	if (!g)
		return false;
	memcpy(ret->volume.s, g->volume, sizeof(ret->volume.s));
	memcpy(ret->replica.s, g->replica, sizeof(ret->replica.s));
	memcpy(ret->primary.s, g->v.primary, sizeof(ret->primary.s));
	ret->state = state_of(g->v.state);
	ret->authority = ours(g->v.authority);
	ret->drained = ret->state == GATE_CLOSED || ret->state == GATE_OPEN;
	ret->managed = g->v.managed;
	ret->leased = g->leased && ret->state == GATE_OPEN;
	ret->lease_ended = g->lease_ended;
	ret->incarnation = g->incarnation;
	ret->admitted = g->admitted;
	ret->rejected = g->rejected;
	ret->io_errors = g->io_errors;
	ret->inflight = g->inflight;
	ret->drained_ios = g->drained_ios;
	return true;
}

bool kernel_show(struct sim *s, int host, uint32_t vol, struct gate_info *ret)
{
	struct gate *g = s->kernels[host]->gates[vol];

	if (g)
		settle(s, host, vol, g);
	if (!kernel_peek(s, host, vol, ret))
		return false;
	check_authority(s, host, vol, ret);
	if (ret->drained)
		check_told_drained(s, host, vol, ret->authority);
	return true;
}

bool kernel_serves(struct sim *s, int host, uint32_t vol)
{
	const struct gate *g = s->kernels[host]->gates[vol];

	return g && g->v.state == BFENCE_STATE_OPEN &&
	       !(g->leased && lease_is_over(s, host));
}

/* It answers a report that left after the machine was frozen last. */
bool kernel_lease_is_clean(const struct sim *s, int host)
{
	const struct node *n = &s->nodes[host];

	return !n->frozen && (!n->thaw_local_ms ||
			      s->kernels[host]->lease_deadline_ms >
				      n->thaw_local_ms + s->lease_ms_max);
}

struct lineage kernel_grant(const struct sim *s, int host, uint32_t vol)
{
	const struct gate *g = s->kernels[host]->gates[vol];

	if (!g || !g->grant || (g->ended && !g->inflight))
		return (struct lineage){ 0 };
	return ours(g->granted);
}

/* --- one I/O --------------------------------------------------------------------------- */

uint64_t kernel_admit(struct sim *s, int host, uint32_t vol,
		      struct lineage stamp)
{
	struct gate *g = s->kernels[host]->gates[vol];
	const struct kmod_lineage l = { stamp.epoch, stamp.endpoint_version };

	if (!g)
		return 0;
	if (g->v.state != BFENCE_STATE_OPEN || g->ended ||
	    kmod_lineage_cmp(&l, &g->granted) ||
	    (g->leased && lease_is_over(s, host))) {
		g->rejected++;
		return 0;
	}
	g->admitted++;
	g->inflight++;
	return g->grant;
}

void kernel_io_done(struct sim *s, int host, uint32_t vol, uint64_t grant)
{
	struct gate *g = s->kernels[host]->gates[vol];

	/* A gate that was opened before its drain was over counts anew, and
	 * what is left over of the older grant is nobody's any more. */
	if (!g || g->grant != grant || !g->inflight)
		return;
	g->inflight--;
	if (g->ended && g->grace_over && !g->inflight)
		drained(s, host, vol, g);
}

void kernel_io_error(struct sim *s, int host, uint32_t vol)
{
	struct gate *g = s->kernels[host]->gates[vol];

	if (g)
		g->io_errors++;
}
