/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the replicas said, and when this master heard it. Freshness is judged
 * by the receiver's clock alone. Must never mint, decide, or know a line.
 *
 * A fact counts when its host is configured for that slot, speaks on its own
 * authenticated connection, and has finished its inventory there.
 */
#ifndef BFENCE_OBSERVATION_H
#define BFENCE_OBSERVATION_H

#include "message.h"
#include "registry.h"

/* Where a host serves its slots. Few: they are an agent's own addresses, and
 * a new one beside an old one while they change. A slot at one more has none,
 * and may not be primary. */
#define HOST_ENDPOINTS_MAX	4

struct endpoint {
	struct addr data_addr;
	struct addr ctrl_addr;
};

struct host_obs {
	struct endpoint endpoints[HOST_ENDPOINTS_MAX];
	uint32_t nr_at[HOST_ENDPOINTS_MAX];	/* present slots there */
	struct boot_id boot;
	struct mono_ms last_heard;	/* the last report accepted */
	struct mono_ms complete_since;
	struct mono_ms incomplete_since;	/* first report after it was
						 * complete; 0: none yet */
	uint64_t seq;			/* of that report */
	uint64_t digest;		/* XOR of the present slots' digests */
	uint64_t nr_rogue;		/* claims to other hosts' slots */
	uint64_t nr_unknown;		/* claims to volumes nobody knows;
					 * a deleted one is known */
	uint64_t nr_dropped;		/* reports out of sequence */
	uint32_t inventory;		/* counts inventories begun */
	bool connected;
	bool heard;			/* ever */
	bool complete;			/* inventory ended on this connection */
	bool digest_differs;		/* ask for an inventory */
};

/* One slot as its host reported it; ids are the registry's. */
struct slot_obs {
	uint32_t inventory;		/* of which it is part; 0 = never told */
	uint8_t state;			/* enum gate_state */
	uint8_t role;			/* enum role */
	bool backing_ok;
	bool withdrawn;
	bool wrong_replica;		/* claims another replica id */
	bool two_replicas;		/* claims both within one inventory */
	bool proved;			/* a proof came after the report that
					 * the digest is of */
	uint8_t endpoint;		/* of its host's, or ..._MAX: none */
	struct lineage authority;
	struct lineage floor;
	struct lineage applied;
	struct lineage served;
	uint64_t io_errors;
	uint64_t digest;
};

struct observation {
	const struct registry *registry;	/* borrowed */
	struct mono_ms started;
	uint64_t freshness_ms;
	uint64_t grace_ms;
	struct host_obs *hosts;
	struct slot_obs *slots;			/* by slot number */
	struct lineage *highest;		/* by volume: that any of its
						 * slots ever acknowledged */
};

/* How far the word of a slot's host can be relied on, now. */
enum coverage {
	COVERAGE_FRESH,
	COVERAGE_PENDING,	/* silent or incomplete, within grace */
	COVERAGE_MISSING,	/* never heard, grace over */
	COVERAGE_STALE,		/* heard, but not within the window */
	COVERAGE_PARTIAL,	/* heard, but not about this slot */
};

int observation_init(struct observation *o, const struct registry *r,
		     uint64_t freshness_ms, uint64_t grace_ms,
		     struct mono_ms now);
void observation_exit(struct observation *o);

/* A connection begins: what was said before on another one is void. */
void observation_up(struct observation *o, uint32_t host,
		    const struct boot_id *boot);
void observation_down(struct observation *o, uint32_t host);

/*
 * Takes one report. The volumes whose facts changed go to ret_changed (room
 * for MESSAGE_SLOTS_MAX). Returns their number; -ESTALE for a report out of
 * sequence, -EPROTO for one before its inventory.
 */
int observation_report(struct observation *o, uint32_t host,
		       const struct report *report, struct mono_ms now,
		       uint32_t *ret_changed);

/* A proof is a fact too. True when it changed the slot; one of another
 * replica than the slot's is a rogue claim. */
bool observation_proof(struct observation *o, uint32_t host,
		       const struct proof *proof);

/* The volume has other slots from now on, or none. */
void observation_forget(struct observation *o, uint32_t vol);

bool observation_host_is_fresh(const struct observation *o, uint32_t host,
			       struct mono_ms now);
enum coverage observation_coverage(const struct observation *o, uint32_t vol,
				   int slot, struct mono_ms now);
/* The slot's fact, or NULL when none is part of the present inventory. */
const struct slot_obs *observation_slot(const struct observation *o,
					uint32_t vol, int slot);

/* Where the slot of such a fact is served, or NULL. */
const struct endpoint *observation_endpoint(const struct observation *o,
					    uint32_t host,
					    const struct slot_obs *s);

/* When the coverage of a slot of this host changes by silence alone. */
struct mono_ms observation_deadline(const struct observation *o, uint32_t vol,
				    int slot, struct mono_ms now);

#endif
