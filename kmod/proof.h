/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A gate as others see it: attributes of a message, a line of the log. It must
 * never know commands or sockets.
 */
#ifndef BFENCE_PROOF_H
#define BFENCE_PROOF_H

#include "disks.h"

struct sk_buff;

/* Under gate->lock. 0, or -EMSGSIZE. */
int bfence_proof_put(struct sk_buff *skb, struct gate *gate);
int bfence_proof_put_host(struct sk_buff *skb, unsigned int nr_gates);

/* Under gate->lock: one line for a change of the gate. */
void bfence_proof_log(const struct gate *gate, enum bfence_event event);

#endif /* BFENCE_PROOF_H */
