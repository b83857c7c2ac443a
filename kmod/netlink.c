// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family: what a message must look like, which function it
 * asks, how the answer reads. It must never decide and never wait for I/O: a
 * handler that waits stalls every family of the host.
 */
#include <net/genetlink.h>

#include "attach.h"
#include "netlink.h"
#include "policy.h"
#include "proof.h"
#include "refusal.h"

#define MONITOR		0	/* index in groups[] */
#define NEEDS_GATE	1	/* genl_ops.internal_flags */

static struct genl_family family;

static int require(struct genl_info *info, int attr)
{
	if (!GENL_REQ_ATTR_CHECK(info, attr))
		return 0;
	NL_SET_ERR_MSG(info->extack,
		       "an attribute that the command needs is missing");
	return -EINVAL;
}

static int require_lineage(struct genl_info *info)
{
	return require(info, BFENCE_A_EPOCH) ?:
		       require(info, BFENCE_A_ENDPOINT_VERSION);
}

/* --- questions and answers ----------------------------------------------- */

static u64 get_u64(const struct genl_info *info, int attr)
{
	return info->attrs[attr] ? nla_get_u64(info->attrs[attr]) : 0;
}

static const char *get_string(const struct genl_info *info, int attr)
{
	return info->attrs[attr] ? nla_data(info->attrs[attr]) : NULL;
}

static u32 get_drain_ms(const struct genl_info *info)
{
	struct nlattr *attr = info->attrs[BFENCE_A_DRAIN_MS];

	return attr ? nla_get_u32(attr) : BFENCE_DRAIN_MS_DEFAULT;
}

static struct gate_ask get_ask(const struct genl_info *info)
{
	struct nlattr *flags = info->attrs[BFENCE_A_FLAGS];

	return (struct gate_ask){
		.verdict.lineage.epoch = get_u64(info, BFENCE_A_EPOCH),
		.verdict.lineage.endpoint_version =
			get_u64(info, BFENCE_A_ENDPOINT_VERSION),
		.verdict.primary = get_string(info, BFENCE_A_PRIMARY),
		.verdict.incarnation = get_u64(info, BFENCE_A_INCARNATION),
		.verdict.flags = flags ? nla_get_u32(flags) : 0,
		.drain_ms = get_drain_ms(info),
	};
}

/* Taken before the command acts: what was done must not fail to be told. */
static struct sk_buff *answer_new(struct genl_info *info, void **header)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);

	if (!skb)
		return NULL;
	*header = genlmsg_put_reply(skb, info, &family, 0, info->genlhdr->cmd);
	if (!*header) {
		nlmsg_free(skb);
		return NULL;
	}
	return skb;
}

static int answer_send(struct sk_buff *skb, struct genl_info *info,
		       void *header, int err)
{
	if (err) {
		nlmsg_free(skb);
		return err;
	}
	genlmsg_end(skb, header);
	return genlmsg_reply(skb, info);
}

typedef int gate_command_fn(struct gate *gate, const struct gate_ask *ask);

/* A command on the gate that gate_pre_doit() found. */
static int gate_command(struct genl_info *info, gate_command_fn *command)
{
	const struct gate_ask ask = get_ask(info);
	struct gate *gate = info->user_ptr[0];
	struct sk_buff *skb;
	void *header;
	int err;

	skb = answer_new(info, &header);
	if (!skb)
		return -ENOMEM;
	err = bfence_refuse(info, command(gate, &ask));
	if (!err)
		err = bfence_proof_put(skb, gate);
	return answer_send(skb, info, header, err);
}

/* The gate comes locked, and stays so until its answer is composed. */
static int pre_doit(const compat_genl_ops *ops, struct sk_buff *skb,
		    struct genl_info *info)
{
	struct gate *gate;
	int err;

	if (!(ops->internal_flags & NEEDS_GATE))
		return 0;
	err = require(info, BFENCE_A_VOLUME);
	if (err)
		return err;
	gate = bfence_attach_find(get_string(info, BFENCE_A_VOLUME));
	if (!gate) {
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[BFENCE_A_VOLUME],
				    "no gate is attached for this volume");
		return -ENOENT;
	}
	info->user_ptr[0] = gate;
	return 0;
}

