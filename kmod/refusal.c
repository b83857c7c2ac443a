// SPDX-License-Identifier: GPL-2.0
/*
 * One sentence for each verdict that refuses, and the attribute at fault. It
 * must never decide.
 */
#include <net/genetlink.h>

#include "refusal.h"

/* clang-format off */
static const struct {
	int attr;
	const char *why;
} refusals[NR_VERDICTS] = {
	[VERDICT_STALE] = { BFENCE_A_EPOCH,
		"the lineage is older than the gate's authority" },
	[VERDICT_NEWER] = { BFENCE_A_EPOCH,
		"the lineage is newer than the gate's authority: fence at it first" },
	[VERDICT_CONFLICT_PRIMARY] = { BFENCE_A_PRIMARY,
		"conflict: the gate knows this lineage with another primary" },
	[VERDICT_CONFLICT_ACCESS] = { BFENCE_A_FLAGS,
		"conflict: the gate was opened at this lineage with other flags" },
	[VERDICT_OLD_INCARNATION] = { BFENCE_A_INCARNATION,
		"the incarnation is older than the newest one seen" },
	[VERDICT_MANAGED] = { BFENCE_A_INCARNATION,
		"managed by a master: a change needs its incarnation or the force flag" },
	[VERDICT_KEEP_DISK] = { BFENCE_A_FLAGS,
		"keep_disk needs the authority's own epoch and primary" },
	[VERDICT_UNDRAINED] = { BFENCE_A_VOLUME,
		"older I/O is still in flight: the gate is not drained" },
	[VERDICT_NO_LEASE] = { BFENCE_A_FLAGS,
		"leased, but the host has no running lease" },
	[VERDICT_READ_ONLY] = { BFENCE_A_FLAGS,
		"the backing device is read-only: open with the read_only flag" },
	[VERDICT_BUSY_OPEN] = { BFENCE_A_VOLUME,
		"the gate is open: close it first" },
	[VERDICT_BUSY_INFLIGHT] = { BFENCE_A_VOLUME,
		"the gate has I/O in flight" },
	[VERDICT_BUSY_DISK] = { BFENCE_A_VOLUME,
		"somebody has a disk of the gate open" },
	[VERDICT_BAD_VOLUME] = { BFENCE_A_VOLUME,
		"the volume's name must be of [A-Za-z0-9._-], the first one alphanumeric" },
	[VERDICT_BAD_REPLICA] = { BFENCE_A_REPLICA,
		"the replica's name must be of [A-Za-z0-9._-], the first one alphanumeric" },
	[VERDICT_BAD_BACKING] = { BFENCE_A_BACKING,
		"the backing device must be an absolute path" },
	[VERDICT_BAD_PRIMARY] = { BFENCE_A_PRIMARY,
		"the primary's name must be of [A-Za-z0-9._-], the first one alphanumeric" },
	[VERDICT_HALF_LINEAGE] = { BFENCE_A_EPOCH,
		"a floor needs both epoch and endpoint_version" },
	[VERDICT_PRIMARY_ALONE] = { BFENCE_A_PRIMARY,
		"a primary needs the lineage that it belongs to" },
	[VERDICT_VOLUME_ATTACHED] = { BFENCE_A_VOLUME,
		"the volume has a gate already" },
	[VERDICT_BACKING_ATTACHED] = { BFENCE_A_BACKING,
		"the backing device has a gate already" },
	[VERDICT_BACKING_MISSING] = { BFENCE_A_BACKING,
		"the backing device's path does not exist" },
	[VERDICT_BACKING_NOT_BLOCK] = { BFENCE_A_BACKING,
		"the backing path is not a block device" },
	[VERDICT_BACKING_BUSY] = { BFENCE_A_BACKING,
		"the backing device is in use: it cannot be opened exclusively" },
	[VERDICT_BACKING_ZONED] = { BFENCE_A_BACKING,
		"the backing device is zoned, which is not supported" },
	[VERDICT_BACKING_EMPTY] = { BFENCE_A_BACKING,
		"the backing device has no capacity" },
	[VERDICT_LEASE_TOO_LONG] = { BFENCE_A_LEASE_DEADLINE_NS,
		"the deadline is too far ahead" },
};

/* clang-format on */

int bfence_refuse(struct genl_info *info, int ret)
{
	if (ret < 0) {
		NL_SET_ERR_MSG(info->extack,
			       "failed inside the kernel, see the error code");
		return ret;
	}
	if (!verdict_errno(ret))
		return 0;
	info->extack->_msg = refusals[ret].why;
	info->extack->bad_attr = info->attrs[refusals[ret].attr];
	return verdict_errno(ret);
}
