/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One stamped I/O, from its command to its completion. It must never know how
 * its device came to be.
 */
#ifndef BFENCE_STAMPED_IO_H
#define BFENCE_STAMPED_IO_H

#include <linux/bio.h>

#include "gate.h"

struct io_comp_batch;
struct io_uring_cmd;

/* What a descriptor of the device holds on to, in ->private_data. */
struct stamped_io_target {
	struct gate *gate;		/* pinned */
	struct bio_set bios;
};

int bfence_stamped_io(struct io_uring_cmd *cmd, unsigned int issue_flags);
int bfence_stamped_io_poll(struct io_uring_cmd *cmd,
			   struct io_comp_batch *batch, unsigned int flags);

#endif /* BFENCE_STAMPED_IO_H */
