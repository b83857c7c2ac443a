// SPDX-License-Identifier: GPL-2.0
/*
 * What operators see of the master's state: volumes, hosts, and the reasons
 * why something is not as it should be. Must never change anything.
 */
#include "master_state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

uint32_t master_nr_volumes(const struct master *m)
{
	return m->registry.nr_volumes;
}

uint32_t master_nr_hosts(const struct master *m)
{
	return m->registry.nr_hosts;
}

static void slot_status(const struct master *m, const struct view *view,
			int slot, struct slot_status *ret)
{
	const struct registry_volume *volume = &m->registry.volumes[view->vol];
	const struct slot_obs *obs = view->slots[slot].obs;

	ret->replica = volume->topology.slots[slot].replica;
	ret->host = volume->topology.slots[slot].host;
	ret->connected = m->observation.hosts[volume->hosts[slot]].connected;
	ret->fenced = m->bridge.plans[view->vol].acked & (1u << slot);
	ret->known = obs != NULL;
	if (!obs)
		return;
	ret->backing_ok = obs->backing_ok;
	ret->state = (enum gate_state)obs->state;
	ret->role = (enum role)obs->role;
	ret->floor = obs->floor;
	ret->applied = obs->applied;
	ret->served = obs->served;
	ret->io_errors = obs->io_errors;
}

/* --- evidence ----------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void
add(struct volume_status *status, enum evidence_code code, const char *format,
    ...)
{
	struct evidence *e = &status->evidence[status->nr_evidence++];
	va_list args;

	e->code = code;
	va_start(args, format);
	vsnprintf(e->note, sizeof(e->note), format, args);
	va_end(args);
}

static bool offends(const struct view *view, const struct slot_view *s,
		    enum evidence_code code)
{
	switch (code) {
	case EVIDENCE_MISSING_SERVER_OBSERVATION:
		return s->coverage == COVERAGE_MISSING;
	case EVIDENCE_STALE_OBSERVATION:
		return s->coverage == COVERAGE_STALE;
	case EVIDENCE_PARTIAL_INVENTORY:
		return s->coverage == COVERAGE_PARTIAL;
	case EVIDENCE_NO_ACCEPTABLE_CANDIDATE:
		return !s->acceptable;
	case EVIDENCE_UNKNOWN_REPLICA_CLAIM:
		return s->obs && s->obs->wrong_replica;
	case EVIDENCE_DUPLICATE_SERVER_TOPOLOGY:
		return s->obs && s->obs->two_replicas;
	case EVIDENCE_QUARANTINED:
		return s->obs && s->obs->state == GATE_QUARANTINED;
	case EVIDENCE_CONFLICTING_PRIMARY_CLAIM:
		return s->obs && s->obs->role == ROLE_PRIMARY;
	case EVIDENCE_AUTHORITY_REGRESSED:
		return s->obs &&
		       (view_is_regressed_by(view, s->obs->floor) ||
			view_is_regressed_by(view, s->obs->authority));
	case EVIDENCE_AUTHORITY_RECORD_CORRUPT:
	case EVIDENCE_CONVERGENCE_STUCK:
	case EVIDENCE_FAILOVER_HELD_BACK:
	case NR_EVIDENCE:
		break;
	}
	return false;
}

/* The slots that a reason is about, as "r1@host-a r3@host-c". */
static const char *offenders(const struct view *view,
			     const struct volume_status *status,
			     enum evidence_code code, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	if (code == EVIDENCE_UNKNOWN_REPLICA_CLAIM && view->primary < 0 &&
	    !lineage_is_none(view->line->lineage))
		used = (size_t)snprintf(text, size, "%s by the line",
					view->line->primary.s);
	for (int i = 0; i < REPLICA_SLOTS && used < size; i++)
		if (offends(view, &view->slots[i], code))
			used += (size_t)snprintf(text + used, size - used,
						 "%s%s@%s", used ? " " : "",
						 status->slots[i].replica.s,
						 status->slots[i].host.s);
	return text;
}

