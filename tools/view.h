/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Objects on stdout: as JSON (always an array), as a table with one row an
 * object, or as one "key value" line a field.
 */
#ifndef BFENCE_TOOLS_VIEW_H
#define BFENCE_TOOLS_VIEW_H

#include <jansson.h>

#include "field.h"

/* All return 0 or -ENOMEM; write errors stay in stdout until main asks. */
int view_json(const json_t *array);
int view_json_one(const json_t *object);
int view_json_line(const json_t *object);
int view_table(const struct column *columns, const struct field *fields,
	       const json_t *array, uint64_t now_ns);
void view_long(const struct field *fields, const json_t *object,
	       uint64_t now_ns);

#endif
