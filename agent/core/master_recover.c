// SPDX-License-Identifier: GPL-2.0
/*
 * An operator's word that a volume goes on above all that is known of it,
 * when its line is not to be trusted. Must never mint, nor recover a volume
 * that nobody asked for.
 */
#include "master_state.h"

#include <errno.h>
#include <inttypes.h>

/* How many hosts have said all that they hold, and lately. */
static int nr_inventories(const struct view *view)
{
	int nr = 0;

	for (int i = 0; i < REPLICA_SLOTS; i++)
		nr += view->slots[i].coverage == COVERAGE_FRESH;
	return nr;
}

/* Without the highest lineage that a majority acknowledged, going on above
 * it cannot be promised. */
static bool needs_inventories(const struct master *m, const struct view *view)
{
	const struct registry_volume *volume = &m->registry.volumes[view->vol];

	return (volume->corrupt || volume->in_doubt) &&
	       nr_inventories(view) < FENCE_QUORUM;
}

/* One that is connected and was asked just now will tell soon. */
static bool is_any_to_come(const struct master *m, const struct view *view)
{
	for (int i = 0; i < REPLICA_SLOTS; i++)
		if (view->slots[i].coverage == COVERAGE_PENDING &&
		    m->observation.hosts[view->slots[i].host].connected)
			return true;
	return false;
}

static void refuse_inventories(struct master *m, const struct view *view,
			       struct master_update *update)
{
	struct volume_state *v = &m->volumes[view->vol];

	master_answer(
		update, v->token, -EAGAIN,
		"volume %s: %d of its hosts have given a fresh and complete inventory, recovery needs %d to know the highest lineage they acknowledged",
		master_volume_name(m, view->vol), nr_inventories(view),
		FENCE_QUORUM);
	v->token = 0;
}

/* The ask goes to the publisher now, or is refused. */
static void recover(struct master *m, const struct view *view,
		    struct lineage expected, struct master_update *update)
{
	struct volume_state *v = &m->volumes[view->vol];
	struct decision d = controller_recover(&m->controller, view);
	const struct recovery trace = { .wall_s = v->recover.wall_s,
					.uid = v->recover.uid };
	enum ask_refusal refusal;

	if (lineage_cmp(view->line->lineage, expected)) {
		master_answer_refusal(m, view->vol, ASK_LINE_MOVED, expected,
				      update);
		return;
	}
	if (d.ask.intent == ASK_NONE) {
		master_answer(
			update, v->token, -EAGAIN,
			"volume %s: none of its hosts that are heard has a slot that may be primary",
			master_volume_name(m, view->vol));
		v->token = 0;
		return;
	}
	refusal = publisher_recover(m->publisher, view->vol, &d.ask, &trace);
	if (refusal) {
		master_answer_refusal(m, view->vol, refusal, expected, update);
		return;
	}
	master_note(update,
		    "recover volume=%s uid=%u line=%" PRIu64 ".%" PRIu64
		    " highest=%" PRIu64 ".%" PRIu64,
		    master_volume_name(m, view->vol), trace.uid, expected.epoch,
		    expected.endpoint_version, view->highest.epoch,
		    view->highest.endpoint_version);
}

/* Its hosts are named anew: they are asked what they know, and waited for. */
static void place_and_wait(struct master *m, uint32_t vol,
			   const struct master_event *event,
			   struct master_update *update)
{
	const struct master_ask *ask = &event->ask;
	const struct topology topology = master_topology_of(ask, NULL);
	struct volume_state *v = &m->volumes[vol];

	if (!ask->hosts[0].s[0]) {
		master_answer(
			update, ask->token, -EINVAL,
			"hosts: the record of volume %s is damaged, its three hosts must be named",
			ask->volume.s);
		return;
	}
	if (master_hosts_refused(m, ask, update))
		return;
	if (registry_place(&m->registry, vol, &topology, event->now))
		return;		/* never: its hosts are known */
	v->token = ask->token;
	v->recover.waits = true;
	v->recover.until.v = event->now.v + m->config.grace_ms;
	master_sync_hosts(m, vol);
	master_mark(m, vol);
}

static void forget_hosts(struct master *m, uint32_t vol)
{
	master_sync_hosts(m, vol);
	registry_unplace(&m->registry, vol);
	observation_forget(&m->observation, vol);
}

struct mono_ms master_look_at_recovery(struct master *m,
				       const struct view *view,
				       struct mono_ms now,
				       struct master_update *update)
{
	static const struct mono_ms never = { UINT64_MAX };
	static const struct lineage no_line;
	struct volume_state *v = &m->volumes[view->vol];
	bool over = now.v >= v->recover.until.v;

	if (!v->recover.waits || update->nr_answers > MASTER_PERSIST_MAX)
		return v->recover.waits ? now : never;
	if ((needs_inventories(m, view) || is_any_to_come(m, view)) && !over)
		return v->recover.until;
	v->recover.waits = false;
	if (needs_inventories(m, view))
		refuse_inventories(m, view, update);
	else
		recover(m, view, no_line, update);
	if (!v->token)
		forget_hosts(m, view->vol);
	return never;
}

void master_on_recover(struct master *m, const struct master_event *event,
		       struct master_update *update)
{
	const struct master_ask *ask = &event->ask;
	int vol = master_find_asked(m, ask, update);
	struct volume_state *v;
	struct view view;

	if (vol < 0)
		return;
	v = &m->volumes[vol];
	v->recover.wall_s = ask->wall_s;
	v->recover.uid = ask->uid;
	if (m->registry.volumes[vol].corrupt) {
		place_and_wait(m, (uint32_t)vol, event, update);
		return;
	}
	if (ask->hosts[0].s[0]) {
		master_answer(update, ask->token, -EINVAL,
			      "hosts: volume %s still knows its hosts",
			      ask->volume.s);
		return;
	}
	v->token = ask->token;
	snapshot_build(&m->observation, publisher_line(m->publisher, vol),
		       (uint32_t)vol, event->now, &view);
	if (needs_inventories(m, &view))
		refuse_inventories(m, &view, update);
	else
		recover(m, &view, ask->expected, update);
}
