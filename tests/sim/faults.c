// SPDX-License-Identifier: GPL-2.0
/*
 * What goes wrong in a world: a list made from the seed before it begins, so
 * that any of it can be left out. Must never look at what came of it.
 */
#include "sim.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define SHORT_MS	800

enum {
	TO_HOST,
	TO_MASTER
};

static const struct {
	const char *name;
	uint32_t weight;
	uint64_t longest_ms;
} kinds[NR_FAULTS] = {
	[FAULT_CUT] = { "cut", 8, 15000 },
	[FAULT_CUT_ONE_WAY] = { "cut-one-way", 5, 15000 },
	[FAULT_BREAK] = { "break", 5, 1 },
	[FAULT_SLOW_LINK] = { "slow-link", 4, 8000 },
	[FAULT_KILL_AGENT] = { "kill-agent", 8, 8000 },
	[FAULT_REBOOT] = { "reboot", 8, 12000 },
	[FAULT_KILL_MASTER] = { "kill-master", 9, 8000 },
	[FAULT_REBOOT_MASTER] = { "reboot-master", 3, 8000 },
	[FAULT_STALL] = { "stall", 5, 10000 },
	[FAULT_FREEZE] = { "freeze", 5, 12000 },
	[FAULT_FUSE] = { "crash-between-actions", 12, 6000 },
	[FAULT_FAIL_SYNC] = { "fail-sync", 3, 6000 },
	[FAULT_SLOW_DISK] = { "slow-disk", 3, 8000 },
	[FAULT_HANG] = { "hang", 6, 8000 },
	[FAULT_IO_ERROR] = { "io-error", 3, 1 },
	[FAULT_DETACH] = { "detach", 2, 1 },
	[FAULT_CLAIM] = { "claim", 3, 8000 },
	[FAULT_CREATE] = { "create", 6, 1 },
	[FAULT_DELETE] = { "delete", 4, 1 },
	[FAULT_RECOVER] = { "recover", 3, 1 },
	[FAULT_REASSIGN] = { "reassign", 5, 1 },
	[FAULT_DRAIN] = { "drain", 3, 8000 },
	[FAULT_SECOND_MASTER] = { "second-master", 2, 6000 },
	[FAULT_DAMAGE] = { "damage", 0, 3000 },
	[FAULT_RESTORE] = { "restore", 0, 3000 },
};

const char *fault_name(enum fault_kind kind)
{
	return kinds[kind].name;
}

/* --- the list ------------------------------------------------------------------------ */

static enum fault_kind choose(struct rng *r, uint32_t rare)
{
	uint64_t sum = rare ? 16 : 0;
	uint64_t at;

	for (int i = 1; i < NR_FAULTS; i++)
		sum += kinds[i].weight;
	at = rng_below(r, sum);
	for (int i = 1; i < NR_FAULTS; i++) {
		if (at < kinds[i].weight)
			return (enum fault_kind)i;
		at -= kinds[i].weight;
	}
	return (enum fault_kind)rare;
}

/* Whose fault it is: some are the master's alone. */
static int node_of(struct sim *s, struct rng *r, enum fault_kind kind)
{
	switch (kind) {
	case FAULT_KILL_MASTER:
	case FAULT_REBOOT_MASTER:
	case FAULT_DAMAGE:
	case FAULT_RESTORE:
		return sim_master_node(s);
	case FAULT_STALL:
	case FAULT_FREEZE:
	case FAULT_FUSE:
	case FAULT_FAIL_SYNC:
	case FAULT_SLOW_DISK:
		return (int)rng_below(r, (uint64_t)s->nr_hosts + 1);
	default:
		return (int)rng_below(r, (uint64_t)s->nr_hosts);
	}
}

/* Many are over before anybody has noticed: the next ones find a world that
 * takes itself for well. */
static uint64_t lasts_us(struct rng *r, enum fault_kind kind)
{
	uint64_t longest = kinds[kind].longest_ms;

	if (longest > SHORT_MS && rng_one_in(r, 3))
		longest = SHORT_MS;
	return rng_below(r, longest * MS);
}

