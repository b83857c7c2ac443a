// SPDX-License-Identifier: GPL-2.0
/*
 * Equality, digests and names of what is said. Must never know an encoding.
 */
#include "message.h"

#include <string.h>

/* FNV-1a, 64 bit: http://www.isthe.com/chongo/tech/comp/fnv/ */
#define FNV_OFFSET	0xcbf29ce484222325ULL
#define FNV_PRIME	0x100000001b3ULL

static void mix(uint64_t *hash, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < len; i++)
		*hash = (*hash ^ b[i]) * FNV_PRIME;
}

static void mix_u64(uint64_t *hash, uint64_t v)
{
	uint8_t b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	mix(hash, b, sizeof(b));
}

static void mix_lineage(uint64_t *hash, struct lineage l)
{
	mix_u64(hash, l.epoch);
	mix_u64(hash, l.endpoint_version);
}

/* Field by field: padding is nobody's fact. */
uint64_t slot_fact_digest(const struct slot_fact *fact)
{
	uint64_t hash = FNV_OFFSET;

	mix(&hash, &fact->volume, sizeof(fact->volume));
	mix(&hash, &fact->replica, sizeof(fact->replica));
	mix(&hash, &fact->data_addr, sizeof(fact->data_addr));
	mix(&hash, &fact->ctrl_addr, sizeof(fact->ctrl_addr));
	mix_u64(&hash, fact->state);
	mix_u64(&hash, fact->role);
	mix_lineage(&hash, fact->authority);
	mix_lineage(&hash, fact->floor);
	mix_lineage(&hash, fact->applied);
	mix_lineage(&hash, fact->served);
	mix_u64(&hash, fact->backing_ok);
	mix_u64(&hash, fact->withdrawn);
	mix_u64(&hash, fact->io_errors);
	return hash;
}

bool slot_fact_equal(const struct slot_fact *a, const struct slot_fact *b)
{
	return volume_id_equal(&a->volume, &b->volume) &&
	       replica_id_equal(&a->replica, &b->replica) &&
	       addr_equal(&a->data_addr, &b->data_addr) &&
	       addr_equal(&a->ctrl_addr, &b->ctrl_addr) &&
	       a->state == b->state && a->role == b->role &&
	       lineage_cmp(a->authority, b->authority) == 0 &&
	       lineage_cmp(a->floor, b->floor) == 0 &&
	       lineage_cmp(a->applied, b->applied) == 0 &&
	       lineage_cmp(a->served, b->served) == 0 &&
	       a->backing_ok == b->backing_ok && a->withdrawn == b->withdrawn &&
	       a->io_errors == b->io_errors;
}

const char *gate_state_name(enum gate_state state)
{
	switch (state) {
	case GATE_ABSENT:
		return "absent";
	case GATE_CLOSED:
		return "closed";
	case GATE_OPEN:
		return "open";
	case GATE_DRAINING:
		return "draining";
	case GATE_QUARANTINED:
		return "quarantined";
	}
	return "?";
}

const char *role_name(enum role role)
{
	switch (role) {
	case ROLE_NONE:
		return "none";
	case ROLE_CANDIDATE:
		return "candidate";
	case ROLE_PRIMARY:
		return "primary";
	}
	return "?";
}

const char *command_name(enum command_kind kind)
{
	switch (kind) {
	case COMMAND_UNSPEC:
		break;
	case COMMAND_FENCE:
		return "fence";
	case COMMAND_OPEN:
		return "open";
	case COMMAND_CLOSE:
		return "close";
	}
	return "?";
}
