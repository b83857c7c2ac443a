// SPDX-License-Identifier: GPL-2.0
/*
 * The table of verbs against everything that repeats it: usage lines, man
 * page, completion. Reads those two files beside the sources.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../tools/verb.h"

/* The path of a file in tools/, seen from this source file. */
static char *read_tools_file(const char *name)
{
	const char *slash = strrchr(__FILE__, '/');
	char path[512], *text = NULL;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%.*s/../../tools/%s",
		 slash ? (int)(slash - __FILE__) : 1, slash ? __FILE__ : ".",
		 name);
	file = fopen(path, "r");
	if (!file)
		fail_msg("cannot open %s", path);
	if (getdelim(&text, &size, '\0', file) < 0)
		fail_msg("cannot read %s", path);
	fclose(file);
	return text;
}

/* The line that starts with prefix, copied; NULL for none. */
static char *line_of(const char *text, const char *prefix)
{
	const char *line = text;

	while (line) {
		if (!strncmp(line, prefix, strlen(prefix)))
			return strndup(line, strcspn(line, "\n"));
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return NULL;
}

static bool has_option(const char *line, const char *name)
{
	char dashed[32];
	const char *at = line;

	snprintf(dashed, sizeof(dashed), "--%s", name);
	while ((at = strstr(at, dashed))) {
		at += strlen(dashed);
		if (*at != '-' && (*at < 'a' || *at > 'z'))
			return true;
	}
	return false;
}

/* A letter stands for its long form where a person reads. */
static bool shows_option(const char *line, const struct opt_row *row)
{
	const char letter[] = { '-', row->letter, '\0' };

	if (row->letter && strstr(line, letter))
		return true;
	return has_option(line, row->name);
}

static void compare_options(const struct verb *verb, const char *line,
			    const char *where)
{
	const struct opt_row *row;
	unsigned int i;
	bool takes;

	for (i = 0; (row = args_opt_row(i)); i++) {
		takes = verb->spec.opts & row->opt;
		if (takes != shows_option(line, row))
			fail_msg("%s: %s --%s but %s does not agree",
				 verb->name, takes ? "takes" : "refuses",
				 row->name, where);
	}
}

static void usage_names_words_and_options_of_the_verb(void **state)
{
	char *line = NULL, *fence[] = { "fence" };
	char *create[] = { "volume", "create" };
	char *io_read[] = { "io", "read" };
	size_t size;
	FILE *out;
	int words;

	(void)state;
	out = open_memstream(&line, &size);
	verb_print_usage(out, verb_find(1, fence, &words));
	verb_print_usage(out, verb_find(2, create, &words));
	verb_print_usage(out, verb_find(2, io_read, &words));
	fclose(out);
	assert_string_equal(line,
			    "usage: bfence fence VOLUME E.V [--primary R] "
			    "[--drain-ms N] [--wait] [--keep-disk] "
			    "[--mark-dead] [--incarnation N] [--force] [-j]\n"
			    "usage: bfence volume create VOLUME HOST HOST HOST "
			    "[--guard lease|quorum] [-s SOCKET] [-j]\n"
			    "usage: bfence io read VOLUME [FILE] --lineage E.V "
			    "[--offset N] --length N [-j]\n");
	free(line);
}

static void man_page_describes_every_verb(void **state)
{
	char *page = read_tools_file("bfence.8.scd"), *line, prefix[64];
	const struct verb *verb;

	(void)state;
	for (verb = verbs; verb->name; verb++) {
		snprintf(prefix, sizeof(prefix), "*bfence %s*", verb->name);
		line = line_of(page, prefix);
		if (!line)
			fail_msg("no line of the man page is \"%s\"", prefix);
		compare_options(verb, line, "the man page");
		free(line);
	}
	free(page);
}

static void man_page_describes_every_option(void **state)
{
	char *page = read_tools_file("bfence.8.scd"), bold[40];
	char *options = strstr(page, "# OPTIONS");
	const struct opt_row *row;
	unsigned int i;

	(void)state;
	assert_non_null(options);
	for (i = 0; (row = args_opt_row(i)); i++) {
		snprintf(bold, sizeof(bold), "*--%s*", row->name);
		if (!strstr(options, bold))
			fail_msg("the man page lacks %s", bold);
	}
	free(page);
}

static void completion_offers_every_verb_and_its_options(void **state)
{
	char *script = read_tools_file("completion.bash"), *line, prefix[64];
	const struct verb *verb;

	(void)state;
	for (verb = verbs; verb->name; verb++) {
		snprintf(prefix, sizeof(prefix), "\t[%s]=", verb->name);
		line = line_of(script, prefix);
		if (!line)
			fail_msg("the completion lacks \"%s\"", verb->name);
		compare_options(verb, line, "the completion");
		free(line);
	}
	free(script);
}

static void a_verb_is_found_by_all_its_words(void **state)
{
	char *volume_show[] = { "volume", "show", "v1" };
	char *volume[] = { "volume" };
	char *prefix[] = { "sho" };
	char *longer[] = { "shows" };
	char *show[] = { "show", "v1" };
	int words = 0;

	(void)state;
	assert_string_equal(verb_find(3, volume_show, &words)->name,
			    "volume show");
	assert_int_equal(words, 2);
	assert_string_equal(verb_find(2, show, &words)->name, "show");
	assert_int_equal(words, 1);
	assert_null(verb_find(1, volume, &words));
	assert_null(verb_find(1, prefix, &words));
	assert_null(verb_find(1, longer, &words));
	assert_null(verb_find(0, show, &words));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usage_names_words_and_options_of_the_verb),
		cmocka_unit_test(man_page_describes_every_verb),
		cmocka_unit_test(man_page_describes_every_option),
		cmocka_unit_test(completion_offers_every_verb_and_its_options),
		cmocka_unit_test(a_verb_is_found_by_all_its_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
