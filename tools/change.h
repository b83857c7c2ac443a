/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One command about one gate, from the words of the command line to the
 * kernel's answer.
 */
#ifndef BFENCE_TOOLS_CHANGE_H
#define BFENCE_TOOLS_CHANGE_H

#include <stdint.h>
#include <jansson.h>

#include "args.h"
#include "genl.h"
#include "refusal.h"

/* Sends what args has and gives the gate that comes back. */
int change_gate(struct genl *genl, uint8_t command, const struct args *args,
		json_t **ret_gate, struct refusal *refusal);

/* Gives the gate as it is now. */
int change_read(struct genl *genl, const char *volume, json_t **ret_gate,
		struct refusal *refusal);

/* The proof on stdout, as JSON or one line a field. */
int change_print(const json_t *gate, const struct args *args);

#endif
