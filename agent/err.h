/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One error: the errno says what, the sentence says where and which value.
 * Composed once at the edge that failed, printed once by whoever asked.
 */
#ifndef BFENCE_ERR_H
#define BFENCE_ERR_H

struct err {
	int code;		/* 0 or negative errno */
	char text[512];
};

/* Fills err (may be NULL) and returns code, for `return err_set(...)`. */
int err_set(struct err *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