static const char *reason_text(enum evidence_code code)
{
	switch (code) {
	case EVIDENCE_PARTIAL_INVENTORY:
		return "the host reports, but not this slot";
	case EVIDENCE_MISSING_SERVER_OBSERVATION:
		return "the host was never heard";
	case EVIDENCE_STALE_OBSERVATION:
		return "the host has been silent longer than the freshness window";
	case EVIDENCE_CONFLICTING_PRIMARY_CLAIM:
		return "more than one slot serves one lineage as primary";
	case EVIDENCE_UNKNOWN_REPLICA_CLAIM:
		return "a replica id is claimed that is not configured";
	case EVIDENCE_DUPLICATE_SERVER_TOPOLOGY:
		return "one host claims two replicas of the volume";
	case EVIDENCE_AUTHORITY_RECORD_CORRUPT:
		return "the volume's record in the authority log is damaged: nothing is minted for it until an operator recovers it";
	case EVIDENCE_AUTHORITY_REGRESSED:
		return "a slot has acknowledged a higher lineage than the line: the authority log is older than the replicas";
	case EVIDENCE_NO_ACCEPTABLE_CANDIDATE:
		return "failover is due, but no slot of a fresh majority may take over";
	case EVIDENCE_QUARANTINED:
		return "I/O is in flight past the drain deadline";
	case EVIDENCE_CONVERGENCE_STUCK:
	case EVIDENCE_FAILOVER_HELD_BACK:
	case NR_EVIDENCE:
		break;
	}
	return "";
}

/* Who has not acknowledged the line's fence and what its gate proves, as
 * " (r2@host-b draining at 1.1, floor 1.1)". */
static const char *unfenced(const struct master *m, const struct view *view,
			    const struct volume_status *status, char *text,
			    size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (int i = 0; i < REPLICA_SLOTS && used < size; i++) {
		const struct slot_status *s = &status->slots[i];

		if (s->fenced || m->bridge.plans[view->vol].slots[i].error)
			continue;
		used += (size_t)snprintf(text + used, size - used, " (%s@%s %s",
					 s->replica.s, s->host.s,
					 s->known ? gate_state_name(s->state) :
						    "silent");
		if (s->known && used < size)
			used += (size_t)
				snprintf(text + used, size - used,
					 " at %" PRIu64 ".%" PRIu64
					 ", floor %" PRIu64 ".%" PRIu64,
					 view->slots[i].obs->authority.epoch,
					 view->slots[i]
						 .obs->authority
						 .endpoint_version,
					 s->floor.epoch,
					 s->floor.endpoint_version);
		if (used < size)
			used += (size_t)snprintf(text + used, size - used, ")");
	}
	return text;
}

/* Who has refused what was last sent to it, as " (r2@host-b: errno 5)". */
static const char *refusals(const struct master *m, const struct view *view,
			    const struct volume_status *status, char *text,
			    size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (int i = 0; i < REPLICA_SLOTS && used < size; i++) {
		int error = m->bridge.plans[view->vol].slots[i].error;

		if (error)
			used += (size_t)snprintf(text + used, size - used,
						 " (%s@%s refused: errno %d)",
						 status->slots[i].replica.s,
						 status->slots[i].host.s,
						 -error);
	}
	return text;
}

/* Is there a slot that may take over, but for its data? */
static bool only_old_data(const struct view *view)
{
	for (int i = 0; i < REPLICA_SLOTS; i++)
		if (i != view->primary && view->slots[i].acceptable)
			return view->nr_covered >= FENCE_QUORUM &&
			       !lineage_is_none(view->line->lineage);
	return false;
}

/* Why a primary is where it is, although it should not be there. */
static void collect_of_moves(const struct master *m, const struct view *view,
			     struct mono_ms now, struct volume_status *status)
{
	const struct volume_state *v = &m->volumes[view->vol];
	struct mono_ms until =
		damper_until(&v->damper, m->config.min_epoch_interval_ms);
	char who[128];

	if (v->no_candidate && only_old_data(view))
		add(status, EVIDENCE_NO_ACCEPTABLE_CANDIDATE,
		    "failover is due, but a slot that may not take over has newer data than those that may: bring it back, or reassign by force");
	else if (v->no_candidate)
		add(status, EVIDENCE_NO_ACCEPTABLE_CANDIDATE, "%s: %s",
		    reason_text(EVIDENCE_NO_ACCEPTABLE_CANDIDATE),
		    offenders(view, status, EVIDENCE_NO_ACCEPTABLE_CANDIDATE,
			      who, sizeof(who)));
	else if (view->primary >= 0 && view->slots[view->primary].drained &&
		 v->desired.phase == CONVERGENCE_SETTLED &&
		 controller_move_target(&m->controller, view) < 0)
		add(status, EVIDENCE_NO_ACCEPTABLE_CANDIDATE,
		    "the primary's host is drained, but no other slot of equal data may take over");
	if (v->held_back)
		add(status, EVIDENCE_FAILOVER_HELD_BACK,
		    "failover is due, but the last one was %" PRIu64
		    " ms ago: the next may follow in %" PRIu64 " ms",
		    now.v - v->damper.last.v,
		    until.v > now.v ? until.v - now.v : 0);
}

