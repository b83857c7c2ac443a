// SPDX-License-Identifier: GPL-2.0
/*
 * The operators' API from outside: its objects, its refusals, and that an ask
 * is answered when it is durable and not before.
 */
#include "api_world.h"

#define HOSTS_123	"[\"h1\",\"h2\",\"h3\"]"
#define CREATE_V1	"{\"volume\":\"v1\",\"hosts\":" HOSTS_123 "}"

/* --- reads ------------------------------------------------------------------- */

static void healthz_says_ok(void **state)
{
	struct client c = { 0 };

	client_ask(&c, *state, "GET", "/healthz", "");
	run_clients(*state);
	assert_int_equal(status_of(&c), 200);
	assert_string_equal(strstr(c.reply, "\r\n\r\n"), "\r\n\r\nok");
	client_free(&c);
}

static void status_says_who_the_master_is(void **state)
{
	json_t *status, *volumes;
	json_int_t nr, hosts, incarnation, reloaded;
	const char *id;

	add_volume(*state, "v1", 4);
	status = get(*state, "/v1/status");
	expect_keys(
		status,
		"store_id incarnation uptime_ms volumes hosts hosts_connected reloaded skips ");
	assert_int_equal(json_unpack(status, "{s:s, s:I, s:I, s:I, s:I, s:o}",
				     "store_id", &id, "incarnation",
				     &incarnation, "volumes", &nr, "hosts",
				     &hosts, "reloaded", &reloaded, "skips",
				     &volumes),
			 0);
	assert_int_equal(strlen(id), 32);
	assert_int_equal(strspn(id, "0123456789abcdef"), 32);
	assert_int_equal(incarnation, 7);
	assert_int_equal(nr, 1);
	assert_int_equal(hosts, NR_HOSTS);
	assert_int_equal(reloaded, 3);
	assert_int_equal(json_array_size(volumes), 0);
	json_decref(status);
}

static void bound_volume_has_its_line_and_its_slots(void **state)
{
	json_t *volume, *slot;
	json_int_t epoch, version;
	const char *primary, *host;

	add_volume(*state, "v1", 4);
	volume = get(*state, "/v1/volumes/v1");
	expect_keys(
		volume,
		"volume guard state epoch endpoint_version primary primary_host data_addr ctrl_addr write_seq slots evidence ");
	assert_int_equal(json_unpack(volume, "{s:I, s:I, s:s, s:s}", "epoch",
				     &epoch, "endpoint_version", &version,
				     "primary", &primary, "primary_host",
				     &host),
			 0);
	assert_int_equal(epoch, 4);
	assert_int_equal(version, 2);
	assert_string_equal(primary, "r2");
	assert_string_equal(host, "h2");
	slot = json_array_get(json_object_get(volume, "slots"), 2);
	expect_keys(slot, "replica host connected fenced ");
	assert_string_equal(json_string_value(json_object_get(slot, "host")),
			    "h3");
	json_decref(volume);
}

static void what_an_unbound_volume_lacks_is_an_absent_key(void **state)
{
	json_t *volume;

	add_volume(*state, "v1", 0);
	volume = get(*state, "/v1/volumes/v1");
	expect_keys(volume, "volume guard state write_seq slots evidence ");
	json_decref(volume);
}

static void slot_that_reported_has_all_its_keys(void **state)
{
	struct volume_status status = { .state = "open", .write_seq = 1 };
	struct slot_status *slot = &status.slots[0];
	json_t *volume;

	(void)state;
	strcpy(slot->replica.s, "r1");
	strcpy(slot->host.s, "h1");
	slot->known = true;
	slot->floor = (struct lineage){ 3, 1 };
	slot->applied = (struct lineage){ 3, 2 };
	slot->served = (struct lineage){ 3, 3 };
	volume = api_json_volume(&status);
	expect_keys(
		json_array_get(json_object_get(volume, "slots"), 0),
		"replica host connected fenced state role backing_ok floor_epoch floor_endpoint_version applied_epoch applied_endpoint_version served_epoch served_endpoint_version io_errors ");
	json_decref(volume);
}

