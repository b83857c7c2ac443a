/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The master role of bfenced: core/master.c wired to store, link and API.
 */
#ifndef BFENCE_RUN_MASTER_H
#define BFENCE_RUN_MASTER_H

#include "config.h"
#include "err.h"

/* Runs until SIGTERM or SIGINT: 0. A refusal or a fault: negative errno, with
 * the sentence. */
int run_master(const struct config *config, struct err *err);

#endif
