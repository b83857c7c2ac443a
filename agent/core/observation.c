// SPDX-License-Identifier: GPL-2.0
/*
 * Facts in, freshness out. Must never mint, decide, or know a line.
 */
#include "observation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int observation_init(struct observation *o, const struct registry *r,
		     uint64_t freshness_ms, uint64_t grace_ms,
		     struct mono_ms now)
{
	memset(o, 0, sizeof(*o));
	o->registry = r;
	o->started = now;
	o->freshness_ms = freshness_ms;
	o->grace_ms = grace_ms;
	o->hosts = calloc(r->hosts_max, sizeof(*o->hosts));
	o->slots = calloc((size_t)r->volumes_max * REPLICA_SLOTS,
			  sizeof(*o->slots));
	o->highest = calloc(r->volumes_max, sizeof(*o->highest));
	if (o->hosts && o->slots && o->highest)
		return 0;
	observation_exit(o);
	return -ENOMEM;
}

void observation_exit(struct observation *o)
{
	free(o->hosts);
	free(o->slots);
	free(o->highest);
	memset(o, 0, sizeof(*o));
}

/* A number that no slot carries voids every fact at once. */
static void begin_inventory(struct host_obs *h)
{
	h->inventory++;
	h->digest = 0;
	memset(h->nr_at, 0, sizeof(h->nr_at));
}

void observation_up(struct observation *o, uint32_t host,
		    const struct boot_id *boot)
{
	struct host_obs *h = &o->hosts[host];

	h->connected = true;
	if (h->complete)
		h->incomplete_since.v = 0;
	h->complete = false;
	h->digest_differs = false;
	h->boot = *boot;
	h->seq = 0;
	begin_inventory(h);
}

void observation_down(struct observation *o, uint32_t host)
{
	o->hosts[host].connected = false;
}

static bool is_present(const struct host_obs *h, const struct slot_obs *s)
{
	return s->inventory != 0 && s->inventory == h->inventory;
}

const struct endpoint *observation_endpoint(const struct observation *o,
					    uint32_t host,
					    const struct slot_obs *s)
{
	return s->endpoint < HOST_ENDPOINTS_MAX ?
		       &o->hosts[host].endpoints[s->endpoint] :
		       NULL;
}

static bool is_endpoint(const struct endpoint *e, const struct slot_fact *fact)
{
	return addr_equal(&e->data_addr, &fact->data_addr) &&
	       addr_equal(&e->ctrl_addr, &fact->ctrl_addr);
}

/* The host's endpoint of the fact, or a free one that it becomes, or none. */
static uint8_t take_endpoint(struct host_obs *h, const struct slot_fact *fact)
{
	uint8_t free = HOST_ENDPOINTS_MAX;

	for (uint8_t i = 0; i < HOST_ENDPOINTS_MAX; i++) {
		if (h->nr_at[i] == 0) {
			free = i;
		} else if (is_endpoint(&h->endpoints[i], fact)) {
			h->nr_at[i]++;
			return i;
		}
	}
	if (free < HOST_ENDPOINTS_MAX) {
		h->endpoints[free].data_addr = fact->data_addr;
		h->endpoints[free].ctrl_addr = fact->ctrl_addr;
		h->nr_at[free] = 1;
	}
	return free;
}

static void leave_endpoint(struct host_obs *h, uint8_t endpoint)
{
	if (endpoint < HOST_ENDPOINTS_MAX)
		h->nr_at[endpoint]--;
}

/* One without an endpoint may find one now: it is looked at as a new one. */
static bool slot_differs(const struct host_obs *h, const struct slot_obs *s,
			 const struct slot_fact *fact)
{
	return s->endpoint == HOST_ENDPOINTS_MAX ||
	       !is_endpoint(&h->endpoints[s->endpoint], fact) ||
	       s->state != fact->state || s->role != fact->role ||
	       s->backing_ok != fact->backing_ok ||
	       s->withdrawn != fact->withdrawn ||
	       lineage_cmp(s->authority, fact->authority) ||
	       lineage_cmp(s->floor, fact->floor) ||
	       lineage_cmp(s->applied, fact->applied) ||
	       lineage_cmp(s->served, fact->served) ||
	       s->io_errors != fact->io_errors;
}

