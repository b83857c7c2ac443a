/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small world around the production master core: three hosts whose gates
 * obey the rules of a gate, a store that always or never succeeds, a clock
 * that the test moves. For scenarios that script the replicas' half.
 */
#ifndef BFENCE_TEST_WORLD_H
#define BFENCE_TEST_WORLD_H

#include "core/master.h"

#define WORLD_HOSTS	3
#define WORLD_VOLUMES	4

/* In what a host falls short, though it answers each command. */
enum world_flaw {
	FLAW_NONE,
	FLAW_DRAINS,		/* its fences never end: I/O is in flight */
	FLAW_FLOOR,		/* its floors never become durable */
	FLAW_SHUT,		/* its gates do not open */
	FLAW_ROLE,		/* a primary opens as a candidate */
};

struct world_host {
	bool up;		/* connected */
	bool deaf;		/* connected, but neither reads nor speaks */
	bool refuses;		/* answers each command with -EIO */
	enum world_flaw flaw;
	uint64_t seq;
	uint64_t lease_until;	/* on the world's clock */
	bool backing_ok;
	struct addr data_addr;
	bool held[WORLD_VOLUMES];	/* named in the last SYNC */
	bool named[WORLD_VOLUMES];	/* in the SYNC that runs */
	bool left[WORLD_VOLUMES];	/* in it, to be left as they are */
	struct slot_fact facts[WORLD_VOLUMES];
	bool leased[WORLD_VOLUMES];
};

struct world_letter {
	struct world_letter *next;
	int host;
	struct lineage lines[WORLD_VOLUMES];	/* published when it left */
	struct message message;
};

struct world {
	struct master *master;
	struct master_config config;
	struct master_update *update;
	struct world_host hosts[WORLD_HOSTS + 1];
	bool spare;		/* host-d too, from the next restart on */
	struct mono_ms now;
	struct world_letter *post;	/* on its way to the hosts */
	struct world_letter **post_end;
	bool delivering;
	int persist_error;
	bool holds_writes;	/* a group ends by world_end_write() alone */
	size_t nr_held;
	struct record held[WORLD_VOLUMES];	/* the group in flight */
	const char *damaged;	/* volume whose record a restart finds so */
	unsigned int nr_records;
	struct record records[64];	/* what the store holds, by order */
	struct master_answer answer;	/* the last one */
	char trace[65536];		/* the notes, a line each */
	char refusal[MESSAGE_REASON_SIZE];
};

void world_start(struct world *w);
void world_stop(struct world *w);
/* A new master on the same records, incarnation + 1; all links are down. */
void world_restart_master(struct world *w);

void world_up(struct world *w, int host);	/* connects, reports in full */
void world_down(struct world *w, int host);
void world_hello(struct world *w, int host, const struct hello *hello);
void world_report(struct world *w, int host, bool full);
void world_send(struct world *w, int host, const struct message *message);
/* Time passes in steps of 50 ms; each second every live host reports. */
void world_run_ms(struct world *w, uint64_t ms);
/* The same with nobody speaking, at the instants alone that the master asked
 * to be woken at. */
void world_run_timers(struct world *w, uint64_t ms);
/* The group in flight becomes durable, or fails. */
void world_end_write(struct world *w);
int world_create(struct world *w, const char *name, enum guard guard);
/* The same on three hosts in this order, as in "bca". */
int world_create_on(struct world *w, const char *name, const char *hosts);
/* An operator's ask as it is; gives the error of its answer, or 1 while it is
 * not answered. */
int world_ask(struct world *w, enum master_event_type type,
	      const struct master_ask *ask);
/* Deletes at this line; epoch 0: whatever the line is. */
int world_delete(struct world *w, const char *name, uint64_t epoch);
/* Recovers at this line; hosts may be NULL. */
int world_recover(struct world *w, const char *name, struct lineage expected,
		  const char *hosts);
/* Three hosts up, one volume on them, bound and open. */
void world_with_open_volume(struct world *w, enum guard guard);

struct volume_status world_status(struct world *w, const char *name);
bool world_has_evidence(struct world *w, const char *name,
			enum evidence_code code);
/* The trace has these words in this order. */
bool world_traced(const struct world *w, const char *first, const char *then);
void world_forget_trace(struct world *w);
/* What the master decided and sent since then, without times and hosts' own
 * words: a line each, borrowed until the next call. */
const char *world_story(const struct world *w);
/* How many slots of the volume are open as leased primary, now. */
int world_serving_primaries(const struct world *w, const char *name);

#endif
