// SPDX-License-Identifier: GPL-2.0
/*
 * How the value of a field becomes JSON and how that JSON becomes text. Must
 * never know netlink, HTTP, or which object it prints.
 */
#include "field.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bfence.h>

#define NS_PER_US	1000ULL
#define NS_PER_MS	1000000ULL
#define NS_PER_S	1000000000ULL

static const char *const state_words[] = {
	[BFENCE_STATE_CLOSED] = "closed",
	[BFENCE_STATE_OPEN] = "open",
	[BFENCE_STATE_DRAINING] = "draining",
	[BFENCE_STATE_QUARANTINED] = "quarantined",
};

static const char *const reason_words[] = {
	[BFENCE_REASON_UNSPEC] = "unspec",
	[BFENCE_REASON_ATTACHED] = "attached",
	[BFENCE_REASON_FENCED] = "fenced",
	[BFENCE_REASON_OPENED] = "opened",
	[BFENCE_REASON_COMMAND] = "command",
	[BFENCE_REASON_LEASE] = "lease",
	[BFENCE_REASON_BACKING_GONE] = "backing_gone",
};

static const char *const event_words[] = {
	[BFENCE_EVENT_UNSPEC] = "unspec",
	[BFENCE_EVENT_ATTACHED] = "attached",
	[BFENCE_EVENT_DETACHED] = "detached",
	[BFENCE_EVENT_FENCED] = "fenced",
	[BFENCE_EVENT_DRAINED] = "drained",
	[BFENCE_EVENT_QUARANTINED] = "quarantined",
	[BFENCE_EVENT_OPENED] = "opened",
	[BFENCE_EVENT_CLOSED] = "closed",
};

struct words {
	const char *const *words;
	uint32_t nr;
};

static struct words words_of(enum kind kind)
{
	static const struct words none;

	if (kind == KIND_STATE)
		return (struct words){ state_words, BFENCE_STATE_MAX + 1 };
	if (kind == KIND_REASON)
		return (struct words){ reason_words, BFENCE_REASON_MAX + 1 };
	if (kind == KIND_EVENT)
		return (struct words){ event_words, BFENCE_EVENT_MAX + 1 };
	return none;
}

/* An enum of the uapi that grew must grow its words: the build says so. */
_Static_assert(sizeof(state_words) / sizeof(*state_words) ==
		       BFENCE_STATE_MAX + 1,
	       "a state has no word");
_Static_assert(sizeof(reason_words) / sizeof(*reason_words) ==
		       BFENCE_REASON_MAX + 1,
	       "a reason has no word");
_Static_assert(sizeof(event_words) / sizeof(*event_words) ==
		       BFENCE_EVENT_MAX + 1,
	       "an event has no word");

/* NULL for a number that this build cannot name. */
static const char *word_of(enum kind kind, uint32_t value)
{
	struct words words = words_of(kind);

	return value < words.nr ? words.words[value] : NULL;
}

json_t *field_json_u64(uint64_t value)
{
	char digits[24];

	if (value <= INT64_MAX)
		return json_integer((json_int_t)value);
	snprintf(digits, sizeof(digits), "%" PRIu64, value);
	return json_string(digits);
}

json_t *field_json_word(enum kind kind, uint32_t value)
{
	const char *word = word_of(kind, value);

	if (word)
		return json_string(word);
	return json_sprintf("unknown-%" PRIu32, value);
}

json_t *field_json_open_flags(uint32_t flags)
{
	return json_pack("{s:b, s:b}", "leased", !!(flags & BFENCE_F_LEASED),
			 "read_only", !!(flags & BFENCE_F_READ_ONLY));
}

/* A path or a note must not steer the terminal it is shown on. */
static void print_string(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text,
		      out);
}

