/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Waiting for a drain: subscribe first, then command, then read again and
 * again until the gate itself says that it is over.
 */
#ifndef BFENCE_TOOLS_WAIT_H
#define BFENCE_TOOLS_WAIT_H

#include <jansson.h>

#include "drain.h"
#include "genl.h"
#include "refusal.h"

struct wait {
	struct genl events;		/* joined before the command is sent */
	int signal_fd;
};

int wait_init(struct wait *wait, struct refusal *refusal);
void wait_exit(struct wait *wait);

/*
 * gate is the answer to the command, taken; the proof is given. Any signal
 * that ends the wait early is -EINTR.
 */
int wait_until(struct wait *wait, struct genl *genl,
	       const struct drain_goal *goal, json_t **gate,
	       struct refusal *refusal);

#endif