static void post_doit(const compat_genl_ops *ops, struct sk_buff *skb,
		      struct genl_info *info)
{
	if (info->user_ptr[0])
		bfence_attach_release(info->user_ptr[0]);
}

/* --- commands ------------------------------------------------------------ */

static int host_get(struct sk_buff *request, struct genl_info *info)
{
	struct sk_buff *skb;
	void *header;

	skb = answer_new(info, &header);
	if (!skb)
		return -ENOMEM;
	return answer_send(skb, info, header,
			   bfence_proof_put_host(skb, bfence_attach_nr()));
}

static int nothing(struct gate *gate, const struct gate_ask *ask)
{
	return 0;
}

static int gate_get(struct sk_buff *request, struct genl_info *info)
{
	return gate_command(info, nothing);
}

static int gate_dump_start(struct netlink_callback *cb)
{
	if (!compat_dump_attrs(cb)[BFENCE_A_VOLUME])
		return 0;
	NL_SET_ERR_MSG(cb->extack, "a dump is of every gate: name no volume");
	return -EINVAL;
}

static int gate_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	unsigned long id = cb->args[0];
	struct gate *gate;
	void *header;
	int err = 0;

	cb->seq = bfence_attach_generation();
	while ((gate = bfence_attach_next(&id))) {
		header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				     cb->nlh->nlmsg_seq, &family, NLM_F_MULTI,
				     BFENCE_CMD_GATE_GET);
		err = header ? bfence_proof_put(skb, gate) : -EMSGSIZE;
		bfence_attach_release(gate);
		if (err)
			break;
		genl_dump_check_consistent(cb, header);
		genlmsg_end(skb, header);
		id++;
	}
	if (err && header)
		genlmsg_cancel(skb, header);
	cb->args[0] = id;
	return skb->len ? skb->len : err;
}

static int gate_attach(struct sk_buff *request, struct genl_info *info)
{
	const struct attach_ask ask = {
		.volume = get_string(info, BFENCE_A_VOLUME),
		.replica = get_string(info, BFENCE_A_REPLICA),
		.path = get_string(info, BFENCE_A_BACKING),
		.gate = get_ask(info),
	};
	struct sk_buff *skb;
	struct gate *gate;
	void *header;
	int err;

	err = require(info, BFENCE_A_VOLUME) ?:
		      require(info, BFENCE_A_REPLICA) ?:
		      require(info, BFENCE_A_BACKING);
	if (err)
		return err;
	skb = answer_new(info, &header);
	if (!skb)
		return -ENOMEM;
	err = bfence_refuse(info, bfence_attach(&ask, &gate));
	if (!err) {
		err = bfence_proof_put(skb, gate);
		bfence_attach_release(gate);
	}
	return answer_send(skb, info, header, err);
}

static int gate_detach(struct sk_buff *request, struct genl_info *info)
{
	const struct verdict_host host = bfence_host_view();
	const struct gate_ask ask = get_ask(info);
	struct gate *gate = info->user_ptr[0];
	struct sk_buff *skb;
	void *header;
	int err;

	skb = answer_new(info, &header);
	if (!skb)
		return -ENOMEM;
	err = verdict_detach(&gate->v, &ask.verdict, &host,
			     bfence_disks_has_openers(gate));
	err = bfence_refuse(info, err);
	if (!err && !bfence_disks_remove_all(gate))
		err = bfence_refuse(info, VERDICT_BUSY_DISK);
	if (!err)
		err = bfence_proof_put(skb, gate);
	if (!err)
		bfence_detach(gate, &ask);
	return answer_send(skb, info, header, err);
}

static int gate_fence(struct sk_buff *request, struct genl_info *info)
{
	int err = require_lineage(info);

	return err ? err : gate_command(info, bfence_gate_fence);
}

static int gate_open(struct sk_buff *request, struct genl_info *info)
{
	int err = require_lineage(info);

	return err ? err : gate_command(info, bfence_disks_open_gate);
}

static int gate_close(struct sk_buff *request, struct genl_info *info)
{
	return gate_command(info, bfence_gate_close);
}

