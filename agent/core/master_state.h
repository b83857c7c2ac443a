/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inside of struct master, shared by the files that make it up: master.c
 * (the door), master_operator.c, master_recover.c and master_reassign.c (what
 * operators ask), master_hosts.c (what hosts say), master_pump.c (what
 * follows), master_look.c (of one volume), master_moves.c (of all volumes),
 * master_sync.c (for a host), master_status.c (views).
 * Nobody else includes this.
 */
#ifndef BFENCE_MASTER_STATE_H
#define BFENCE_MASTER_STATE_H

#include "bridge.h"
#include "convergence.h"
#include "damper.h"
#include "master.h"

struct volume_state {
	struct desired desired;
	struct mono_ms deadline;	/* when to look again; UINT64_MAX */
	uint64_t token;			/* an operator waits for his answer */
	struct {
		struct mono_ms until;	/* else the ask is refused */
		uint64_t wall_s;
		uint32_t uid;
		bool waits;		/* for the inventories of its hosts */
	} recover;
	uint32_t next_dirty;
	uint32_t active_at;		/* place in active[], or INDEX_NONE */
	int8_t holder;			/* slot of the line's primary, or -1 */
	bool dirty;
	bool no_candidate;		/* failover is due, nobody may */
	bool held_back;			/* failover is due, it is too soon */
	bool unsettled;			/* counted as such */
	struct damper damper;
};

struct host_state {
	uint64_t lease_seq;		/* report to answer with a lease */
	uint32_t sync_cursor;		/* next slot of the SYNC, INDEX_NONE */
	uint32_t left_cursor;		/* then next damaged volume, the same */
	uint32_t next_work;
	bool greeted;			/* HELLO was accepted */
	bool fresh;
	bool sync_due;
	bool sync_running;
	bool want_inventory;
	bool has_work;
};

struct master {
	struct master_config config;
	struct registry registry;
	struct observation observation;
	struct controller controller;
	struct publisher *publisher;
	struct bridge bridge;
	struct volume_state *volumes;
	struct host_state *hosts;
	uint32_t dirty_head;		/* volumes to evaluate, in order */
	uint32_t dirty_tail;
	uint32_t work_head;		/* hosts to sync or to lease */
	uint32_t *active;		/* volumes with a deadline */
	uint32_t nr_active;
	struct mono_ms next_tick;
	uint32_t nr_unsettled;		/* volumes with something on its way */
	uint32_t nr_drained;		/* hosts */
	struct {
		bool due;		/* once a tick */
		uint32_t vol;		/* that moves, or INDEX_NONE */
		struct mono_ms next_drain;	/* nothing could move: till */
		struct mono_ms next_balance;
		uint64_t tried;		/* host key of this round, see there */
	} move;
	bool group_in_flight;
};

/* master_operator.c */
void master_answer(struct master_update *update, uint64_t token, int error,
		   const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Ends the ask that waits at the volume. */
void master_answer_refusal(struct master *m, uint32_t vol,
			   enum ask_refusal refusal, struct lineage expected,
			   struct master_update *update);
/* The volume that is asked about, or -1 when that is answered. */
int master_find_asked(const struct master *m, const struct master_ask *ask,
		      struct master_update *update);
/* True, and answered, when the hosts cannot carry a volume. */
bool master_hosts_refused(const struct master *m, const struct master_ask *ask,
			  struct master_update *update);
/* r1, r2, r3 by order; but a host that held a slot of the volume before keeps
 * its name, which its floor log holds. before may be NULL. */
struct topology master_topology_of(const struct master_ask *ask,
				   const struct topology *before);
void master_on_create(struct master *m, const struct master_event *event,
		      struct master_update *update);
void master_on_delete(struct master *m, const struct master_event *event,
		      struct master_update *update);
/* The fate of what an operator asked, when one waits for it. */
void master_answer_durable(struct master *m, uint32_t vol, int error,
			   struct master_update *update);

/* master_recover.c */
void master_on_recover(struct master *m, const struct master_event *event,
		       struct master_update *update);
/* Looks again at a recovery that waits; gives when to look next. */
struct mono_ms master_look_at_recovery(struct master *m,
				       const struct view *view,
				       struct mono_ms now,
				       struct master_update *update);

/* master_reassign.c */
void master_on_reassign(struct master *m, const struct master_event *event,
			struct master_update *update);
/* Also the end of a drain. */
void master_on_drain(struct master *m, const struct master_event *event,
		     struct master_update *update);

/* master_moves.c */
/* Starts one move of a primary that a drain or balance wants, if any. */
void master_look_for_move(struct master *m, struct mono_ms now,
			  struct master_update *update);
/* The ask for a move is on its way to the publisher, or refused. */
enum ask_refusal master_begin_move(struct master *m, const struct view *view,
				   const struct decision *move,
				   struct mono_ms now,
				   struct master_update *update);
/* A move that was asked for stays the decision while it is still allowed. */
struct decision master_keep_move(struct master *m, const struct view *view,
				 const struct decision *other,
				 struct master_update *update);

/* master_look.c */
void master_look(struct master *m, uint32_t vol, struct mono_ms now,
		 struct master_update *update);
enum ask_refusal master_ask_line(struct master *m, const struct view *view,
				 const struct decision *decision,
				 struct master_update *update);
/* Where the volume's primary is, or is about to be. */
void master_count_load(struct master *m, const struct view *view);
/* Its hosts are told of it; of a damaged one, to hear what they know. */
bool master_is_named(const struct master *m, uint32_t vol);

/* master_sync.c: one host's turn; false when the update has no room left. */
bool master_serve_host(struct master *m, uint32_t host, struct mono_ms now,
		       struct master_update *update);

/* master_hosts.c */
void master_on_message(struct master *m, const struct master_event *event,
		       struct master_update *update);
void master_on_down(struct master *m, uint32_t host,
		    struct master_update *update);

/* master_pump.c */
void master_mark(struct master *m, uint32_t vol);
void master_mark_host(struct master *m, uint32_t host);
void master_host_work(struct master *m, uint32_t host);
/* The slots of this volume's hosts are others now: they are told. */
void master_sync_hosts(struct master *m, uint32_t vol);
/* A volume is damaged no more: all hosts were told to leave it as it is. */
void master_sync_all(struct master *m);
void master_set_deadline(struct master *m, uint32_t vol, struct mono_ms at);
void master_pump(struct master *m, struct mono_ms now,
		 struct master_update *update);
void master_note(struct master_update *update, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Room is the caller's to check. */
struct master_send *master_new_send(struct master_update *update, uint32_t host,
				    enum message_kind kind);
const char *master_volume_name(const struct master *m, uint32_t vol);

#endif
