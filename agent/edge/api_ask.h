/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The body of an operator's ask, from bytes to checked names. Must never know
 * whether the ask can be granted.
 */
#ifndef BFENCE_API_ASK_H
#define BFENCE_API_ASK_H

#include "core/types.h"
#include "err.h"

struct api_ask {
	struct volume_id volume;
	struct host_id hosts[REPLICA_SLOTS];
	enum guard guard;		/* GUARD_LEASE unless it is named */
	struct lineage expected;	/* of a recovery or a reassign */
	bool expects;			/* it was named */
	struct host_id to;		/* of a reassign; or empty */
	bool force;			/* the same */
};

/* For a new volume. -EINVAL: the sentence names the field and the value. */
int api_ask_parse(const char *bytes, size_t len, struct api_ask *ret,
		  struct err *err);
/* For a recovery, where all may be missing: without "expect" no line is
 * expected, without "hosts" there are none. The volume is not in it. */
int api_ask_parse_recover(const char *bytes, size_t len, struct api_ask *ret,
			  struct err *err);
/* For a reassign, where all may be missing. */
int api_ask_parse_reassign(const char *bytes, size_t len, struct api_ask *ret,
			   struct err *err);
/* "E.V", or "none" for no line. */
int api_ask_parse_line(const char *text, struct lineage *ret, struct err *err);

#endif
