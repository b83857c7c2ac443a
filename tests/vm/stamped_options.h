/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What stamped can be asked for on its command line. For stamped.c alone; it
 * must never send anything.
 */
#ifndef STAMPED_OPTIONS_H
#define STAMPED_OPTIONS_H

#include <getopt.h>
#include <liburing.h>
#include <linux/bfence_io.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX	64

struct options {
	const char	*verb;
	const char	*path;
	const char	*run_id;
	const char	*lineage;
	const char	*field;
	const char	*after;		/* a fifo to be read from first */
	struct bfence_io io;
	uint64_t	bad;
	uint64_t	count;
	uint32_t	cmd_op;		/* 0: the verb's */
	unsigned int	depth;
	unsigned int	ring_flags;
	unsigned int	sqe_flags;
	int		fill;
	int		skew;		/* bytes past the start of a page */
	bool		own_addr;	/* io.addr was given */
	bool		fixed;
	bool		read_only;
};

static uint32_t op_of(const char *verb)
{
	static const struct {
		const char *verb;
		uint32_t cmd_op;
	} ops[] = {
		{ "read", BFENCE_IO_READ },
		{ "write", BFENCE_IO_WRITE },
		{ "flush", BFENCE_IO_FLUSH },
		{ "discard", BFENCE_IO_DISCARD },
		{ "write_zeroes", BFENCE_IO_WRITE_ZEROES },
		{ "load", BFENCE_IO_WRITE },
		{ "race", BFENCE_IO_WRITE },
	};

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(ops[i].verb, verb))
			return ops[i].cmd_op;
	return 0;
}

static const struct option longopts[] = {
	{ "run-id", required_argument, NULL, 'i' },
	{ "lineage", required_argument, NULL, 'l' },
	{ "offset", required_argument, NULL, 'o' },
	{ "length", required_argument, NULL, 'n' },
	{ "addr", required_argument, NULL, 'a' },
	{ "skew", required_argument, NULL, 's' },
	{ "flags", required_argument, NULL, 'f' },
	{ "reserved", required_argument, NULL, 'R' },
	{ "cmd-op", required_argument, NULL, 'O' },
	{ "count", required_argument, NULL, 'c' },
	{ "depth", required_argument, NULL, 'd' },
	{ "fill", required_argument, NULL, 'b' },
	{ "field", required_argument, NULL, 'F' },
	{ "after", required_argument, NULL, 'w' },
	{ "bad", required_argument, NULL, 'B' },
	{ "fixed", no_argument, NULL, 'x' },
	{ "read-only", no_argument, NULL, 'r' },
	{ "async", no_argument, NULL, 'A' },
	{ "iopoll", no_argument, NULL, 'p' },
	{ "small", no_argument, NULL, 'S' },
	{ "plain-cqe", no_argument, NULL, 'P' },
	{ 0 }
};

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 0);
}

static bool take_flag(struct options *o, int c)
{
	switch (c) {
	case 'x':
		o->fixed = true;
		return true;
	case 'r':
		o->read_only = true;
		return true;
	case 'A':
		o->sqe_flags |= IOSQE_ASYNC;
		return true;
	case 'p':
		o->ring_flags |= IORING_SETUP_IOPOLL;
		return true;
	case 'S':
		o->ring_flags &= ~IORING_SETUP_SQE128;
		return true;
	case 'P':
		o->ring_flags &= ~IORING_SETUP_CQE32;
		return true;
	}
	return false;
}

static bool take_value(struct options *o, int c)
{
	char *rest;

	switch (c) {
	case 'i':
		o->run_id = optarg;
		return true;
	case 'l':
		o->lineage = optarg;
		o->io.epoch = strtoull(optarg, &rest, 10);
		o->io.endpoint_version = *rest ? number(rest + 1) : 0;
		return true;
	case 'o':
		o->io.offset = number(optarg);
		return true;
	case 'n':
		o->io.length = number(optarg);
		return true;
	case 'a':
		o->io.addr = number(optarg);
		o->own_addr = true;
		return true;
	case 's':
		o->skew = (int)number(optarg);
		return true;
	case 'f':
		o->io.flags = (uint32_t)number(optarg);
		return true;
	case 'R':
		((uint32_t *)&o->io.reserved0)[number(optarg)] = 1;
		return true;
	case 'O':
		o->cmd_op = (uint32_t)number(optarg);
		return true;
	case 'c':
		o->count = number(optarg);
		return true;
	case 'd':
		o->depth = (unsigned int)number(optarg);
		return o->depth && o->depth <= DEPTH_MAX;
	case 'b':
		o->fill = (int)number(optarg);
		return true;
	case 'w':
		o->after = optarg;
		return true;
	case 'F':
		o->field = optarg;
		return true;
	case 'B':
		o->bad = number(optarg);
		return true;
	}
	return false;
}

static bool options_parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1)
		if (!take_flag(o, c) && !take_value(o, c))
			return false;
	if (argc - optind != 2)
		return false;
	o->verb = argv[optind];
	o->path = argv[optind + 1];
	if (!o->cmd_op)
		o->cmd_op = op_of(o->verb);
	return true;
}

#endif /* STAMPED_OPTIONS_H */
