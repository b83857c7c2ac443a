/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The form of each command's attributes, for netlink.c alone. What a table
 * does not name is refused. It must never know what an attribute means.
 */
#ifndef BFENCE_POLICY_H
#define BFENCE_POLICY_H

#include <net/netlink.h>

#include "verdict.h"

/* Not const: 6.1 keeps a pointer that it could write through. */
static struct netlink_range_validation drain_ms_range = {
	.min = 1,
	.max = BFENCE_DRAIN_MS_MAX,
};

/* clang-format off */
#define NAME_POLICY(bytes) { .type = NLA_NUL_STRING, .len = (bytes) }
/* clang-format on */
#define FLAGS_POLICY(mask) NLA_POLICY_MASK(NLA_U32, mask)
#define COUNT_POLICY NLA_POLICY_MIN(NLA_U64, 1)

static const struct nla_policy none_policy[BFENCE_A_MAX + 1] = {};

static const struct nla_policy get_policy[BFENCE_A_MAX + 1] = {
	[BFENCE_A_VOLUME]		= NAME_POLICY(BFENCE_VOLUME_LEN),
};

static const struct nla_policy attach_policy[BFENCE_A_MAX + 1] = {
	[BFENCE_A_VOLUME]		= NAME_POLICY(BFENCE_VOLUME_LEN),
	[BFENCE_A_REPLICA]		= NAME_POLICY(BFENCE_REPLICA_LEN),
	[BFENCE_A_BACKING]		= NAME_POLICY(BFENCE_BACKING_LEN),
	[BFENCE_A_PRIMARY]		= NAME_POLICY(BFENCE_REPLICA_LEN),
	[BFENCE_A_EPOCH]		= COUNT_POLICY,
	[BFENCE_A_ENDPOINT_VERSION]	= COUNT_POLICY,
	[BFENCE_A_INCARNATION]		= COUNT_POLICY,
};

static const struct nla_policy detach_policy[BFENCE_A_MAX + 1] = {
	[BFENCE_A_VOLUME]		= NAME_POLICY(BFENCE_VOLUME_LEN),
	[BFENCE_A_INCARNATION]		= COUNT_POLICY,
	[BFENCE_A_FLAGS]		= FLAGS_POLICY(BFENCE_F_FORCE),
};

static const struct nla_policy fence_policy[BFENCE_A_MAX + 1] = {
	[BFENCE_A_VOLUME]		= NAME_POLICY(BFENCE_VOLUME_LEN),
	[BFENCE_A_PRIMARY]		= NAME_POLICY(BFENCE_REPLICA_LEN),
	[BFENCE_A_EPOCH]		= COUNT_POLICY,
	[BFENCE_A_ENDPOINT_VERSION]	= COUNT_POLICY,
	[BFENCE_A_INCARNATION]		= COUNT_POLICY,
	[BFENCE_A_DRAIN_MS] = NLA_POLICY_FULL_RANGE(NLA_U32, &drain_ms_range),
	[BFENCE_A_FLAGS] = FLAGS_POLICY(BFENCE_F_FORCE | BFENCE_F_KEEP_DISK |
					BFENCE_F_MARK_DEAD),
};

static const struct nla_policy open_policy[BFENCE_A_MAX + 1] = {
	[BFENCE_A_VOLUME]		= NAME_POLICY(BFENCE_VOLUME_LEN),
	[BFENCE_A_PRIMARY]		= NAME_POLICY(BFENCE_REPLICA_LEN),
	[BFENCE_A_EPOCH]		= COUNT_POLICY,
	[BFENCE_A_ENDPOINT_VERSION]	= COUNT_POLICY,
	[BFENCE_A_INCARNATION]		= COUNT_POLICY,
	[BFENCE_A_FLAGS] = FLAGS_POLICY(BFENCE_F_FORCE | VERDICT_ACCESS_FLAGS),
};

static const struct nla_policy close_policy[BFENCE_A_MAX + 1] = {
	[BFENCE_A_VOLUME]		= NAME_POLICY(BFENCE_VOLUME_LEN),
	[BFENCE_A_INCARNATION]		= COUNT_POLICY,
	[BFENCE_A_DRAIN_MS] = NLA_POLICY_FULL_RANGE(NLA_U32, &drain_ms_range),
	[BFENCE_A_FLAGS] = FLAGS_POLICY(BFENCE_F_FORCE | BFENCE_F_MARK_DEAD),
};

static const struct nla_policy lease_policy[BFENCE_A_MAX + 1] = {
	[BFENCE_A_LEASE_DEADLINE_NS]	= { .type = NLA_U64 },
	[BFENCE_A_INCARNATION]		= COUNT_POLICY,
};

#endif /* BFENCE_POLICY_H */
