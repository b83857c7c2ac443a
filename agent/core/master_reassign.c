// SPDX-License-Identifier: GPL-2.0
/*
 * An operator's word on where primaries are: a planned failover of a volume, a
 * host that shall carry none. Must never mint, nor move what he did not name.
 */
#include "master_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* --- reassign ------------------------------------------------------------------- */

static const char *host_name(const struct master *m, const struct view *view,
			     int slot)
{
	return m->registry.hosts[view->slots[slot].host].id.s;
}

static int error_of(enum move_refusal refusal)
{
	switch (refusal) {
	case MOVE_ALLOWED:
	case MOVE_NO_LINE:
	case MOVE_BLOCKED:
	case MOVE_ALREADY:
	case MOVE_DRAINED:
	case MOVE_BEHIND:
		break;
	case MOVE_NO_QUORUM:
	case MOVE_SILENT:
	case MOVE_UNSOUND:
		return -EAGAIN;
	}
	return -ESTALE;
}

static void refuse_target(const struct master *m, const struct view *view,
			  int slot, const struct master_ask *ask,
			  struct master_update *update)
{
	enum move_refusal why =
		controller_check_move(view, slot, ask->any_data);
	const struct slot_obs *obs = view->slots[slot].obs;
	uint64_t token = ask->token;

	if (why == MOVE_NO_LINE || why == MOVE_BLOCKED || why == MOVE_NO_QUORUM)
		master_answer(update, token, error_of(why), "volume %s: %s",
			      master_volume_name(m, view->vol),
			      move_refusal_name(why));
	else if (why == MOVE_BEHIND)
		master_answer(update, token, error_of(why),
			      "volume %s: host %s %s: what it last served is %" PRIu64
			      ".%" PRIu64,
			      master_volume_name(m, view->vol),
			      host_name(m, view, slot), move_refusal_name(why),
			      obs->served.epoch, obs->served.endpoint_version);
	else
		master_answer(update, token, error_of(why),
			      "volume %s: host %s %s",
			      master_volume_name(m, view->vol),
			      host_name(m, view, slot), move_refusal_name(why));
}

/* Nobody was named, and nobody may: one sentence for both others. */
static void refuse_all(const struct master *m, const struct view *view,
		       const struct master_ask *ask,
		       struct master_update *update)
{
	char text[160] = "";
	size_t used = 0;

	for (int i = 0; i < REPLICA_SLOTS; i++) {
		enum move_refusal why = controller_check_move(view, i, false);

		if (why == MOVE_NO_LINE || why == MOVE_BLOCKED ||
		    why == MOVE_NO_QUORUM) {
			refuse_target(m, view, i, ask, update);
			return;
		}
		if (why != MOVE_ALREADY && used < sizeof(text))
			used += (size_t)snprintf(text + used,
						 sizeof(text) - used, "%s%s %s",
						 used ? ", " : "",
						 host_name(m, view, i),
						 move_refusal_name(why));
	}
	master_answer(update, ask->token, -EAGAIN,
		      "volume %s: no slot may take over: %s",
		      master_volume_name(m, view->vol), text);
}

/* The slot to go to, or -1 when the ask is answered. */
static int choose_slot(const struct master *m, const struct view *view,
		       const struct master_ask *ask,
		       struct master_update *update)
{
	const struct topology *topology =
		&m->registry.volumes[view->vol].topology;
	int slot;

	if (!ask->hosts[0].s[0]) {
		slot = controller_move_target(&m->controller, view);
		if (slot < 0)
			refuse_all(m, view, ask, update);
		return slot;
	}
	slot = topology_slot_of_host(topology, &ask->hosts[0]);
	if (slot < 0) {
		master_answer(update, ask->token, -ENOENT,
			      "volume %s: host %s has no slot of it",
			      ask->volume.s, ask->hosts[0].s);
		return -1;
	}
	if (controller_check_move(view, slot, ask->any_data) == MOVE_ALLOWED)
		return slot;
	refuse_target(m, view, slot, ask, update);
	return -1;
}

static void reassign(struct master *m, const struct view *view,
		     const struct master_event *event,
		     struct master_update *update)
{
	const struct master_ask *ask = &event->ask;
	int slot = choose_slot(m, view, ask, update);
	struct decision move;
	enum ask_refusal refusal;

	if (slot < 0)
		return;
	move = controller_move(view, slot, DECISION_REASSIGN);
	m->volumes[view->vol].token = ask->token;
	refusal = master_begin_move(m, view, &move, event->now, update);
	if (refusal)
		master_answer_refusal(m, view->vol, refusal, ask->expected,
				      update);
	else
		master_note(update, "reassign volume=%s to=%s uid=%u%s",
			    ask->volume.s, host_name(m, view, slot), ask->uid,
			    ask->any_data ? " force=1" : "");
}

void master_on_reassign(struct master *m, const struct master_event *event,
			struct master_update *update)
{
	const struct master_ask *ask = &event->ask;
	int vol = master_find_asked(m, ask, update);
	const struct line *line;
	struct view view;

	if (vol < 0)
		return;
	if (m->registry.volumes[vol].corrupt) {
		master_answer(
			update, ask->token, -ESTALE,
			"volume %s: its record is damaged: nobody knows its primary",
			ask->volume.s);
		return;
	}
	line = publisher_line(m->publisher, (uint32_t)vol);
	if (!ask->any_line && lineage_cmp(line->lineage, ask->expected)) {
		m->volumes[vol].token = ask->token;
		master_answer_refusal(m, (uint32_t)vol, ASK_LINE_MOVED,
				      ask->expected, update);
		return;
	}
	snapshot_build(&m->observation, line, (uint32_t)vol, event->now, &view);
	reassign(m, &view, event, update);
}

/* --- drain ---------------------------------------------------------------------- */

void master_on_drain(struct master *m, const struct master_event *event,
		     struct master_update *update)
{
	const struct master_ask *ask = &event->ask;
	int at = registry_find_host(&m->registry, &ask->hosts[0]);
	bool drained = event->type == MASTER_DRAIN;
	struct registry_host *host;

	if (at < 0) {
		master_answer(update, ask->token, -ENOENT, "host %s is unknown",
			      ask->hosts[0].s);
		return;
	}
	host = &m->registry.hosts[at];
	if (host->drained != drained)
		m->nr_drained += drained ? 1u : -1u;
	host->drained = drained;
	/* What could not move before is looked at now. */
	m->move.next_drain = event->now;
	master_note(update, "%s host=%s uid=%u primaries=%u",
		    drained ? "drain" : "undrain", host->id.s, ask->uid,
		    m->controller.load[at]);
	master_answer(update, ask->token, 0, "host %s: done", host->id.s);
}
