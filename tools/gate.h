/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel says of a gate and of its host: the fields of the uapi, and
 * one message turned into a JSON object. Pure.
 */
#ifndef BFENCE_TOOLS_GATE_H
#define BFENCE_TOOLS_GATE_H

#include <jansson.h>
#include <libmnl/libmnl.h>

#include "field.h"
#include "parse.h"

extern const struct field gate_fields[];	/* also of a notification */
extern const struct field host_fields[];
extern const struct column gate_columns[];

/*
 * Gives an object with the attributes that fields knows; others are of a
 * newer kernel and are skipped. -EBADMSG for one of the wrong size, -ENOMEM.
 */
int gate_from_message(const struct nlmsghdr *message,
		      const struct field *fields, json_t **ret);

/* 0.0 while the gate has no authority. */
struct lineage gate_lineage(const json_t *gate);
bool gate_is(const json_t *gate, const char *state);
uint64_t gate_u64(const json_t *gate, const char *key);

#endif
