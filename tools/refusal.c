// SPDX-License-Identifier: GPL-2.0
/*
 * Composing the sentence of a refusal. Must never print.
 */
#include "refusal.h"

#include <stdarg.h>
#include <stdio.h>

int refuse(struct refusal *refusal, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(refusal->text, sizeof(refusal->text), format, args);
	va_end(args);
	return error;
}
