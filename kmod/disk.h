/* SPDX-License-Identifier: GPL-2.0 */
/*
 * /dev/bfenceN: a block device through which I/O reaches a gate, bound to one
 * grant. It must never know netlink or how gates are found.
 */
#ifndef BFENCE_DISK_H
#define BFENCE_DISK_H

#include <linux/bio.h>

#include "gate.h"

struct disk {
	/* read by every I/O */
	struct gate *gate;		/* pinned */
	struct grant __rcu *grant;	/* pinned; changed by a carry-over */
	struct bio_set clones;

	struct gendisk *gd;
	int index;
	bool read_only;
	bool linked;			/* to the device below, in sysfs */

	/* under bfence_disks_lock, which no path holds while it waits for I/O */
	struct list_head node;		/* in gate->disks */
	unsigned int nr_openers;
	bool dead;			/* its grant is over; never reset */
	bool mark;			/* shut down what sits on top */
	bool deleted;

	struct work_struct work;	/* marks, deletes */
};

extern spinlock_t bfence_disks_lock;

/* Under gate->lock, for the gate's present grant. 0 or a negative errno. */
int bfence_disk_create(struct gate *gate);
/* Under bfence_disks_lock: nobody has it open, nothing of it is in flight. */
bool bfence_disk_may_go(const struct disk *disk);

#endif /* BFENCE_DISK_H */
