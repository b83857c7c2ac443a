// SPDX-License-Identifier: GPL-2.0
/*
 * Attributes to structs. Must never open a socket: tests hand it messages
 * that they made.
 */
#include "genl_gate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include <linux/bfence.h>

/* What a gate or a host is made of; what is not named here is not read. */
static struct nla_policy policy[BFENCE_A_MAX + 1] = {
	[BFENCE_A_VOLUME] = { .type = NLA_STRING },
	[BFENCE_A_REPLICA] = { .type = NLA_STRING },
	[BFENCE_A_PRIMARY] = { .type = NLA_STRING },
	[BFENCE_A_BOOT_ID] = { .type = NLA_STRING },
	[BFENCE_A_EPOCH] = { .type = NLA_U64 },
	[BFENCE_A_ENDPOINT_VERSION] = { .type = NLA_U64 },
	[BFENCE_A_INCARNATION] = { .type = NLA_U64 },
	[BFENCE_A_OPEN_FLAGS] = { .type = NLA_U32 },
	[BFENCE_A_STATE] = { .type = NLA_U32 },
	[BFENCE_A_REASON] = { .type = NLA_U32 },
	[BFENCE_A_MANAGED] = { .type = NLA_U8 },
	[BFENCE_A_FORCED] = { .type = NLA_FLAG },
	[BFENCE_A_ADMITTED] = { .type = NLA_U64 },
	[BFENCE_A_REJECTED_STALE] = { .type = NLA_U64 },
	[BFENCE_A_REJECTED_CLOSED] = { .type = NLA_U64 },
	[BFENCE_A_REJECTED_LEASE] = { .type = NLA_U64 },
	[BFENCE_A_REJECTED_READ_ONLY] = { .type = NLA_U64 },
	[BFENCE_A_REJECTED_NEWER] = { .type = NLA_U64 },
	[BFENCE_A_IO_ERRORS] = { .type = NLA_U64 },
	[BFENCE_A_INFLIGHT] = { .type = NLA_U64 },
	[BFENCE_A_DRAINED] = { .type = NLA_U64 },
	[BFENCE_A_CLOSE_NS] = { .type = NLA_U64 },
	[BFENCE_A_DRAIN_NS] = { .type = NLA_U64 },
};

static int parse(struct nlmsghdr *message, struct nlattr **attrs)
{
	return genlmsg_parse(message, 0, attrs, BFENCE_A_MAX, policy) ?
		       -EBADMSG :
		       0;
}

static uint64_t u64_of(struct nlattr *attr)
{
	return attr ? nla_get_u64(attr) : 0;
}

static uint32_t u32_of(struct nlattr *attr)
{
	return attr ? nla_get_u32(attr) : 0;
}

static int state_of(struct nlattr *attr, enum gate_state *ret)
{
	if (!attr)
		return -EBADMSG;
	switch ((enum bfence_state)nla_get_u32(attr)) {
	case BFENCE_STATE_CLOSED:
		*ret = GATE_CLOSED;
		return 0;
	case BFENCE_STATE_OPEN:
		*ret = GATE_OPEN;
		return 0;
	case BFENCE_STATE_DRAINING:
		*ret = GATE_DRAINING;
		return 0;
	case BFENCE_STATE_QUARANTINED:
		*ret = GATE_QUARANTINED;
		return 0;
	case __BFENCE_STATE_MAX:
		break;
	}
	return -EBADMSG;
}

static int names_read(struct nlattr **attrs, struct gate_info *ret)
{
	struct nlattr *primary = attrs[BFENCE_A_PRIMARY];

	if (!attrs[BFENCE_A_VOLUME] || !attrs[BFENCE_A_REPLICA])
		return -EBADMSG;
	if (volume_id_parse(nla_get_string(attrs[BFENCE_A_VOLUME]),
			    &ret->volume))
		return -EBADMSG;
	if (replica_id_parse(nla_get_string(attrs[BFENCE_A_REPLICA]),
			     &ret->replica))
		return -EBADMSG;
	if (primary && replica_id_parse(nla_get_string(primary), &ret->primary))
		return -EBADMSG;
	return 0;
}

