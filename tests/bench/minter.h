/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The production way of a mint, without a master around it: publisher, store
 * and loop, wired as the daemon wires them. Must never know what is measured.
 */
#ifndef BFENCE_BENCH_MINTER_H
#define BFENCE_BENCH_MINTER_H

#include <stddef.h>
#include <stdint.h>

#include "edge/loop.h"

struct minter;

/* Only opens the store and reads its records; 0 or a negative errno. */
int minter_open(const char *dir, uint32_t nr_volumes, struct minter **ret,
		size_t *ret_found);
void minter_close(struct minter *m);

/* What is alive on this loop runs while a mint is waited for. */
struct loop *minter_loop(struct minter *m);

/* The volumes that are not there, unbound; then a new line of each. */
int minter_fill(struct minter *m, const uint32_t *volumes, size_t nr);
/* Asks for all, then runs the loop until all are published. */
int minter_mint(struct minter *m, const uint32_t *volumes, size_t nr);

#endif
