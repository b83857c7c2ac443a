/* SPDX-License-Identifier: GPL-2.0 */
/*
 * `bfenced store VERB DIR ...`: the tools that work beside a store. Must never
 * know a role that runs.
 */
#ifndef BFENCE_STORE_TOOL_H
#define BFENCE_STORE_TOOL_H

/* argv[0] is the word "store". Gives the exit code: 0, 1 refused, 2 usage. */
int store_tool(int argc, char **argv);

#endif
