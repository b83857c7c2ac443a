// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration: what is not understood is refused with its line, and
 * what is shown is what holds.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"

#define REPLICA_HEAD				\
	"[replica]\n"				\
	"host = host-a\n"			\
	"master = 127.0.0.1:7420\n"		\
	"data_addr = 127.0.0.1:4420\n"		\
	"ctrl_addr = 127.0.0.1:7421\n"

static struct config config;
static struct err err;

static int load(enum config_role role, const char *text)
{
	char path[] = "/tmp/bfence-config-XXXXXX";
	int fd = mkstemp(path);
	size_t len = strlen(text);
	int error;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
	memset(&err, 0, sizeof(err));
	error = config_load(&config, role, path, &err);
	unlink(path);
	return error;
}

static int teardown(void **state)
{
	(void)state;
	config_exit(&config);
	return 0;
}

/* Refused, and the sentence has the words; line 0: none is named. */
static void assert_refused(enum config_role role, const char *text,
			   unsigned int line, const char *words)
{
	char at[32];

	assert_int_equal(load(role, text), -EINVAL);
	snprintf(at, sizeof(at), ":%u: ", line);
	if (line && !strstr(err.text, at))
		fail_msg("not at line %u: %s", line, err.text);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" is not in: %s", words, err.text);
	config_exit(&config);
}

static void empty_master_file_gives_the_defaults(void **state)
{
	(void)state;
	assert_int_equal(load(CONFIG_MASTER, "[master]\n# nothing\n"), 0);
	assert_int_equal(config.master.heartbeat_ms, 1000);
	assert_int_equal(config.master.lease_ms, 6000);
	assert_int_equal(config.master.freshness_ms, 10000);
	assert_int_equal(config.master.grace_ms, 10000);
	assert_int_equal(config.master.retry_ms, 5000);
	assert_int_equal(config.master.drain_ms, 5000);
	assert_int_equal(config.master.volumes_max, 10000);
	assert_int_equal(config.master.hosts_max, 1000);
	assert_string_equal(config.master.socket, "/run/bfence/master.sock");
}

static void replica_file_gives_each_volume_its_backing_device(void **state)
{
	struct volume_id v1, v2, v3;

	(void)state;
	assert_int_equal(load(CONFIG_REPLICA,
			      REPLICA_HEAD "[volumes]\n"
					   "v2 = /dev/vdc\nv1=/dev/vdb\n"),
			 0);
	assert_int_equal(volume_id_parse("v1", &v1), 0);
	assert_int_equal(volume_id_parse("v2", &v2), 0);
	assert_int_equal(volume_id_parse("v3", &v3), 0);
	assert_string_equal(config_backing(&config.replica, &v1), "/dev/vdb");
	assert_string_equal(config_backing(&config.replica, &v2), "/dev/vdc");
	assert_null(config_backing(&config.replica, &v3));
	assert_string_equal(config.replica.host.s, "host-a");
	assert_string_equal(config.replica.data_addr.s, "127.0.0.1:4420");
	assert_int_equal(config.replica.slots_max, 1024);
}

