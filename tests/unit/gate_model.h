/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel of one host as a model: gates that decide by the module's own
 * kmod/verdict.h, drain at once, and lose their leased grants by the clock.
 */
#ifndef BFENCE_TEST_GATE_MODEL_H
#define BFENCE_TEST_GATE_MODEL_H

#include "core/replica.h"

#define GATE_MODEL_MAX	4

struct gate_model;

struct gate_model *gate_model_new(void);
void gate_model_free(struct gate_model *k);

/* As the module answers: 0 and the gate, or -errno and a sentence. */
int gate_model_do(struct gate_model *k, const struct kernel_op *op,
		  struct mono_ms now, struct gate_info *ret,
		  const char **ret_reason);
/* Ends what the lease no longer covers; true when a gate has changed. */
bool gate_model_expire(struct gate_model *k, struct mono_ms now);

size_t gate_model_count(const struct gate_model *k);
struct gate_info gate_model_show(const struct gate_model *k, size_t i);

#endif
