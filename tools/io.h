/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stamped I/O through a gate's device, one command at a time: small enough to
 * copy. Knows nothing of verbs.
 */
#ifndef BFENCE_TOOLS_IO_H
#define BFENCE_TOOLS_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <liburing.h>

#include "parse.h"
#include "refusal.h"

struct io {
	struct io_uring ring;
	int fd;
	const char *volume;		/* borrowed */
	struct lineage lineage;		/* that every command carries */
	uint64_t gate_epoch;		/* that the last answer told */
};

/* One command: what bfence_io.h says of it. */
struct io_ask {
	uint32_t cmd_op;		/* BFENCE_IO_* */
	uint32_t flags;			/* BFENCE_IO_F_* */
	uint64_t offset;
	uint64_t length;
	void *buffer;			/* NULL where the command takes none */
};

int io_open(struct io *io, const char *volume, bool write,
	    struct refusal *refusal);
/* After an io_open() that succeeded. */
void io_close(struct io *io);

/* Sends one command and waits. 0, or its refusal. */
int io_call(struct io *io, const struct io_ask *ask, struct refusal *refusal);

#endif
