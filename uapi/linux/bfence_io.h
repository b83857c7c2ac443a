/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * bfence: stamped I/O, the io_uring commands of a gate.
 *
 * While a gate is attached, BFENCE_IO_DIR VOLUME is a character device that
 * takes IORING_OP_URING_CMD on a ring with IORING_SETUP_SQE128: sqe->cmd_op is
 * one of BFENCE_IO_*, sqe->cmd holds a struct bfence_io. Each command carries
 * its own lineage, so a replicator that writes for many lineages needs one
 * descriptor, and none of its I/O can be admitted under a later lineage.
 * sqe->uring_cmd_flags may be IORING_URING_CMD_FIXED, ADDR is then inside the
 * registered buffer sqe->buf_index. The device file's mode says who may use
 * it; a descriptor opened without write access can read and flush alone.
 *
 *   BFENCE_IO_READ          OFFSET LENGTH ADDR
 *   BFENCE_IO_WRITE         OFFSET LENGTH ADDR FLAGS?(FUA)
 *   BFENCE_IO_FLUSH         nothing: all that was completed before is durable
 *   BFENCE_IO_DISCARD       OFFSET LENGTH
 *   BFENCE_IO_WRITE_ZEROES  OFFSET LENGTH
 *
 * and EPOCH ENDPOINT_VERSION in each. What a command does not take must be 0.
 * OFFSET and LENGTH are multiples of the backing device's logical block, ADDR
 * fits its DMA alignment. The command is copied once and then checked. One that
 * waits for another (IOSQE_IO_LINK, IOSQE_IO_DRAIN) needs IOSQE_ASYNC as well:
 * else io_uring of 6.12 may look at its SQE only when its turn has come.
 *
 * Result, in cqe->res: the bytes done, all that were asked (0 for a flush), or
 *   -ESTALE       the stamp is older than the gate's authority
 *   -EAGAIN       it is newer than the gate knows: fence the gate there first
 *   -ENOLINK      it is the authority's, but the gate is closed
 *   -EKEYEXPIRED  the same, closed by the end of the host's lease
 *   -EROFS        the gate was opened at it for reading alone
 *   -ENODEV       the gate was detached; the descriptor is dead for ever
 *   -EBADF        the descriptor was not opened for this
 *   -EINVAL       not one of the above commands, something that must be 0 is
 *                 not, EPOCH or ENDPOINT_VERSION is 0, unaligned, beyond the
 *                 end, no SQE128
 *   -E2BIG        more than BFENCE_IO_LENGTH_MAX (read, write) or
 *                 BFENCE_IO_RANGE_MAX (discard, write_zeroes) in one command,
 *                 or a buffer that spans more than 256 pages; nothing is split
 *   -EFAULT       the buffer cannot be reached
 *   -EOPNOTSUPP   the backing device cannot do this, or, on a ring with
 *                 IORING_SETUP_IOPOLL, does not poll
 *   -ENOSPC, -ETIMEDOUT, -EBADE (its own reservation conflict), -ENOMEM, -EBUSY
 *                 (asked not to wait, told too late; send it again), -EIO for
 *                 all else: what the backing device said of an admitted I/O
 * With IORING_SETUP_CQE32 cqe->big_cqe[0] is the epoch of the gate's authority
 * when the I/O was refused or had ended, 0 for none.
 *
 * Ended means: completed by the backing device. A fence's proof counts that,
 * not whether its completion was read. Stamped I/O goes past the page cache of
 * the volume's disk: on one host use the disk with O_DIRECT, or not at all.
 */
#ifndef _UAPI_LINUX_BFENCE_IO_H
#define _UAPI_LINUX_BFENCE_IO_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define BFENCE_IO_DIR		"/dev/bfence-io/"
#define BFENCE_IO_LENGTH_MAX	(1U << 20)
#define BFENCE_IO_RANGE_MAX	(1U << 30)

#define BFENCE_IO_F_FUA		(1U << 0)	/* durable when completed */

struct bfence_io {
	__u64 epoch;
	__u64 endpoint_version;
	__u64 offset;			/* bytes */
	__u64 length;			/* bytes */
	__u64 addr;			/* of the buffer */
	__u32 flags;			/* BFENCE_IO_F_* */
	__u32 reserved0;
	__u64 reserved[4];
};

#define BFENCE_IO_READ		_IOR(0xbf, 1, struct bfence_io)
#define BFENCE_IO_WRITE		_IOW(0xbf, 2, struct bfence_io)
#define BFENCE_IO_FLUSH		_IOW(0xbf, 3, struct bfence_io)
#define BFENCE_IO_DISCARD	_IOW(0xbf, 4, struct bfence_io)
#define BFENCE_IO_WRITE_ZEROES	_IOW(0xbf, 5, struct bfence_io)

#endif /* _UAPI_LINUX_BFENCE_IO_H */