static void what_is_not_understood_is_refused_with_its_line(void **state)
{
	static const struct {
		enum config_role role;
		const char *text;
		unsigned int line;
		const char *words;
	} cases[] = {
		{ CONFIG_MASTER, "[master]\nlese_ms = 1\n", 2,
		  "unknown key \"lese_ms\"" },
		{ CONFIG_MASTER, "[master]\n\n[mastre]\n", 3,
		  "unknown section [mastre]" },
		{ CONFIG_MASTER, "lease_ms = 6000\n", 1, "section []" },
		{ CONFIG_MASTER, "[master]\n[volumes]\nv1=/dev/vdb\n", 2,
		  "unknown section [volumes]" },
		{ CONFIG_MASTER, "[master]\nlease_ms = 6000\nlease_ms = 6000\n",
		  3, "second time" },
		{ CONFIG_MASTER, "[master]\nnonsense\n", 2, "neither" },
		{ CONFIG_MASTER, "[master]\nlease_ms = 6s\n", 2,
		  "\"6s\" is no number from 100 to 3600000" },
		{ CONFIG_MASTER, "[master]\nlease_ms = 0\n", 2, "no number" },
		{ CONFIG_MASTER, "[master]\nlease_ms = +6000\n", 2,
		  "no number" },
		{ CONFIG_MASTER, "[master]\nlease_ms = -1\n", 2, "no number" },
		{ CONFIG_MASTER, "[master]\nlease_ms = 3600001\n", 2,
		  "no number" },
		{ CONFIG_MASTER, "[master]\nlease_ms = 18446744073709551617\n",
		  2, "no number" },
		{ CONFIG_MASTER, "[master]\nstore = var/lib\n", 2,
		  "no absolute path" },
		{ CONFIG_MASTER, "[master]\nlisten = somewhere\n", 2,
		  "no HOST:PORT" },
		{ CONFIG_MASTER, "[master]\nlog_level = loud\n", 2,
		  "none of error" },
		{ CONFIG_REPLICA, "[replica]\nhost = -a\n", 2, "is no host" },
		{ CONFIG_REPLICA, REPLICA_HEAD "[volumes]\nv 1 = /dev/vdb\n", 7,
		  "is no volume" },
		{ CONFIG_REPLICA, REPLICA_HEAD "[volumes]\nv1 = vdb\n", 7,
		  "no absolute path" },
		{ CONFIG_REPLICA,
		  REPLICA_HEAD "[volumes]\nv1 = /dev/vdb\nv1 = /dev/vdc\n", 8,
		  "volume v1 is set a second time" },
		{ CONFIG_REPLICA,
		  REPLICA_HEAD "[volumes]\nv1 = /dev/vdb\nv2 = /dev/vdb\n", 8,
		  "the backing device of volume v1 already" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(cases[i].role, cases[i].text, cases[i].line,
			       cases[i].words);
}

static void line_that_would_be_cut_is_refused(void **state)
{
	char text[700] = "[master]\nstore = /";

	(void)state;
	memset(text + strlen(text), 'x', 500);
	assert_refused(CONFIG_MASTER, text, 2, "longer than");
}

static void missing_key_is_named(void **state)
{
	(void)state;
	assert_refused(CONFIG_REPLICA, "[replica]\nhost = host-a\n", 0,
		       "master is missing in [replica]");
}

static void
times_that_contradict_each_other_are_refused_with_the_sum(void **state)
{
	(void)state;
	assert_refused(
		CONFIG_MASTER, "[master]\nlease_ms = 2999\n", 0,
		"lease_ms = 2999 is less than 3 * heartbeat_ms = 3 * 1000 = 3000");
	assert_refused(
		CONFIG_MASTER, "[master]\nfreshness_ms = 1999\n", 0,
		"freshness_ms = 1999 is less than 2 * heartbeat_ms = 2 * 1000 = 2000");
	assert_int_equal(load(CONFIG_MASTER, "[master]\nlease_ms = 3000\n"
					     "freshness_ms = 2000\n"),
			 0);
}

static void more_volumes_than_slots_are_refused(void **state)
{
	(void)state;
	assert_refused(CONFIG_REPLICA,
		       REPLICA_HEAD "slots_max = 1\n[volumes]\n"
				    "v1 = /dev/vdb\nv2 = /dev/vdc\n",
		       0, "2 volumes are more than slots_max = 1");
}

static void missing_file_is_named(void **state)
{
	(void)state;
	memset(&err, 0, sizeof(err));
	assert_int_equal(config_load(&config, CONFIG_MASTER, "/nonexistent/x",
				     &err),
			 -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/x: No such file"));
}

static void what_is_printed_can_be_read_again(void **state)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	struct config_master before;

	(void)state;
	assert_int_equal(load(CONFIG_MASTER, "[master]\nlease_ms = 8000\n"
					     "listen = 10.0.0.1:9\n"),
			 0);
	before = config.master;
	config_print(&config, to);
	fclose(to);
	assert_non_null(strstr(text, "max(10000, 8000 + 1001) + 5000"));
	assert_int_equal(load(CONFIG_MASTER, text), 0);
	assert_memory_equal(&before, &config.master, sizeof(before));
	free(text);
}

static void store_is_replaced_by_the_argument(void **state)
{
	(void)state;
	assert_int_equal(load(CONFIG_MASTER, "[master]\n"), 0);
	assert_int_equal(config_set_store(&config, "relative", &err), -EINVAL);
	assert_string_equal(config.master.store, "/var/lib/bfence/master");
	assert_int_equal(config_set_store(&config, "/srv/x", &err), 0);
	assert_string_equal(config.master.store, "/srv/x");
}

static void examples_of_the_distribution_are_sound(void **state)
{
	(void)state;
	memset(&err, 0, sizeof(err));
	if (config_load(&config, CONFIG_MASTER, "dist/master.conf.example",
			&err))
		fail_msg("%s", err.text);
	config_exit(&config);
	if (config_load(&config, CONFIG_REPLICA, "dist/replica.conf.example",
			&err))
		fail_msg("%s", err.text);
	assert_int_equal(config.replica.nr_volumes, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(empty_master_file_gives_the_defaults,
					  teardown),
		cmocka_unit_test_teardown(
			replica_file_gives_each_volume_its_backing_device,
			teardown),
		cmocka_unit_test_teardown(
			what_is_not_understood_is_refused_with_its_line,
			teardown),
		cmocka_unit_test_teardown(line_that_would_be_cut_is_refused,
					  teardown),
		cmocka_unit_test_teardown(missing_key_is_named, teardown),
		cmocka_unit_test_teardown(
			times_that_contradict_each_other_are_refused_with_the_sum,
			teardown),
		cmocka_unit_test_teardown(more_volumes_than_slots_are_refused,
					  teardown),
		cmocka_unit_test_teardown(missing_file_is_named, teardown),
		cmocka_unit_test_teardown(what_is_printed_can_be_read_again,
					  teardown),
		cmocka_unit_test_teardown(store_is_replaced_by_the_argument,
					  teardown),
		cmocka_unit_test_teardown(examples_of_the_distribution_are_sound,
					  teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