static void slot_store(struct slot_obs *s, const struct slot_fact *fact)
{
	s->state = (uint8_t)fact->state;
	s->role = (uint8_t)fact->role;
	s->backing_ok = fact->backing_ok;
	s->withdrawn = fact->withdrawn;
	s->authority = fact->authority;
	s->floor = fact->floor;
	s->applied = fact->applied;
	s->served = fact->served;
	s->io_errors = fact->io_errors;
}

/* A floor never falls, whoever connects anew or is silent. */
static void raise_highest(struct observation *o, uint32_t vol,
			  const struct slot_obs *s)
{
	struct lineage *highest = &o->highest[vol];

	if (lineage_cmp(s->floor, *highest) > 0)
		*highest = s->floor;
	if (lineage_cmp(s->authority, *highest) > 0)
		*highest = s->authority;
}

/* The fact takes the place of what the slot said before. */
static void replace(struct observation *o, struct host_obs *h, uint32_t vol,
		    int slot, const struct slot_fact *fact)
{
	const struct topology *t = &o->registry->volumes[vol].topology;
	struct slot_obs *s = &o->slots[registry_slot(vol, slot)];
	bool wrong = !replica_id_equal(&t->slots[slot].replica, &fact->replica);
	bool was = is_present(h, s);
	bool twice = was && !h->complete && s->wrong_replica != wrong;

	if (was)
		leave_endpoint(h, s->endpoint);
	/* Of an inventory that tells it twice, both are covered. */
	if (was && !twice)
		h->digest ^= s->digest;
	s->two_replicas = twice || (was && s->two_replicas);
	s->endpoint = take_endpoint(h, fact);
	slot_store(s, fact);
	s->wrong_replica = wrong;
	s->proved = false;
	s->digest = slot_fact_digest(fact);
	s->inventory = h->inventory;
	h->digest ^= s->digest;
	raise_highest(o, vol, s);
}

static int slot_of_host(const struct registry_volume *volume, uint32_t host)
{
	for (int i = 0; i < REPLICA_SLOTS; i++)
		if (volume->hosts[i] == host)
			return i;
	return -ENOENT;
}

/* True when the fact is about this host's own slot and says something new. */
static bool take_fact(struct observation *o, uint32_t host,
		      const struct slot_fact *fact, uint32_t *ret_vol)
{
	struct host_obs *h = &o->hosts[host];
	int vol = registry_find_volume(o->registry, &fact->volume);
	const struct registry_volume *volume;
	const struct slot_obs *s;
	bool changed;
	bool wrong;
	int slot;

	if (vol < 0) {
		h->nr_unknown++;
		return false;
	}
	volume = &o->registry->volumes[vol];
	/* Until its host has heard of the end, a deleted one is spoken of. */
	if (volume->deleted)
		return false;
	slot = slot_of_host(volume, host);
	if (slot < 0) {
		h->nr_rogue++;
		return false;
	}
	s = &o->slots[registry_slot((uint32_t)vol, slot)];
	wrong = !replica_id_equal(&volume->topology.slots[slot].replica,
				  &fact->replica);
	changed = !is_present(h, s) || s->wrong_replica != wrong ||
		  slot_differs(h, s, fact);
	/* What is known costs no more than this look; its digest too. */
	if (!changed && !wrong && !s->proved)
		return false;
	replace(o, h, (uint32_t)vol, slot, fact);
	*ret_vol = (uint32_t)vol;
	return changed;
}

int observation_report(struct observation *o, uint32_t host,
		       const struct report *report, struct mono_ms now,
		       uint32_t *ret_changed)
{
	struct host_obs *h = &o->hosts[host];
	int nr_changed = 0;

	if (report->seq <= h->seq) {
		h->nr_dropped++;
		return -ESTALE;
	}
	if (!report->full && !h->complete)
		return -EPROTO;
	h->seq = report->seq;
	h->last_heard = now;
	h->heard = true;
	if (report->full && report->first) {
		if (h->complete || !h->incomplete_since.v)
			h->incomplete_since = now;
		begin_inventory(h);
		h->complete = false;
	}
	for (uint32_t i = 0; i < report->nr_slots; i++)
		if (take_fact(o, host, &report->slots[i],
			      &ret_changed[nr_changed]))
			nr_changed++;
	if (report->full && report->last) {
		h->complete = true;
		h->complete_since = now;
	}
	h->digest_differs = h->complete && h->digest != report->digest;
	return nr_changed;
}

