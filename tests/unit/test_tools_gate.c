// SPDX-License-Identifier: GPL-2.0
/*
 * From a netlink message to JSON to text, with messages made by hand. No
 * socket: the kernel's side is its documented layout.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/bfence.h>
#include <linux/genetlink.h>

#include "../../tools/gate.h"

struct message {
	char bytes[4096] __attribute__((aligned(4)));
	struct nlmsghdr *header;
};

static void message_init(struct message *message)
{
	struct genlmsghdr *genlh;

	message->header = mnl_nlmsg_put_header(message->bytes);
	genlh = mnl_nlmsg_put_extra_header(message->header, sizeof(*genlh));
	genlh->cmd = BFENCE_CMD_GATE_GET;
	genlh->version = BFENCE_GENL_VERSION;
}

static json_t *parse(const struct message *message)
{
	json_t *gate = NULL;

	assert_int_equal(gate_from_message(message->header, gate_fields, &gate),
			 0);
	return gate;
}

static void every_type_of_value_arrives_in_json(void **state)
{
	struct message message;
	char *text;
	json_t *gate;

	(void)state;
	message_init(&message);
	mnl_attr_put_strz(message.header, BFENCE_A_VOLUME, "v1");
	mnl_attr_put_u32(message.header, BFENCE_A_STATE, BFENCE_STATE_OPEN);
	mnl_attr_put_u32(message.header, BFENCE_A_REASON, BFENCE_REASON_OPENED);
	mnl_attr_put_u64(message.header, BFENCE_A_EPOCH, 7);
	mnl_attr_put_u32(message.header, BFENCE_A_OPEN_FLAGS, BFENCE_F_LEASED);
	mnl_attr_put_u8(message.header, BFENCE_A_MANAGED, 1);
	mnl_attr_put(message.header, BFENCE_A_FORCED, 0, NULL);
	mnl_attr_put_u32(message.header, BFENCE_A_DRAIN_MS, 5000);
	mnl_attr_put(message.header, BFENCE_A_PAD, 0, NULL);
	mnl_attr_put_u32(message.header, BFENCE_A_MAX + 40, 1);

	gate = parse(&message);
	text = json_dumps(gate, JSON_COMPACT);
	assert_string_equal(text, "{\"volume\":\"v1\",\"state\":\"open\","
				  "\"reason\":\"opened\",\"epoch\":7,"
				  "\"open_flags\":{\"leased\":true,"
				  "\"read_only\":false},\"managed\":true,"
				  "\"forced\":true,\"drain_ms\":5000}");
	free(text);
	json_decref(gate);
}

static void an_absent_value_has_no_key_but_a_flag_is_false(void **state)
{
	struct message message;
	json_t *gate;

	(void)state;
	message_init(&message);
	gate = parse(&message);
	assert_int_equal(json_object_size(gate), 1);
	assert_true(json_is_false(json_object_get(gate, "forced")));
	assert_int_equal(gate_lineage(gate).epoch, 0);
	json_decref(gate);
}

static void a_number_beyond_json_becomes_digits_and_back(void **state)
{
	struct message message;
	json_t *gate;

	(void)state;
	message_init(&message);
	mnl_attr_put_u64(message.header, BFENCE_A_EPOCH, UINT64_MAX);
	mnl_attr_put_u64(message.header, BFENCE_A_ENDPOINT_VERSION, INT64_MAX);
	gate = parse(&message);
	assert_string_equal(json_string_value(json_object_get(gate, "epoch")),
			    "18446744073709551615");
	assert_true(json_is_integer(json_object_get(gate, "endpoint_version")));
	assert_true(gate_lineage(gate).epoch == UINT64_MAX);
	assert_true(gate_lineage(gate).endpoint_version == INT64_MAX);
	json_decref(gate);
}

static void a_value_of_the_wrong_size_is_refused(void **state)
{
	static const uint16_t attrs[] = {
		BFENCE_A_STATE, BFENCE_A_EPOCH, BFENCE_A_MANAGED,
		BFENCE_A_FORCED, BFENCE_A_SINCE_NS, BFENCE_A_DRAIN_MS,
	};
	struct message message;
	json_t *gate = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++) {
		message_init(&message);
		mnl_attr_put_u16(message.header, attrs[i], 1);
		if (gate_from_message(message.header, gate_fields, &gate) !=
		    -EBADMSG)
			fail_msg("attribute %u was taken", attrs[i]);
	}
	message_init(&message);
	mnl_attr_put(message.header, BFENCE_A_VOLUME, 2, "v1");
	assert_int_equal(gate_from_message(message.header, gate_fields, &gate),
			 -EBADMSG);
	message.header->nlmsg_len = sizeof(struct nlmsghdr);
	assert_int_equal(gate_from_message(message.header, gate_fields, &gate),
			 -EBADMSG);
	assert_null(gate);
}

static void a_path_that_is_not_utf8_still_shows(void **state)
{
	struct message message;
	json_t *gate;

	(void)state;
	message_init(&message);
	mnl_attr_put_strz(message.header, BFENCE_A_BACKING, "/dev/\xff\x01z");
	gate = parse(&message);
	assert_string_equal(json_string_value(json_object_get(gate, "backing")),
			    "/dev/?\x01z");
	json_decref(gate);
}

static void a_state_of_a_newer_kernel_is_said_by_number(void **state)
{
	struct message message;
	json_t *gate;

	(void)state;
	message_init(&message);
	mnl_attr_put_u32(message.header, BFENCE_A_STATE, 77);
	gate = parse(&message);
	assert_true(gate_is(gate, "unknown-77"));
	json_decref(gate);
}

static void every_number_of_the_uapi_has_its_own_word(void **state)
{
	static const struct {
		enum kind kind;
		uint32_t max;
	} enums[] = {
		{ KIND_STATE, BFENCE_STATE_MAX },
		{ KIND_REASON, BFENCE_REASON_MAX },
		{ KIND_EVENT, BFENCE_EVENT_MAX },
	};
	json_t *words, *word;
	uint32_t i, value;

	(void)state;
	for (i = 0; i < 3; i++) {
		words = json_object();
		for (value = 0; value <= enums[i].max + 1; value++) {
			word = field_json_word(enums[i].kind, value);
			assert_int_equal(!strncmp(json_string_value(word),
						  "unknown-", 8),
					 value > enums[i].max);
			json_object_set(words, json_string_value(word), word);
			json_decref(word);
		}
		assert_int_equal(json_object_size(words), enums[i].max + 2);
		json_decref(words);
	}
}

/* A kernel attribute that nobody shows would be a proof half told. */
static void every_attribute_of_the_uapi_is_shown(void **state)
{
	const struct field *field;
	int attr;

	(void)state;
	for (attr = 1; attr <= BFENCE_A_MAX; attr++) {
		/* Of requests only, and of no meaning. */
		if (attr == BFENCE_A_FLAGS || attr == BFENCE_A_PAD)
			continue;
		for (field = gate_fields; field->key; field++)
			if (field->attr == attr)
				break;
		if (field->key)
			continue;
		for (field = host_fields; field->key; field++)
			if (field->attr == attr)
				break;
		if (!field->key)
			fail_msg("attribute %u has no field", attr);
	}
}

