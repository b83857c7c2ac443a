/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The replica's half of the protocol as one pure state machine: messages from
 * the master, facts from the kernel and the floor log in; what the edge must
 * do out. Wires adapter.c (one slot) to the host. Must never know a socket, a
 * file, netlink or a clock; the simulator runs this very code.
 */
#ifndef BFENCE_REPLICA_H
#define BFENCE_REPLICA_H

#include "message.h"
#include "record.h"

#define REPLICA_UPDATE_MAX	64	/* entries of each kind in an update */

struct replica;

struct replica_config {
	struct host_id host;
	struct boot_id boot;
	struct addr data_addr;		/* where consumers reach the slots */
	struct addr ctrl_addr;
	uint32_t heartbeat_ms;
	size_t slots_max;
};

/* A gate as the kernel shows it. */
struct gate_info {
	struct volume_id volume;
	struct replica_id replica;
	enum gate_state state;
	struct lineage authority;	/* none = never told */
	struct replica_id primary;
	bool drained;
	bool leased;			/* of the open grant */
	bool managed;
	bool forced;
	bool lease_ended;		/* why it is closed */
	bool backing_gone;		/* the same */
	uint64_t incarnation;
	uint64_t admitted;
	uint64_t rejected;
	uint64_t io_errors;
	uint64_t inflight;
	uint64_t drained_ios;
	uint64_t close_ns;
	uint64_t drain_ns;
};

enum replica_event_type {
	REPLICA_UNSPEC,
	REPLICA_BACKING,	/* start: this volume's backing is configured */
	REPLICA_RECORD,		/* start: a record of the floor log */
	REPLICA_GATE,		/* start or later: a gate's present state */
	REPLICA_GATE_GONE,	/* the kernel has detached it */
	REPLICA_LISTED,		/* every gate there is was just told: the
				 * ones not told since the last list are gone */
	REPLICA_READY,		/* start is over: act */
	REPLICA_UP,		/* the link is authenticated */
	REPLICA_DOWN,
	REPLICA_MESSAGE,
	REPLICA_KERNEL_DONE,	/* answer to one of update.kernel[] */
	REPLICA_PERSISTED,	/* answer to the one persist group */
	REPLICA_TICK,
};

enum kernel_op_kind {
	KERNEL_UNSPEC,
	KERNEL_ATTACH,
	KERNEL_FENCE,
	KERNEL_OPEN,
	KERNEL_CLOSE,
	KERNEL_LEASE,
};

/* One command to the module; the edge runs them in order and answers each
 * with REPLICA_KERNEL_DONE before it feeds anything else. */
struct kernel_op {
	enum kernel_op_kind kind;
	struct volume_id volume;
	struct replica_id replica;	/* ATTACH */
	struct lineage lineage;		/* ATTACH: the floor, may be none */
	struct replica_id primary;
	uint64_t incarnation;
	uint32_t drain_ms;
	bool keep_disk;
	bool leased;
	struct mono_ms lease_deadline;	/* LEASE, this host's boottime */
};

struct replica_event {
	enum replica_event_type type;
	struct mono_ms now;
	union {
		struct volume_id backing;
		const struct record *record;	/* borrowed for the call */
		struct gate_info gate;
		struct volume_id gone;
		const struct message *message;	/* borrowed for the call */
		struct {
			struct kernel_op op;
			int error;		/* 0 or negative errno */
			const char *reason;	/* the kernel's sentence */
			struct gate_info gate;	/* when error == 0, not LEASE */
		} kernel;
		int persist_error;		/* 0 or negative errno */
	};
};

/* One change of state, for the log. Text is a complete key=value line. */
struct replica_note {
	char text[224];
};

/*
 * What the edge must do, in this order: kernel ops, persist (one group in
 * flight: never a second before REPLICA_PERSISTED), sends, timer. `more`:
 * call replica_step() again with REPLICA_TICK at once, the update was full.
 */
struct replica_update {
	unsigned int nr_kernel;
	struct kernel_op kernel[REPLICA_UPDATE_MAX];
	unsigned int nr_persist;
	struct record persist[REPLICA_UPDATE_MAX];
	unsigned int nr_send;
	struct message send[REPLICA_UPDATE_MAX];
	unsigned int nr_notes;
	struct replica_note notes[REPLICA_UPDATE_MAX];
	bool reset_link;		/* drop the connection, dial again */
	struct mono_ms timer;		/* next REPLICA_TICK, 0 = none */
	bool more;
};

/* All memory is taken here. -ENOMEM or 0. */
int replica_new(const struct replica_config *config, struct replica **ret);
void replica_free(struct replica *replica);

/* 0, or -EINVAL for an event that is not one. Overwrites *update. */
int replica_step(struct replica *replica, const struct replica_event *event,
		 struct replica_update *update);

#endif
