// SPDX-License-Identifier: GPL-2.0
/*
 * Chance, the queue of what happens, the clocks of the nodes and whether they
 * run. Must never know what an event means.
 */
#include "sim.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- chance ----------------------------------------------------------------- */

/* splitmix64, Steele, Lea and Flood 2014 */
uint64_t rng_next(struct rng *r)
{
	uint64_t z = (r->s += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *r, uint64_t below)
{
	return rng_next(r) % below;
}

bool rng_one_in(struct rng *r, uint64_t n)
{
	return rng_below(r, n) == 0;
}

struct rng rng_seeded(uint64_t seed, uint64_t stream)
{
	struct rng r = { seed * 0x2545f4914f6cdd1dULL + stream };

	r.s = rng_next(&r) ^ (stream << 32);
	return r;
}

/* --- what is said ------------------------------------------------------------ */

void sim_trace(struct sim *s, const char *format, ...)
{
	va_list args;

	if (!s->config.trace)
		return;
	printf("[%6" PRIu64 ".%03" PRIu64 "] ", s->now / MS, s->now % MS);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

void sim_fail(struct sim *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(s->result->text, sizeof(s->result->text), format, args);
	va_end(args);
	s->result->failed = true;
	s->result->end_us = s->now;
	sim_trace(s, "FAILED: %s", s->result->text);
	fflush(stdout);
	_exit(1);
}

/* FNV-1a by words: the same seed must give the same sum. */
void sim_hash(struct sim *s, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t h = s->result->hash;

	for (; len >= 8; len -= 8, at += 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		h = (h ^ word) * 0x100000001b3ULL;
		h ^= h >> 29;
	}
	for (; len; len--, at++)
		h = (h ^ *at) * 0x100000001b3ULL;
	s->result->hash = h;
}

/* --- the queue ------------------------------------------------------------------ */

static bool is_before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void sim_at(struct sim *s, uint64_t at, struct event event)
{
	size_t i = s->nr_queue++;

	if (s->nr_queue > s->queue_max) {
		s->queue_max = s->queue_max ? 2 * s->queue_max : 1024;
		s->queue = realloc(s->queue, s->queue_max * sizeof(event));
		assert(s->queue);
	}
	event.at = at < s->now ? s->now : at;
	event.order = ++s->order;
	for (; i && is_before(&event, &s->queue[(i - 1) / 2]); i = (i - 1) / 2)
		s->queue[i] = s->queue[(i - 1) / 2];
	s->queue[i] = event;
}

bool sim_next(struct sim *s, uint64_t until, struct event *ret)
{
	struct event last;
	size_t i = 0;

	if (!s->nr_queue || s->queue[0].at > until)
		return false;
	*ret = s->queue[0];
	last = s->queue[--s->nr_queue];
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= s->nr_queue)
			break;
		if (child + 1 < s->nr_queue &&
		    is_before(&s->queue[child + 1], &s->queue[child]))
			child++;
		if (is_before(&last, &s->queue[child]))
			break;
		s->queue[i] = s->queue[child];
		i = child;
	}
	s->queue[i] = last;
	assert(ret->at >= s->now);
	s->now = ret->at;
	return true;
}

/* --- names ------------------------------------------------------------------------ */

int sim_master_node(const struct sim *s)
{
	return s->nr_hosts;
}

struct manager *sim_manager(struct sim *s, int node)
{
	assert(node >= s->nr_hosts);
	return &s->managers[node - s->nr_hosts];
}

const char *sim_node_name(const struct sim *s, int node)
{
	static char names[4][HOST_ID_SIZE];
	static int at;

	if (node == s->nr_hosts)
		return "master";
	if (node > s->nr_hosts)
		return "second-master";
	at = (at + 1) % 4;
	snprintf(names[at], HOST_ID_SIZE, "host-%d", node + 1);
	return names[at];
}

struct promise *sim_promise(struct sim *s, int host, uint32_t vol)
{
	return &s->promises[(size_t)host * s->nr_volumes + vol];
}

/* Volumes are v1, v2 ..., hosts host-1, host-2 ... */
static int index_of(const char *text, int nr)
{
	int at = (int)strtol(text, NULL, 10) - 1;

	return at >= 0 && at < nr ? at : -1;
}

int sim_volume_index(const struct sim *s, const struct volume_id *id)
{
	return id->s[0] == 'v' ? index_of(id->s + 1, (int)s->nr_volumes) : -1;
}

int sim_host_index(const struct sim *s, const struct host_id *id)
{
	return strncmp(id->s, "host-", 5) ? -1 :
					    index_of(id->s + 5, s->nr_hosts);
}

