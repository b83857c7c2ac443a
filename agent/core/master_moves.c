// SPDX-License-Identifier: GPL-2.0
/*
 * Moves of primaries that could stay: the hosts that are drained are emptied,
 * and loads are balanced if that is configured. One volume at a time in the
 * whole cluster. Must never move one that is not well, nor mint.
 */
#include "master_state.h"

#include <errno.h>

/* --- one move ----------------------------------------------------------------- */

enum ask_refusal master_begin_move(struct master *m, const struct view *view,
				   const struct decision *move,
				   struct mono_ms now,
				   struct master_update *update)
{
	static const struct decision nothing;
	struct desired *d = &m->volumes[view->vol].desired;
	enum ask_refusal refusal = ASK_TAKEN;

	if (convergence_want(d, move, now))
		refusal = master_ask_line(m, view, move, update);
	/* Who asked is told and may ask again: nothing is kept of it. */
	if (refusal)
		convergence_want(d, &nothing, now);
	master_count_load(m, view);
	master_mark(m, view->vol);
	return refusal;
}

struct decision master_keep_move(struct master *m, const struct view *view,
				 const struct decision *other,
				 struct master_update *update)
{
	struct volume_state *v = &m->volumes[view->vol];
	enum decision_reason reason = (enum decision_reason)v->desired.reason;
	const struct desired *d = &v->desired;
	enum move_refusal why;

	if (d->phase != CONVERGENCE_ASKING || !decision_is_move(reason))
		return *other;
	/* Its data were judged when it was asked for. */
	why = controller_check_move(view, d->ask.slot, true);
	if (why == MOVE_ALLOWED)
		return controller_move(view, d->ask.slot, reason);
	if (v->token && update->nr_answers <= MASTER_PERSIST_MAX) {
		master_answer(update, v->token, -EAGAIN,
			      "volume %s: the move was given up: host %s %s",
			      master_volume_name(m, view->vol),
			      m->registry.hosts[view->slots[d->ask.slot].host]
				      .id.s,
			      move_refusal_name(why));
		v->token = 0;
	}
	return *other;
}

/* True when it is on its way. */
static bool begin(struct master *m, const struct view *view,
		  const struct decision *move, struct mono_ms now,
		  struct master_update *update)
{
	/* An operator's ask for the volume goes first. */
	if (m->volumes[view->vol].token ||
	    master_begin_move(m, view, move, now, update))
		return false;
	m->move.vol = view->vol;
	return true;
}

/* The volume as it stands, when it is well and its primary is in this slot. */
static bool view_primary(struct master *m, uint32_t slot_nr, struct mono_ms now,
			 struct view *ret)
{
	uint32_t vol = slot_nr / REPLICA_SLOTS;
	const struct volume_state *v = &m->volumes[vol];

	if (v->holder != (int)(slot_nr % REPLICA_SLOTS) ||
	    v->desired.phase != CONVERGENCE_SETTLED)
		return false;
	snapshot_build(&m->observation, publisher_line(m->publisher, vol), vol,
		       now, ret);
	return convergence_is_confirmed(ret);
}

/* --- drained hosts -------------------------------------------------------------- */

static bool drain_host(struct master *m, uint32_t host, struct mono_ms now,
		       struct master_update *update)
{
	uint32_t nr = m->registry.hosts[host].first_slot;
	struct decision move;
	struct view view;
	int to;

	for (; nr != INDEX_NONE; nr = m->registry.next_slot[nr]) {
		if (!view_primary(m, nr, now, &view))
			continue;
		to = controller_move_target(&m->controller, &view);
		if (to < 0)
			continue;
		move = controller_move(&view, to, DECISION_DRAIN);
		if (begin(m, &view, &move, now, update))
			return true;
	}
	return false;
}

static bool drain(struct master *m, struct mono_ms now,
		  struct master_update *update)
{
	if (!m->nr_drained || now.v < m->move.next_drain.v)
		return false;
	for (uint32_t i = 0; i < m->registry.nr_hosts; i++)
		if (m->registry.hosts[i].drained && m->controller.load[i] &&
		    drain_host(m, i, now, update))
			return true;
	/* Looking through a host is work: not at every tick. */
	m->move.next_drain.v = now.v + m->config.retry_ms;
	return false;
}

/* --- balance -------------------------------------------------------------------- */

/* Hosts are tried from the most primaries to the fewest, one a tick. */
static uint64_t key_of(const struct master *m, uint32_t host)
{
	return (uint64_t)m->controller.load[host] << 32 | host;
}

static uint32_t next_to_try(const struct master *m)
{
	uint32_t found = INDEX_NONE;

	for (uint32_t i = 0; i < m->registry.nr_hosts; i++) {
		if (m->controller.load[i] <= m->config.rebalance_skew ||
		    key_of(m, i) >= m->move.tried)
			continue;
		if (found == INDEX_NONE || key_of(m, i) > key_of(m, found))
			found = i;
	}
	return found;
}

/* Could it go to a host with fewer primaries than this? Cheaper than a view. */
static bool has_host_below(const struct master *m, uint32_t vol, uint32_t load)
{
	const struct registry_volume *volume = &m->registry.volumes[vol];

	for (int i = 0; i < REPLICA_SLOTS; i++)
		if (m->controller.load[volume->hosts[i]] < load)
			return true;
	return false;
}

/* Of all primaries of the host, the one that can go to the lightest host. */
static bool balance_host(struct master *m, uint32_t host, struct mono_ms now,
			 struct master_update *update)
{
	uint32_t nr = m->registry.hosts[host].first_slot;
	uint32_t below = m->controller.load[host] - m->config.rebalance_skew;
	struct decision move = { 0 };
	struct view view, best = { 0 };
	int to;

	for (; nr != INDEX_NONE; nr = m->registry.next_slot[nr]) {
		if (!has_host_below(m, nr / REPLICA_SLOTS, below) ||
		    !view_primary(m, nr, now, &view))
			continue;
		to = controller_lighter_slot(&m->controller, &view,
					     m->config.rebalance_skew);
		if (to < 0 || m->controller.load[view.slots[to].host] >= below)
			continue;
		best = view;
		move = controller_move(&view, to, DECISION_REBALANCE);
		below = m->controller.load[view.slots[to].host];
	}
	return move.ask.intent && begin(m, &best, &move, now, update);
}

static void balance(struct master *m, struct mono_ms now,
		    struct master_update *update)
{
	uint32_t host;

	if (!m->config.rebalance_skew || m->nr_unsettled ||
	    now.v < m->move.next_balance.v)
		return;
	host = next_to_try(m);
	if (host != INDEX_NONE && !balance_host(m, host, now, update)) {
		m->move.tried = key_of(m, host);
		return;
	}
	m->move.tried = UINT64_MAX;
	m->move.next_balance.v = now.v + m->config.rebalance_cooldown_ms;
}

void master_look_for_move(struct master *m, struct mono_ms now,
			  struct master_update *update)
{
	if (m->move.vol != INDEX_NONE &&
	    m->volumes[m->move.vol].desired.phase != CONVERGENCE_SETTLED)
		return;
	m->move.vol = INDEX_NONE;
	if (!drain(m, now, update))
		balance(m, now, update);
}
