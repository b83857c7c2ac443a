/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One refusal: the sentence that says what was refused and why. Composed once
 * at the place that failed, printed once by bfence.c.
 */
#ifndef BFENCE_TOOLS_REFUSAL_H
#define BFENCE_TOOLS_REFUSAL_H

struct refusal {
	char text[512];
};

/* Fills refusal and returns error, for `return refuse(...)`. */
int refuse(struct refusal *refusal, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
