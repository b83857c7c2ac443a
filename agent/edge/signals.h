/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SIGTERM and SIGINT as events of the loop. Must never end the process.
 */
#ifndef BFENCE_SIGNALS_H
#define BFENCE_SIGNALS_H

#include "edge/loop.h"
#include "err.h"

struct signals;

/* Blocks both signals in the calling thread; on_signal() is called on the
 * loop for each that arrives. SIGPIPE is ignored from here on. */
int signals_new(struct loop *loop, void (*on_signal)(void *arg, int signo),
		void *arg, struct signals **ret, struct err *err);
void signals_free(struct signals *signals);

#endif