static void counts_read(struct nlattr **attrs, struct gate_info *ret)
{
	ret->admitted = u64_of(attrs[BFENCE_A_ADMITTED]);
	ret->rejected = u64_of(attrs[BFENCE_A_REJECTED_STALE]) +
			u64_of(attrs[BFENCE_A_REJECTED_CLOSED]) +
			u64_of(attrs[BFENCE_A_REJECTED_LEASE]) +
			u64_of(attrs[BFENCE_A_REJECTED_READ_ONLY]) +
			u64_of(attrs[BFENCE_A_REJECTED_NEWER]);
	ret->io_errors = u64_of(attrs[BFENCE_A_IO_ERRORS]);
	ret->inflight = u64_of(attrs[BFENCE_A_INFLIGHT]);
	ret->drained_ios = u64_of(attrs[BFENCE_A_DRAINED]);
	ret->close_ns = u64_of(attrs[BFENCE_A_CLOSE_NS]);
	ret->drain_ns = u64_of(attrs[BFENCE_A_DRAIN_NS]);
}

int genl_gate_read(struct nlmsghdr *message, struct gate_info *ret)
{
	struct nlattr *attrs[BFENCE_A_MAX + 1];
	struct gate_info gate = { 0 };
	uint32_t reason;

	if (parse(message, attrs) || names_read(attrs, &gate) ||
	    state_of(attrs[BFENCE_A_STATE], &gate.state))
		return -EBADMSG;
	gate.authority.epoch = u64_of(attrs[BFENCE_A_EPOCH]);
	gate.authority.endpoint_version =
		u64_of(attrs[BFENCE_A_ENDPOINT_VERSION]);
	if (!gate.authority.epoch != !gate.authority.endpoint_version)
		return -EBADMSG;
	/* Nothing older than an open grant is in flight: it was opened on a
	 * gate that had drained. */
	gate.drained = gate.state == GATE_CLOSED || gate.state == GATE_OPEN;
	gate.leased = u32_of(attrs[BFENCE_A_OPEN_FLAGS]) & BFENCE_F_LEASED;
	gate.managed = attrs[BFENCE_A_MANAGED] &&
		       nla_get_u8(attrs[BFENCE_A_MANAGED]);
	gate.forced = attrs[BFENCE_A_FORCED] != NULL;
	reason = u32_of(attrs[BFENCE_A_REASON]);
	gate.lease_ended = reason == BFENCE_REASON_LEASE;
	gate.backing_gone = reason == BFENCE_REASON_BACKING_GONE;
	gate.incarnation = u64_of(attrs[BFENCE_A_INCARNATION]);
	counts_read(attrs, &gate);
	*ret = gate;
	return 0;
}

int genl_volume_read(struct nlmsghdr *message, struct volume_id *ret)
{
	struct nlattr *attrs[BFENCE_A_MAX + 1];

	if (parse(message, attrs) || !attrs[BFENCE_A_VOLUME])
		return -EBADMSG;
	return volume_id_parse(nla_get_string(attrs[BFENCE_A_VOLUME]), ret) ?
		       -EBADMSG :
		       0;
}

int genl_boot_id_read(struct nlmsghdr *message, struct boot_id *ret)
{
	struct nlattr *attrs[BFENCE_A_MAX + 1];

	if (parse(message, attrs) || !attrs[BFENCE_A_BOOT_ID])
		return -EBADMSG;
	return boot_id_parse(nla_get_string(attrs[BFENCE_A_BOOT_ID]), ret) ?
		       -EBADMSG :
		       0;
}

/* Behind the errno stands the request, cut to its header or whole, and then
 * the attributes of the extended acknowledgement. */
void genl_sentence_read(const struct nlmsgerr *error, char *ret, size_t size)
{
	static const char prefix[] = "bfence: ";
	const struct nlmsghdr *header =
		(const struct nlmsghdr *)((const char *)error - NLMSG_HDRLEN);
	size_t len = header->nlmsg_len - NLMSG_HDRLEN;
	size_t skip = sizeof(*error);
	struct nlattr *found;
	const char *text;

	ret[0] = '\0';
	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(header->nlmsg_flags & NLM_F_CAPPED))
		skip += NLMSG_ALIGN(error->msg.nlmsg_len) - NLMSG_HDRLEN;
	if (skip >= len)
		return;
	found = nla_find((struct nlattr *)((char *)error + skip),
			 (int)(len - skip), NLMSGERR_ATTR_MSG);
	if (!found || nla_len(found) == 0)
		return;
	text = nla_get_string(found);
	if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
		text += sizeof(prefix) - 1;
	snprintf(ret, size, "%.*s", nla_len(found), text);
}
