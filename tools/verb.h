/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of verbs: the one place that names them. Man page and completion
 * are tested against it.
 */
#ifndef BFENCE_TOOLS_VERB_H
#define BFENCE_TOOLS_VERB_H

#include <stdio.h>

#include "args.h"
#include "refusal.h"

struct verb {
	const char *name;		/* one word or two: "volume list" */
	const char *help;
	struct args_spec spec;
	int (*run)(const struct args *args, struct refusal *refusal);
};

extern const struct verb verbs[];	/* ends with a NULL name */

/* NULL for none; how many words of argv the name took. */
const struct verb *verb_find(int argc, char **argv, int *ret_words);

void verb_print_usage(FILE *out, const struct verb *verb);
void verb_print_all(FILE *out);

#endif
