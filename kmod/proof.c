// SPDX-License-Identifier: GPL-2.0
/*
 * A gate as others see it: attributes of a message, a line of the log. It must
 * never know commands or sockets.
 */
#include <net/netlink.h>

#include "proof.h"

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, BFENCE_A_PAD);
}

static int put_names(struct sk_buff *skb, struct gate *gate)
{
	char disk[DISK_NAME_LEN];

	if (nla_put_string(skb, BFENCE_A_VOLUME, gate->volume) ||
	    nla_put_string(skb, BFENCE_A_REPLICA, gate->replica) ||
	    nla_put_string(skb, BFENCE_A_BACKING, gate->path) ||
	    nla_put_string(skb, BFENCE_A_BOOT_ID, bfence_host_boot_id()))
		return -EMSGSIZE;
	if (gate->v.primary[0] &&
	    nla_put_string(skb, BFENCE_A_PRIMARY, gate->v.primary))
		return -EMSGSIZE;
	if (bfence_disks_name(gate, disk) &&
	    nla_put_string(skb, BFENCE_A_DISK, disk))
		return -EMSGSIZE;
	return 0;
}

static int put_authority(struct sk_buff *skb, const struct gate *gate)
{
	const struct lineage *authority = &gate->v.authority;
	const struct gate_proof *proof = &gate->proof;

	if (lineage_is_set(authority) &&
	    (put_u64(skb, BFENCE_A_EPOCH, authority->epoch) ||
	     put_u64(skb, BFENCE_A_ENDPOINT_VERSION,
		     authority->endpoint_version)))
		return -EMSGSIZE;
	if (proof->incarnation &&
	    put_u64(skb, BFENCE_A_INCARNATION, proof->incarnation))
		return -EMSGSIZE;
	if (proof->forced && nla_put_flag(skb, BFENCE_A_FORCED))
		return -EMSGSIZE;
	return nla_put_u8(skb, BFENCE_A_MANAGED, gate->v.managed);
}

static int put_state(struct sk_buff *skb, const struct gate *gate)
{
	bool open = gate->v.state == BFENCE_STATE_OPEN;

	if (nla_put_u32(skb, BFENCE_A_STATE, gate->v.state) ||
	    nla_put_u32(skb, BFENCE_A_REASON, gate->proof.reason) ||
	    nla_put_u32(skb, BFENCE_A_OPEN_FLAGS, open ? gate->v.access : 0) ||
	    nla_put_u32(skb, BFENCE_A_DRAIN_MS, gate->proof.drain_ms) ||
	    put_u64(skb, BFENCE_A_SINCE_NS, gate->proof.since_ns))
		return -EMSGSIZE;
	return put_u64(skb, BFENCE_A_SIZE_BYTES,
		       bdev_nr_bytes(gate->backing.bdev));
}

static int put_counts(struct sk_buff *skb, const struct gate *gate)
{
	static const struct {
		int attr;
		enum verdict_reject why;
	} rejects[] = {
		{ BFENCE_A_REJECTED_STALE, REJECT_STALE },
		{ BFENCE_A_REJECTED_CLOSED, REJECT_CLOSED },
		{ BFENCE_A_REJECTED_LEASE, REJECT_LEASE },
		{ BFENCE_A_REJECTED_READ_ONLY, REJECT_READ_ONLY },
		{ BFENCE_A_REJECTED_NEWER, REJECT_NEWER },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rejects); i++)
		if (put_u64(skb, rejects[i].attr,
			    bfence_gate_rejected(gate, rejects[i].why)))
			return -EMSGSIZE;
	if (put_u64(skb, BFENCE_A_ADMITTED, bfence_gate_admitted(gate)))
		return -EMSGSIZE;
	return put_u64(skb, BFENCE_A_IO_ERRORS, bfence_gate_io_errors(gate));
}

