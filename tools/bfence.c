// SPDX-License-Identifier: GPL-2.0
/*
 * The command line tool: finds the verb, runs it, prints the refusal. Exit 0
 * done, 1 refused, 2 usage. Everything a test needs is in the other files.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "refusal.h"
#include "verb.h"

enum exit_code {
	EXIT_DONE,
	EXIT_REFUSED,
	EXIT_USAGE,
};

/* "bfence: fence v1 3.1: the sentence"; options are not repeated. */
static void print_refusal(const struct verb *verb, const struct args *args,
			  const struct refusal *refusal)
{
	const char *const words[] = {
		args->volume,	args->replica,	args->backing,
		args->hosts[0], args->hosts[1], args->hosts[2],
	};
	size_t i;

	fprintf(stderr, "bfence: %s", verb->name);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i])
			fprintf(stderr, " %s", words[i]);
	if (args->lineage.epoch)
		fprintf(stderr, " %llu.%llu",
			(unsigned long long)args->lineage.epoch,
			(unsigned long long)args->lineage.endpoint_version);
	fprintf(stderr, ": %s\n", refusal->text);
}

static int run(const struct verb *verb, struct args *args)
{
	struct refusal refusal = { "out of memory" };
	int error;

	if (!args->socket)
		args->socket = getenv("BFENCE_SOCKET");
	if (!args->socket || !*args->socket)
		args->socket = ARGS_SOCKET_DEFAULT;

	error = verb->run(args, &refusal);
	if (!error && (fflush(stdout) || ferror(stdout)))
		error = refuse(&refusal, -EIO, "cannot write the output: %s",
			       strerror(errno));
	if (!error)
		return EXIT_DONE;
	print_refusal(verb, args, &refusal);
	return EXIT_REFUSED;
}

static bool asks_for_help(const char *word)
{
	return !strcmp(word, "-h") || !strcmp(word, "--help") ||
	       !strcmp(word, "help");
}

int main(int argc, char **argv)
{
	struct refusal refusal;
	const struct verb *verb;
	struct args args;
	int words;

	if (argc > 1 && asks_for_help(argv[1])) {
		verb_print_all(stdout);
		return fflush(stdout) ? EXIT_REFUSED : EXIT_DONE;
	}
	verb = verb_find(argc - 1, argv + 1, &words);
	if (!verb) {
		if (argc > 1)
			fprintf(stderr, "bfence: no such verb: %s\n", argv[1]);
		else
			fprintf(stderr, "bfence: a verb is missing\n");
		fprintf(stderr, "usage: bfence VERB [WORD...] [OPTION...] "
				"(bfence --help lists the verbs)\n");
		return EXIT_USAGE;
	}
	/* getopt reads from the word before the first argument. */
	if (args_parse(&verb->spec, argc - words, argv + words, &args,
		       &refusal)) {
		fprintf(stderr, "bfence: %s: %s\n", verb->name, refusal.text);
		verb_print_usage(stderr, verb);
		return EXIT_USAGE;
	}
	if (args.help) {
		verb_print_usage(stdout, verb);
		return fflush(stdout) ? EXIT_REFUSED : EXIT_DONE;
	}
	return run(verb, &args);
}
