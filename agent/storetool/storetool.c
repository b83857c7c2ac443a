// SPDX-License-Identifier: GPL-2.0
/*
 * The words behind `bfenced store`: which verb, which folders. Must never
 * know what a verb does.
 */
#include "storetool.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "verbs.h"

enum exit_code {
	EXIT_DONE,
	EXIT_REFUSED,
	EXIT_USAGE,
};

enum word {
	WORD_NONE,
	WORD_DEST,
	WORD_NUMBER,
};

struct verb {
	const char *name;
	enum word second;	/* the first is always DIR */
	bool stdin_is_input;	/* DIR is the one that is made */
	int (*run)(const struct store_tool *tool, struct err *err);
	const char *words;
	const char *help;
};

static const struct verb verbs[] = {
	{ "check", WORD_NONE, false, store_tool_check, "DIR",
	  "judge the log, also beside the master that owns it" },
	{ "dump", WORD_NONE, false, store_tool_dump, "DIR",
	  "show every frame, also of a log that is refused" },
	{ "backup", WORD_DEST, false, store_tool_backup, "DIR DEST",
	  "make a consistent copy while the master goes on" },
	{ "export", WORD_NONE, false, store_tool_export, "DIR",
	  "write the newest records to stdout as JSON" },
	{ "import", WORD_NONE, true, store_tool_import, "DEST",
	  "make a store of an export on stdin" },
	{ "salvage", WORD_DEST, false, store_tool_salvage, "DIR DEST",
	  "make a store of what is left of a refused one" },
	{ "raise", WORD_NUMBER, false, store_tool_raise, "DIR N",
	  "raise the incarnation to N or more" },
};

#define NR_VERBS	(sizeof(verbs) / sizeof(verbs[0]))

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static void print_help(void)
{
	puts("usage: bfenced store VERB DIR [WORD] [-j]\n");
	for (size_t i = 0; i < NR_VERBS; i++)
		printf("  %-8s%-10s  %s\n", verbs[i].name, verbs[i].words,
		       verbs[i].help);
	puts("\n  -j, --json          for programs; check, backup, import, salvage and raise\n"
	     "                      give an array, dump an object a line\n"
	     "\n"
	     "Exit codes: 0 done, 1 refused or damaged, 2 usage.");
}

static int usage_error(const char *what, const char *which)
{
	fprintf(stderr, "bfenced: store: %s%s; see bfenced store --help\n",
		what, which);
	return EXIT_USAGE;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < NR_VERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* Decimal, 1 to INT64_MAX: a start still has numbers above it. */
static int parse_number(const char *text, uint64_t *ret)
{
	unsigned long long number;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (*end || errno || number == 0 || number > INT64_MAX)
		return -EINVAL;
	*ret = number;
	return 0;
}

static int parse_words(struct store_tool *tool, const struct verb *verb, int nr,
		       char **words)
{
	int wanted = verb->second == WORD_NONE ? 1 : 2;

	if (nr < wanted)
		return usage_error("more words are needed: ", verb->words);
	if (nr > wanted)
		return usage_error("one word too many: ", words[wanted]);
	if (words[0][0] == '\0' || words[wanted - 1][0] == '\0')
		return usage_error("an empty word for one of: ", verb->words);
	if (verb->stdin_is_input)
		tool->dest = words[0];
	else
		tool->dir = words[0];
	if (verb->second == WORD_DEST)
		tool->dest = words[1];
	if (verb->second == WORD_NUMBER &&
	    parse_number(words[1], &tool->number))
		return usage_error("no number of 1..9223372036854775807: ",
				   words[1]);
	return EXIT_DONE;
}

static int run(const struct store_tool *tool, const struct verb *verb)
{
	struct err err = { 0 };
	int error = verb->run(tool, &err);

	if (fflush(stdout) && !error)
		error = err_set(&err, -errno, "stdout: not written: %s",
				strerror(errno));
	if (!error)
		return EXIT_DONE;
	log_error("bfenced: %s", err.text);
	return EXIT_REFUSED;
}

int store_tool(int argc, char **argv)
{
	struct store_tool tool = { 0 };
	static char name[] = "bfenced: store";	/* for getopt's sentence */
	const struct verb *verb;
	int option, code;

	argv[0] = name;
	while ((option = getopt_long(argc, argv, "j", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			tool.json = true;
			break;
		case 'h':
			print_help();
			return EXIT_DONE;
		default:	/* getopt has said what is wrong */
			return EXIT_USAGE;
		}
	}
	if (optind >= argc)
		return usage_error("name a verb", "");
	verb = find_verb(argv[optind]);
	if (!verb)
		return usage_error("no such verb: ", argv[optind]);
	code = parse_words(&tool, verb, argc - optind - 1, argv + optind + 1);
	return code == EXIT_DONE ? run(&tool, verb) : code;
}
