// SPDX-License-Identifier: GPL-2.0
/*
 * Words and options of one verb, checked against what the verb takes. Must
 * never print, and knows no verb by name.
 */
#include "args.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bfence.h>

static const struct opt_row opt_rows[] = {
	{ OPT_HOST, "host", NULL, 0, 0 },
	{ OPT_AT, "at", "E.V", 0, 0 },
	{ OPT_PRIMARY, "primary", "R", 0, 0 },
	{ OPT_DRAIN_MS, "drain-ms", "N", 0, 0 },
	{ OPT_WAIT, "wait", NULL, 0, 0 },
	{ OPT_KEEP_DISK, "keep-disk", NULL, 0, BFENCE_F_KEEP_DISK },
	{ OPT_MARK_DEAD, "mark-dead", NULL, 0, BFENCE_F_MARK_DEAD },
	{ OPT_LEASED, "leased", NULL, 0, BFENCE_F_LEASED },
	{ OPT_READ_ONLY, "read-only", NULL, 0, BFENCE_F_READ_ONLY },
	{ OPT_INCARNATION, "incarnation", "N", 0, 0 },
	{ OPT_FORCE, "force", NULL, 0, BFENCE_F_FORCE },
	{ OPT_GUARD, "guard", "lease|quorum", 0, 0 },
	{ OPT_LINEAGE, "lineage", "E.V", 0, 0 },
	{ OPT_OFFSET, "offset", "N", 0, 0 },
	{ OPT_LENGTH, "length", "N", 0, 0 },
	{ OPT_FUA, "fua", NULL, 0, 0 },
	{ OPT_EXPECT, "expect", "E.V", 0, 0 },
	{ OPT_TO, "to", "HOST", 0, 0 },
	{ OPT_SOCKET, "socket", "SOCKET", 's', 0 },
	{ OPT_JSON, "json", NULL, 'j', 0 },
};

#define NR_OPT_ROWS	(sizeof(opt_rows) / sizeof(opt_rows[0]))
#define OPT_CODE_BASE	256	/* above every letter getopt can return */

const struct opt_row *args_opt_row(unsigned int i)
{
	return i < NR_OPT_ROWS ? &opt_rows[i] : NULL;
}

const char *args_word_name(char kind)
{
	switch (kind) {
	case 'V':
		return "VOLUME";
	case 'v':
		return "[VOLUME]";
	case 'R':
		return "REPLICA";
	case 'B':
		return "BACKING";
	case 'L':
		return "E.V";
	case 'M':
		return "MS";
	case 'H':
		return "HOST";
	case 'f':
		return "[FILE]";
	case 'h':
		return "[HOST]";
	}
	return "?";
}

static int take_name(const char *what, const char *text, size_t len_max,
		     const char **ret, struct refusal *refusal)
{
	if (!name_is_valid(text, len_max))
		return refuse(refusal, -EINVAL,
			      "%s \"%.80s\": a name has 1 to %zu of the "
			      "characters A-Z a-z 0-9 . _ - and starts with a "
			      "letter or a digit",
			      what, text, len_max);
	*ret = text;
	return 0;
}

static int take_lineage(const char *text, struct lineage *ret,
			struct refusal *refusal)
{
	if (parse_lineage(text, ret))
		return refuse(refusal, -EINVAL,
			      "lineage \"%.80s\": must be EPOCH."
			      "ENDPOINT_VERSION, both at least 1, as in 7.2",
			      text);
	return 0;
}

static int take_backing(const char *text, const char **ret,
			struct refusal *refusal)
{
	if (text[0] != '/' || strlen(text) > BFENCE_BACKING_LEN)
		return refuse(refusal, -EINVAL,
			      "backing device \"%.300s\": must be an absolute "
			      "path of at most %d bytes",
			      text, BFENCE_BACKING_LEN);
	*ret = text;
	return 0;
}

struct range {
	const char *what;
	uint64_t min;
	uint64_t max;
};

