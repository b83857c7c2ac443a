// SPDX-License-Identifier: GPL-2.0
/*
 * Lines to stderr. Must never know what is logged.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_SIZE	1024

static enum log_level log_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	log_level = level;
}

/* The journal names its socket in the environment; whoever redirects stderr
 * passes the variable on, so the file itself is compared (systemd.exec(5)). */
static bool stderr_is_the_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st))
		return false;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	return strcmp(stream, own) == 0;
}

/* In one write, so that lines of two processes never mix. */
static void log_line(enum log_level level, const char *format, va_list args)
{
	int error = errno;
	char line[LINE_SIZE];
	int len = 0;

	if (level > log_level)
		return;
	if (stderr_is_the_journal())
		len = snprintf(line, sizeof(line), "<%d>", level);
	errno = error;		/* for %m */
	len += vsnprintf(line + len, sizeof(line) - (size_t)len, format, args);
	if (len > LINE_SIZE - 2)
		len = LINE_SIZE - 2;
	line[len++] = '\n';
	/* Where nobody listens there is nobody to be told. */
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		errno = error;
	errno = error;
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_LEVEL_ERROR, format, args);
	va_end(args);
}

void log_warning(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_LEVEL_WARNING, format, args);
	va_end(args);
}

void log_info(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(LOG_LEVEL_INFO, format, args);
	va_end(args);
}
