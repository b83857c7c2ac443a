/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One table of fields is both the JSON and the text of an object: its key, its
 * type, how a person reads it. Knows jansson, and nothing of where the object
 * came from.
 */
#ifndef BFENCE_TOOLS_FIELD_H
#define BFENCE_TOOLS_FIELD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>

/* On the wire, in JSON, as text. */
enum kind {
	KIND_STRING,	/* string, string, itself */
	KIND_BOOL,	/* u8, boolean, yes or no */
	KIND_FLAG,	/* presence, boolean, yes or no */
	KIND_U32,	/* u32, integer, itself */
	KIND_U64,	/* u64, integer, itself */
	KIND_MS,	/* u32, integer, a duration */
	KIND_NS,	/* u64, integer, a duration */
	KIND_INSTANT,	/* u64, integer, boottime instant: so long ago */
	KIND_STATE,	/* u32, word, itself */
	KIND_REASON,
	KIND_EVENT,
	KIND_OPEN_FLAGS, /* u32, object of booleans, words */
	KIND_CODES,	/* JSON only: array of {code, note}, the codes */
	KIND_COUNT,	/* JSON only: array, how many */
};

struct field {
	const char *key;	/* the uapi's name in lower case; NULL: end */
	enum kind kind;
	uint16_t attr;		/* BFENCE_A_*, 0 for what is JSON only */
};

/* A column shows a title and a pattern: "{epoch}.{endpoint_version}". */
struct column {
	const char *title;	/* NULL: end */
	const char *pattern;
};

/* u64 that JSON's signed integers cannot hold becomes a decimal string. */
json_t *field_json_u64(uint64_t value);
/* The word of an enum of the uapi; "unknown-9" when a kernel is newer. */
json_t *field_json_word(enum kind kind, uint32_t value);
json_t *field_json_open_flags(uint32_t flags);

/* Never fails: a value of another type is shown as the JSON it is. */
void field_print(FILE *out, const struct field *field, const json_t *value,
		 uint64_t now_ns);

/* "-" when a key of the pattern is absent. */
void field_print_pattern(FILE *out, const char *pattern,
			 const struct field *fields, const json_t *object,
			 uint64_t now_ns);

#endif
