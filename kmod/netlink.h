/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The generic netlink family. It must never decide: it parses, asks, answers.
 */
#ifndef BFENCE_NETLINK_H
#define BFENCE_NETLINK_H

#include "fence.h"

int bfence_netlink_init(void);
void bfence_netlink_exit(void);

/* Under gate->lock: tells group "monitor" in the first network namespace. */
void bfence_netlink_notify(struct gate *gate, enum bfence_event event);

#endif /* BFENCE_NETLINK_H */