static void print_long_s(FILE *out, uint64_t s)
{
	if (s < 3600)
		fprintf(out, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		fprintf(out, "%" PRIu64 "h%02" PRIu64 "m", s / 3600,
			s / 60 % 60);
	else
		fprintf(out, "%" PRIu64 "d%02" PRIu64 "h", s / 86400,
			s / 3600 % 24);
}

static void print_ns(FILE *out, uint64_t ns)
{
	if (ns < NS_PER_US)
		fprintf(out, "%" PRIu64 " ns", ns);
	else if (ns < NS_PER_MS)
		fprintf(out, "%.1f us", (double)ns / NS_PER_US);
	else if (ns < NS_PER_S)
		fprintf(out, "%.3f ms", (double)ns / NS_PER_MS);
	else if (ns < 60 * NS_PER_S)
		fprintf(out, "%.3f s", (double)ns / NS_PER_S);
	else
		print_long_s(out, ns / NS_PER_S);
}

/* Milliseconds come in whole ones; below a second they are shown so. */
static void print_ms(FILE *out, uint64_t ms)
{
	if (ms < 1000)
		fprintf(out, "%" PRIu64 " ms", ms);
	else if (ms < 60000)
		fprintf(out, "%.3f s", (double)ms / 1000);
	else
		print_long_s(out, ms / 1000);
}

static void print_json(FILE *out, const json_t *value)
{
	char *text;

	if (json_is_string(value)) {
		print_string(out, json_string_value(value));
		return;
	}
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	fputs(text ? text : "?", out);
	free(text);
}

static void print_integer(FILE *out, enum kind kind, uint64_t value,
			  uint64_t now_ns)
{
	if (kind == KIND_NS) {
		print_ns(out, value);
	} else if (kind == KIND_MS) {
		print_ms(out, value);
	} else if (kind != KIND_INSTANT) {
		fprintf(out, "%" PRIu64, value);
	} else if (!value) {
		fputs("never", out);	/* no lease has this as its deadline */
	} else if (value > now_ns) {
		fputs("in ", out);
		print_ns(out, value - now_ns);
	} else {
		print_ns(out, now_ns - value);
		fputs(" ago", out);
	}
}

/* The members that are true, or "-" for none. */
static void print_open_flags(FILE *out, const json_t *flags)
{
	const char *key, *comma = "";
	json_t *value;

	json_object_foreach((json_t *)flags, key, value) {
		if (!json_is_true(value))
			continue;
		fprintf(out, "%s%s", comma, key);
		comma = ",";
	}
	if (!*comma)
		fputc('-', out);
}

static void print_array(FILE *out, enum kind kind, const json_t *array)
{
	const char *code, *comma = "";
	json_t *value;
	size_t i;

	if (kind == KIND_COUNT) {
		fprintf(out, "%zu", json_array_size(array));
		return;
	}
	json_array_foreach(array, i, value) {
		code = json_string_value(json_object_get(value, "code"));
		fputs(comma, out);
		print_string(out, code ? code : "?");
		comma = ",";
	}
	if (!*comma)
		fputc('-', out);
}

void field_print(FILE *out, const struct field *field, const json_t *value,
		 uint64_t now_ns)
{
	if (json_is_boolean(value))
		fputs(json_is_true(value) ? "yes" : "no", out);
	else if (json_is_integer(value) && json_integer_value(value) >= 0)
		print_integer(out, field->kind,
			      (uint64_t)json_integer_value(value), now_ns);
	else if (json_is_object(value) && field->kind == KIND_OPEN_FLAGS)
		print_open_flags(out, value);
	else if (json_is_array(value) &&
		 (field->kind == KIND_CODES || field->kind == KIND_COUNT))
		print_array(out, field->kind, value);
	else
		print_json(out, value);
}

static const struct field *field_find(const struct field *fields,
				      const char *key, size_t len)
{
	for (; fields->key; fields++)
		if (strlen(fields->key) == len &&
		    !strncmp(fields->key, key, len))
			return fields;
	return NULL;
}

/* One pass: prints into out, or only tells whether all keys are there. */
static bool walk_pattern(FILE *out, const char *pattern,
			 const struct field *fields, const json_t *object,
			 uint64_t now_ns)
{
	const struct field *field;
	const json_t *value;
	size_t len;

	while (*pattern) {
		if (*pattern != '{') {
			if (out)
				fputc(*pattern, out);
			pattern++;
			continue;
		}
		len = strcspn(++pattern, "}");
		field = field_find(fields, pattern, len);
		value = field ? json_object_get(object, field->key) : NULL;
		if (!value)
			return false;
		if (out)
			field_print(out, field, value, now_ns);
		pattern += len + (pattern[len] == '}');
	}
	return true;
}

void field_print_pattern(FILE *out, const char *pattern,
			 const struct field *fields, const json_t *object,
			 uint64_t now_ns)
{
	if (walk_pattern(NULL, pattern, fields, object, now_ns))
		walk_pattern(out, pattern, fields, object, now_ns);
	else
		fputc('-', out);
}