static void damaged_volume_is_shown_with_its_evidence(void **state)
{
	struct fixture *f = *state;
	struct volume_id id;
	json_t *volume, *evidence;
	const char *code;

	assert_int_equal(volume_id_parse("v1", &id), 0);
	assert_true(master_reload_corrupt(f->master, &id, 3, clock_now()) >= 0);
	volume = get(f, "/v1/volumes/v1");
	expect_keys(volume, "volume state write_seq slots evidence ");
	evidence = json_array_get(json_object_get(volume, "evidence"), 0);
	expect_keys(evidence, "code note ");
	code = json_string_value(json_object_get(evidence, "code"));
	assert_string_equal(code, "AuthorityRecordCorrupt");
	json_decref(volume);
	volume = get(f, "/v1/volumes");
	assert_int_equal(json_array_size(volume), 1);
	json_decref(volume);
}

static void host_that_was_never_heard_lacks_boot_and_last_heard(void **state)
{
	json_t *hosts = get(*state, "/v1/hosts");

	assert_int_equal(json_array_size(hosts), NR_HOSTS);
	expect_keys(
		json_array_get(hosts, 0),
		"host configured connected fresh drained lease_left_ms slots primaries rogue_claims unknown_claims dropped_reports ");
	json_decref(hosts);
}

static void host_that_was_heard_has_boot_and_last_heard(void **state)
{
	struct host_status status = { .heard = true, .last_heard_ms = 12 };
	json_t *host, *ms;

	(void)state;
	strcpy(status.host.s, "h1");
	strcpy(status.boot.s, "b-1");
	host = api_json_host(&status);
	ms = json_object_get(host, "last_heard_ms");
	assert_int_equal(json_integer_value(ms), 12);
	assert_string_equal(json_string_value(json_object_get(host, "boot_id")),
			    "b-1");
	json_decref(host);
}

static void skip_names_its_class_and_its_volume_when_known(void **state)
{
	static const struct store_skip skips[] = {
		{ .class = STORE_SKIP_CORRUPT,
		  .volume = { "v1" },
		  .offset = 1536,
		  .reason = "body checksum differs" },
		{ .class = STORE_SKIP_UNWRITTEN,
		  .offset = 2048,
		  .reason = "zeros" },
	};
	json_t *array = api_json_skips(skips, 2), *first, *second;

	(void)state;
	first = json_array_get(array, 0);
	second = json_array_get(array, 1);
	expect_keys(first, "class volume offset note ");
	expect_keys(second, "class offset note ");
	assert_string_equal(json_string_value(json_object_get(first, "class")),
			    "AuthorityRecordCorrupt");
	json_decref(array);
}

static void number_past_the_signed_range_stays_positive(void **state)
{
	json_t *object = json_object();

	(void)state;
	api_json_set_u64(&object, "max", UINT64_MAX);
	api_json_set_u64(&object, "signed_max", INT64_MAX);
	assert_true(json_number_value(json_object_get(object, "max")) > 1.8e19);
	assert_int_equal(json_integer_value(
				 json_object_get(object, "signed_max")),
			 INT64_MAX);
	json_decref(object);
}

static void list_of_nothing_is_an_empty_array(void **state)
{
	json_t *volumes = get(*state, "/v1/volumes");

	assert_true(json_is_array(volumes));
	assert_int_equal(json_array_size(volumes), 0);
	json_decref(volumes);
}

static void ten_thousand_volumes_are_listed_once_each(void **state)
{
	char name[32];
	json_t *volumes, *volume;
	size_t i;

	for (i = 0; i < VOLUMES_MAX; i++) {
		snprintf(name, sizeof(name), "v%zu", i);
		add_volume(*state, name, i % 2);
	}
	volumes = get(*state, "/v1/volumes");
	assert_int_equal(json_array_size(volumes), VOLUMES_MAX);
	json_array_foreach(volumes, i, volume) {
		const json_t *got = json_object_get(volume, "volume");

		snprintf(name, sizeof(name), "v%zu", i);
		assert_string_equal(json_string_value(got), name);
	}
	json_decref(volumes);
}

