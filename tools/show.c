// SPDX-License-Identifier: GPL-2.0
/*
 * bfence show: what the kernel says now. Must never change anything.
 */
#include <inttypes.h>
#include <stdio.h>
#include <linux/bfence.h>

#include "change.h"
#include "clock.h"
#include "gate.h"
#include "genl.h"
#include "run.h"
#include "view.h"

static int read_host(struct genl *genl, json_t **ret, struct refusal *refusal)
{
	struct genl_request request;

	genl_request_init(&request, BFENCE_CMD_HOST_GET);
	return genl_call(genl, &request, host_fields, ret, refusal);
}

/* Its own clock reading is in the message: no skew between the two. */
static void print_host_line(const json_t *host)
{
	uint64_t deadline_ns = gate_u64(host, "lease_deadline_ns");
	uint64_t now_ns = gate_u64(host, "now_ns");
	uint64_t left_ms =
		deadline_ns > now_ns ? (deadline_ns - now_ns) / 1000000 : 0;

	if (json_object_get(host, "incarnation"))
		printf("host: incarnation %" PRIu64 ", lease ",
		       gate_u64(host, "incarnation"));
	else
		printf("host: no incarnation seen, lease ");
	if (json_is_true(json_object_get(host, "lease_running")))
		printf("running, %" PRIu64 " ms left", left_ms);
	else
		printf("not running");
	printf(", gates: %" PRIu64 "\n", gate_u64(host, "nr_gates"));
}

static int show_host(struct genl *genl, const struct args *args,
		     struct refusal *refusal)
{
	json_t *host;
	int error;

	error = read_host(genl, &host, refusal);
	if (error)
		return error;
	if (args->json)
		error = view_json_one(host);
	else
		view_long(host_fields, host, gate_u64(host, "now_ns"));
	json_decref(host);
	return error;
}

static int show_gate(struct genl *genl, const struct args *args,
		     struct refusal *refusal)
{
	json_t *gate;
	int error;

	error = change_read(genl, args->volume, &gate, refusal);
	if (error)
		return error;
	error = change_print(gate, args);
	json_decref(gate);
	return error;
}

static int print_gates(struct genl *genl, const json_t *gates,
		       struct refusal *refusal)
{
	json_t *host;
	int error;

	error = read_host(genl, &host, refusal);
	if (error)
		return error;
	print_host_line(host);
	json_decref(host);
	if (!json_array_size(gates))
		return 0;
	return view_table(gate_columns, gate_fields, gates,
			  clock_boottime_ns());
}

static int show_gates(struct genl *genl, const struct args *args,
		      struct refusal *refusal)
{
	json_t *gates;
	int error;

	error = genl_dump_gates(&gates, refusal);
	if (error)
		return error;
	error = args->json ? view_json(gates) :
			     print_gates(genl, gates, refusal);
	json_decref(gates);
	return error;
}

int run_show(const struct args *args, struct refusal *refusal)
{
	struct genl genl;
	int error;

	error = genl_open(&genl, refusal);
	if (error)
		return error;
	if (args->host)
		error = show_host(&genl, args, refusal);
	else if (args->volume)
		error = show_gate(&genl, args, refusal);
	else
		error = show_gates(&genl, args, refusal);
	genl_close(&genl);
	return error;
}
