/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * bfence: the protocol between userspace and bfence.ko.
 *
 * One generic netlink family, version 1, one flat attribute set. Whoever may
 * talk it: every command that changes something needs CAP_NET_ADMIN; reading
 * is free. uapi/bfence.yaml says the same as a YNL spec and a test compares
 * the two, so a number once shipped never changes its meaning.
 *
 * Words. A *gate* sits on one backing block device and holds an *authority*,
 * the highest lineage it was told of. A lineage is (epoch, endpoint_version),
 * both at least 1, ordered by epoch, then endpoint_version. A *grant* is one
 * opening of the gate at exactly its authority; its I/O comes through a disk
 * (/dev/bfenceN) that belongs to this grant alone. A *fence* raises the
 * authority, ends the grant at once, and is complete only when every I/O
 * admitted under an older grant was completed by the backing device.
 *
 * Commands and their attributes ("?" optional):
 *
 *   HOST_GET     do        -> INCARNATION? BOOT_ID NOW_NS LEASE_DEADLINE_NS
 *                             LEASE_RUNNING NR_GATES
 *   GATE_GET     do VOLUME -> a gate (below); dump -> every gate
 *   GATE_ATTACH  do VOLUME REPLICA BACKING EPOCH? ENDPOINT_VERSION? PRIMARY?
 *                   INCARNATION?
 *                          -> a gate. It starts CLOSED at the floor that was
 *                             given, or at no authority. With INCARNATION the
 *                             gate is *managed*.
 *   GATE_DETACH  do VOLUME INCARNATION? FLAGS?(FORCE)
 *                          -> the gate's last proof. -EBUSY while open, while
 *                             I/O is in flight, or while a disk has openers.
 *   GATE_FENCE   do VOLUME EPOCH ENDPOINT_VERSION PRIMARY? DRAIN_MS?
 *                   INCARNATION? FLAGS?(FORCE, KEEP_DISK, MARK_DEAD)
 *                          -> a gate, DRAINING or (drained) CLOSED. Never
 *                             waits: EVENT_DRAINED follows on the group.
 *   GATE_OPEN    do VOLUME EPOCH ENDPOINT_VERSION PRIMARY? INCARNATION?
 *                   FLAGS?(FORCE, LEASED, READ_ONLY)
 *                          -> a gate, OPEN, with DISK.
 *   GATE_CLOSE   do VOLUME DRAIN_MS? INCARNATION? FLAGS?(FORCE, MARK_DEAD)
 *                          -> a gate, DRAINING or CLOSED. Authority unchanged.
 *   LEASE_SET    do LEASE_DEADLINE_NS INCARNATION?  -> as HOST_GET
 *                             An absolute CLOCK_BOOTTIME instant; one before
 *                             the present deadline changes nothing, 0 ends
 *                             the lease now.
 *   NTF          the notification on group "monitor": EVENT and a gate.
 *
 * A gate in a reply, a dump or a notification, which is also the *proof*:
 *   VOLUME REPLICA BACKING STATE REASON EPOCH ENDPOINT_VERSION PRIMARY?
 *   OPEN_FLAGS DISK? SIZE_BYTES MANAGED FORCED? INCARNATION? BOOT_ID SINCE_NS
 *   ADMITTED REJECTED_STALE REJECTED_CLOSED REJECTED_LEASE REJECTED_READ_ONLY
 *   REJECTED_NEWER IO_ERRORS INFLIGHT INFLIGHT_OLDEST_NS? DRAINED CLOSE_NS
 *   DRAIN_NS DRAIN_MS.
 *   EPOCH and ENDPOINT_VERSION are absent while the gate has no authority,
 *   INCARNATION until a master has changed it.
 *
 * Refusals. Each carries an extack sentence and, where one is at fault, the
 * attribute: -ESTALE older than the authority, or older incarnation; -EEXIST
 * same lineage with other content (primary, access), or the volume or backing
 * device is attached already; -ENOENT no such gate, or no such path; -ENOTBLK,
 * -EOPNOTSUPP (zoned), -ENXIO (no capacity) not a usable backing device;
 * -EBUSY as above, or the backing device is in use; -EROFS a read-only backing
 * device opened without READ_ONLY; -EKEYEXPIRED LEASED without a running
 * lease; -EAGAIN open before the drain ended; -EPERM managed gate (or, for
 * LEASE_SET, host), no INCARNATION and no FORCE; -EINVAL malformed, opened
 * above the authority (fence first), or KEEP_DISK over another epoch or
 * primary; -ERANGE a number out of its range.
 *
 * A refused bio ends with BLK_STS_RESV_CONFLICT (EBADE). I/O that carries its
 * lineage itself, and is told more, is in bfence_io.h.
 */
