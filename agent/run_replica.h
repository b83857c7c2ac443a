/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The replica role of bfenced: core/replica.c wired to the module, the floor
 * log and the master.
 */
#ifndef BFENCE_RUN_REPLICA_H
#define BFENCE_RUN_REPLICA_H

#include "config.h"
#include "err.h"

/* Runs until SIGTERM or SIGINT: 0, and every gate stays as it is. A refusal
 * or a fault: negative errno, with the sentence. */
int run_replica(const struct config *config, struct err *err);

#endif
