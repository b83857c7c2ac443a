/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The disks of a gate, from its commands and events on. It must never know
 * netlink or how gates are found.
 */
#ifndef BFENCE_DISKS_H
#define BFENCE_DISKS_H

#include "disk.h"
#include "fence.h"

/* All under gate->lock. */

/* Opens the gate and gives it its disk. As in fence.h. */
int bfence_disks_open_gate(struct gate *gate, const struct gate_ask *ask);
/* What an event means for the gate's disks. */
void bfence_disks_on_event(struct gate *gate, enum bfence_event event);

bool bfence_disks_has_openers(struct gate *gate);
/* Of a closed gate: false, with nothing changed, where one has openers. */
bool bfence_disks_remove_all(struct gate *gate);
/* The disk that the present grant has or that the next may take over. */
bool bfence_disks_name(struct gate *gate, char name[DISK_NAME_LEN]);

#endif /* BFENCE_DISKS_H */