static void add(struct sim *s, struct rng *r, uint64_t at,
		const struct fault *like)
{
	int i = s->nr_faults++;
	struct fault *f = &s->faults[i];

	assert(i < SIM_FAULTS_MAX);
	*f = *like;
	f->at = at;
	f->arg = rng_next(r);
	if (!f->ends)
		f->ends = lasts_us(r, f->kind);
	f->ends += at + 1;
	if (s->last_fault < at)
		s->last_fault = at;
	if (s->config.has_mask && !(s->config.mask & (1ULL << i)))
		return;
	sim_at(s, f->at,
	       (struct event){ .kind = EVENT_FAULT, .a = (uint32_t)i });
	sim_at(s, f->ends,
	       (struct event){ .kind = EVENT_FAULT_ENDS, .a = (uint32_t)i });
}

/* What chance alone would seldom bring together: a primary that is cut off,
 * and within its lease a master that has forgotten it. */
static void add_story(struct sim *s, struct rng *r)
{
	uint64_t at = (2000 + rng_below(r, 10000)) * MS;
	uint64_t step = rng_below(r, 500 * MS) + MS;
	struct fault f = { .kind = FAULT_CUT,
			   .node = (int)rng_below(r, (uint64_t)s->nr_hosts),
			   .vol = (uint32_t)rng_below(r, s->nr_volumes),
			   .ends = 12000 * MS };

	add(s, r, at, &f);
	f.ends = step;
	if (rng_one_in(r, 2)) {
		f.kind = FAULT_KILL_MASTER;
		f.node = sim_master_node(s);
		add(s, r, at + step, &f);
		return;
	}
	f.kind = FAULT_DELETE;
	add(s, r, at + step, &f);
	f.kind = FAULT_CREATE;
	add(s, r, at + 2 * step, &f);
}

void faults_make(struct sim *s)
{
	struct rng r = rng_seeded(s->config.seed, 1);
	uint32_t rare = 0;
	uint64_t at = 1500 * MS;
	int nr = (int)(3 + rng_below(&r, 12));

	if (rng_one_in(&r, 8))
		rare = rng_one_in(&r, 2) ? FAULT_DAMAGE : FAULT_RESTORE;
	if (s->config.nr_faults)
		nr = s->config.nr_faults;
	for (int i = 0; i < nr; i++) {
		struct fault f = { .kind = choose(&r, rare) };

		at += rng_below(&r, rng_one_in(&r, 2) ? 500 * MS : 6000 * MS);
		f.node = node_of(s, &r, f.kind);
		f.vol = (uint32_t)rng_below(&r, s->nr_volumes);
		add(s, &r, at, &f);
	}
	if (rng_one_in(&r, 3))
		add_story(s, &r);
}

/* --- a master that should not be ------------------------------------------------------------ */

static bool is_stale_for_all(const struct sim *s, const struct disk *d)
{
	struct reload r;
	uint64_t incarnation;
	bool stale = true;

	assert(reload_init(&r, s->nr_volumes + 1) == 0);
	assert(reload_judge(&r, d->image, d->nr_frames) == 0);
	incarnation =
		record_incarnation(&record_table_at(r.table, 0)->record).value +
		1;
	reload_exit(&r);
	for (int h = 0; h < s->nr_hosts; h++)
		stale &= incarnation < s->hosts[h].incarnation;
	return stale;
}

/* Of another cluster, where more masters have started than here. */
static void make_foreign_log(struct sim *s, int node)
{
	const struct incarnation incarnation = { .value = 1000 };
	const struct record record = record_of_incarnation(1, &incarnation);
	struct disk *d = &s->nodes[node].disk;

	disk_make(s, d, 66, d->nr_frames);
	disk_append(s, node, &record);
}

