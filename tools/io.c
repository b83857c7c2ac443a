// SPDX-License-Identifier: GPL-2.0
/*
 * One stamped command on a ring, and a sentence for each way in which it can
 * be refused. A replicator keeps many in flight and registers its buffers; all
 * else it does like this. Must never print.
 */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/bfence.h>
#include <linux/bfence_io.h>

#define RING_ENTRIES	1

static int open_device(const char *volume, bool write, struct refusal *refusal)
{
	char path[sizeof(BFENCE_IO_DIR) + BFENCE_VOLUME_LEN];
	int fd;

	snprintf(path, sizeof(path), BFENCE_IO_DIR "%s", volume);
	fd = open(path, (write ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return refuse(refusal, -ENOENT,
			      "no gate is attached for this volume (%s)", path);
	if (fd < 0)
		return refuse(refusal, -errno, "%s: %m", path);
	return fd;
}

int io_open(struct io *io, const char *volume, bool write,
	    struct refusal *refusal)
{
	int error;

	*io = (struct io){ .volume = volume };
	io->fd = open_device(volume, write, refusal);
	if (io->fd < 0)
		return io->fd;
	/* The command fills 80 bytes of an SQE; the answer has two words. */
	error = io_uring_queue_init(RING_ENTRIES, &io->ring,
				    IORING_SETUP_SQE128 | IORING_SETUP_CQE32);
	if (error) {
		close(io->fd);
		return refuse(refusal, error, "io_uring: %s", strerror(-error));
	}
	return 0;
}

void io_close(struct io *io)
{
	io_uring_queue_exit(&io->ring);
	close(io->fd);
}

/* io_uring's own fields, then the command in the rest of the SQE. */
static int prepare(struct io *io, const struct io_ask *ask)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);
	const struct bfence_io command = {
		.epoch = io->lineage.epoch,
		.endpoint_version = io->lineage.endpoint_version,
		.offset = ask->offset,
		.length = ask->length,
		.addr = (uintptr_t)ask->buffer,
		.flags = ask->flags,
	};

	if (!sqe)
		return -EBUSY;
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, io->fd, NULL, 0, 0);
	sqe->cmd_op = ask->cmd_op;
	sqe->__pad1 = 0;
	*(struct bfence_io *)sqe->cmd = command;
	return 0;
}

/* The result of the one command in flight. */
static int submit_and_wait(struct io *io, int *ret_result)
{
	struct io_uring_cqe *cqe;
	int ret = io_uring_submit_and_wait(&io->ring, 1);

	if (ret < 0)
		return ret;
	ret = io_uring_wait_cqe(&io->ring, &cqe);
	if (ret)
		return ret;
	*ret_result = cqe->res;
	io->gate_epoch = cqe->big_cqe[0];
	io_uring_cqe_seen(&io->ring, cqe);
	return 0;
}

static const char *why(int result)
{
	switch (result) {
	case -ESTALE:
		return "the lineage is older than the gate's authority";
	case -EAGAIN:
		return "the lineage is newer than the gate knows: fence the gate at it first";
	case -ENOLINK:
		return "the gate is closed";
	case -EKEYEXPIRED:
		return "the host's lease is over and has closed the gate";
	case -EROFS:
		return "the gate is open for reading alone";
	case -ENODEV:
		return "the gate was detached";
	case -EINVAL:
		return "offset and length must be multiples of the device's block and end within it";
	case -EOPNOTSUPP:
		return "the backing device cannot do this";
	}
	return strerror(-result);
}

int io_call(struct io *io, const struct io_ask *ask, struct refusal *refusal)
{
	int error, result;

	error = prepare(io, ask);
	if (!error)
		error = submit_and_wait(io, &result);
	if (error)
		return refuse(refusal, error, "io_uring: %s", strerror(-error));
	if (result < 0)
		return refuse(refusal, result,
			      "%llu.%llu at byte %llu, %llu bytes: %s (the "
			      "gate's epoch is %llu)",
			      (unsigned long long)io->lineage.epoch,
			      (unsigned long long)io->lineage.endpoint_version,
			      (unsigned long long)ask->offset,
			      (unsigned long long)ask->length, why(result),
			      (unsigned long long)io->gate_epoch);
	/* All or nothing: a short result would be a fault of the module. */
	if ((uint64_t)result != ask->length)
		return refuse(refusal, -EBADMSG,
			      "%d bytes were done where %llu were asked",
			      result, (unsigned long long)ask->length);
	return 0;
}
