/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Records and frames as JSON objects, and any such object as text for people:
 * both outputs come from one description. Must never know a file.
 */
#ifndef BFENCE_STORE_TOOL_JSON_H
#define BFENCE_STORE_TOOL_JSON_H

#include <jansson.h>
#include <stdio.h>

#include "core/record.h"

/* Take value. A failure frees *object and leaves NULL there, which further
 * calls accept: one look at the end is enough. */
void json_put(json_t **object, const char *key, json_t *value);
void json_push(json_t **array, json_t *value);

/* A number that JSON readers may not hold is a string of digits. */
void json_put_u64(json_t **object, const char *key, uint64_t value);
/* Empty: no key. */
void json_put_text(json_t **object, const char *key, const char *value);
/* None: no key. */
void json_put_store(json_t **object, const char *key,
		    const struct store_id *id);

/* What a record says, kind and volume first. The body of a damaged one is
 * left out. */
void json_put_record(json_t **object, const struct record *record,
		     bool damaged);

const char *verdict_name(enum record_verdict verdict);

/* Padded to width, NULL as a dash, and a blank. */
void json_print_column(FILE *to, const json_t *value, int width);

/* One line of KEY=VALUE. */
void json_print_line(FILE *to, const json_t *object);

/* The object as the answer of a verb: an array of one, or text, a line for
 * each key and for each object of an array. Takes it; -ENOMEM for NULL. */
int json_answer(FILE *to, json_t *object, bool json);

#endif
