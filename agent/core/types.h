/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The nouns of bfence as C types: ids, lineage, line, topology, time.
 * Shapes and pure comparisons only. Must never know a file, a socket or a
 * clock: ids, times and bytes arrive as arguments.
 */
#ifndef BFENCE_TYPES_H
#define BFENCE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sizes count the NUL; every string below is NUL padded to its size, so that
 * structs compare and hash as bytes. */
#define VOLUME_ID_SIZE		64
#define HOST_ID_SIZE		32
#define REPLICA_ID_SIZE		16
#define ADDR_SIZE		48
#define BOOT_ID_SIZE		40
#define STORE_ID_SIZE		16
#define REPLICA_SLOTS		3
#define FENCE_QUORUM		2	/* slots that must ack a fence */

struct volume_id {
	char s[VOLUME_ID_SIZE];
};

struct host_id {
	char s[HOST_ID_SIZE];
};

struct replica_id {
	char s[REPLICA_ID_SIZE];
};

struct addr {
	char s[ADDR_SIZE];	/* host:port, as consumers dial it */
};

struct boot_id {
	char s[BOOT_ID_SIZE];
};

struct store_id {
	uint8_t b[STORE_ID_SIZE];	/* all zero = none known yet */
};

/* Milliseconds of CLOCK_BOOTTIME of the machine that handles the event. */
struct mono_ms {
	uint64_t v;
};

/* Ordered by epoch, then endpoint_version; both >= 1, or both 0 = none. */
struct lineage {
	uint64_t epoch;
	uint64_t endpoint_version;
};

enum guard {
	GUARD_LEASE,	/* wait until the old primary's lease is over */
	GUARD_QUORUM,	/* the fenced majority is enough */
};

/* Where a volume's replicas live; fixed when the volume is created. */
struct topology {
	enum guard guard;
	struct {
		struct replica_id replica;
		struct host_id host;
	} slots[REPLICA_SLOTS];
};

/*
 * The authority of a volume. Written by publisher.c alone. No line yet:
 * lineage none, the rest empty.
 */
struct line {
	struct lineage lineage;
	struct replica_id primary;
	struct addr data_addr;		/* of the primary */
	struct addr ctrl_addr;
};

/* Negative, 0 or positive, as a is older than, equal to or newer than b. */
int lineage_cmp(struct lineage a, struct lineage b);
bool lineage_is_none(struct lineage l);

bool volume_id_equal(const struct volume_id *a, const struct volume_id *b);
bool host_id_equal(const struct host_id *a, const struct host_id *b);
bool replica_id_equal(const struct replica_id *a, const struct replica_id *b);
bool addr_equal(const struct addr *a, const struct addr *b);
bool store_id_equal(const struct store_id *a, const struct store_id *b);
bool store_id_is_none(const struct store_id *id);

/*
 * Fill an id from text: 1..size-1 bytes of [A-Za-z0-9._-], the first one
 * alphanumeric (an address: 1..47 printable bytes without space).
 * 0, or -EINVAL and *ret untouched.
 */
int volume_id_parse(const char *text, struct volume_id *ret);
int host_id_parse(const char *text, struct host_id *ret);
int replica_id_parse(const char *text, struct replica_id *ret);
int addr_parse(const char *text, struct addr *ret);
int boot_id_parse(const char *text, struct boot_id *ret);

/* Whether it is what its parser gives, NUL padding included. */
bool volume_id_is_sound(const struct volume_id *id);
bool host_id_is_sound(const struct host_id *id);
bool replica_id_is_sound(const struct replica_id *id);
bool addr_is_sound(const struct addr *addr);

/* Slot index of the replica or host in the topology, or -ENOENT. */
int topology_slot_of_replica(const struct topology *t,
			     const struct replica_id *replica);
int topology_slot_of_host(const struct topology *t, const struct host_id *host);

const char *guard_name(enum guard guard);

#endif
