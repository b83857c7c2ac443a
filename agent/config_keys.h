/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The keys of each role: name, form, bounds, default, and how they must suit
 * each other. For config.c alone. Must never know a file.
 */
#ifndef BFENCE_CONFIG_KEYS_H
#define BFENCE_CONFIG_KEYS_H

#include "config.h"

#define CONFIG_WHAT_SIZE	400	/* a sentence about a value */

/* Composes the sentence; -EINVAL, for `return config_say(...)`. */
int config_say(char what[CONFIG_WHAT_SIZE], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Keys are counted by role; -ENOENT for one that is not known. */
int config_key_find(enum config_role role, const char *name);
const char *config_key_name(enum config_role role, int at);
/* A key that must be set and whose bit is not; -ENOENT when there is none. */
int config_key_missing(enum config_role role, uint32_t seen);

void config_key_defaults(struct config *config);
int config_key_set(struct config *config, int at, const char *value,
		   char what[CONFIG_WHAT_SIZE]);
/* Whether the values suit each other. */
int config_check_bounds(const struct config *config,
			char what[CONFIG_WHAT_SIZE]);

#endif
