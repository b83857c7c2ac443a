/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What master and replica say to each other, as structs. Bytes become these
 * structs in edge/wire.c and nowhere else. No message carries an ask, nor an
 * epoch to be minted. Must never know a socket or an encoding.
 */
#ifndef BFENCE_MESSAGE_H
#define BFENCE_MESSAGE_H

#include "types.h"

#define MESSAGE_VERSION_MIN	1
#define MESSAGE_VERSION_MAX	1
#define MESSAGE_REASON_SIZE	192
#define MESSAGE_SLOTS_MAX	64	/* slots in one SYNC or report part */

enum gate_state {
	GATE_ABSENT,		/* not attached: admits nothing either */
	GATE_CLOSED,
	GATE_OPEN,
	GATE_DRAINING,
	GATE_QUARANTINED,
};

enum role {
	ROLE_NONE,
	ROLE_CANDIDATE,
	ROLE_PRIMARY,
};

enum message_kind {
	MESSAGE_UNSPEC,
	/* replica -> master */
	MESSAGE_HELLO,
	MESSAGE_REPORT,
	MESSAGE_ACK,
	/* master -> replica */
	MESSAGE_WELCOME,
	MESSAGE_REFUSE,
	MESSAGE_SYNC,
	MESSAGE_COMMAND,
	MESSAGE_LEASE,
};

/* First on a connection; the TLS identity must equal host. */
struct hello {
	uint32_t version_min;
	uint32_t version_max;
	struct host_id host;
	struct boot_id boot;		/* of this boot of the host */
	struct store_id master_store;	/* the master it obeys, none = any */
	uint64_t incarnation;		/* highest it has seen */
};

struct welcome {
	uint32_t version;
	struct store_id store;
	uint64_t incarnation;
	uint32_t heartbeat_ms;
	uint32_t lease_ms;
};

struct refuse {
	char reason[MESSAGE_REASON_SIZE];
};

/* A replica's own word on one of its slots. */
struct slot_fact {
	struct volume_id volume;
	struct replica_id replica;
	struct addr data_addr;
	struct addr ctrl_addr;
	enum gate_state state;
	enum role role;			/* of the open grant */
	struct lineage authority;	/* the gate's */
	struct lineage floor;		/* durable on the host */
	struct lineage applied;		/* open at, none = not open */
	struct lineage served;		/* last open at, not late and without
					 * I/O error: evidence of its data */
	bool backing_ok;
	bool withdrawn;			/* the host asks not to be primary */
	uint64_t io_errors;
};

/*
 * A heartbeat: what changed since the last report, or nothing. With `full`
 * an inventory, in parts: `first` begins it, `last` ends it, and a slot not
 * named in it is gone. `digest` covers the slots of the last SYNC, as they are
 * after this report.
 */
struct report {
	uint64_t seq;			/* of this boot, counts up */
	bool full;
	bool first;
	bool last;
	uint64_t digest;
	uint32_t nr_slots;
	struct slot_fact slots[MESSAGE_SLOTS_MAX];
};

/*
 * The lease runs from the moment the replica *sent* report `seq`, on its own
 * clock: that moment lies before the master's answer, so the master, who
 * counts from its answer, always waits longer than the replica serves.
 */
struct lease {
	uint64_t seq;
	uint32_t lease_ms;
	uint64_t incarnation;
};

/*
 * Which slots this host holds. Parts as in a report. Without a replica: the
 * volume's record is damaged, nobody knows its slots, and nothing is minted
 * for it; a slot of it that this host holds stays as it is, and is neither
 * reported nor in the digest.
 */
struct sync {
	bool first;
	bool last;
	bool want_inventory;		/* digests differ: report all */
	uint64_t incarnation;
	uint32_t nr_slots;
	struct {
		struct volume_id volume;
		struct replica_id replica;
	} slots[MESSAGE_SLOTS_MAX];
};

enum command_kind {
	COMMAND_UNSPEC,
	COMMAND_FENCE,
	COMMAND_OPEN,
	COMMAND_CLOSE,
};

struct command {
	enum command_kind kind;
	struct volume_id volume;
	struct replica_id replica;	/* the slot it is meant for */
	struct lineage lineage;
	struct replica_id primary;	/* of that lineage */
	uint64_t incarnation;
	uint32_t drain_ms;		/* FENCE, CLOSE */
	bool keep_disk;			/* FENCE: refresh of the same epoch */
	bool leased;			/* OPEN: the primary under guard lease */
	bool late;			/* OPEN: joins after others served, so
					 * it may lack writes of the lineage */
};

/* What a gate is able to prove. Times are the host's own. */
struct proof {
	struct volume_id volume;
	struct replica_id replica;
	struct lineage lineage;		/* the gate's authority */
	struct boot_id boot;
	enum gate_state state;
	bool drained;
	bool floor_durable;
	bool forced;
	uint64_t incarnation;
	uint64_t admitted;
	uint64_t rejected;
	uint64_t drained_ios;
	uint64_t inflight;
	uint64_t close_ns;
	uint64_t drain_ns;
};

/* The answer to a command: once when the gate has closed (FENCE: refuses all
 * older), once more when it has drained; or the refusal. */
struct ack {
	enum command_kind kind;
	struct lineage asked;
	int32_t error;			/* 0 or negative errno */
	char reason[MESSAGE_REASON_SIZE];	/* of the error */
	struct proof proof;
};

struct message {
	enum message_kind kind;
	union {
		struct hello hello;
		struct report report;
		struct ack ack;
		struct welcome welcome;
		struct refuse refuse;
		struct sync sync;
		struct command command;
		struct lease lease;
	};
};

/* Order-free digest: a report's is the XOR of this over all its slots. */
uint64_t slot_fact_digest(const struct slot_fact *fact);
bool slot_fact_equal(const struct slot_fact *a, const struct slot_fact *b);

const char *gate_state_name(enum gate_state state);
const char *role_name(enum role role);
const char *command_name(enum command_kind kind);

#endif
