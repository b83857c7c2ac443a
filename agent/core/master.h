/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The master as one pure state machine: what replicas, store and operators
 * say goes in, what the edge must do comes out. Wires the stages in the order
 * of the data: observation, snapshot, controller, publisher, (persist),
 * bridge. Must never know a socket, a file or a clock; the simulator runs
 * this very code.
 */
#ifndef BFENCE_MASTER_H
#define BFENCE_MASTER_H

#include "message.h"
#include "record.h"
#include "snapshot.h"

#define MASTER_SENDS_MAX	128
#define MASTER_PERSIST_MAX	1024
#define MASTER_NOTES_MAX	256

struct master;

struct master_config {
	struct store_id store;
	uint64_t incarnation;		/* raised durably before this start */
	uint32_t volumes_max;
	uint32_t hosts_max;
	uint32_t heartbeat_ms;
	uint32_t lease_ms;
	uint32_t lease_ms_before;	/* longest an earlier incarnation gave */
	uint32_t freshness_ms;
	uint32_t grace_ms;
	uint32_t retry_ms;
	uint32_t drain_ms;
	uint32_t min_epoch_interval_ms;	/* between failovers of a volume */
	uint32_t rebalance_skew;	/* 0: primaries are never balanced */
	uint32_t rebalance_cooldown_ms;
};

enum master_event_type {
	MASTER_UNSPEC,
	MASTER_UP,		/* a host's link is authenticated */
	MASTER_DOWN,
	MASTER_MESSAGE,
	MASTER_PERSISTED,	/* the group in flight is durable, or failed */
	MASTER_CREATE,		/* an operator's ask for a new volume */
	MASTER_DELETE,		/* for the end of one */
	MASTER_RECOVER,		/* to go on above all that is known of one */
	MASTER_REASSIGN,	/* to move its primary */
	MASTER_DRAIN,		/* to keep a host free of primaries */
	MASTER_UNDRAIN,
	MASTER_TICK,
};

/* What an operator asks for. Answered once, by its token. */
struct master_ask {
	struct volume_id volume;
	uint64_t token;			/* not 0; comes back */
	uint32_t uid;			/* of who asks */
	uint64_t wall_s;		/* RECOVER: Unix time, only kept */
	bool any_line;			/* DELETE, REASSIGN: whatever the line
					 * is */
	bool any_data;			/* REASSIGN: however old the target's
					 * data are */
	struct lineage expected;	/* else, and RECOVER: the line's, none
					 * for a volume that has no line */
	struct host_id hosts[REPLICA_SLOTS];	/* CREATE, and RECOVER of a
						 * damaged record; or empty.
						 * The first alone: REASSIGN,
						 * or empty, and (UN)DRAIN */
	enum guard guard;		/* the same */
};

struct master_event {
	enum master_event_type type;
	struct mono_ms now;
	uint32_t host;			/* UP, DOWN, MESSAGE */
	union {
		const struct message *message;	/* borrowed for the call */
		int persist_error;		/* 0 or negative errno */
		struct master_ask ask;		/* of an operator */
	};
};

struct master_send {
	uint32_t host;
	bool close;			/* the connection ends after it */
	struct message message;
};

/* One change of state, for the log: a complete key=value line. */
struct master_note {
	char text[256];
};

/* The answer to an operator's ask. */
struct master_answer {
	uint64_t token;			/* 0: none in this update */
	int error;			/* 0 or negative errno */
	char text[192];			/* of the refusal */
};

/*
 * What the edge must do, in this order: persist (one group in flight), sends
 * in their order, answers, timer. `more`: call master_step() again with
 * MASTER_TICK at once, the update was full.
 */
struct master_update {
	size_t nr_persist;
	struct record persist[MASTER_PERSIST_MAX];
	unsigned int nr_sends;
	struct master_send sends[MASTER_SENDS_MAX];
	unsigned int nr_notes;
	struct master_note notes[MASTER_NOTES_MAX];
	unsigned int nr_answers;
	struct master_answer answers[MASTER_PERSIST_MAX + 1];
	struct mono_ms timer;
	bool more;
};

/* All memory is taken here. */
int master_new(const struct master_config *config, struct mono_ms now,
	       struct master **ret);
void master_free(struct master *m);

/* Before the first step. A host with a key; index, or -ENOSPC. */
int master_add_host(struct master *m, const struct host_id *host);
/* A reloaded RECORD_VOLUME or RECORD_TOMBSTONE; -EEXIST, -ENOSPC, -EINVAL for
 * another kind. */
int master_reload(struct master *m, const struct record *record,
		  struct mono_ms now);
/* A volume whose record, of this write_seq, is damaged: it is quarantined. */
int master_reload_corrupt(struct master *m, const struct volume_id *volume,
			  uint64_t write_seq, struct mono_ms now);

int master_find_host(const struct master *m, const struct host_id *host);

/* 0, or -EINVAL for an event that is not one. Overwrites *update. */
int master_step(struct master *m, const struct master_event *event,
		struct master_update *update);

/* --- what operators see ------------------------------------------------- */

struct slot_status {
	struct replica_id replica;
	struct host_id host;
	bool connected;
	bool known;			/* the fields below are filled */
	bool fenced;			/* has acknowledged the line's fence */
	bool backing_ok;
	enum gate_state state;
	enum role role;
	struct lineage floor;
	struct lineage applied;
	struct lineage served;
	uint64_t io_errors;
};

struct evidence {
	enum evidence_code code;
	char note[192];
};

struct volume_status {
	struct volume_id volume;
	bool exists;		/* durable, or damaged; not deleted */
	bool damaged;		/* guard and slots are not known */
	enum guard guard;
	const char *state;	/* unbound|pending|unsupported|fencing|open|stuck */
	struct line line;	/* lineage none: not bound */
	struct host_id primary_host;
	uint64_t write_seq;
	struct recovery recovery;	/* the last; its write_seq 0: never */
	struct slot_status slots[REPLICA_SLOTS];
	unsigned int nr_evidence;
	struct evidence evidence[NR_EVIDENCE];
};

struct host_status {
	struct host_id host;
	bool configured;
	bool connected;
	bool fresh;
	bool heard;
	bool drained;			/* by an operator, of this master */
	struct boot_id boot;
	uint64_t last_heard_ms;		/* ago; when heard */
	uint64_t lease_left_ms;
	uint32_t nr_slots;
	uint32_t nr_primaries;
	uint64_t nr_rogue;		/* claims refused */
	uint64_t nr_unknown;
	uint64_t nr_dropped;
};

uint32_t master_nr_volumes(const struct master *m);
uint32_t master_nr_hosts(const struct master *m);
int master_find_volume(const struct master *m, const struct volume_id *volume);
void master_volume_status(const struct master *m, uint32_t vol,
			  struct mono_ms now, struct volume_status *ret);
void master_host_status(const struct master *m, uint32_t host,
			struct mono_ms now, struct host_status *ret);

#endif
