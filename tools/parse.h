/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From the words of a command line to checked values. Pure: no output, no
 * system call. A value is written only on success.
 */
#ifndef BFENCE_TOOLS_PARSE_H
#define BFENCE_TOOLS_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lineage {
	uint64_t epoch;
	uint64_t endpoint_version;
};

/* 1..len_max bytes of [A-Za-z0-9._-], the first one a letter or a digit. */
bool name_is_valid(const char *name, size_t len_max);

/* Decimal digits only: no sign, no space. -EINVAL malformed, -ERANGE. */
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* "E.V", both at least 1. -EINVAL malformed, -ERANGE. */
int parse_lineage(const char *text, struct lineage *ret);

/* By epoch, then by endpoint version: below 0, 0, above 0. */
int lineage_compare(const struct lineage *a, const struct lineage *b);

#endif
