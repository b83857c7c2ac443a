// SPDX-License-Identifier: GPL-2.0
/*
 * The table of verbs and how it is shown. What a verb does is in its file.
 */
#include "verb.h"

#include <string.h>

#include "run.h"

const struct verb verbs[] = {
	{ "show",
	  "show the gates of this host, one gate, or the host",
	  { "v", OPT_HOST | OPT_JSON },
	  run_show },
	{ "monitor",
	  "print each change of a gate as it happens",
	  { "v", OPT_JSON },
	  run_monitor },
	{ "attach",
	  "put a closed gate on a block device",
	  { "VRB", OPT_AT | OPT_PRIMARY | OPT_INCARNATION | OPT_JSON },
	  run_attach },
	{ "detach",
	  "take a closed gate away",
	  { "V", OPT_INCARNATION | OPT_FORCE | OPT_JSON },
	  run_detach },
	{ "fence",
	  "raise the authority of a gate and end its grant",
	  { "VL", OPT_PRIMARY | OPT_DRAIN_MS | OPT_WAIT | OPT_KEEP_DISK |
			  OPT_MARK_DEAD | OPT_INCARNATION | OPT_FORCE |
			  OPT_JSON },
	  run_fence },
	{ "open",
	  "open a drained gate and print its disk",
	  { "VL", OPT_PRIMARY | OPT_LEASED | OPT_READ_ONLY | OPT_INCARNATION |
			  OPT_FORCE | OPT_JSON },
	  run_open },
	{ "close",
	  "end the grant of a gate, keep its authority",
	  { "V", OPT_DRAIN_MS | OPT_WAIT | OPT_MARK_DEAD | OPT_INCARNATION |
			 OPT_FORCE | OPT_JSON },
	  run_close },
	{ "lease",
	  "let the host lease end MS milliseconds from now; 0 ends it",
	  { "M", OPT_INCARNATION | OPT_JSON },
	  run_lease },
	{ "io read",
	  "read through a gate with a lineage of one's own",
	  { "Vf", OPT_LINEAGE | OPT_OFFSET | OPT_LENGTH | OPT_JSON,
	    OPT_LINEAGE | OPT_LENGTH },
	  run_io_read },
	{ "io write",
	  "write through a gate with a lineage of one's own",
	  { "Vf", OPT_LINEAGE | OPT_OFFSET | OPT_LENGTH | OPT_FUA | OPT_JSON,
	    OPT_LINEAGE },
	  run_io_write },
	{ "io flush",
	  "make durable what was completed before",
	  { "V", OPT_LINEAGE | OPT_JSON, OPT_LINEAGE },
	  run_io_flush },
	{ "cluster status",
	  "show the master and what it loaded",
	  { "", OPT_SOCKET | OPT_JSON },
	  run_cluster_status },
	{ "volume list",
	  "list the volumes of the cluster",
	  { "", OPT_SOCKET | OPT_JSON },
	  run_volume_list },
	{ "volume show",
	  "show a volume, its slots and the evidence",
	  { "V", OPT_SOCKET | OPT_JSON },
	  run_volume_show },
	{ "volume create",
	  "make a volume with one replica on each of three hosts",
	  { "VHHH", OPT_GUARD | OPT_SOCKET | OPT_JSON },
	  run_volume_create },
	{ "volume delete",
	  "end a volume; its name keeps its highest epoch",
	  { "V", OPT_EXPECT | OPT_FORCE | OPT_SOCKET | OPT_JSON },
	  run_volume_delete },
	{ "volume recover",
	  "let a volume go on above all that is known of it",
	  { "Vhhh", OPT_EXPECT | OPT_GUARD | OPT_SOCKET | OPT_JSON },
	  run_volume_recover },
	{ "volume reassign",
	  "move the primary of a volume to another host",
	  { "V", OPT_TO | OPT_EXPECT | OPT_FORCE | OPT_SOCKET | OPT_JSON },
	  run_volume_reassign },
	{ "host list",
	  "list the hosts of the cluster",
	  { "", OPT_SOCKET | OPT_JSON },
	  run_host_list },
	{ "host show",
	  "show a host",
	  { "H", OPT_SOCKET | OPT_JSON },
	  run_host_show },
	{ "host drain",
	  "move all primaries off a host, and keep it free of them",
	  { "H", OPT_SOCKET | OPT_JSON },
	  run_host_drain },
	{ "host undrain",
	  "let a host carry primaries again",
	  { "H", OPT_SOCKET | OPT_JSON },
	  run_host_undrain },
	{ NULL, NULL, { NULL, 0 }, NULL },
};

/* How many words of argv name this verb; 0: it is another one. */
static int words_match(const char *name, int argc, char **argv)
{
	size_t len;
	int i;

	for (i = 0; i < argc; i++) {
		len = strcspn(name, " ");
		if (strlen(argv[i]) != len || strncmp(argv[i], name, len))
			return 0;
		if (!name[len])
			return i + 1;
		name += len + 1;
	}
	return 0;
}

const struct verb *verb_find(int argc, char **argv, int *ret_words)
{
	const struct verb *verb;
	int words;

	for (verb = verbs; verb->name; verb++) {
		words = words_match(verb->name, argc, argv);
		if (!words)
			continue;
		*ret_words = words;
		return verb;
	}
	return NULL;
}

static void print_opt(FILE *out, const struct opt_row *row, bool needed)
{
	fputs(needed ? " " : " [", out);
	if (row->letter)
		fprintf(out, "-%c", row->letter);
	else
		fprintf(out, "--%s", row->name);
	if (row->value)
		fprintf(out, " %s", row->value);
	if (!needed)
		fputc(']', out);
}

void verb_print_usage(FILE *out, const struct verb *verb)
{
	const struct opt_row *row;
	const char *word;
	unsigned int i;

	fprintf(out, "usage: bfence %s", verb->name);
	for (word = verb->spec.words; *word; word++)
		fprintf(out, " %s", args_word_name(*word));
	for (i = 0; (row = args_opt_row(i)); i++)
		if (row->opt & verb->spec.opts)
			print_opt(out, row, row->opt & verb->spec.needs);
	fputc('\n', out);
}

void verb_print_all(FILE *out)
{
	const struct verb *verb;

	fputs("usage: bfence VERB [WORD...] [OPTION...]\n\n", out);
	for (verb = verbs; verb->name; verb++)
		fprintf(out, "  %-16s%s\n", verb->name, verb->help);
	fputs("\nbfence VERB --help shows what a verb takes; see bfence(8)\n",
	      out);
}