static int take_number(const struct range *range, const char *text,
		       uint64_t *ret, struct refusal *refusal)
{
	if (parse_u64(text, range->min, range->max, ret))
		return refuse(refusal, -EINVAL,
			      "%s \"%.80s\": must be a whole number from %llu "
			      "to %llu",
			      range->what, text, (unsigned long long)range->min,
			      (unsigned long long)range->max);
	return 0;
}

static int take_guard(const char *text, const char **ret,
		      struct refusal *refusal)
{
	if (strcmp(text, "lease") != 0 && strcmp(text, "quorum") != 0)
		return refuse(refusal, -EINVAL,
			      "guard \"%.80s\": must be lease or quorum", text);
	*ret = text;
	return 0;
}

static int take_count(enum opt opt, struct args *args, struct refusal *refusal)
{
	static const struct range drain_range = {
		.what = "--drain-ms",
		.min = 1,
		.max = BFENCE_DRAIN_MS_MAX,
	};
	static const struct range incarnation_range = {
		.what = "--incarnation",
		.min = 1,
		.max = UINT64_MAX,
	};
	static const struct range offset_range = {
		.what = "--offset",
		.max = INT64_MAX,
	};
	static const struct range length_range = {
		.what = "--length",
		.min = 1,
		.max = INT64_MAX,
	};

	if (opt == OPT_INCARNATION)
		return take_number(&incarnation_range, optarg,
				   &args->incarnation, refusal);
	if (opt == OPT_DRAIN_MS)
		return take_number(&drain_range, optarg, &args->drain_ms,
				   refusal);
	if (opt == OPT_OFFSET)
		return take_number(&offset_range, optarg, &args->offset,
				   refusal);
	return take_number(&length_range, optarg, &args->length, refusal);
}

static int take_opt(const struct opt_row *row, struct args *args,
		    struct refusal *refusal)
{
	args->flags |= row->flag;
	switch (row->opt) {
	case OPT_JSON:
		args->json = true;
		return 0;
	case OPT_SOCKET:
		args->socket = optarg;
		return 0;
	case OPT_HOST:
		args->host = true;
		return 0;
	case OPT_WAIT:
		args->wait = true;
		return 0;
	case OPT_FUA:
		args->fua = true;
		return 0;
	case OPT_AT:
	case OPT_LINEAGE:
	case OPT_EXPECT:
		return take_lineage(optarg, &args->lineage, refusal);
	case OPT_PRIMARY:
		return take_name("--primary", optarg, BFENCE_REPLICA_LEN,
				 &args->primary, refusal);
	case OPT_INCARNATION:
	case OPT_DRAIN_MS:
	case OPT_OFFSET:
	case OPT_LENGTH:
		return take_count(row->opt, args, refusal);
	case OPT_TO:
		return take_name("--to", optarg, ARGS_HOST_LEN, &args->to,
				 refusal);
	case OPT_GUARD:
		return take_guard(optarg, &args->guard, refusal);
	case OPT_FORCE:
	case OPT_KEEP_DISK:
	case OPT_MARK_DEAD:
	case OPT_LEASED:
	case OPT_READ_ONLY:
		return 0;
	}
	return -EINVAL;
}

static int take_host(const char *word, struct args *args,
		     struct refusal *refusal)
{
	size_t host;

	for (host = 0; args->hosts[host]; host++)
		if (!strcmp(args->hosts[host], word))
			return refuse(refusal, -EINVAL,
				      "host \"%.80s\" is named twice", word);
	return take_name("host", word, ARGS_HOST_LEN, &args->hosts[host],
			 refusal);
}

static int take_word(char kind, const char *word, struct args *args,
		     struct refusal *refusal)
{
	static const struct range lease_range = {
		.what = "MS",
		.max = BFENCE_LEASE_MS_MAX,
	};