static int lease_set(struct sk_buff *request, struct genl_info *info)
{
	const struct verdict_host host = bfence_host_view();
	const struct gate_ask ask = get_ask(info);
	struct sk_buff *skb;
	void *header;
	int err;

	err = require(info, BFENCE_A_LEASE_DEADLINE_NS);
	if (!err)
		err = bfence_refuse(info, verdict_lease(&ask.verdict, &host));
	if (err)
		return err;
	skb = answer_new(info, &header);
	if (!skb)
		return -ENOMEM;
	err = bfence_lease_set(get_u64(info, BFENCE_A_LEASE_DEADLINE_NS));
	err = bfence_refuse(info, err);
	if (!err) {
		bfence_host_saw(ask.verdict.incarnation);
		err = bfence_proof_put_host(skb, bfence_attach_nr());
	}
	return answer_send(skb, info, header, err);
}

/* --- the family ---------------------------------------------------------- */

/* clang-format off */
#define GATE_OP(name, handler, table) {					\
	.cmd = BFENCE_CMD_ ## name,					\
	.flags = GENL_ADMIN_PERM,					\
	.internal_flags = NEEDS_GATE,					\
	.doit = handler,						\
	.policy = table,						\
}

/* clang-format on */

/* Without .policy: the family's, which takes no attribute at all. */
static const struct genl_ops ops[] = {
	{
		.cmd = BFENCE_CMD_HOST_GET,
		.doit = host_get,
	},
	{
		.cmd = BFENCE_CMD_GATE_GET,
		.internal_flags = NEEDS_GATE,
		.doit = gate_get,
		.start = gate_dump_start,
		.dumpit = gate_dump,
		.policy = get_policy,
	},
	{
		.cmd = BFENCE_CMD_GATE_ATTACH,
		.flags = GENL_ADMIN_PERM,
		.doit = gate_attach,
		.policy = attach_policy,
	},
	{
		.cmd = BFENCE_CMD_LEASE_SET,
		.flags = GENL_ADMIN_PERM,
		.doit = lease_set,
		.policy = lease_policy,
	},
	GATE_OP(GATE_DETACH, gate_detach, detach_policy),
	GATE_OP(GATE_FENCE, gate_fence, fence_policy),
	GATE_OP(GATE_OPEN, gate_open, open_policy),
	GATE_OP(GATE_CLOSE, gate_close, close_policy),
};

static const struct genl_multicast_group groups[] = {
	[MONITOR] = { .name = BFENCE_GENL_MONITOR },
};

static struct genl_family family = {
	.name		= BFENCE_GENL_NAME,
	.version	= BFENCE_GENL_VERSION,
	.maxattr	= BFENCE_A_MAX,
	.policy		= none_policy,
	.ops		= ops,
	.n_ops		= ARRAY_SIZE(ops),
	.mcgrps		= groups,
	.n_mcgrps	= ARRAY_SIZE(groups),
	.pre_doit	= pre_doit,
	.post_doit	= post_doit,
	.parallel_ops	= true,		/* each gate has its own lock */
	.module		= THIS_MODULE,
};

/*
 * Without memory for a notification the listeners are told that they missed
 * one, as after an overrun: they dump again.
 */
void bfence_netlink_notify(struct gate *gate, enum bfence_event event)
{
	struct sk_buff *skb;
	void *header;

	if (!genl_has_listeners(&family, &init_net, MONITOR))
		return;
	skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!skb)
		goto missed;
	header = genlmsg_put(skb, 0, 0, &family, 0, BFENCE_CMD_NTF);
	if (!header || nla_put_u32(skb, BFENCE_A_EVENT, event) ||
	    bfence_proof_put(skb, gate)) {
		nlmsg_free(skb);
		goto missed;
	}
	genlmsg_end(skb, header);
	genlmsg_multicast(&family, skb, 0, MONITOR, GFP_KERNEL);
	return;

missed:
	genl_set_err(&family, &init_net, 0, MONITOR, -ENOBUFS);
}

int bfence_netlink_init(void)
{
	return genl_register_family(&family);
}

void bfence_netlink_exit(void)
{
	genl_unregister_family(&family);
}
