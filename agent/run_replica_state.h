/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inside of a running replica, shared by run_replica.c (events and what
 * follows) and run_replica_start.c (what the core is told first). Nobody else
 * includes this.
 */
#ifndef BFENCE_RUN_REPLICA_STATE_H
#define BFENCE_RUN_REPLICA_STATE_H

#include "config.h"
#include "core/replica.h"
#include "edge/genl.h"
#include "edge/keys.h"
#include "edge/link.h"
#include "edge/signals.h"
#include "edge/store.h"

/* The kernel's answer to an op, until the core has been told. */
struct done {
	struct replica_event event;
	char reason[MESSAGE_REASON_SIZE];
};

struct run {
	const struct config *config;
	struct keys keys;
	struct genl *genl;
	struct loop *loop;
	struct signals *signals;
	struct store *store;
	struct replica *replica;
	struct link_client *link;
	struct replica_update *update;
	struct done done[REPLICA_UPDATE_MAX];
	unsigned int nr_done;
	unsigned int done_at;		/* the next one to tell */
	struct err fatal;		/* why it cannot go on */
	int persist_error;		/* of a group that was not taken */
	int compaction_error;		/* the last one that was told */
	struct loop_op persisted;
	struct loop_op timer;
	struct loop_op list_timer;
	struct mono_ms wanted_at;	/* the core's next tick */
	bool was_up;			/* the master has known our key */
	bool stopping;
	bool ending;
};

/* Makes the core, and tells it what is configured, recorded and attached. */
int run_replica_start_core(struct run *r, struct err *err);

#endif
