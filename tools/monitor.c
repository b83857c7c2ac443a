// SPDX-License-Identifier: GPL-2.0
/*
 * bfence monitor: one line a notification. Loss is said, then mended by
 * reading everything again; it must never pass in silence.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "gate.h"
#include "genl.h"
#include "run.h"
#include "view.h"

static const struct column event_columns[] = {
	{ "volume", "{volume}" },
	{ "replica", "{replica}" },
	{ "state", "{state}" },
	{ "reason", "{reason}" },
	{ "lineage", "{epoch}.{endpoint_version}" },
	{ "primary", "{primary}" },
	{ "disk", "{disk}" },
	{ "inflight", "{inflight}" },
	{ "drained", "{drained}" },
	{ "stale", "{rejected_stale}" },
	{ "closed", "{rejected_closed}" },
	{ "lease", "{rejected_lease}" },
	{ NULL, NULL },
};

/*
 * An object without an event is the present state, not a change. The time is
 * that of reading it: only so do the lines stand in order.
 */
static void print_line(const json_t *gate)
{
	const char *event = json_string_value(json_object_get(gate, "event"));
	uint64_t now_us = clock_boottime_ns() / 1000;
	const struct column *column;

	printf("[%6" PRIu64 ".%06" PRIu64 "] %-11s", now_us / 1000000,
	       now_us % 1000000, event ? event : "present");
	for (column = event_columns; column->title; column++) {
		printf(" %s=", column->title);
		field_print_pattern(stdout, column->pattern, gate_fields, gate,
				    0);
	}
	putchar('\n');
}

static int print_gates(const json_t *gates, const struct args *args,
		       struct refusal *refusal)
{
	const char *volume;
	json_t *gate;
	int error;
	size_t i;

	json_array_foreach(gates, i, gate) {
		volume = json_string_value(json_object_get(gate, "volume"));
		if (args->volume && (!volume || strcmp(args->volume, volume)))
			continue;
		if (!args->json) {
			print_line(gate);
			continue;
		}
		error = view_json_line(gate);
		if (error)
			return error;
	}
	if (fflush(stdout))
		return refuse(refusal, -EIO, "cannot write the output: %s",
			      strerror(errno));
	return 0;
}

static int print_present(const struct args *args, struct refusal *refusal)
{
	json_t *gates;
	int error;

	error = genl_dump_gates(&gates, refusal);
	if (error)
		return error;
	error = print_gates(gates, args, refusal);
	json_decref(gates);
	return error;
}

/* A program that reads the lines must see the gap where it happened. */
static void say_overrun(const struct args *args)
{
	fputs("bfence: monitor: notifications were lost; the present state "
	      "of every gate follows\n",
	      stderr);
	if (args->json)
		puts("{\"overrun\":true}");
}

/* Join first: what happens during the dump waits in the queue. */
static int monitor_start(struct genl *genl, const struct args *args,
			 struct refusal *refusal)
{
	int error;

	error = genl_open(genl, refusal);
	if (error)
		return error;
	error = genl_join(genl, refusal);
	if (!error)
		error = print_present(args, refusal);
	return error;
}

static int monitor_next(struct genl *genl, const struct args *args,
			struct refusal *refusal)
{
	json_t *events;
	int error;

	error = genl_next(genl, &events, refusal);
	if (error)
		return error;
	error = print_gates(events, args, refusal);
	json_decref(events);
	return error;
}

int run_monitor(const struct args *args, struct refusal *refusal)
{
	struct genl genl;
	int error;

	error = monitor_start(&genl, args, refusal);
	while (!error) {
		error = monitor_next(&genl, args, refusal);
		if (error != -ENOBUFS)
			continue;
		/*
		 * What is still queued came before what was lost. Printed
		 * after the present state it would be taken for the newest,
		 * so it goes with the socket.
		 */
		say_overrun(args);
		genl_close(&genl);
		error = monitor_start(&genl, args, refusal);
	}
	genl_close(&genl);
	return error;
}
