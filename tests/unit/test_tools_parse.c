// SPDX-License-Identifier: GPL-2.0
/*
 * The parsers of the command line tool: every edge of a lineage, a number and
 * a name. No socket, no file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "../../tools/parse.h"

struct lineage_row {
	const char *text;
	int error;
	uint64_t epoch;
	uint64_t endpoint_version;
};

static const struct lineage_row lineage_rows[] = {
	{ "1.1", 0, 1, 1 },
	{ "7.2", 0, 7, 2 },
	{ "007.02", 0, 7, 2 },
	{ "18446744073709551615.18446744073709551615", 0, UINT64_MAX,
	  UINT64_MAX },
	{ "18446744073709551616.1", -ERANGE, 0, 0 },
	{ "1.18446744073709551616", -ERANGE, 0, 0 },
	{ "0.1", -ERANGE, 0, 0 },
	{ "1.0", -ERANGE, 0, 0 },
	{ "", -EINVAL, 0, 0 },
	{ "7", -EINVAL, 0, 0 },
	{ ".", -EINVAL, 0, 0 },
	{ "7.", -EINVAL, 0, 0 },
	{ ".2", -EINVAL, 0, 0 },
	{ "7.2.1", -EINVAL, 0, 0 },
	{ "-7.2", -EINVAL, 0, 0 },
	{ "+7.2", -EINVAL, 0, 0 },
	{ " 7.2", -EINVAL, 0, 0 },
	{ "7.2 ", -EINVAL, 0, 0 },
	{ "0x7.2", -EINVAL, 0, 0 },
};

static void lineage_is_two_numbers_of_at_least_one(void **state)
{
	const struct lineage_row *row = lineage_rows;
	size_t nr = sizeof(lineage_rows) / sizeof(lineage_rows[0]);
	struct lineage got;

	(void)state;
	for (; nr--; row++) {
		got = (struct lineage){ 0 };
		if (parse_lineage(row->text, &got) != row->error ||
		    got.epoch != row->epoch ||
		    got.endpoint_version != row->endpoint_version)
			fail_msg("\"%s\" gave %d", row->text,
				 parse_lineage(row->text, &got));
	}
}

static void lineages_order_by_epoch_then_endpoint_version(void **state)
{
	const struct lineage low = { 3, 9 }, mid = { 4, 1 }, high = { 4, 2 };

	(void)state;
	assert_true(lineage_compare(&low, &mid) < 0);
	assert_true(lineage_compare(&high, &mid) > 0);
	assert_true(lineage_compare(&low, &high) < 0);
	assert_int_equal(lineage_compare(&mid, &mid), 0);
}

static void a_number_outside_its_range_is_refused(void **state)
{
	uint64_t got = 42;

	(void)state;
	assert_int_equal(parse_u64("1", 1, 600000, &got), 0);
	assert_int_equal(got, 1);
	assert_int_equal(parse_u64("600000", 1, 600000, &got), 0);
	assert_int_equal(got, 600000);
	assert_int_equal(parse_u64("0", 1, 600000, &got), -ERANGE);
	assert_int_equal(parse_u64("600001", 1, 600000, &got), -ERANGE);
	assert_int_equal(parse_u64("99999999999999999999", 0, UINT64_MAX, &got),
			 -ERANGE);
	assert_int_equal(parse_u64("", 0, 9, &got), -EINVAL);
	assert_int_equal(parse_u64("-1", 0, 9, &got), -EINVAL);
	assert_int_equal(parse_u64("1s", 0, 9, &got), -EINVAL);
	assert_int_equal(got, 600000);	/* written only on success */
}

static void a_name_has_a_length_and_an_alphabet(void **state)
{
	static const char *const good[] = { "v", "V1", "9", "a.b_c-d" };
	static const char *const bad[] = {
		"",    ".",   "-v",	  "_v",	       "..", "a b",
		"a/b", "a\n", "\xc3\xa4", "a\xc3\xa4", "a%", "../v1",
	};
	char longest[65];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!name_is_valid(good[i], 63))
			fail_msg("\"%s\" was refused", good[i]);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (name_is_valid(bad[i], 63))
			fail_msg("\"%s\" was taken", bad[i]);

	memset(longest, 'a', sizeof(longest));
	longest[63] = '\0';
	assert_true(name_is_valid(longest, 63));
	assert_false(name_is_valid(longest, 62));
	longest[63] = 'a';
	longest[64] = '\0';
	assert_false(name_is_valid(longest, 63));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lineage_is_two_numbers_of_at_least_one),
		cmocka_unit_test(lineages_order_by_epoch_then_endpoint_version),
		cmocka_unit_test(a_number_outside_its_range_is_refused),
		cmocka_unit_test(a_name_has_a_length_and_an_alphabet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
