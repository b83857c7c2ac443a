// SPDX-License-Identifier: GPL-2.0
/*
 * Judging one volume's facts. Must never decide what to do about them.
 */
#include "snapshot.h"

#include <string.h>

static uint32_t coverage_reason(enum coverage coverage)
{
	switch (coverage) {
	case COVERAGE_FRESH:
	case COVERAGE_PENDING:
		return 0;
	case COVERAGE_MISSING:
		return EVIDENCE_BIT(EVIDENCE_MISSING_SERVER_OBSERVATION);
	case COVERAGE_STALE:
		return EVIDENCE_BIT(EVIDENCE_STALE_OBSERVATION);
	case COVERAGE_PARTIAL:
		return EVIDENCE_BIT(EVIDENCE_PARTIAL_INVENTORY);
	}
	return 0;
}

static bool is_acceptable(const struct slot_view *s)
{
	return s->covered && s->endpoint && s->obs->backing_ok &&
	       !s->obs->withdrawn && s->obs->state != GATE_ABSENT &&
	       s->obs->state != GATE_QUARANTINED;
}

static void view_slot(const struct observation *o, struct view *view, int slot,
		      struct mono_ms now)
{
	struct slot_view *s = &view->slots[slot];

	s->host = o->registry->volumes[view->vol].hosts[slot];
	s->drained = o->registry->hosts[s->host].drained;
	s->coverage = observation_coverage(o, view->vol, slot, now);
	s->obs = observation_slot(o, view->vol, slot);
	view->pending |= s->coverage == COVERAGE_PENDING;
	view->reasons |= coverage_reason(s->coverage);
	if (!s->obs)
		return;
	s->endpoint = observation_endpoint(o, s->host, s->obs);
	if (s->obs->wrong_replica)
		view->reasons |= EVIDENCE_BIT(EVIDENCE_UNKNOWN_REPLICA_CLAIM);
	if (s->obs->two_replicas)
		view->reasons |=
			EVIDENCE_BIT(EVIDENCE_DUPLICATE_SERVER_TOPOLOGY);
	if (s->obs->state == GATE_QUARANTINED)
		view->reasons |= EVIDENCE_BIT(EVIDENCE_QUARANTINED);
	s->covered = s->coverage == COVERAGE_FRESH && !s->obs->wrong_replica &&
		     !s->obs->two_replicas;
	s->acceptable = is_acceptable(s);
	view->nr_covered += s->covered;
}

bool view_is_regressed_by(const struct view *view, struct lineage acknowledged)
{
	/* Without a line, what its earlier lives had is no news. */
	if (lineage_is_none(view->line->lineage))
		return acknowledged.epoch > view->floor_epoch;
	return lineage_cmp(acknowledged, view->line->lineage) > 0;
}

/* Two primaries of one lineage; of two lineages the older is merely late. */
static bool has_conflicting_claims(const struct view *view)
{
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		const struct slot_view *a = &view->slots[i];

		if (!a->covered || a->obs->role != ROLE_PRIMARY)
			continue;
		for (int j = i + 1; j < REPLICA_SLOTS; j++) {
			const struct slot_view *b = &view->slots[j];

			if (b->covered && b->obs->role == ROLE_PRIMARY &&
			    lineage_cmp(a->obs->applied, b->obs->applied) == 0)
				return true;
		}
	}
	return false;
}

void snapshot_build(const struct observation *o, const struct line *line,
		    uint32_t vol, struct mono_ms now, struct view *ret)
{
	const struct registry_volume *volume = &o->registry->volumes[vol];

	memset(ret, 0, sizeof(*ret));
	ret->vol = vol;
	ret->line = line;
	ret->primary = -1;
	ret->floor_epoch = volume->floor_epoch;
	ret->highest = o->highest[vol];
	if (volume->corrupt || volume->in_doubt)
		ret->reasons = EVIDENCE_BIT(EVIDENCE_AUTHORITY_RECORD_CORRUPT);
	if (!registry_is_placed(o->registry, vol))
		return;
	for (int i = 0; i < REPLICA_SLOTS; i++)
		view_slot(o, ret, i, now);
	if (!lineage_is_none(line->lineage))
		ret->primary = topology_slot_of_replica(&volume->topology,
							&line->primary);
	if (!lineage_is_none(line->lineage) && ret->primary < 0)
		ret->reasons |= EVIDENCE_BIT(EVIDENCE_UNKNOWN_REPLICA_CLAIM);
	/* Any word of it counts, fresh or not: no floor ever falls. */
	if (view_is_regressed_by(ret, ret->highest))
		ret->reasons |= EVIDENCE_BIT(EVIDENCE_AUTHORITY_REGRESSED);
	if (has_conflicting_claims(ret))
		ret->reasons |=
			EVIDENCE_BIT(EVIDENCE_CONFLICTING_PRIMARY_CLAIM);
}

const char *evidence_name(enum evidence_code code)
{
	static const char *const names[NR_EVIDENCE] = {
		[EVIDENCE_PARTIAL_INVENTORY] = "PartialInventory",
		[EVIDENCE_MISSING_SERVER_OBSERVATION] =
			"MissingServerObservation",
		[EVIDENCE_STALE_OBSERVATION] = "StaleObservation",
		[EVIDENCE_CONFLICTING_PRIMARY_CLAIM] =
			"ConflictingPrimaryClaim",
		[EVIDENCE_UNKNOWN_REPLICA_CLAIM] = "UnknownReplicaClaim",
		[EVIDENCE_DUPLICATE_SERVER_TOPOLOGY] =
			"DuplicateServerTopology",
		[EVIDENCE_AUTHORITY_RECORD_CORRUPT] = "AuthorityRecordCorrupt",
		[EVIDENCE_AUTHORITY_REGRESSED] = "AuthorityRegressed",
		[EVIDENCE_NO_ACCEPTABLE_CANDIDATE] = "NoAcceptableCandidate",
		[EVIDENCE_QUARANTINED] = "Quarantined",
		[EVIDENCE_CONVERGENCE_STUCK] = "ConvergenceStuck",
		[EVIDENCE_FAILOVER_HELD_BACK] = "FailoverHeldBack",
	};

	return code < NR_EVIDENCE ? names[code] : "?";
}