static void start_second_master(struct sim *s, const struct fault *f)
{
	int node = sim_master_node(s) + 1;

	if (s->nodes[node].up || !s->backup.image)
		return;
	for (int h = 0; h < s->nr_hosts; h++)
		if (!s->hosts[h].incarnation)
			return;	/* it would obey anybody */
	if (f->arg & 1) {
		make_foreign_log(s, node);
	} else {
		if (!is_stale_for_all(s, &s->backup))
			return;
		disk_copy(&s->nodes[node].disk, &s->backup);
	}
	agent_start(s, node);
	for (int h = 0; h < s->nr_hosts; h++) {
		if (!(f->arg & (2ULL << h)))
			continue;
		s->hosts[h].target = node;
		net_break(s, h);
	}
}

static void end_second_master(struct sim *s)
{
	int node = sim_master_node(s) + 1;

	for (int h = 0; h < s->nr_hosts; h++)
		s->hosts[h].target = sim_master_node(s);
	if (s->nodes[node].up)
		agent_kill(s, node, true);
}

/* --- begin and end ----------------------------------------------------------------------------- */

static void restore(struct sim *s)
{
	int node = sim_master_node(s);

	if (!s->backup.image || s->nodes[node].disk.nr_group)
		return;
	disk_copy(&s->nodes[node].disk, &s->backup);
	s->restored = true;
}

static void hang(struct sim *s, const struct fault *f)
{
	struct volume *v = &s->volumes[f->vol];

	if (v->hung_until < f->ends)
		v->hung_until = f->ends;
}

static void begin_on_node(struct sim *s, const struct fault *f)
{
	struct node *n = &s->nodes[f->node];

	switch (f->kind) {
	case FAULT_KILL_AGENT:
		s->hosts[f->node].port += f->arg & 1;
		agent_kill(s, f->node, false);
		break;
	case FAULT_KILL_MASTER:
		agent_kill(s, f->node, false);
		break;
	case FAULT_REBOOT:
	case FAULT_REBOOT_MASTER:
		agent_kill(s, f->node, true);
		break;
	case FAULT_DAMAGE:
		agent_kill(s, f->node, false);
		disk_damage(s, f->node, &s->volumes[f->vol].id);
		break;
	case FAULT_RESTORE:
		agent_kill(s, f->node, false);
		restore(s);
		break;
	case FAULT_STALL:
		if (n->up && !n->stalled && f->node < s->nr_hosts)
			check_forget_fences(s, f->node);
		node_stall(s, f->node, n->up);
		break;
	case FAULT_FREEZE:
		if (f->node < s->nr_hosts)
			check_forget_fences(s, f->node);
		node_freeze(s, f->node, true);
		break;
	case FAULT_FUSE:
		n->fuse = (int)(1 + f->arg % 12);
		n->fuse_is_reboot = f->arg & (1ULL << 40);
		break;
	case FAULT_FAIL_SYNC:
		n->disk.fail_next = -5;
		break;
	default:
		n->disk.slow_ms = (uint32_t)(1 + f->arg % 400);
	}
}

static void begin_on_host(struct sim *s, const struct fault *f)
{
	struct host *h = &s->hosts[f->node];

	switch (f->kind) {
	case FAULT_CUT:
		net_cut(s, f->node, TO_HOST, true);
		net_cut(s, f->node, TO_MASTER, true);
		break;
	case FAULT_CUT_ONE_WAY:
		net_cut(s, f->node, f->arg & 1 ? TO_HOST : TO_MASTER, true);
		break;
	case FAULT_BREAK:
		net_break(s, f->node);
		break;
	case FAULT_SLOW_LINK:
		h->slow_ms = (uint32_t)(1 + f->arg % 900);
		break;
	case FAULT_IO_ERROR:
		kernel_io_error(s, f->node, f->vol);
		break;
	case FAULT_DETACH:
		kernel_detach(s, f->node, f->vol);
		break;
	case FAULT_CLAIM:
		h->claims = (int)f->vol;
		break;
	default:
		break;
	}
}

