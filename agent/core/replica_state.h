/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inside of struct replica, shared by the files that make it up:
 * replica.c (the door), replica_slots.c (table and work), replica_session.c
 * (what the master says), replica_lease.c, replica_report.c (what it is told).
 * Nobody else includes this.
 */
#ifndef BFENCE_REPLICA_STATE_H
#define BFENCE_REPLICA_STATE_H

#include <inttypes.h>

#include "adapter.h"
#include "index.h"

#define LINEAGE_FORMAT		"%" PRIu64 ".%" PRIu64
#define LINEAGE_ARGS(l)		(l).epoch, (l).endpoint_version
#define SLOT_NONE		UINT32_MAX
#define REPORTS_REMEMBERED	64
#define RETRY_MS		5000	/* of attach and of repair */

/* Slots that wait for something; each at most once in each. */
enum slot_list {
	LIST_WORK,		/* to see what is due */
	LIST_WRITE,		/* the floor log lacks something */
	LIST_CHANGED,		/* the master was told otherwise */
	NR_LISTS,
};

struct slot {
	struct adapter adapter;
	struct slot_fact told;	/* valid with is_told */
	bool is_told;		/* since the last inventory began */
	bool held;		/* named in the last SYNC */
	bool left;		/* in it, to be left as it is */
	bool conflict_noted;
	bool listed;		/* told by the kernel since the last list */
	uint32_t sync_round;
	uint32_t next[NR_LISTS];
	bool queued[NR_LISTS];
};

enum session_state {
	SESSION_NONE,		/* no link, or it is to be reset */
	SESSION_GREETING,	/* HELLO is sent */
	SESSION_WELCOME,
};

/* Why a lease was not taken; noted once until it changes. */
enum lease_fault {
	LEASE_TAKEN,
	LEASE_OLD_INCARNATION,
	LEASE_UNKNOWN_REPORT,
	LEASE_PAST,
	LEASE_KERNEL,
};

/* One connection. All of it is void when the link is down. */
struct session {
	enum session_state state;
	uint64_t incarnation;		/* of the master that welcomed us */
	uint32_t heartbeat_ms;
	uint64_t seq;			/* of the last report */
	struct mono_ms sent_at[REPORTS_REMEMBERED];	/* by seq */
	struct mono_ms next_heartbeat;
	bool sync_open;			/* first part came, the last did not */
	bool synced;
	bool want_inventory;		/* said in a part of the open SYNC */
	bool inventory_due;
	uint32_t inventory_at;		/* next slot of it; SLOT_NONE: idle */
	uint64_t digest;		/* of all that is told */
};

struct seen_master {
	uint64_t incarnation;
	struct store_id store;
	uint32_t lease_ms;
};

struct replica {
	struct replica_config config;
	struct adapter_host host;
	struct slot *slots;
	uint32_t nr_slots;
	struct index by_volume;
	uint32_t head[NR_LISTS];
	uint32_t tail[NR_LISTS];
	unsigned int nr_ops;		/* the kernel has not answered */
	bool ready;
	bool full_noted;
	struct mono_ms retry_at;	/* 0 = nothing to try again */

	struct seen_master master;	/* what must become durable */
	struct seen_master master_in_flight;
	uint64_t master_write_seq;
	bool group_in_flight;
	bool group_has_master;
	uint32_t nr_group;
	uint32_t group[REPLICA_UPDATE_MAX];

	uint32_t sync_round;
	struct session session;
	enum lease_fault lease_fault;
	struct replica_note session_note;	/* the last one, not repeated */
};

/* replica_slots.c */
int replica_slots_init(struct replica *r);
struct slot *replica_find(const struct replica *r, const struct volume_id *id);
/* NULL when the table is full, which is noted once. */
struct slot *replica_add(struct replica *r, const struct volume_id *id,
			 struct replica_update *update);
void replica_queue(struct replica *r, struct slot *slot, enum slot_list list);
struct slot *replica_dequeue(struct replica *r, enum slot_list list);
void replica_queue_all(struct replica *r, enum slot_list list);
/* What is due for the slot now; the update must have room for it. */
bool replica_has_room(const struct replica_update *update);
void replica_work(struct replica *r, struct slot *slot,
		  struct replica_update *update);
void replica_note_answer(struct replica *r, struct slot *slot,
			 const struct ack *ack, struct replica_update *update);
void replica_push_op(struct replica *r, const struct kernel_op *op,
		     struct replica_update *update);
void replica_retry(struct replica *r);
/* Fills the one group, when none is in flight. */
void replica_write(struct replica *r, struct replica_update *update);
void replica_written(struct replica *r, int error,
		     struct replica_update *update);

/* replica_session.c */
void replica_on_up(struct replica *r, struct replica_update *update);
void replica_on_down(struct replica *r);
void replica_on_message(struct replica *r, const struct message *message,
			struct replica_update *update);
struct message *replica_push_message(struct replica_update *update,
				     enum message_kind kind);
bool replica_is_welcome(const struct replica *r);

/* replica_lease.c */
void replica_on_lease(struct replica *r, const struct lease *lease,
		      struct replica_update *update);
void replica_lease_failed(struct replica *r, const char *reason,
			  struct replica_update *update);

/* replica_report.c */
void replica_report(struct replica *r, struct replica_update *update);
/* A report may go out now: the master knows us, and we know its slots. */
bool replica_may_report(const struct replica *r);
bool replica_slot_changed(const struct replica *r, const struct slot *slot);

void replica_note(struct replica_update *update, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