/* --- asks -------------------------------------------------------------------- */

static void ask_is_answered_when_it_is_durable_and_not_before(void **state)
{
	struct client asker = { .aside = true };
	struct fixture *f = *state;
	json_t *json;

	f->hold_group = true;
	client_ask(&asker, f, "POST", "/v1/volumes", CREATE_V1);
	for (int i = 0; i < 100 && !f->nr_asks; i++)
		json_decref(get(f, "/v1/status"));
	assert_int_equal(f->nr_asks, 1);
	json = get(f, "/v1/volumes");
	assert_int_equal(json_array_size(json), 0);
	json_decref(json);
	expect_refusal(f, "GET", "/v1/volumes/v1", "", 404, "v1");
	assert_false(asker.done);
	assert_int_equal(asker.reply_len, 0);

	asker.aside = false;
	f->nr_running++;
	persisted(f, 0);
	run_clients(f);
	assert_int_equal(status_of(&asker), 201);
	json = json_of(&asker);
	expect_keys(json, "volume guard state write_seq slots evidence ");
	json_decref(json);
	client_free(&asker);
}

static void ask_with_a_guard_makes_a_volume_of_that_guard(void **state)
{
	static const char *const guards[] = { "quorum", "lease" };
	char body[128];
	int status;

	for (size_t i = 0; i < 2; i++) {
		const char *got;
		json_t *json;

		snprintf(body, sizeof(body),
			 "{\"volume\":\"v%zu\",\"hosts\":" HOSTS_123
			 ",\"guard\":\"%s\"}",
			 i, guards[i]);
		json = exchange(*state, "POST", "/v1/volumes", body, &status);
		assert_int_equal(status, 201);
		got = json_string_value(json_object_get(json, "guard"));
		assert_string_equal(got, guards[i]);
		json_decref(json);
	}
}

static void what_the_master_refuses_is_refused_with_its_sentence(void **state)
{
	add_volume(*state, "v1", 4);
	expect_refusal(*state, "POST", "/v1/volumes", CREATE_V1, 409,
		       "volume v1 exists already");
	expect_refusal(*state, "POST", "/v1/volumes",
		       "{\"volume\":\"v2\",\"hosts\":[\"h1\",\"h9\",\"h3\"]}",
		       404, "host h9 is unknown");
	expect_refusal(*state, "POST", "/v1/volumes",
		       "{\"volume\":\"v2\",\"hosts\":[\"h1\",\"h2\",\"h1\"]}",
		       400, "host h1 is named twice");
	expect_refusal(*state, "GET", "/v1/volumes/v2", "", 404,
		       "volume v2 is unknown");
}

static void delete_is_answered_when_it_is_durable_and_not_before(void **state)
{
	struct client asker = { .aside = true };
	struct fixture *f = *state;
	json_t *json;

	add_volume(f, "v1", 4);
	f->hold_group = true;
	client_ask(&asker, f, "DELETE", "/v1/volumes/v1?expect=4.2", "");
	for (int i = 0; i < 100 && !f->nr_asks; i++)
		json_decref(get(f, "/v1/status"));
	assert_int_equal(f->asked.type, MASTER_DELETE);
	assert_int_equal(f->asked.ask.uid, getuid());
	assert_false(f->asked.ask.any_line);
	json_decref(get(f, "/v1/volumes/v1"));
	assert_false(asker.done);
	asker.aside = false;
	f->nr_running++;
	persisted(f, 0);
	run_clients(f);
	assert_int_equal(status_of(&asker), 200);
	json = json_of(&asker);
	expect_keys(json, "volume deleted ");
	json_decref(json);
	client_free(&asker);
	expect_refusal(f, "GET", "/v1/volumes/v1", "", 404, "v1");
	json = get(f, "/v1/volumes");
	assert_int_equal(json_array_size(json), 0);
	json_decref(json);
}

