/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The attributes of the module's messages as structs, and back. For genl.c alone.
 */
#ifndef BFENCE_GENL_GATE_H
#define BFENCE_GENL_GATE_H

#include <netlink/netlink.h>

#include "core/replica.h"

/* 0, or -EBADMSG when the message is no sound gate (volume, boot id). */
int genl_gate_read(struct nlmsghdr *message, struct gate_info *ret);
int genl_volume_read(struct nlmsghdr *message, struct volume_id *ret);
int genl_boot_id_read(struct nlmsghdr *message, struct boot_id *ret);

uint8_t genl_op_command(enum kernel_op_kind kind);
/* Puts what the op's command needs. Backing: of an attach. */
int genl_op_put(struct nl_msg *message, const struct kernel_op *op,
		const char *backing);

/* The kernel's sentence of an NLMSG_ERROR, or "" when there is none. */
void genl_sentence_read(const struct nlmsgerr *error, char *ret, size_t size);

#endif