bool observation_proof(struct observation *o, uint32_t host,
		       const struct proof *proof)
{
	int vol = registry_find_volume(o->registry, &proof->volume);
	struct slot_obs *s;
	int slot;

	if (vol < 0 || !registry_is_placed(o->registry, (uint32_t)vol))
		return false;
	slot = topology_slot_of_host(&o->registry->volumes[vol].topology,
				     &o->registry->hosts[host].id);
	if (slot < 0)
		return false;
	if (!replica_id_equal(&o->registry->volumes[vol]
				       .topology.slots[slot]
				       .replica,
			      &proof->replica)) {
		o->hosts[host].nr_rogue++;
		return false;
	}
	s = &o->slots[registry_slot((uint32_t)vol, slot)];
	if (!is_present(&o->hosts[host], s))
		return false;
	/*
	 * The digest stays the one of the last report: the replica tells the
	 * same change in its next one, and only reports are compared.
	 */
	s->proved = true;
	s->state = (uint8_t)proof->state;
	s->authority = proof->lineage;
	if (proof->floor_durable)
		s->floor = proof->lineage;
	if (proof->state != GATE_OPEN) {
		s->applied = (struct lineage){ 0 };
		s->role = ROLE_NONE;
	}
	raise_highest(o, (uint32_t)vol, s);
	return true;
}

/* The digests of its hosts still cover it, as theirs do until they have heard
 * of it: their next inventory begins anew. */
void observation_forget(struct observation *o, uint32_t vol)
{
	for (int i = 0; i < REPLICA_SLOTS; i++)
		o->slots[registry_slot(vol, i)] = (struct slot_obs){ 0 };
}

bool observation_host_is_fresh(const struct observation *o, uint32_t host,
			       struct mono_ms now)
{
	const struct host_obs *h = &o->hosts[host];

	return h->heard && now.v - h->last_heard.v <= o->freshness_ms;
}

/* Until when an inventory may be under way: one that never ends is none. */
static struct mono_ms unfinished_at(const struct observation *o,
				    const struct host_obs *h)
{
	uint64_t silent = h->last_heard.v + o->freshness_ms + 1;
	uint64_t over = h->incomplete_since.v + o->grace_ms;
	bool is_over = h->incomplete_since.v && over < silent;

	return (struct mono_ms){ is_over ? over : silent };
}

/* Until when a slot that was not reported is pending rather than partial. */
static struct mono_ms partial_at(const struct observation *o, uint32_t vol,
				 const struct host_obs *h)
{
	uint64_t since = o->registry->volumes[vol].known_since.v;

	if (h->complete_since.v > since)
		since = h->complete_since.v;
	return (struct mono_ms){ since + o->grace_ms };
}

enum coverage observation_coverage(const struct observation *o, uint32_t vol,
				   int slot, struct mono_ms now)
{
	uint32_t host = o->registry->volumes[vol].hosts[slot];
	const struct host_obs *h = &o->hosts[host];

	if (!h->heard)
		return now.v - o->started.v < o->grace_ms ? COVERAGE_PENDING :
							    COVERAGE_MISSING;
	if (!observation_host_is_fresh(o, host, now))
		return COVERAGE_STALE;
	if (!h->complete)
		return now.v < unfinished_at(o, h).v ? COVERAGE_PENDING :
						       COVERAGE_PARTIAL;
	if (is_present(h, &o->slots[registry_slot(vol, slot)]))
		return COVERAGE_FRESH;
	return now.v < partial_at(o, vol, h).v ? COVERAGE_PENDING :
						 COVERAGE_PARTIAL;
}

const struct slot_obs *observation_slot(const struct observation *o,
					uint32_t vol, int slot)
{
	uint32_t host = o->registry->volumes[vol].hosts[slot];
	const struct slot_obs *s = &o->slots[registry_slot(vol, slot)];

	return is_present(&o->hosts[host], s) ? s : NULL;
}

struct mono_ms observation_deadline(const struct observation *o, uint32_t vol,
				    int slot, struct mono_ms now)
{
	const struct host_obs *h =
		&o->hosts[o->registry->volumes[vol].hosts[slot]];

	switch (observation_coverage(o, vol, slot, now)) {
	case COVERAGE_PENDING:
		if (!h->heard)
			return (struct mono_ms){ o->started.v + o->grace_ms };
		if (!h->complete)
			return unfinished_at(o, h);
		return partial_at(o, vol, h);
	case COVERAGE_FRESH:
	case COVERAGE_MISSING:
	case COVERAGE_STALE:
	case COVERAGE_PARTIAL:
		break;
	}
	return (struct mono_ms){ UINT64_MAX };
}