static void delete_of_another_line_is_409_and_the_line_stays(void **state)
{
	json_t *volume;

	add_volume(*state, "v1", 4);
	expect_refusal(*state, "DELETE", "/v1/volumes/v1?expect=4.1", "", 409,
		       "volume v1 has the line 4.2, the ask expects the line 4.1");
	expect_refusal(*state, "DELETE", "/v1/volumes/v1?expect=none", "", 409,
		       "the ask expects no line");
	volume = get(*state, "/v1/volumes/v1");
	assert_int_equal(json_integer_value(json_object_get(volume, "epoch")),
			 4);
	json_decref(volume);
}

static void recovery_carries_who_asked_and_when(void **state)
{
	struct fixture *f = *state;

	add_volume(f, "v1", 4);
	expect_refusal(f, "POST", "/v1/volumes/v1/recover",
		       "{\"expect\":\"4.2\"}", 409, "may be primary");
	assert_int_equal(f->asked.type, MASTER_RECOVER);
	assert_int_equal(f->asked.ask.expected.epoch, 4);
	assert_int_equal(f->asked.ask.expected.endpoint_version, 2);
	assert_int_equal(f->asked.ask.uid, getuid());
	assert_true(f->asked.ask.wall_s > 1600000000);
	assert_string_equal(f->asked.ask.hosts[0].s, "");
}

static void malformed_recovery_names_the_field_and_the_value(void **state)
{
	static const struct {
		const char *body, *part;
	} cases[] = {
		{ "", "body: not JSON" },
		{ "{\"expect\":4}", "expect: 4 is not" },
		{ "{\"expect\":\"4\"}", "expect: \"4\" is not" },
		{ "{\"expect\":\"4.02x\"}", "expect: \"4.02x\" is not" },
		{ "{\"expect\":\"-1.1\"}", "expect: \"-1.1\" is not" },
		{ "{\"hosts\":[\"h1\"]}", "hosts: [\"h1\"] is not" },
		{ "{\"volume\":\"v1\"}", "body: \"volume\" is not a field" },
		{ "{\"epoch\":9}", "body: \"epoch\" is not a field" },
	};
	struct fixture *f = *state;

	add_volume(f, "v1", 4);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_refusal(f, "POST", "/v1/volumes/v1/recover",
			       cases[i].body, 400, cases[i].part);
	expect_refusal(f, "GET", "/v1/volumes/v1/recover", "", 405, "GET");
	expect_refusal(f, "POST", "/v1/volumes/-/recover", "{}", 400, "\"-\"");
	assert_int_equal(f->nr_asks, 0);
}

static void reassign_carries_what_it_names(void **state)
{
	struct fixture *f = *state;

	add_volume(f, "v1", 4);
	expect_refusal(f, "POST", "/v1/volumes/v1/reassign",
		       "{\"to\":\"h3\",\"expect\":\"4.1\",\"force\":true}", 409,
		       "has the line 4.2, the ask expects the line 4.1");
	assert_int_equal(f->asked.type, MASTER_REASSIGN);
	assert_string_equal(f->asked.ask.hosts[0].s, "h3");
	assert_int_equal(f->asked.ask.expected.epoch, 4);
	assert_false(f->asked.ask.any_line);
	assert_true(f->asked.ask.any_data);
	expect_refusal(f, "POST", "/v1/volumes/v1/reassign", "{}", 409,
		       "no slot may take over");
	assert_true(f->asked.ask.any_line);
	assert_false(f->asked.ask.any_data);
	assert_string_equal(f->asked.ask.hosts[0].s, "");
}

