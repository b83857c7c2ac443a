// SPDX-License-Identifier: GPL-2.0
/*
 * A command line becomes checked values or a sentence; nothing in between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include <linux/bfence.h>

#include "../../tools/args.h"

#define WORDS_MAX	16

/* Splits line at its spaces; getopt may reorder the copy. */
static int parse(const struct args_spec *spec, const char *line,
		 struct args *args, struct refusal *refusal)
{
	static char copy[512];
	char *argv[WORDS_MAX + 1] = { 0 };
	char *word, *rest = NULL;
	int argc = 0;

	assert_true(strlen(line) < sizeof(copy));
	memcpy(copy, line, strlen(line) + 1);
	for (word = strtok_r(copy, " ", &rest); word;
	     word = strtok_r(NULL, " ", &rest)) {
		assert_true(argc < WORDS_MAX);
		argv[argc++] = word;
	}
	memset(refusal, 0, sizeof(*refusal));
	return args_parse(spec, argc, argv, args, refusal);
}

static void expect_refusal(const struct args_spec *spec, const char *line,
			   const char *part)
{
	struct args args = { .volume = "untouched" };
	struct refusal refusal;

	if (parse(spec, line, &args, &refusal) != -EINVAL)
		fail_msg("\"%s\" was taken", line);
	if (!strstr(refusal.text, part))
		fail_msg("\"%s\": \"%s\" lacks \"%s\"", line, refusal.text,
			 part);
	assert_string_equal(args.volume, "untouched");
}

static const struct args_spec fence_spec = {
	"VL", OPT_PRIMARY | OPT_DRAIN_MS | OPT_WAIT | OPT_KEEP_DISK |
		      OPT_INCARNATION | OPT_FORCE | OPT_JSON
};

static void words_and_options_mix_in_any_order(void **state)
{
	static const char *const lines[] = {
		"fence v1 3.2 --primary r2 --drain-ms 70 --wait --force -j",
		"fence --primary=r2 -j v1 --force --drain-ms=70 3.2 --wait",
	};
	struct refusal refusal;
	struct args args;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(parse(&fence_spec, lines[i], &args, &refusal),
				 0);
		assert_string_equal(args.volume, "v1");
		assert_int_equal(args.lineage.epoch, 3);
		assert_int_equal(args.lineage.endpoint_version, 2);
		assert_string_equal(args.primary, "r2");
		assert_int_equal(args.drain_ms, 70);
		assert_int_equal(args.flags, BFENCE_F_FORCE);
		assert_int_equal(args.incarnation, 0);
		assert_true(args.wait);
		assert_true(args.json);
		assert_false(args.help);
	}
}

static void each_flag_sets_its_own_bit(void **state)
{
	const struct args_spec spec = { "",
					OPT_FORCE | OPT_LEASED | OPT_READ_ONLY |
						OPT_KEEP_DISK | OPT_MARK_DEAD };
	static const struct {
		const char *line;
		uint32_t flag;
	} rows[] = {
		{ "x --force", BFENCE_F_FORCE },
		{ "x --leased", BFENCE_F_LEASED },
		{ "x --read-only", BFENCE_F_READ_ONLY },
		{ "x --keep-disk", BFENCE_F_KEEP_DISK },
		{ "x --mark-dead", BFENCE_F_MARK_DEAD },
		{ "x --leased --read-only",
		  BFENCE_F_LEASED | BFENCE_F_READ_ONLY },
	};
	struct refusal refusal;
	struct args args;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse(&spec, rows[i].line, &args, &refusal),
				 0);
		assert_int_equal(args.flags, rows[i].flag);
	}
}

static void a_wrong_word_is_named_in_the_sentence(void **state)
{
	(void)state;
	expect_refusal(&fence_spec, "fence", "too few words");
	expect_refusal(&fence_spec, "fence v1", "too few words");
	expect_refusal(&fence_spec, "fence v1 3.1 more", "\"more\"");
	expect_refusal(&fence_spec, "fence -- -v 3.1", "volume \"-v\"");
	expect_refusal(&fence_spec, "fence v/1 3.1", "volume \"v/1\"");
	expect_refusal(&fence_spec, "fence v1 0.1", "lineage \"0.1\"");
	expect_refusal(&fence_spec, "fence v1 3", "lineage \"3\"");
}

static void a_wrong_option_is_named_in_the_sentence(void **state)
{
	(void)state;
	expect_refusal(&fence_spec, "fence v1 3.1 --drain-ms 0", "--drain-ms");
	expect_refusal(&fence_spec, "fence v1 3.1 --drain-ms 600001", "600000");
	expect_refusal(&fence_spec, "fence v1 3.1 --incarnation 0",
		       "--incarnation");
	expect_refusal(&fence_spec, "fence v1 3.1 --primary r123456789012345",
		       "--primary");
	expect_refusal(&fence_spec, "fence v1 3.1 --drain-ms",
		       "--drain-ms needs a value");
	expect_refusal(&fence_spec, "fence v1 3.1 --nonsense", "--nonsense");
	expect_refusal(&fence_spec, "fence v1 3.1 -x", "-x");
	expect_refusal(&fence_spec, "fence v1 3.1 --leased",
		       "--leased is not an option of this verb");
}

