// SPDX-License-Identifier: GPL-2.0
/*
 * Key files: what is accepted, and the sentence of each refusal.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "edge/keys.h"

#define HEX_A	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX_B	"FFEEDDCCBBAA99887766554433221100ffeeddccbbaa99887766554433221100"
#define HEX_ZERO \
	"0000000000000000000000000000000000000000000000000000000000000000"

struct file {
	char path[64];
	struct keys keys;
	struct err err;
};

static int setup(void **state)
{
	struct file *file = calloc(1, sizeof(*file));
	int fd;

	if (!file)
		return -1;
	snprintf(file->path, sizeof(file->path), "/tmp/bfence-keys-XXXXXX");
	fd = mkstemp(file->path);
	if (fd < 0)
		return -1;
	close(fd);
	*state = file;
	return 0;
}

static int teardown(void **state)
{
	struct file *file = *state;

	keys_exit(&file->keys);
	unlink(file->path);
	free(file);
	return 0;
}

static void file_fill(struct file *file, const char *text, size_t len)
{
	FILE *f = fopen(file->path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static int file_load(struct file *file, const char *text)
{
	file_fill(file, text, strlen(text));
	return keys_load(file->path, &file->keys, &file->err);
}

static struct host_id host_of(const char *text)
{
	struct host_id host;

	assert_int_equal(host_id_parse(text, &host), 0);
	return host;
}

static void keys_are_found_by_host_and_an_unknown_host_has_none(void **state)
{
	struct file *file = *state;
	const struct host_id a = host_of("host-a"), b = host_of("host-b");
	const struct host_id c = host_of("host-c");
	const struct key *key;

	assert_int_equal(file_load(file,
				   "# all hosts\n\nhost-a " HEX_A "\n"
				   "  host-b\t" HEX_B "  # the new one\n"),
			 0);
	assert_int_equal(file->keys.nr, 2);
	key = keys_find(&file->keys, &a);
	assert_non_null(key);
	for (int i = 0; i < KEY_SIZE; i++)
		assert_int_equal(key->secret[i], i);
	key = keys_find(&file->keys, &b);
	assert_non_null(key);
	assert_int_equal(key->secret[0], 0xff);
	assert_int_equal(key->secret[KEY_SIZE - 2], 0x11);
	assert_null(keys_find(&file->keys, &c));
}

static void last_line_needs_no_newline(void **state)
{
	struct file *file = *state;

	assert_int_equal(file_load(file, "host-a " HEX_A), 0);
	assert_int_equal(file->keys.nr, 1);
}

static void file_that_group_or_others_may_touch_is_refused(void **state)
{
	static const mode_t bad[] = { 0640, 0604, 0620, 0602, 0610, 0601 };
	static const mode_t good[] = { 0600, 0400 };
	struct file *file = *state;

	file_fill(file, "host-a " HEX_A "\n", 7 + 64 + 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(chmod(file->path, bad[i]), 0);
		assert_int_equal(keys_load(file->path, &file->keys, &file->err),
				 -EPERM);
		assert_non_null(strstr(file->err.text, "must be 0600"));
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(chmod(file->path, good[i]), 0);
		assert_int_equal(keys_load(file->path, &file->keys, &file->err),
				 0);
		keys_exit(&file->keys);
	}
}

static void bad_line_is_refused_with_its_number_and_no_secret(void **state)
{
	static const struct {
		const char *line;
		const char *why;
	} bad[] = {
		{ "host-b", "not `HOST KEY`" },
		{ "host-b " HEX_B " more", "not `HOST KEY`" },
		{ "-b " HEX_B, "not a host id" },
		{ "a23456789012345678901234567890ab " HEX_B, "not a host id" },
		{ "host-b ffEE", "not 64 hex digits" },
		{ "host-b " HEX_B "0", "not 64 hex digits" },
		{ "host-b g" HEX_B, "not 64 hex digits" },
		{ "host-b g0EEDDCCBBAA99887766554433221100"
		  "ffeeddccbbaa99887766554433221100",
		  "not 64 hex digits" },
		{ "host-b " HEX_ZERO, "zeros" },
		{ "host-a " HEX_B, "named before" },
		{ "host-b " HEX_B "\r", "not 64 hex digits" },
	};
	struct file *file = *state;
	char text[512];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "# keys\nhost-a %s\n%s\n", HEX_A,
			 bad[i].line);
		assert_int_equal(file_load(file, text), -EINVAL);
		assert_non_null(strstr(file->err.text, ": line 3: "));
		assert_non_null(strstr(file->err.text, bad[i].why));
		assert_non_null(strstr(file->err.text, file->path));
		assert_null(strstr(file->err.text, "EE"));
		assert_null(file->keys.keys);
	}
}

static void file_without_a_key_is_refused(void **state)
{
	struct file *file = *state;

	assert_int_equal(file_load(file, ""), -EINVAL);
	assert_int_equal(file_load(file, "# none yet\n\n"), -EINVAL);
	assert_non_null(strstr(file->err.text, "no key"));
}

static void nul_byte_does_not_hide_the_rest_of_the_file(void **state)
{
	static const char text[] = "host-a " HEX_A "\n\0host-b " HEX_B "\n";
	struct file *file = *state;

	file_fill(file, text, sizeof(text) - 1);
	assert_int_equal(keys_load(file->path, &file->keys, &file->err),
			 -EINVAL);
	assert_non_null(strstr(file->err.text, "NUL"));
}

static void what_is_no_regular_file_is_refused_without_waiting(void **state)
{
	struct file *file = *state;

	assert_int_equal(unlink(file->path), 0);
	assert_int_equal(keys_load(file->path, &file->keys, &file->err),
			 -ENOENT);
	assert_int_equal(mkfifo(file->path, 0600), 0);
	assert_int_equal(keys_load(file->path, &file->keys, &file->err),
			 -EINVAL);
	assert_int_equal(keys_load("/", &file->keys, &file->err), -EINVAL);
}

static char *many_hosts(size_t nr)
{
	const size_t size = nr * 80;
	char *text = calloc(1, size);
	size_t len = 0;

	assert_non_null(text);
	for (size_t i = 0; i < nr; i++)
		len += (size_t)snprintf(text + len, size - len, "h%zu %s\n", i,
					HEX_A);
	return text;
}

static void limits_of_keys_and_bytes_are_answers(void **state)
{
	struct file *file = *state;
	char *text = many_hosts(KEYS_MAX);

	assert_int_equal(file_load(file, text), 0);
	assert_int_equal(file->keys.nr, KEYS_MAX);
	keys_exit(&file->keys);
	free(text);
	text = many_hosts(KEYS_MAX + 1);
	assert_int_equal(file_load(file, text), -ENOSPC);
	free(text);
	assert_int_equal(truncate(file->path, KEYS_BYTES_MAX + 1), 0);
	assert_int_equal(keys_load(file->path, &file->keys, &file->err),
			 -EFBIG);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_are_found_by_host_and_an_unknown_host_has_none),
		TEST(last_line_needs_no_newline),
		TEST(file_that_group_or_others_may_touch_is_refused),
		TEST(bad_line_is_refused_with_its_number_and_no_secret),
		TEST(file_without_a_key_is_refused),
		TEST(nul_byte_does_not_hide_the_rest_of_the_file),
		TEST(what_is_no_regular_file_is_refused_without_waiting),
		TEST(limits_of_keys_and_bytes_are_answers),
	};

	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
