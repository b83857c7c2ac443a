// SPDX-License-Identifier: GPL-2.0
/*
 * The verbs that change a gate and do not wait: attach, detach, open; and the
 * host's lease. What is lawful is the kernel's decision, never ours.
 */
#include "change.h"

#include <errno.h>
#include <stdio.h>
#include <linux/bfence.h>

#include "clock.h"
#include "gate.h"
#include "run.h"
#include "view.h"

static void put_str(struct nlmsghdr *header, uint16_t attr, const char *text)
{
	if (text)
		mnl_attr_put_strz(header, attr, text);
}

/* A verb takes only its own options, so all that was given belongs here. */
static void put_args(struct nlmsghdr *header, const struct args *args)
{
	put_str(header, BFENCE_A_VOLUME, args->volume);
	put_str(header, BFENCE_A_REPLICA, args->replica);
	put_str(header, BFENCE_A_BACKING, args->backing);
	put_str(header, BFENCE_A_PRIMARY, args->primary);
	if (args->lineage.epoch) {
		mnl_attr_put_u64(header, BFENCE_A_EPOCH, args->lineage.epoch);
		mnl_attr_put_u64(header, BFENCE_A_ENDPOINT_VERSION,
				 args->lineage.endpoint_version);
	}
	if (args->incarnation)
		mnl_attr_put_u64(header, BFENCE_A_INCARNATION,
				 args->incarnation);
	if (args->flags)
		mnl_attr_put_u32(header, BFENCE_A_FLAGS, args->flags);
	if (args->drain_ms)
		mnl_attr_put_u32(header, BFENCE_A_DRAIN_MS,
				 (uint32_t)args->drain_ms);
}

int change_gate(struct genl *genl, uint8_t command, const struct args *args,
		json_t **ret_gate, struct refusal *refusal)
{
	struct genl_request request;

	genl_request_init(&request, command);
	put_args(request.header, args);
	return genl_call(genl, &request, gate_fields, ret_gate, refusal);
}

int change_read(struct genl *genl, const char *volume, json_t **ret_gate,
		struct refusal *refusal)
{
	struct genl_request request;

	genl_request_init(&request, BFENCE_CMD_GATE_GET);
	put_str(request.header, BFENCE_A_VOLUME, volume);
	return genl_call(genl, &request, gate_fields, ret_gate, refusal);
}

int change_print(const json_t *gate, const struct args *args)
{
	if (args->json)
		return view_json_one(gate);
	view_long(gate_fields, gate, clock_boottime_ns());
	return 0;
}

static int change_once(uint8_t command, const struct args *args,
		       json_t **ret_gate, struct refusal *refusal)
{
	struct genl genl;
	int error;

	error = genl_open(&genl, refusal);
	if (error)
		return error;
	error = change_gate(&genl, command, args, ret_gate, refusal);
	genl_close(&genl);
	return error;
}

static int change_and_print(uint8_t command, const struct args *args,
			    struct refusal *refusal)
{
	json_t *gate;
	int error;

	error = change_once(command, args, &gate, refusal);
	if (error)
		return error;
	error = change_print(gate, args);
	json_decref(gate);
	return error;
}

int run_attach(const struct args *args, struct refusal *refusal)
{
	return change_and_print(BFENCE_CMD_GATE_ATTACH, args, refusal);
}

int run_detach(const struct args *args, struct refusal *refusal)
{
	return change_and_print(BFENCE_CMD_GATE_DETACH, args, refusal);
}

/* A script wants one thing of an open: the path to put its data through. */
int run_open(const struct args *args, struct refusal *refusal)
{
	const char *disk;
	json_t *gate;
	int error;

	error = change_once(BFENCE_CMD_GATE_OPEN, args, &gate, refusal);
	if (error)
		return error;
	disk = json_string_value(json_object_get(gate, "disk"));
	if (args->json)
		error = view_json_one(gate);
	else if (disk)
		printf("/dev/%s\n", disk);
	else
		error = refuse(refusal, -EPROTO,
			       "the gate is open but the kernel named no disk");
	json_decref(gate);
	return error;
}

int run_lease(const struct args *args, struct refusal *refusal)
{
	struct genl_request request;
	uint64_t deadline_ns = 0;
	struct genl genl;
	json_t *host;
	int error;

	error = genl_open(&genl, refusal);
	if (error)
		return error;
	if (args->lease_ms)
		deadline_ns = clock_boottime_ns() + args->lease_ms * 1000000ULL;
	genl_request_init(&request, BFENCE_CMD_LEASE_SET);
	mnl_attr_put_u64(request.header, BFENCE_A_LEASE_DEADLINE_NS,
			 deadline_ns);
	put_args(request.header, args);
	error = genl_call(&genl, &request, host_fields, &host, refusal);
	genl_close(&genl);
	if (error)
		return error;
	if (args->json)
		error = view_json_one(host);
	else
		view_long(host_fields, host, gate_u64(host, "now_ns"));
	json_decref(host);
	return error;
}