static void a_limit_is_the_last_value_taken(void **state)
{
	const struct args_spec lease = { "M", 0 };
	const struct args_spec attach = { "VRB", OPT_AT };
	char line[400] = "attach v1 r12345678901234 /";
	struct refusal refusal;
	struct args args;
	size_t path = strlen(line) - 1;

	(void)state;
	assert_int_equal(parse(&lease, "lease 0", &args, &refusal), 0);
	assert_int_equal(parse(&lease, "lease 3600000", &args, &refusal), 0);
	assert_int_equal(args.lease_ms, BFENCE_LEASE_MS_MAX);
	expect_refusal(&lease, "lease 3600001", "3600000");

	memset(line + path + 1, 'd', BFENCE_BACKING_LEN - 1);
	assert_int_equal(parse(&attach, line, &args, &refusal), 0);
	assert_int_equal(strlen(args.backing), BFENCE_BACKING_LEN);
	line[path + BFENCE_BACKING_LEN] = 'd';
	expect_refusal(&attach, line, "at most 255 bytes");
	expect_refusal(&attach, "attach v1 r1 vdb", "absolute path");
	expect_refusal(&attach, "attach v1 r1 /dev/vdb --at 1", "lineage");
}

static void three_hosts_are_three_words(void **state)
{
	const struct args_spec create = { "VHHH", OPT_GUARD };
	struct refusal refusal;
	struct args args;

	(void)state;
	assert_int_equal(parse(&create, "create v1 h1 h2 h3 --guard quorum",
			       &args, &refusal),
			 0);
	assert_string_equal(args.hosts[0], "h1");
	assert_string_equal(args.hosts[1], "h2");
	assert_string_equal(args.hosts[2], "h3");
	assert_string_equal(args.guard, "quorum");
	expect_refusal(&create, "create v1 h1 h2", "too few words");
	expect_refusal(&create, "create v1 h1 h2 h3 h4", "\"h4\"");
	expect_refusal(&create, "create v1 h1 h2 h3 --guard none", "\"none\"");
}

static const struct args_spec io_spec = { "Vf",
					  OPT_LINEAGE | OPT_OFFSET |
						  OPT_LENGTH | OPT_FUA,
					  OPT_LINEAGE | OPT_LENGTH };

static void an_io_has_its_lineage_and_its_place(void **state)
{
	struct refusal refusal;
	struct args args;

	(void)state;
	assert_int_equal(parse(&io_spec,
			       "write v1 in --lineage 7.2 --offset 4096 "
			       "--length 9223372036854775807 --fua",
			       &args, &refusal),
			 0);
	assert_string_equal(args.file, "in");
	assert_int_equal(args.lineage.epoch, 7);
	assert_int_equal(args.lineage.endpoint_version, 2);
	assert_int_equal(args.offset, 4096);
	assert_int_equal(args.length, INT64_MAX);
	assert_true(args.fua);
	assert_int_equal(parse(&io_spec, "write v1 --lineage 7.2 --length 1",
			       &args, &refusal),
			 0);
	assert_null(args.file);
	assert_int_equal(args.offset, 0);
	assert_false(args.fua);
	expect_refusal(&io_spec, "write v1 a b --lineage 7.2 --length 1",
		       "\"b\"");
	expect_refusal(&io_spec, "write v1 --lineage 7 --length 1", "lineage");
	expect_refusal(&io_spec, "write v1 --lineage 7.2 --length 0",
		       "--length");
	expect_refusal(&io_spec,
		       "write v1 --lineage 7.2 --length 1 --offset -1",
		       "--offset");
}

static void an_option_that_is_needed_is_missed(void **state)
{
	struct refusal refusal;
	struct args args;

	(void)state;
	expect_refusal(&io_spec, "write v1", "--lineage is missing");
	expect_refusal(&io_spec, "write v1 --length 1", "--lineage is missing");
	expect_refusal(&io_spec, "write v1 --lineage 7.2",
		       "--length is missing");
	assert_int_equal(parse(&io_spec, "write --help", &args, &refusal), 0);
	assert_true(args.help);
}

static void hosts_that_may_be_left_out_are_all_or_none(void **state)
{
	const struct args_spec recover = { "Vhhh", OPT_EXPECT };
	struct refusal refusal;
	struct args args;

	(void)state;
	assert_int_equal(parse(&recover, "recover v1 --expect 4.2", &args,
			       &refusal),
			 0);
	assert_null(args.hosts[0]);
	assert_int_equal(args.lineage.epoch, 4);
	assert_int_equal(args.lineage.endpoint_version, 2);
	assert_int_equal(parse(&recover, "recover v1 h1 h2 h3", &args,
			       &refusal),
			 0);
	assert_string_equal(args.hosts[2], "h3");
	expect_refusal(&recover, "recover v1 h1", "too few words");
	expect_refusal(&recover, "recover v1 h1 h2", "too few words");
	expect_refusal(&recover, "recover v1 --expect 4", "lineage \"4\"");
}

static void help_needs_no_words(void **state)
{
	struct refusal refusal;
	struct args args;

	(void)state;
	assert_int_equal(parse(&fence_spec, "fence --help", &args, &refusal),
			 0);
	assert_true(args.help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_options_mix_in_any_order),
		cmocka_unit_test(each_flag_sets_its_own_bit),
		cmocka_unit_test(a_wrong_word_is_named_in_the_sentence),
		cmocka_unit_test(a_wrong_option_is_named_in_the_sentence),
		cmocka_unit_test(a_limit_is_the_last_value_taken),
		cmocka_unit_test(three_hosts_are_three_words),
		cmocka_unit_test(an_io_has_its_lineage_and_its_place),
		cmocka_unit_test(an_option_that_is_needed_is_missed),
		cmocka_unit_test(hosts_that_may_be_left_out_are_all_or_none),
		cmocka_unit_test(help_needs_no_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