static void every_column_shows_fields_that_exist(void **state)
{
	json_t *gate = json_object();
	const struct column *column;
	const struct field *field;
	char *text;
	size_t size;
	FILE *out;

	(void)state;
	for (field = gate_fields; field->key; field++)
		json_object_set_new(gate, field->key, json_integer(5));
	for (column = gate_columns; column->title; column++) {
		out = open_memstream(&text, &size);
		field_print_pattern(out, column->pattern, gate_fields, gate, 9);
		fclose(out);
		if (!strcmp(text, "-"))
			fail_msg("column %s is always empty", column->title);
		free(text);
	}
	json_decref(gate);
}

struct text_row {
	enum kind kind;
	json_int_t value;
	const char *text;
};

static const struct text_row text_rows[] = {
	{ KIND_U64, 0, "0" },
	{ KIND_NS, 0, "0 ns" },
	{ KIND_NS, 999, "999 ns" },
	{ KIND_NS, 1000, "1.0 us" },
	{ KIND_NS, 999900, "999.9 us" },
	{ KIND_NS, 1500000, "1.500 ms" },
	{ KIND_NS, 2500000000, "2.500 s" },
	{ KIND_NS, 60000000000, "1m00s" },
	{ KIND_NS, 3600000000000, "1h00m" },
	{ KIND_NS, 90000000000000, "1d01h" },
	{ KIND_MS, 999, "999 ms" },
	{ KIND_MS, 5000, "5.000 s" },
	{ KIND_MS, 61000, "1m01s" },
	{ KIND_INSTANT, 0, "never" },
	{ KIND_INSTANT, 7000, "3.0 us ago" },
	{ KIND_INSTANT, 12000, "in 2.0 us" },
};

static void a_value_reads_as_its_kind(void **state)
{
	const struct text_row *row = text_rows;
	size_t nr = sizeof(text_rows) / sizeof(text_rows[0]), size;
	char *text;
	FILE *out;

	(void)state;
	for (; nr--; row++) {
		const struct field field = { "k", row->kind, 0 };
		json_t *value = json_integer(row->value);

		out = open_memstream(&text, &size);
		field_print(out, &field, value, 10000);
		fclose(out);
		assert_string_equal(text, row->text);
		free(text);
		json_decref(value);
	}
}

static void a_note_cannot_steer_the_terminal(void **state)
{
	const struct field field = { "note", KIND_STRING, 0 };
	json_t *value = json_string("a\x1b[2J\nb\x7f\xc3\xa4");
	char *text;
	size_t size;
	FILE *out;

	(void)state;
	out = open_memstream(&text, &size);
	field_print(out, &field, value, 0);
	fclose(out);
	assert_string_equal(text, "a?[2J?b?\xc3\xa4");
	free(text);
	json_decref(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_of_value_arrives_in_json),
		cmocka_unit_test(
			an_absent_value_has_no_key_but_a_flag_is_false),
		cmocka_unit_test(a_number_beyond_json_becomes_digits_and_back),
		cmocka_unit_test(a_value_of_the_wrong_size_is_refused),
		cmocka_unit_test(a_path_that_is_not_utf8_still_shows),
		cmocka_unit_test(a_state_of_a_newer_kernel_is_said_by_number),
		cmocka_unit_test(every_number_of_the_uapi_has_its_own_word),
		cmocka_unit_test(every_attribute_of_the_uapi_is_shown),
		cmocka_unit_test(every_column_shows_fields_that_exist),
		cmocka_unit_test(a_value_reads_as_its_kind),
		cmocka_unit_test(a_note_cannot_steer_the_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
