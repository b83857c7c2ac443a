/* SPDX-License-Identifier: GPL-2.0 */
/*
 * /dev/bfence-io/VOLUME: a character device through which I/O with a stamp of
 * its own reaches a gate. It must never know disks, netlink or how gates are
 * found.
 */
#ifndef BFENCE_STAMPED_H
#define BFENCE_STAMPED_H

#include "gate.h"

int bfence_stamped_init(void);
void bfence_stamped_exit(void);

/* With the gate's backing device open. 0 or a negative errno. */
int bfence_stamped_create(struct gate *gate);
/*
 * The name goes at once; the object stays until its last descriptor is closed,
 * and refuses every I/O.
 */
void bfence_stamped_remove(struct gate *gate);

#endif /* BFENCE_STAMPED_H */