#ifndef _UAPI_LINUX_BFENCE_H
#define _UAPI_LINUX_BFENCE_H

#include <linux/types.h>

#define BFENCE_GENL_NAME	"bfence"
#define BFENCE_GENL_VERSION	1
#define BFENCE_GENL_MONITOR	"monitor"

#define BFENCE_VOLUME_LEN	63	/* bytes, without the NUL */
#define BFENCE_REPLICA_LEN	15
#define BFENCE_BACKING_LEN	255
#define BFENCE_DRAIN_MS_DEFAULT	5000
#define BFENCE_DRAIN_MS_MAX	600000
#define BFENCE_LEASE_MS_MAX	3600000	/* a deadline at most so far ahead */

enum bfence_cmd {
	BFENCE_CMD_UNSPEC,
	BFENCE_CMD_HOST_GET,
	BFENCE_CMD_GATE_GET,
	BFENCE_CMD_GATE_ATTACH,
	BFENCE_CMD_GATE_DETACH,
	BFENCE_CMD_GATE_FENCE,
	BFENCE_CMD_GATE_OPEN,
	BFENCE_CMD_GATE_CLOSE,
	BFENCE_CMD_LEASE_SET,
	BFENCE_CMD_NTF,

	/* private: */
	__BFENCE_CMD_MAX,
	BFENCE_CMD_MAX = __BFENCE_CMD_MAX - 1,
};

/* What a gate does with I/O. 0 is the harmless one. */
enum bfence_state {
	BFENCE_STATE_CLOSED,		/* refuses all; nothing in flight */
	BFENCE_STATE_OPEN,		/* admits I/O of the present grant */
	BFENCE_STATE_DRAINING,		/* refuses all; older I/O in flight */
	BFENCE_STATE_QUARANTINED,	/* DRAINING past its deadline */

	/* private: */
	__BFENCE_STATE_MAX,
	BFENCE_STATE_MAX = __BFENCE_STATE_MAX - 1,
};

/* Why the gate is in its state. */
enum bfence_reason {
	BFENCE_REASON_UNSPEC,
	BFENCE_REASON_ATTACHED,
	BFENCE_REASON_FENCED,
	BFENCE_REASON_OPENED,
	BFENCE_REASON_COMMAND,		/* GATE_CLOSE */
	BFENCE_REASON_LEASE,		/* the host's lease ended */
	BFENCE_REASON_BACKING_GONE,

	/* private: */
	__BFENCE_REASON_MAX,
	BFENCE_REASON_MAX = __BFENCE_REASON_MAX - 1,
};

/* What a notification is about. */
enum bfence_event {
	BFENCE_EVENT_UNSPEC,
	BFENCE_EVENT_ATTACHED,
	BFENCE_EVENT_DETACHED,
	BFENCE_EVENT_FENCED,		/* authority raised, grant ended */
	BFENCE_EVENT_DRAINED,		/* the proof is complete */
	BFENCE_EVENT_QUARANTINED,
	BFENCE_EVENT_OPENED,
	BFENCE_EVENT_CLOSED,		/* by command or by lease end */

