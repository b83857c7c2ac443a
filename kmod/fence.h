/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The commands of a gate, from a fence to its proof. It must never know disks
 * or netlink.
 */
#ifndef BFENCE_FENCE_H
#define BFENCE_FENCE_H

#include "gate.h"

struct gate_ask {
	struct verdict_ask verdict;
	u32 drain_ms;
};

/* Called under gate->lock, in the order in which things happened. */
typedef void gate_event_fn(struct gate *gate, enum bfence_event event);

void bfence_fence_set_event(gate_event_fn *on_event);
void bfence_fence_init(struct gate *gate);

/*
 * All under gate->lock. 0: done; an enum verdict: refused, or VERDICT_SAME;
 * or a negative errno.
 */
int bfence_gate_fence(struct gate *gate, const struct gate_ask *ask);
int bfence_gate_open(struct gate *gate, const struct gate_ask *ask);
int bfence_gate_close(struct gate *gate, const struct gate_ask *ask);

void bfence_gate_attached(struct gate *gate, const struct gate_ask *ask);
void bfence_gate_opened(struct gate *gate);
void bfence_gate_open_failed(struct gate *gate);
void bfence_gate_detached(struct gate *gate, const struct gate_ask *ask);
void bfence_gate_settle(struct gate *gate);

#endif /* BFENCE_FENCE_H */
