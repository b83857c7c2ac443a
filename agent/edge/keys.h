/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pre-shared keys from files: `HOST <64 hex digits>` a line, '#' starts a
 * comment. A file that group or others may read is refused. Must never know
 * TLS.
 */
#ifndef BFENCE_KEYS_H
#define BFENCE_KEYS_H

#include "core/types.h"
#include "err.h"

#define KEY_SIZE	32
#define KEYS_MAX	4096		/* in one file */
#define KEYS_BYTES_MAX	(1 << 20)	/* of one file */

struct key {
	struct host_id host;
	uint8_t secret[KEY_SIZE];
};

struct keys {
	size_t nr;
	struct key *keys;
};

/* Reads all keys; a host named twice, a bad line (with its number), an empty
 * file are errors. Gives *ret, to be ended with keys_exit(). */
int keys_load(const char *path, struct keys *ret, struct err *err);
void keys_exit(struct keys *keys);	/* wipes the secrets */

/* NULL when the host is unknown. */
const struct key *keys_find(const struct keys *keys,
			    const struct host_id *host);

#endif
