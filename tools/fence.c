// SPDX-License-Identifier: GPL-2.0
/*
 * The verbs that end a grant: fence and close, with or without waiting for
 * the drain. Success with --wait means a drained gate and nothing less.
 */
#include <linux/bfence.h>

#include "change.h"
#include "gate.h"
#include "genl.h"
#include "run.h"
#include "wait.h"

static int end_and_print(struct genl *genl, uint8_t command,
			 const struct args *args, struct refusal *refusal)
{
	json_t *gate;
	int error;

	error = change_gate(genl, command, args, &gate, refusal);
	if (error)
		return error;
	error = change_print(gate, args);
	json_decref(gate);
	return error;
}

static int end_wait_print(struct genl *genl, uint8_t command,
			  const struct args *args, struct refusal *refusal)
{
	struct drain_goal goal = {
		.volume = args->volume,
		.closed = command == BFENCE_CMD_GATE_CLOSE,
	};
	struct wait wait;
	json_t *gate;
	int error;

	/* Subscribe before the command: its end may come before its answer. */
	error = wait_init(&wait, refusal);
	if (error)
		return error;
	error = change_gate(genl, command, args, &gate, refusal);
	if (error)
		goto out;
	goal.lineage = goal.closed ? gate_lineage(gate) : args->lineage;
	error = wait_until(&wait, genl, &goal, &gate, refusal);
	if (!error)
		error = change_print(gate, args);
	json_decref(gate);
out:
	wait_exit(&wait);
	return error;
}

static int end_grant(uint8_t command, const struct args *args,
		     struct refusal *refusal)
{
	struct genl genl;
	int error;

	error = genl_open(&genl, refusal);
	if (error)
		return error;
	error = args->wait ? end_wait_print(&genl, command, args, refusal) :
			     end_and_print(&genl, command, args, refusal);
	genl_close(&genl);
	return error;
}

int run_fence(const struct args *args, struct refusal *refusal)
{
	return end_grant(BFENCE_CMD_GATE_FENCE, args, refusal);
}

int run_close(const struct args *args, struct refusal *refusal)
{
	return end_grant(BFENCE_CMD_GATE_CLOSE, args, refusal);
}