static void malformed_reassign_names_the_field_and_the_value(void **state)
{
	static const struct {
		const char *body, *part;
	} cases[] = {
		{ "", "body: not JSON" },
		{ "{\"to\":4}", "to: 4 is not a host name" },
		{ "{\"to\":\"-\"}", "to: \"-\" is not a host name" },
		{ "{\"expect\":\"4\"}", "expect: \"4\" is not" },
		{ "{\"force\":1}", "force: 1 is not true or false" },
		{ "{\"guard\":\"lease\"}", "body: \"guard\" is not a field" },
	};
	struct fixture *f = *state;

	add_volume(f, "v1", 4);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_refusal(f, "POST", "/v1/volumes/v1/reassign",
			       cases[i].body, 400, cases[i].part);
	expect_refusal(f, "GET", "/v1/volumes/v1/reassign", "", 405, "POST");
	expect_refusal(f, "POST", "/v1/hosts/h1/drain", "{}", 400,
		       "body: this ask has none");
	expect_refusal(f, "GET", "/v1/hosts/h1/drain", "", 405, "POST");
	expect_refusal(f, "POST", "/v1/hosts/-/drain", "", 400, "\"-\"");
	assert_int_equal(f->nr_asks, 0);
}

static void drain_is_answered_with_the_host(void **state)
{
	struct fixture *f = *state;
	json_t *host;
	int status;

	host = exchange(f, "POST", "/v1/hosts/h2/drain", "", &status);
	assert_int_equal(status, 200);
	assert_true(json_is_true(json_object_get(host, "drained")));
	json_decref(host);
	host = get(f, "/v1/hosts/h2");
	assert_true(json_is_true(json_object_get(host, "drained")));
	json_decref(host);
	host = exchange(f, "POST", "/v1/hosts/h2/undrain", "", &status);
	assert_false(json_is_true(json_object_get(host, "drained")));
	json_decref(host);
	expect_refusal(f, "POST", "/v1/hosts/h9/drain", "", 404,
		       "host h9 is unknown");
}

static void last_recovery_is_told(void **state)
{
	const struct volume_status status = {
		.state = "open",
		.write_seq = 9,
		.recovery = { .write_seq = 9,
			      .floor = { 8, 1 },
			      .wall_s = 5,
			      .uid = 6 },
	};
	json_t *volume = api_json_volume(&status);

	(void)state;
	expect_keys(
		volume,
		"guard state write_seq recovery_write_seq recovery_floor_epoch recovery_floor_endpoint_version recovery_unix_s recovery_uid slots evidence ");
	json_decref(volume);
}

static void write_that_failed_is_503(void **state)
{
	struct client asker = { .aside = true };
	struct fixture *f = *state;
	json_t *json;

	f->hold_group = true;
	client_ask(&asker, f, "POST", "/v1/volumes", CREATE_V1);
	for (int i = 0; i < 100 && !f->nr_asks; i++)
		json_decref(get(f, "/v1/status"));
	asker.aside = false;
	f->nr_running++;
	persisted(f, -EIO);
	run_clients(f);
	assert_int_equal(status_of(&asker), 503);
	json = json_of(&asker);
	json_decref(json);
	client_free(&asker);
	expect_refusal(f, "POST", "/v1/volumes",
		       "{\"volume\":\"v2\",\"hosts\":" HOSTS_123 "}", 503,
		       "v2");
}

static void table_that_is_full_is_507(void **state)
{
	char name[32];

	for (int i = 0; i <= VOLUMES_MAX; i++) {
		snprintf(name, sizeof(name), "full%d", i);
		add_volume(*state, name, 0);
	}
	expect_refusal(*state, "POST", "/v1/volumes", CREATE_V1, 507, "v1");
}

