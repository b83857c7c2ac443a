// SPDX-License-Identifier: GPL-2.0
/*
 * From the words of a command line to checked values. Knows nothing of verbs
 * and options, and must never print.
 */
#include "parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool byte_is_name(unsigned char byte)
{
	return byte < 0x80 && (isalnum(byte) || strchr("._-", byte));
}

bool name_is_valid(const char *name, size_t len_max)
{
	size_t len = strlen(name);
	size_t i;

	if (len == 0 || len > len_max)
		return false;
	if (!byte_is_name(name[0]) || strchr("._-", name[0]))
		return false;
	for (i = 1; i < len; i++)
		if (!byte_is_name(name[i]))
			return false;
	return true;
}

/* Digits up to end (exclusive); strtoull() alone would take " -1" too. */
static int parse_digits(const char *text, const char *end, uint64_t *ret)
{
	uint64_t value = 0;

	if (text == end)
		return -EINVAL;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *text - '0', &value))
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t value;
	int error;

	error = parse_digits(text, text + strlen(text), &value);
	if (error)
		return error;
	if (value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int parse_lineage(const char *text, struct lineage *ret)
{
	const char *dot = strchr(text, '.');
	struct lineage lineage;
	int error;

	if (!dot)
		return -EINVAL;
	error = parse_digits(text, dot, &lineage.epoch);
	if (error)
		return error;
	error = parse_digits(dot + 1, text + strlen(text),
			     &lineage.endpoint_version);
	if (error)
		return error;
	if (lineage.epoch < 1 || lineage.endpoint_version < 1)
		return -ERANGE;
	*ret = lineage;
	return 0;
}

int lineage_compare(const struct lineage *a, const struct lineage *b)
{
	if (a->epoch != b->epoch)
		return a->epoch < b->epoch ? -1 : 1;
	if (a->endpoint_version != b->endpoint_version)
		return a->endpoint_version < b->endpoint_version ? -1 : 1;
	return 0;
}
