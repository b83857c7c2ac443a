/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The words and options of one verb, checked. What a verb takes is data: a
 * string of kinds for its words and a mask for its options.
 */
#ifndef BFENCE_TOOLS_ARGS_H
#define BFENCE_TOOLS_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "parse.h"
#include "refusal.h"

#define ARGS_HOSTS_MAX	3
#define ARGS_HOST_LEN	63
#define ARGS_SOCKET_DEFAULT	"/run/bfence/master.sock"

/* One bit an option, for the mask of a verb. */
enum opt {
	OPT_JSON	= 1 << 0,
	OPT_SOCKET	= 1 << 1,
	OPT_HOST	= 1 << 2,
	OPT_AT		= 1 << 3,
	OPT_PRIMARY	= 1 << 4,
	OPT_INCARNATION	= 1 << 5,
	OPT_DRAIN_MS	= 1 << 6,
	OPT_WAIT	= 1 << 7,
	OPT_FORCE	= 1 << 8,
	OPT_KEEP_DISK	= 1 << 9,
	OPT_MARK_DEAD	= 1 << 10,
	OPT_LEASED	= 1 << 11,
	OPT_READ_ONLY	= 1 << 12,
	OPT_GUARD	= 1 << 13,
	OPT_EXPECT	= 1 << 14,
	OPT_LINEAGE	= 1 << 15,
	OPT_OFFSET	= 1 << 16,
	OPT_LENGTH	= 1 << 17,
	OPT_FUA		= 1 << 18,
	OPT_TO		= 1 << 19,
};

/* How an option is written. */
struct opt_row {
	enum opt opt;
	const char *name;
	const char *value;		/* what it takes, NULL for nothing */
	char letter;			/* 0: long form only */
	uint32_t flag;			/* BFENCE_F_* that it sets */
};

struct args {
	const char *volume;		/* borrowed from argv, as all strings */
	const char *replica;
	const char *backing;
	const char *hosts[ARGS_HOSTS_MAX];
	const char *primary;
	const char *guard;
	const char *to;			/* host */
	const char *socket;
	const char *file;
	struct lineage lineage;		/* 0.0: none was given */
	uint64_t incarnation;		/* 0: none */
	uint64_t drain_ms;		/* 0: none */
	uint64_t lease_ms;
	uint64_t offset;		/* bytes */
	uint64_t length;		/* bytes; 0: none was given */
	uint32_t flags;			/* BFENCE_F_* */
	bool json;
	bool host;
	bool wait;
	bool fua;
	bool help;
};

/*
 * What a verb takes. words has one letter a word: V volume, v volume or
 * nothing, R replica, B backing device, L lineage, M milliseconds, H host,
 * h host, of which all or none are given, f file or nothing.
 */
struct args_spec {
	const char *words;
	unsigned int opts;		/* enum opt */
	unsigned int needs;		/* of these, not to be left out */
};

/* argv[0] is the verb itself. -EINVAL with a sentence on misuse. */
int args_parse(const struct args_spec *spec, int argc, char **argv,
	       struct args *ret, struct refusal *refusal);

/* The i-th option that exists, NULL past the last. */
const struct opt_row *args_opt_row(unsigned int i);

/* How a word of this kind is called in a usage line: "VOLUME". */
const char *args_word_name(char kind);

#endif
