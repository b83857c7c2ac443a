// SPDX-License-Identifier: GPL-2.0
/*
 * bfenced: the arguments, the configuration, then the role. Must never know
 * what a role does.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "err.h"
#include "log.h"
#include "restart_smoke.h"
#include "run_master.h"
#include "run_replica.h"
#include "storetool/storetool.h"
#include "version.h"

enum exit_code {
	EXIT_DONE,
	EXIT_REFUSED,
	EXIT_USAGE,
};

struct arguments {
	enum config_role role;
	const char *config;
	const char *store;	/* NULL: as configured */
	bool check;
	bool smoke;
};

static const char usage[] =
	"usage: bfenced master|replica [OPTION]...\n"
	"       bfenced store VERB DIR [WORD] [-j]   see bfenced store --help\n"
	"\n"
	"  --config FILE    default /etc/bfence/master.conf or replica.conf\n"
	"  --store DIR      instead of the configured one\n"
	"  --check-config   print every value and what it promises, then exit\n"
	"  --restart-smoke  master with --store alone: what a restart brings\n"
	"                   back, as a line of JSON\n"
	"  --version\n"
	"  --help\n"
	"\n"
	"Exit codes: 0 done, 1 refused, 2 usage.\n";

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "store", required_argument, NULL, 's' },
	{ "check-config", no_argument, NULL, 'k' },
	{ "restart-smoke", no_argument, NULL, 'r' },
	{ "version", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int usage_error(const char *what, const char *which)
{
	fprintf(stderr, "bfenced: %s%s; see bfenced --help\n", what, which);
	return EXIT_USAGE;
}

static int parse_role(struct arguments *a, int argc, char **argv)
{
	if (optind >= argc)
		return usage_error("name a role: master or replica", "");
	if (strcmp(argv[optind], "master") == 0)
		a->role = CONFIG_MASTER;
	else if (strcmp(argv[optind], "replica") == 0)
		a->role = CONFIG_REPLICA;
	else
		return usage_error("no such role: ", argv[optind]);
	if (optind + 1 < argc)
		return usage_error("one argument too many: ", argv[optind + 1]);
	if (a->smoke &&
	    (a->role != CONFIG_MASTER || !a->store || a->config || a->check))
		return usage_error("--restart-smoke goes with master and "
				   "--store DIR alone",
				   "");
	if (!a->config)
		a->config = a->role == CONFIG_MASTER ?
				    "/etc/bfence/master.conf" :
				    "/etc/bfence/replica.conf";
	return EXIT_DONE;
}

/* EXIT_DONE with no role: everything that was asked for is said. */
static int parse(struct arguments *a, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			a->config = optarg;
			break;
		case 's':
			a->store = optarg;
			break;
		case 'k':
			a->check = true;
			break;
		case 'r':
			a->smoke = true;
			break;
		case 'v':
			printf("bfenced %s\n", BFENCE_VERSION);
			return EXIT_DONE;
		case 'h':
			fputs(usage, stdout);
			return EXIT_DONE;
		default:	/* getopt has said what is wrong */
			return EXIT_USAGE;
		}
	}
	return parse_role(a, argc, argv);
}

static int run(const struct arguments *a, struct config *config,
	       struct err *err)
{
	int error = config_load(config, a->role, a->config, err);

	if (!error && a->store)
		error = config_set_store(config, a->store, err);
	if (error)
		return error;
	if (a->check) {
		config_print(config, stdout);
		return 0;
	}
	log_set_level(config->log_level);
	return a->role == CONFIG_MASTER ? run_master(config, err) :
					  run_replica(config, err);
}

int main(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	struct config config = { 0 };
	struct err err = { 0 };
	int code;

	if (argc > 1 && strcmp(argv[1], "store") == 0)
		return store_tool(argc - 1, argv + 1);
	code = parse(&arguments, argc, argv);
	if (code != EXIT_DONE || arguments.role == CONFIG_UNSPEC)
		return code;
	if (arguments.smoke)
		return restart_smoke(arguments.store) ? EXIT_REFUSED :
							EXIT_DONE;
	if (run(&arguments, &config, &err)) {
		log_error("bfenced: %s", err.text);
		code = EXIT_REFUSED;
	}
	config_exit(&config);
	return code;
}