static int put_drain(struct sk_buff *skb, const struct gate *gate)
{
	bool undrained = gate->v.state == BFENCE_STATE_DRAINING ||
			 gate->v.state == BFENCE_STATE_QUARANTINED;
	const struct gate_proof *proof = &gate->proof;
	u64 inflight = bfence_gate_inflight(gate);

	/* All of them were admitted before the grant ended. */
	if (undrained && inflight &&
	    put_u64(skb, BFENCE_A_INFLIGHT_OLDEST_NS,
		    ktime_get_boottime_ns() - gate->ended_ns))
		return -EMSGSIZE;
	if (put_u64(skb, BFENCE_A_INFLIGHT, inflight) ||
	    put_u64(skb, BFENCE_A_DRAINED, proof->drained) ||
	    put_u64(skb, BFENCE_A_CLOSE_NS, proof->close_ns))
		return -EMSGSIZE;
	return put_u64(skb, BFENCE_A_DRAIN_NS, proof->drain_ns);
}

int bfence_proof_put(struct sk_buff *skb, struct gate *gate)
{
	int err;

	lockdep_assert_held(&gate->lock);
	err = put_names(skb, gate);
	if (!err)
		err = put_authority(skb, gate);
	if (!err)
		err = put_state(skb, gate);
	if (!err)
		err = put_counts(skb, gate);
	if (!err)
		err = put_drain(skb, gate);
	return err;
}

int bfence_proof_put_host(struct sk_buff *skb, unsigned int nr_gates)
{
	u64 deadline_ns = bfence_lease_deadline_ns();
	u64 incarnation = bfence_host_view().incarnation;

	if (incarnation && put_u64(skb, BFENCE_A_INCARNATION, incarnation))
		return -EMSGSIZE;
	if (nla_put_string(skb, BFENCE_A_BOOT_ID, bfence_host_boot_id()) ||
	    put_u64(skb, BFENCE_A_NOW_NS, ktime_get_boottime_ns()) ||
	    put_u64(skb, BFENCE_A_LEASE_DEADLINE_NS, deadline_ns) ||
	    nla_put_u8(skb, BFENCE_A_LEASE_RUNNING, deadline_ns != 0))
		return -EMSGSIZE;
	return nla_put_u32(skb, BFENCE_A_NR_GATES, nr_gates);
}

/* --- the log ------------------------------------------------------------- */

static const char *const state_names[] = {
	[BFENCE_STATE_CLOSED]		= "closed",
	[BFENCE_STATE_OPEN]		= "open",
	[BFENCE_STATE_DRAINING]		= "draining",
	[BFENCE_STATE_QUARANTINED]	= "quarantined",
};

static const char *event_name(const struct gate *gate, enum bfence_event event)
{
	switch (event) {
	case BFENCE_EVENT_ATTACHED:
		return "attached";
	case BFENCE_EVENT_DETACHED:
		return "detached";
	case BFENCE_EVENT_FENCED:
		return "fenced";
	case BFENCE_EVENT_QUARANTINED:
		return "quarantined";
	case BFENCE_EVENT_OPENED:
		return "opened";
	case BFENCE_EVENT_CLOSED:
		if (gate->proof.reason == BFENCE_REASON_LEASE)
			return "lease-ended";
		return "closed";
	case BFENCE_EVENT_DRAINED:	/* its command has its line */
	case BFENCE_EVENT_UNSPEC:
	case __BFENCE_EVENT_MAX:
		break;
	}
	return NULL;
}

void bfence_proof_log(const struct gate *gate, enum bfence_event event)
{
	const struct lineage *from = &gate->proof.from;
	const struct lineage *to = &gate->v.authority;
	const char *name = event_name(gate, event);

	if (!name)
		return;
	pr_notice("bfence: volume=%s replica=%s event=%s lineage=%llu.%llu->%llu.%llu state=%s incarnation=%llu%s\n",
		  gate->volume, gate->replica, name, from->epoch,
		  from->endpoint_version, to->epoch, to->endpoint_version,
		  state_names[gate->v.state], gate->proof.incarnation,
		  gate->proof.forced ? " forced" : "");
}
