/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The log: one line a change of state, to stderr. Must never know what is
 * logged, nor be called by the core.
 */
#ifndef BFENCE_LOG_H
#define BFENCE_LOG_H

/* Named and ordered as in syslog; a line above the level is not written. */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
};

void log_set_level(enum log_level level);	/* LOG_LEVEL_INFO until then */

/* Keep errno, so that a caller may log before it returns it. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
