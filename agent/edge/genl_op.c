// SPDX-License-Identifier: GPL-2.0
/*
 * An op as the attributes of its command. Must never open a socket.
 */
#include <errno.h>

#include <netlink/attr.h>
#include <netlink/msg.h>

#include <linux/bfence.h>

#include "genl_gate.h"

#define NSEC_PER_MSEC	1000000ull

static int put_lineage(struct nl_msg *message, const struct kernel_op *op)
{
	if (lineage_is_none(op->lineage))
		return 0;
	if (nla_put_u64(message, BFENCE_A_EPOCH, op->lineage.epoch) ||
	    nla_put_u64(message, BFENCE_A_ENDPOINT_VERSION,
			op->lineage.endpoint_version))
		return -EMSGSIZE;
	return op->primary.s[0] ? nla_put_string(message, BFENCE_A_PRIMARY,
						 op->primary.s) :
				  0;
}

static int put_attach(struct nl_msg *message, const struct kernel_op *op,
		      const char *backing)
{
	if (nla_put_string(message, BFENCE_A_REPLICA, op->replica.s) ||
	    nla_put_string(message, BFENCE_A_BACKING, backing))
		return -EMSGSIZE;
	return put_lineage(message, op);
}

static int put_fence(struct nl_msg *message, const struct kernel_op *op)
{
	if (op->drain_ms &&
	    nla_put_u32(message, BFENCE_A_DRAIN_MS, op->drain_ms))
		return -EMSGSIZE;
	if (op->keep_disk &&
	    nla_put_u32(message, BFENCE_A_FLAGS, BFENCE_F_KEEP_DISK))
		return -EMSGSIZE;
	return put_lineage(message, op);
}

static int put_open(struct nl_msg *message, const struct kernel_op *op)
{
	if (op->leased && nla_put_u32(message, BFENCE_A_FLAGS, BFENCE_F_LEASED))
		return -EMSGSIZE;
	return put_lineage(message, op);
}

int genl_op_put(struct nl_msg *message, const struct kernel_op *op,
		const char *backing)
{
	if (op->incarnation &&
	    nla_put_u64(message, BFENCE_A_INCARNATION, op->incarnation))
		return -EMSGSIZE;
	if (op->kind != KERNEL_LEASE &&
	    nla_put_string(message, BFENCE_A_VOLUME, op->volume.s))
		return -EMSGSIZE;
	switch (op->kind) {
	case KERNEL_ATTACH:
		return put_attach(message, op, backing);
	case KERNEL_FENCE:
		return put_fence(message, op);
	case KERNEL_OPEN:
		return put_open(message, op);
	case KERNEL_CLOSE:
		return op->drain_ms ? nla_put_u32(message, BFENCE_A_DRAIN_MS,
						  op->drain_ms) :
				      0;
	case KERNEL_LEASE:
		return nla_put_u64(message, BFENCE_A_LEASE_DEADLINE_NS,
				   op->lease_deadline.v * NSEC_PER_MSEC);
	case KERNEL_UNSPEC:
		break;
	}
	return -EINVAL;
}

uint8_t genl_op_command(enum kernel_op_kind kind)
{
	static const uint8_t commands[] = {
		[KERNEL_ATTACH] = BFENCE_CMD_GATE_ATTACH,
		[KERNEL_FENCE] = BFENCE_CMD_GATE_FENCE,
		[KERNEL_OPEN] = BFENCE_CMD_GATE_OPEN,
		[KERNEL_CLOSE] = BFENCE_CMD_GATE_CLOSE,
		[KERNEL_LEASE] = BFENCE_CMD_LEASE_SET,
	};

	return commands[kind];
}
