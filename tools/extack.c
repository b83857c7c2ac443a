// SPDX-License-Identifier: GPL-2.0
/*
 * Reading NLMSG_ERROR with its extended acknowledgement. Must never open a
 * socket: tests hand it messages that they made.
 */
#include "extack.h"

#include <errno.h>
#include <string.h>
#include <linux/bfence.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

static const char *const attr_names[] = {
	[BFENCE_A_VOLUME] = "volume",
	[BFENCE_A_REPLICA] = "replica",
	[BFENCE_A_BACKING] = "backing",
	[BFENCE_A_PRIMARY] = "primary",
	[BFENCE_A_EPOCH] = "epoch",
	[BFENCE_A_ENDPOINT_VERSION] = "endpoint_version",
	[BFENCE_A_INCARNATION] = "incarnation",
	[BFENCE_A_FLAGS] = "flags",
	[BFENCE_A_DRAIN_MS] = "drain_ms",
	[BFENCE_A_LEASE_DEADLINE_NS] = "lease_deadline_ns",
};

struct extack {
	const char *sentence;		/* borrowed from the reply */
	uint32_t offset;		/* 0: none */
	uint32_t missing;		/* attribute, 0: none */
};

static const char *attr_name(uint16_t attr)
{
	if (attr >= sizeof(attr_names) / sizeof(attr_names[0]))
		return NULL;
	return attr_names[attr];
}

static int take_tlv(const struct nlattr *attr, void *data)
{
	struct extack *extack = data;
	uint16_t type = mnl_attr_get_type(attr);

	if (type == NLMSGERR_ATTR_MSG &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
		extack->sentence = mnl_attr_get_str(attr);
	else if (type == NLMSGERR_ATTR_OFFS &&
		 mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
		extack->offset = mnl_attr_get_u32(attr);
	else if (type == NLMSGERR_ATTR_MISS_TYPE &&
		 mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
		extack->missing = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

/* The kernel repeats the request in front of the TLVs unless it is capped. */
static void read_tlvs(const struct nlmsghdr *reply, struct extack *extack)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(reply);
	size_t offset = sizeof(*error);

	if (!(reply->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(reply->nlmsg_flags & NLM_F_CAPPED)) {
		if (error->msg.nlmsg_len < sizeof(error->msg))
			return;
		offset += MNL_ALIGN(error->msg.nlmsg_len) - sizeof(error->msg);
	}
	if (offset > mnl_nlmsg_get_payload_len(reply))
		return;
	mnl_attr_parse(reply, offset, take_tlv, extack);
}

/* The offset counts from the start of the request, header included. */
static const char *attr_at(const struct nlmsghdr *request, uint32_t offset)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, request, sizeof(struct genlmsghdr))
		if ((const char *)attr - (const char *)request == offset)
			return attr_name(mnl_attr_get_type(attr));
	return NULL;
}

/* For refusals of the netlink core, which come without a sentence. */
static const char *plain_sentence(int error)
{
	switch (error) {
	case EPERM:
		return "not permitted: this needs CAP_NET_ADMIN (run as root)";
	case ENOENT:
		return "no such gate";
	case EOPNOTSUPP:
		return "the loaded bfence module does not know this command";
	default:
		return strerror(error);
	}
}

int extack_error(const struct nlmsghdr *reply, const struct nlmsghdr *request,
		 struct refusal *refusal)
{
	static const char module_prefix[] = "bfence: ";
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(reply);
	struct extack extack = { 0 };
	const char *sentence, *attr;

	if (mnl_nlmsg_get_payload_len(reply) < sizeof(*error))
		return refuse(refusal, -EBADMSG,
			      "the kernel's answer is cut short");
	if (!error->error)
		return 0;

	read_tlvs(reply, &extack);
	sentence = extack.sentence ? extack.sentence :
				     plain_sentence(-error->error);
	/* Every sentence of ours is printed after the tool's own name. */
	if (!strncmp(sentence, module_prefix, sizeof(module_prefix) - 1))
		sentence += sizeof(module_prefix) - 1;

	if (extack.missing) {
		attr = attr_name((uint16_t)extack.missing);
		return refuse(refusal, error->error, "%s (%s is missing)",
			      sentence, attr ? attr : "an attribute");
	}
	attr = extack.offset ? attr_at(request, extack.offset) : NULL;
	if (attr)
		return refuse(refusal, error->error, "%s (%s)", sentence, attr);
	return refuse(refusal, error->error, "%s", sentence);
}