static void malformed_ask_names_the_field_and_the_value(void **state)
{
	static const struct {
		const char *body, *part;
	} cases[] = {
		{ "", "body: not JSON: line 1" },
		{ "{\"volume\":", "body: not JSON: line 1 column" },
		{ "[]", "body: [] is not an object" },
		{ "{\"hosts\":" HOSTS_123 "}",
		  "volume: this field is missing" },
		{ "{\"volume\":\"v1\"}", "hosts: this field is missing" },
		{ "{\"volume\":5,\"hosts\":" HOSTS_123 "}",
		  "volume: 5 is not" },
		{ "{\"volume\":\"-v\",\"hosts\":" HOSTS_123 "}",
		  "volume: \"-v\" is not" },
		{ "{\"volume\":\"v1\",\"hosts\":\"h1\"}",
		  "hosts: \"h1\" is not" },
		{ "{\"volume\":\"v1\",\"hosts\":[\"h1\",\"h2\"]}",
		  "hosts: [\"h1\",\"h2\"] is not" },
		{ "{\"volume\":\"v1\",\"hosts\":[\"h1\",\"h2\",null]}",
		  "hosts: null is not" },
		{ "{\"volume\":\"v1\",\"hosts\":[\"h1\",\"a b\",\"h3\"]}",
		  "hosts: \"a b\" is not" },
		{ "{\"volume\":\"v1\",\"hosts\":" HOSTS_123
		  ",\"guard\":\"no\"}",
		  "guard: \"no\" is not" },
		{ "{\"volume\":\"v1\",\"hosts\":" HOSTS_123 ",\"guard\":null}",
		  "guard: null is not" },
		{ "{\"volume\":\"v1\",\"hosts\":" HOSTS_123 ",\"epoch\":9}",
		  "body: \"epoch\" is not a field" },
		{ "{\"volume\":\"v1\",\"volume\":\"v2\",\"hosts\":" HOSTS_123
		  "}",
		  "body: not JSON" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_refusal(f, "POST", "/v1/volumes", cases[i].body, 400,
			       cases[i].part);
	assert_int_equal(f->nr_asks, 0);
}

static void body_may_have_64_kib_and_not_one_byte_more(void **state)
{
	const size_t max = 64 << 10, head = strlen(CREATE_V1);
	char *body = malloc(max + 2);
	json_t *json;
	int status;

	memset(body, ' ', max + 1);
	memcpy(body, CREATE_V1, head);
	body[max + 1] = '\0';
	expect_refusal(*state, "POST", "/v1/volumes", body, 413, "65536");
	body[max] = '\0';
	json = exchange(*state, "POST", "/v1/volumes", body, &status);
	assert_int_equal(status, 201);
	json_decref(json);
	free(body);
}

/* --- bad company ------------------------------------------------------------- */

static void unknown_path_is_404_and_unknown_method_405(void **state)
{
	struct client c = { 0 };

	expect_refusal(*state, "GET", "/", "", 404, "no path /");
	expect_refusal(*state, "GET", "/v1/statusx", "", 404, "/v1/statusx");
	expect_refusal(*state, "GET", "/v1/volumes/", "", 400, "\"\"");
	expect_refusal(*state, "GET", "/v1/volumes/a%2fb", "", 400, "\"a/b\"");
	expect_refusal(*state, "GET", "/v1/volumes/%01%ff", "", 400, "\"??\"");
	expect_refusal(*state, "POST", "/v1/status", "{}", 405, "POST");
	client_ask(&c, *state, "DELETE", "/v1/volumes", "");
	run_clients(*state);
	assert_int_equal(status_of(&c), 405);
	assert_non_null(strstr(c.reply, "Allow: GET, POST\r\n"));
	client_free(&c);
}

static void garbage_ends_its_own_connection_alone(void **state)
{
	struct client c = { 0 };

	client_start(&c, *state, "\x16\x03\x01 nonsense\r\n\r\n", 16);
	run_clients(*state);
	client_free(&c);
	json_decref(get(*state, "/v1/status"));
}

static void asker_who_went_away_is_forgotten(void **state)
{
	struct client asker = { .idle = true };
	struct fixture *f = *state;

	f->hold_group = true;
	client_ask(&asker, f, "POST", "/v1/volumes", CREATE_V1);
	run_clients(f);
	for (int i = 0; i < 100 && !f->nr_asks; i++)
		json_decref(get(f, "/v1/status"));
	assert_int_equal(f->nr_asks, 1);
	client_free(&asker);
	persisted(f, 0);
	json_decref(get(f, "/v1/volumes/v1"));
	api_answer(f->api, &(struct master_answer){ .token = 1 });
	api_answer(f->api, &(struct master_answer){ .token = 999 });
	json_decref(get(f, "/v1/volumes/v1"));
}

static void connection_past_the_limit_is_served_when_one_ends(void **state)
{
	struct client idle[64], late = { .aside = true };
	struct fixture *f = *state;

	for (int i = 0; i < 64; i++) {
		idle[i] = (struct client){ .idle = true };
		client_start(&idle[i], f, "GET /v1", 7);
	}
	run_clients(f);
	client_ask(&late, f, "GET", "/v1/status", "");
	let_pass(f, 50);
	assert_false(late.done);
	late.aside = false;
	f->nr_running++;
	client_free(&idle[0]);
	run_clients(f);
	assert_int_equal(status_of(&late), 200);
	client_free(&late);
	for (int i = 1; i < 64; i++)
		client_free(&idle[i]);
}

static void who_still_waits_at_the_end_is_told_so(void **state)
{
	struct client asker = { .aside = true };
	struct fixture *f = *state;
	json_t *json;

	f->hold_group = true;
	client_ask(&asker, f, "POST", "/v1/volumes", CREATE_V1);
	for (int i = 0; i < 100 && !f->nr_asks; i++)
		json_decref(get(f, "/v1/status"));
	assert_int_equal(f->nr_asks, 1);
	asker.aside = false;
	f->nr_running++;
	api_free(f->api);
	f->api = NULL;
	run_clients(f);
	assert_int_equal(status_of(&asker), 503);
	json = json_of(&asker);
	json_decref(json);
	client_free(&asker);
	assert_int_not_equal(access(f->path, F_OK), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(healthz_says_ok),
		TEST(status_says_who_the_master_is),
		TEST(bound_volume_has_its_line_and_its_slots),
		TEST(what_an_unbound_volume_lacks_is_an_absent_key),
		cmocka_unit_test(slot_that_reported_has_all_its_keys),
		TEST(damaged_volume_is_shown_with_its_evidence),
		TEST(host_that_was_never_heard_lacks_boot_and_last_heard),
		cmocka_unit_test(host_that_was_heard_has_boot_and_last_heard),
		cmocka_unit_test(
			skip_names_its_class_and_its_volume_when_known),
		cmocka_unit_test(number_past_the_signed_range_stays_positive),
		TEST(list_of_nothing_is_an_empty_array),
		TEST(ten_thousand_volumes_are_listed_once_each),
		TEST(ask_is_answered_when_it_is_durable_and_not_before),
		TEST(ask_with_a_guard_makes_a_volume_of_that_guard),
		TEST(what_the_master_refuses_is_refused_with_its_sentence),
		TEST(delete_is_answered_when_it_is_durable_and_not_before),
		TEST(delete_of_another_line_is_409_and_the_line_stays),
		TEST(recovery_carries_who_asked_and_when),
		TEST(malformed_recovery_names_the_field_and_the_value),
		TEST(reassign_carries_what_it_names),
		TEST(malformed_reassign_names_the_field_and_the_value),
		TEST(drain_is_answered_with_the_host),
		cmocka_unit_test(last_recovery_is_told),
		TEST(write_that_failed_is_503),
		TEST(table_that_is_full_is_507),
		TEST(malformed_ask_names_the_field_and_the_value),
		TEST(body_may_have_64_kib_and_not_one_byte_more),
		TEST(unknown_path_is_404_and_unknown_method_405),
		TEST(garbage_ends_its_own_connection_alone),
		TEST(asker_who_went_away_is_forgotten),
		TEST(connection_past_the_limit_is_served_when_one_ends),
		TEST(who_still_waits_at_the_end_is_told_so),
	};

	return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