	/* private: */
	__BFENCE_EVENT_MAX,
	BFENCE_EVENT_MAX = __BFENCE_EVENT_MAX - 1,
};

/* BFENCE_A_FLAGS; OPEN_FLAGS repeats LEASED and READ_ONLY of the grant. */
#define BFENCE_F_FORCE		(1U << 0)	/* an operator's override */
#define BFENCE_F_LEASED		(1U << 1)	/* ends with the host lease */
#define BFENCE_F_READ_ONLY	(1U << 2)
#define BFENCE_F_KEEP_DISK	(1U << 3)	/* same epoch only */
#define BFENCE_F_MARK_DEAD	(1U << 4)	/* shut down what sits on top */

enum bfence_attr {
	BFENCE_A_UNSPEC,
	BFENCE_A_VOLUME,		/* string, 1..63 of [A-Za-z0-9._-] */
	BFENCE_A_REPLICA,		/* string, 1..15 of the same */
	BFENCE_A_BACKING,		/* string, absolute path */
	BFENCE_A_PRIMARY,		/* string, replica that is primary */
	BFENCE_A_EPOCH,			/* u64 >= 1 */
	BFENCE_A_ENDPOINT_VERSION,	/* u64 >= 1 */
	BFENCE_A_INCARNATION,		/* u64 >= 1, of the master */
	BFENCE_A_FLAGS,			/* u32, BFENCE_F_* */
	BFENCE_A_OPEN_FLAGS,		/* u32, BFENCE_F_* of the grant */
	BFENCE_A_DRAIN_MS,		/* u32, 1..BFENCE_DRAIN_MS_MAX */
	BFENCE_A_STATE,			/* u32, enum bfence_state */
	BFENCE_A_REASON,		/* u32, enum bfence_reason */
	BFENCE_A_EVENT,			/* u32, enum bfence_event */
	BFENCE_A_MANAGED,		/* u8, 0 or 1 */
	BFENCE_A_FORCED,		/* flag: last change was forced */
	BFENCE_A_DISK,			/* string, "bfence0" */
	BFENCE_A_SIZE_BYTES,		/* u64 */
	BFENCE_A_BOOT_ID,		/* string, uuid of this boot */
	BFENCE_A_SINCE_NS,		/* u64, boottime of the last change */
	BFENCE_A_NOW_NS,		/* u64, boottime */
	BFENCE_A_LEASE_DEADLINE_NS,	/* u64, boottime; 0 = no lease */
	BFENCE_A_LEASE_RUNNING,		/* u8, 0 or 1 */
	BFENCE_A_NR_GATES,		/* u32 */
	BFENCE_A_ADMITTED,		/* u64, I/O since attach */
	BFENCE_A_REJECTED_STALE,	/* u64, by an older lineage's disk */
	BFENCE_A_REJECTED_CLOSED,	/* u64, same lineage, grant ended */
	BFENCE_A_REJECTED_LEASE,	/* u64, the lease was over */
	BFENCE_A_IO_ERRORS,		/* u64, failed by the backing device */
	BFENCE_A_INFLIGHT,		/* u64, admitted, not completed */
	BFENCE_A_INFLIGHT_OLDEST_NS,	/* u64, at least this long waiting */
	BFENCE_A_DRAINED,		/* u64, in flight when it was ended */
	BFENCE_A_CLOSE_NS,		/* u64, command to no more admitted */
	BFENCE_A_DRAIN_NS,		/* u64, command to drained; 0 = not yet */
	BFENCE_A_PAD,
	BFENCE_A_REJECTED_READ_ONLY,	/* u64, writes under READ_ONLY */
	BFENCE_A_REJECTED_NEWER,	/* u64, stamped above the authority */

	/* private: */
	__BFENCE_A_MAX,
	BFENCE_A_MAX = __BFENCE_A_MAX - 1,
};

#endif /* _UAPI_LINUX_BFENCE_H */