	switch (kind) {
	case 'V':
	case 'v':
		return take_name("volume", word, BFENCE_VOLUME_LEN,
				 &args->volume, refusal);
	case 'R':
		return take_name("replica", word, BFENCE_REPLICA_LEN,
				 &args->replica, refusal);
	case 'B':
		return take_backing(word, &args->backing, refusal);
	case 'L':
		return take_lineage(word, &args->lineage, refusal);
	case 'M':
		return take_number(&lease_range, word, &args->lease_ms,
				   refusal);
	case 'H':
	case 'h':
		return take_host(word, args, refusal);
	case 'f':
		args->file = word;
		return 0;
	}
	return -EINVAL;
}

static const struct opt_row *row_of(int code)
{
	size_t i;

	if (code >= OPT_CODE_BASE)
		return &opt_rows[code - OPT_CODE_BASE];
	for (i = 0; i < NR_OPT_ROWS; i++)
		if (opt_rows[i].letter && opt_rows[i].letter == code)
			return &opt_rows[i];
	return NULL;
}

/* The first option that the verb needs and that was not given. */
static int check_needs(unsigned int missing, struct refusal *refusal)
{
	size_t i;

	for (i = 0; i < NR_OPT_ROWS; i++)
		if (opt_rows[i].opt & missing)
			return refuse(refusal, -EINVAL, "--%s is missing",
				      opt_rows[i].name);
	return 0;
}

static int take_opts(const struct args_spec *spec, int argc, char **argv,
		     struct args *args, struct refusal *refusal)
{
	unsigned int missing = spec->needs;
	struct option table[NR_OPT_ROWS + 2] = {
		[NR_OPT_ROWS] = { "help", no_argument, NULL, 'h' },
	};
	const struct opt_row *row;
	int code, error;
	size_t i;

	for (i = 0; i < NR_OPT_ROWS; i++)
		table[i] = (struct option){
			.name = opt_rows[i].name,
			.has_arg = opt_rows[i].value ? required_argument : 0,
			.val = OPT_CODE_BASE + (int)i,
		};

	optind = 0;	/* glibc: start anew, also after an earlier call */
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":hjs:", table, NULL)) != -1) {
		if (code == 'h') {
			args->help = true;
			return 0;
		}
		if (code == ':')
			return refuse(refusal, -EINVAL,
				      "option %.80s needs a value",
				      argv[optind - 1]);
		row = row_of(code);
		if (!row)
			return refuse(refusal, -EINVAL, "unknown option %.80s",
				      argv[optind - 1]);
		missing &= ~(unsigned int)row->opt;
		if (!(row->opt & spec->opts))
			return refuse(refusal, -EINVAL,
				      "--%s is not an option of this verb",
				      row->name);
		error = take_opt(row, args, refusal);
		if (error)
			return error;
	}
	return check_needs(missing, refusal);
}

/* Without this word and those after it. */
static bool may_end(char kind, const struct args *args)
{
	return kind == 'v' || kind == 'f' || (kind == 'h' && !args->hosts[0]);
}

int args_parse(const struct args_spec *spec, int argc, char **argv,
	       struct args *ret, struct refusal *refusal)
{
	struct args args = { 0 };
	const char *kind;
	int error, i;

	error = take_opts(spec, argc, argv, &args, refusal);
	if (error)
		return error;
	if (args.help) {
		*ret = args;
		return 0;
	}

	i = optind;
	for (kind = spec->words; *kind; kind++) {
		if (i == argc && may_end(*kind, &args))
			break;
		if (i == argc)
			return refuse(refusal, -EINVAL, "too few words");
		error = take_word(*kind, argv[i++], &args, refusal);
		if (error)
			return error;
	}
	if (i < argc)
		return refuse(refusal, -EINVAL, "unexpected word \"%.80s\"",
			      argv[i]);
	if (args.host && args.volume)
		return refuse(refusal, -EINVAL,
			      "--host shows the host and takes no volume");
	*ret = args;
	return 0;
}