static void begin(struct sim *s, const struct fault *f)
{
	switch (f->kind) {
	case FAULT_CREATE:
	case FAULT_DELETE:
	case FAULT_RECOVER:
	case FAULT_REASSIGN:
	case FAULT_DRAIN:
		operator_obeys(s, f);
		break;
	case FAULT_SECOND_MASTER:
		start_second_master(s, f);
		break;
	case FAULT_HANG:
		hang(s, f);
		break;
	case FAULT_KILL_AGENT:
	case FAULT_KILL_MASTER:
	case FAULT_REBOOT:
	case FAULT_REBOOT_MASTER:
	case FAULT_DAMAGE:
	case FAULT_RESTORE:
	case FAULT_STALL:
	case FAULT_FREEZE:
	case FAULT_FUSE:
	case FAULT_FAIL_SYNC:
	case FAULT_SLOW_DISK:
		begin_on_node(s, f);
		break;
	default:
		begin_on_host(s, f);
	}
}

static void mend(struct sim *s, int node)
{
	struct node *n = &s->nodes[node];

	n->fuse = 0;
	n->disk.slow_ms = 0;
	n->disk.fail_next = 0;
	node_freeze(s, node, false);
	node_stall(s, node, false);
	/* A log that is closed for good is so until a restart. */
	if (n->up && n->disk.closed)
		agent_kill(s, node, false);
	if (!n->up)
		agent_start(s, node);
}

static void end(struct sim *s, const struct fault *f)
{
	switch (f->kind) {
	case FAULT_CUT:
	case FAULT_CUT_ONE_WAY:
		net_cut(s, f->node, TO_HOST, false);
		net_cut(s, f->node, TO_MASTER, false);
		break;
	case FAULT_SLOW_LINK:
		s->hosts[f->node].slow_ms = 0;
		break;
	case FAULT_CLAIM:
		s->hosts[f->node].claims = -1;
		break;
	case FAULT_DRAIN:
		operator_undrains(s, f->node);
		break;
	case FAULT_SECOND_MASTER:
		end_second_master(s);
		break;
	case FAULT_STALL:
	case FAULT_FREEZE:
	case FAULT_KILL_AGENT:
	case FAULT_KILL_MASTER:
	case FAULT_REBOOT:
	case FAULT_REBOOT_MASTER:
	case FAULT_DAMAGE:
	case FAULT_RESTORE:
	case FAULT_FUSE:
	case FAULT_FAIL_SYNC:
	case FAULT_SLOW_DISK:
		mend(s, f->node);
		break;
	default:
		break;
	}
}

void faults_event(struct sim *s, const struct event *event)
{
	const struct fault *f = &s->faults[event->a];

	if (s->calm)
		return;
	sim_trace(s, "--- fault %u: %s %s%s %s", event->a, fault_name(f->kind),
		  event->kind == EVENT_FAULT ? "" : "ends ",
		  sim_node_name(s, f->node), s->volumes[f->vol].id.s);
	if (event->kind == EVENT_FAULT)
		begin(s, f);
	else
		end(s, f);
	check_all(s);
}

/* A master that knows less than its hosts is refused by them until it has been
 * started often enough. */
static void catch_up(struct sim *s)
{
	int node = sim_master_node(s);
	uint64_t seen = 0;

	for (int h = 0; h < s->nr_hosts; h++)
		if (s->hosts[h].incarnation > seen)
			seen = s->hosts[h].incarnation;
	while (s->restored && sim_manager(s, node)->config.incarnation < seen) {
		agent_kill(s, node, false);
		agent_start(s, node);
	}
}

void faults_heal(struct sim *s, int except)
{
	end_second_master(s);
	for (uint32_t v = 0; v < s->nr_volumes; v++)
		s->volumes[v].hung_until = 0;
	mend(s, sim_master_node(s));
	catch_up(s);
	for (int h = 0; h < s->nr_hosts; h++) {
		operator_undrains(s, h);
		s->hosts[h].claims = -1;
		s->hosts[h].slow_ms = 0;
		net_cut(s, h, TO_HOST, false);
		net_cut(s, h, TO_MASTER, false);
		if (h == except)
			agent_kill(s, h, true);
		else
			mend(s, h);
	}
}