struct host_id sim_host_id(int host)
{
	struct host_id id = { { 0 } };

	snprintf(id.s, sizeof(id.s), "host-%d", host + 1);
	return id;
}

bool sim_is_large(const struct sim *s)
{
	return s->nr_hosts > 5;
}

struct host_id sim_home(const struct sim *s, uint32_t vol, int i)
{
	return sim_host_id((int)(vol % (uint32_t)s->nr_hosts + (uint32_t)i) %
			   s->nr_hosts);
}

/* --- clocks ------------------------------------------------------------------------- */

static uint64_t local_us(const struct sim *s, const struct node *n)
{
	if (n->frozen)
		return n->local_us;
	return n->local_us + (s->now - n->base_us) * n->rate_ppm / 1000000;
}

struct mono_ms node_now(const struct sim *s, int node)
{
	return (struct mono_ms){ local_us(s, &s->nodes[node]) / MS };
}

uint64_t node_when(const struct sim *s, int node, uint64_t local_ms)
{
	const struct node *n = &s->nodes[node];
	uint64_t have = local_us(s, n);

	if (local_ms * MS <= have)
		return s->now;
	return s->now + (local_ms * MS - have) * 1000000 / n->rate_ppm + 1;
}

/* The drift that two clocks may have against each other is what the margin of
 * a lease covers, 1/8: each may be off by less than 1/17. */
void node_boot_clock(struct sim *s, int node)
{
	struct node *n = &s->nodes[node];

	n->boot++;
	n->base_us = s->now;
	n->local_us = (1000 + rng_below(&n->rng, 100000)) * MS;
	n->thaw_local_ms = 0;
	n->rate_ppm = 1000000 - 58000 + rng_below(&n->rng, 116001);
	if (rng_one_in(&n->rng, 2))
		n->rate_ppm = rng_one_in(&n->rng, 2) ? 942000 : 1058000;
}

static void release_held(struct sim *s, struct node *n)
{
	struct event *held = n->held;
	size_t nr = n->nr_held;

	n->held = NULL;
	n->nr_held = 0;
	n->held_max = 0;
	for (size_t i = 0; i < nr; i++)
		sim_at(s, s->now, held[i]);
	free(held);
}

void node_freeze(struct sim *s, int node, bool frozen)
{
	struct node *n = &s->nodes[node];

	if (n->frozen == frozen)
		return;
	n->local_us = local_us(s, n);
	n->base_us = s->now;
	n->frozen = frozen;
	n->thaw_local_ms = n->local_us / MS + 1;
	if (!frozen)
		release_held(s, n);
}

void node_stall(struct sim *s, int node, bool stalled)
{
	struct node *n = &s->nodes[node];

	n->stalled = stalled;
	if (!stalled)
		release_held(s, n);
}

static bool is_agents(enum event_kind kind)
{
	return kind >= EVENT_TIMER && kind <= EVENT_DOWN;
}

static bool is_kernels(enum event_kind kind)
{
	return kind >= EVENT_LEASE && kind <= EVENT_IO_DONE;
}

bool node_holds(struct sim *s, const struct event *event)
{
	struct node *n;

	if (!is_agents(event->kind) && !is_kernels(event->kind))
		return false;
	n = &s->nodes[event->node];
	if (!n->frozen && !(n->stalled && is_agents(event->kind)))
		return false;
	if (n->nr_held == n->held_max) {
		n->held_max = n->held_max ? 2 * n->held_max : 64;
		n->held = realloc(n->held, n->held_max * sizeof(*event));
		assert(n->held);
	}
	n->held[n->nr_held++] = *event;
	return true;
}

bool node_burns(struct sim *s, int node)
{
	struct node *n = &s->nodes[node];

	if (!n->up)
		return true;
	if (!n->fuse || --n->fuse)
		return false;
	sim_trace(s, "%s dies between two actions", sim_node_name(s, node));
	agent_kill(s, node, n->fuse_is_reboot);
	return true;
}

/* As the loop does: a timer may be moved nearer. */
void node_arm(struct sim *s, int node, struct mono_ms at)
{
	struct node *n = &s->nodes[node];

	if (!at.v || at.v == UINT64_MAX || (n->timer_ms && n->timer_ms <= at.v))
		return;
	n->timer_ms = at.v;
	sim_at(s, node_when(s, node, at.v),
	       (struct event){ .kind = EVENT_TIMER,
			       .node = node,
			       .life = n->life,
			       .b = ++n->timer_id });
}
