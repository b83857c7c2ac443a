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

/* The slots that a reason is about, as "r1@host-a r3@host-c". */
static const char *offenders(const struct view *view,
			     const struct volume_status *status,
			     enum evidence_code code, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (int i = 0; i < REPLICA_SLOTS && used < size; i++) {
		const struct slot_view *s = &view->slots[i];
		bool is = (code == EVIDENCE_MISSING_SERVER_OBSERVATION &&
			   s->coverage == COVERAGE_MISSING) ||
			  (code == EVIDENCE_STALE_OBSERVATION &&
			   s->coverage == COVERAGE_STALE) ||
			  (code == EVIDENCE_PARTIAL_INVENTORY &&
			   s->coverage == COVERAGE_PARTIAL) ||
			  (code == EVIDENCE_UNKNOWN_REPLICA_CLAIM && s->obs &&
			   s->obs->wrong_replica) ||
			  (code == EVIDENCE_QUARANTINED && s->obs &&
			   s->obs->state == GATE_QUARANTINED) ||
			  (code == EVIDENCE_CONFLICTING_PRIMARY_CLAIM &&
			   s->obs && s->obs->role == ROLE_PRIMARY) ||
			  (code == EVIDENCE_AUTHORITY_REGRESSED && s->obs &&
			   view_is_regressed_by(view, s->obs->floor));

		if (is)
			used += (size_t)snprintf(text + used, size - used,
						 "%s%s@%s", used ? " " : "",
						 status->slots[i].replica.s,
						 status->slots[i].host.s);
	}
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
		return "the host claims a replica id that is not configured";
	case EVIDENCE_DUPLICATE_SERVER_TOPOLOGY:
		return "two slots on one host";
	case EVIDENCE_AUTHORITY_RECORD_CORRUPT:
		return "the volume's record in the authority log is damaged: nothing is minted for it until an operator recovers it";
	case EVIDENCE_AUTHORITY_REGRESSED:
		return "a slot has acknowledged a higher lineage than the line: the authority log is older than the replicas";
	case EVIDENCE_NO_ACCEPTABLE_CANDIDATE:
		return "failover is due, but no slot of a fresh majority may take over";
	case EVIDENCE_QUARANTINED:
		return "I/O is in flight past the drain deadline";
	case EVIDENCE_CONVERGENCE_STUCK:
	case NR_EVIDENCE:
		break;
	}
	return "";
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

static void collect_evidence(const struct master *m, const struct view *view,
			     struct volume_status *status)
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
	if (v->no_candidate)
		add(status, EVIDENCE_NO_ACCEPTABLE_CANDIDATE, "%s",
		    reason_text(EVIDENCE_NO_ACCEPTABLE_CANDIDATE));
	if (!v->desired.stuck)
		return;
	if (v->desired.phase == CONVERGENCE_ASKING)
		add(status, EVIDENCE_CONVERGENCE_STUCK, "not minted: %s",
		    ask_refusal_name((enum ask_refusal)v->desired.refusal));
	else
		add(status, EVIDENCE_CONVERGENCE_STUCK, "%s%s",
		    rollout_step_name(
			    bridge_step(&m->bridge, view, &m->observation)),
		    refusals(m, view, status, who, sizeof(who)));
}

static const char *state_name(const struct master *m, const struct view *view)
{
	const struct desired *d = &m->volumes[view->vol].desired;

	if (view->reasons & EVIDENCE_BLOCKING)
		return "unsupported";
	if (d->stuck)
		return "stuck";
	if (lineage_is_none(view->line->lineage))
		return view->pending ? "pending" :
		       view->reasons ? "unsupported" :
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
	collect_evidence(m, &view, ret);
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