/* The step that failed, and what is known of it. */
static void add_stuck(const struct master *m, const struct view *view,
		      struct volume_status *status)
{
	const struct desired *d = &m->volumes[view->vol].desired;
	enum rollout_step step;
	char refused[112];
	char open[112] = "";

	if (d->phase == CONVERGENCE_ASKING) {
		add(status, EVIDENCE_CONVERGENCE_STUCK, "not minted: %s",
		    ask_refusal_name((enum ask_refusal)d->refusal));
		return;
	}
	step = bridge_step(&m->bridge, view, &m->observation);
	if (step == ROLLOUT_NOT_FENCED)
		unfenced(m, view, status, open, sizeof(open));
	add(status, EVIDENCE_CONVERGENCE_STUCK, "%s%s%s",
	    rollout_step_name(step),
	    refusals(m, view, status, refused, sizeof(refused)), open);
}

static void collect_evidence(const struct master *m, const struct view *view,
			     struct mono_ms now, struct volume_status *status)
{
	const struct volume_state *v = &m->volumes[view->vol];
	char who[128];

	if (m->registry.volumes[view->vol].in_doubt)
		add(status, EVIDENCE_AUTHORITY_RECORD_CORRUPT,
		    "the authority log was salvaged, a newer record of the volume may be lost: nothing is minted or opened until an operator recovers it");
	for (int code = 0; code < NR_EVIDENCE; code++) {
		if (!(view->reasons & EVIDENCE_BIT(code)) ||
		    (code == EVIDENCE_AUTHORITY_RECORD_CORRUPT &&
		     m->registry.volumes[view->vol].in_doubt))
			continue;
		offenders(view, status, (enum evidence_code)code, who,
			  sizeof(who));
		add(status, (enum evidence_code)code, "%s%s%s",
		    reason_text((enum evidence_code)code), who[0] ? ": " : "",
		    who);
	}
	collect_of_moves(m, view, now, status);
	if (!v->desired.stuck)
		return;
	add_stuck(m, view, status);
}

static const char *state_name(const struct master *m, const struct view *view)
{
	const struct desired *d = &m->volumes[view->vol].desired;

	if (view->reasons & EVIDENCE_BLOCKING)
		return "unsupported";
	if (d->stuck)
		return "stuck";
	if (lineage_is_none(view->line->lineage))
		return view->reasons ? "unsupported" :
		       view->pending ? "pending" :
				       "unbound";
	return convergence_is_confirmed(view) ? "open" : "fencing";
}

void master_volume_status(const struct master *m, uint32_t vol,
			  struct mono_ms now, struct volume_status *ret)
{
	const struct registry_volume *volume = &m->registry.volumes[vol];
	struct view view;

	memset(ret, 0, sizeof(*ret));
	snapshot_build(&m->observation, publisher_line(m->publisher, vol), vol,
		       now, &view);
	ret->volume = volume->id;
	ret->exists = publisher_exists(m->publisher, vol) || volume->corrupt;
	ret->damaged = volume->corrupt;
	ret->guard = volume->topology.guard;
	ret->line = *view.line;
	ret->write_seq = publisher_write_seq(m->publisher, vol);
	ret->recovery = publisher_recovery(m->publisher, vol);
	if (view.primary >= 0)
		ret->primary_host = volume->topology.slots[view.primary].host;
	if (!volume->corrupt && registry_is_placed(&m->registry, vol))
		for (int i = 0; i < REPLICA_SLOTS; i++)
			slot_status(m, &view, i, &ret->slots[i]);
	collect_evidence(m, &view, now, ret);
	ret->state = state_name(m, &view);
}

void master_host_status(const struct master *m, uint32_t host,
			struct mono_ms now, struct host_status *ret)
{
	const struct registry_host *r = &m->registry.hosts[host];
	const struct host_obs *h = &m->observation.hosts[host];
	const struct host_lease *lease = &m->bridge.leases[host];
	uint64_t end = lease->renewed.v + m->config.lease_ms;

	memset(ret, 0, sizeof(*ret));
	ret->host = r->id;
	ret->configured = r->configured;
	ret->drained = r->drained;
	ret->connected = h->connected;
	ret->heard = h->heard;
	ret->fresh = observation_host_is_fresh(&m->observation, host, now);
	ret->boot = h->boot;
	if (h->heard)
		ret->last_heard_ms = now.v - h->last_heard.v;
	if (lease->renewed.v && end > now.v)
		ret->lease_left_ms = end - now.v;
	ret->nr_slots = r->nr_slots;
	ret->nr_primaries = m->controller.load[host];
	ret->nr_rogue = h->nr_rogue;
	ret->nr_unknown = h->nr_unknown;
	ret->nr_dropped = h->nr_dropped;
}
