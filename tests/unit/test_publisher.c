// SPDX-License-Identifier: GPL-2.0
/*
 * The mint rules, from outside: what each ask makes of a line, what is
 * refused and changes nothing, and that nothing is published before it is
 * durable.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/publisher.h"

#define NR_VOLUMES	4

struct fixture {
	struct registry registry;
	struct publisher *publisher;
	struct record records[NR_VOLUMES];
};

static struct topology topology_abc(void)
{
	struct topology t = { .guard = GUARD_LEASE };

	for (int i = 0; i < REPLICA_SLOTS; i++) {
		snprintf(t.slots[i].replica.s, REPLICA_ID_SIZE, "r%d", i + 1);
		snprintf(t.slots[i].host.s, HOST_ID_SIZE, "host-%c", 'a' + i);
	}
	return t;
}

static uint32_t add_volume(struct fixture *f, const char *name)
{
	const struct topology t = topology_abc();
	struct volume_id id;
	int vol;

	assert_int_equal(volume_id_parse(name, &id), 0);
	vol = registry_add_volume(&f->registry, &id, &t, (struct mono_ms){ 1 });
	assert_true(vol >= 0);
	return (uint32_t)vol;
}

static size_t commit(struct fixture *f, int error)
{
	const uint32_t *vols;
	size_t nr = publisher_take_group(f->publisher, f->records, NR_VOLUMES);

	assert_int_equal(publisher_persisted(f->publisher, error, &vols), nr);
	return nr;
}

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	assert_int_equal(registry_init(&f.registry, NR_VOLUMES, 4), 0);
	assert_int_equal(publisher_new(&f.registry, &f.publisher), 0);
	publisher_create(f.publisher, add_volume(&f, "v1"));
	assert_int_equal(commit(&f, 0), 1);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	publisher_free(f->publisher);
	registry_exit(&f->registry);
	return 0;
}

static struct ask ask_of(struct fixture *f, enum ask_intent intent, int slot)
{
	struct ask ask = { .intent = intent, .slot = slot };

	snprintf(ask.data_addr.s, ADDR_SIZE, "10.0.0.%d:4420", slot + 1);
	snprintf(ask.ctrl_addr.s, ADDR_SIZE, "10.0.0.%d:7421", slot + 1);
	ask.expected = *publisher_line(f->publisher, 0);
	return ask;
}

static enum ask_refusal ask_and_commit(struct fixture *f,
				       enum ask_intent intent, int slot)
{
	const struct ask ask = ask_of(f, intent, slot);
	enum ask_refusal refusal = publisher_ask(f->publisher, 0, &ask);

	commit(f, 0);
	return refusal;
}

static void assert_line(struct fixture *f, uint64_t epoch, uint64_t version,
			const char *primary)
{
	const struct line *line = publisher_line(f->publisher, 0);

	assert_int_equal(line->lineage.epoch, epoch);
	assert_int_equal(line->lineage.endpoint_version, version);
	assert_string_equal(line->primary.s, primary);
}

static void bind_mints_1_1(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask_and_commit(f, ASK_BIND, 1), ASK_TAKEN);
	assert_line(f, 1, 1, "r2");
	assert_string_equal(publisher_line(f->publisher, 0)->data_addr.s,
			    "10.0.0.2:4420");
}

static void bind_is_refused_while_the_volume_has_any_line(void **state)
{
	struct fixture *f = *state;

	ask_and_commit(f, ASK_BIND, 0);
	for (int slot = 0; slot < REPLICA_SLOTS; slot++)
		assert_int_equal(ask_and_commit(f, ASK_BIND, slot),
				 ASK_ALREADY_BOUND);
	assert_line(f, 1, 1, "r1");
}

static void refresh_raises_only_the_endpoint_version(void **state)
{
	struct fixture *f = *state;
	struct ask ask;

	ask_and_commit(f, ASK_BIND, 0);
	ask_and_commit(f, ASK_REASSIGN, 1);
	ask = ask_of(f, ASK_REFRESH, 1);
	snprintf(ask.data_addr.s, ADDR_SIZE, "10.9.9.9:4420");
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_TAKEN);
	commit(f, 0);
	assert_line(f, 2, 2, "r2");
	assert_string_equal(publisher_line(f->publisher, 0)->data_addr.s,
			    "10.9.9.9:4420");
}

static void refresh_to_the_same_addresses_mints_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t seq;

	ask_and_commit(f, ASK_BIND, 0);
	seq = publisher_write_seq(f->publisher, 0);
	assert_int_equal(ask_and_commit(f, ASK_REFRESH, 0), ASK_NO_CHANGE);
	assert_line(f, 1, 1, "r1");
	assert_int_equal(publisher_write_seq(f->publisher, 0), seq);
}

static void refresh_is_for_the_lines_holder_alone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask_and_commit(f, ASK_REFRESH, 0), ASK_NOT_BOUND);
	ask_and_commit(f, ASK_BIND, 0);
	ask_and_commit(f, ASK_REASSIGN, 1);
	assert_int_equal(ask_and_commit(f, ASK_REFRESH, 0), ASK_NOT_HOLDER);
	assert_line(f, 2, 1, "r2");
}

static void reassign_raises_the_epoch_and_resets_the_version(void **state)
{
	struct fixture *f = *state;
	struct ask ask;

	ask_and_commit(f, ASK_BIND, 0);
	ask = ask_of(f, ASK_REFRESH, 0);
	snprintf(ask.data_addr.s, ADDR_SIZE, "10.9.9.9:4420");
	publisher_ask(f->publisher, 0, &ask);
	commit(f, 0);
	assert_line(f, 1, 2, "r1");
	assert_int_equal(ask_and_commit(f, ASK_REASSIGN, 2), ASK_TAKEN);
	assert_line(f, 2, 1, "r3");
}

static void reassign_needs_a_line(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask_and_commit(f, ASK_REASSIGN, 0), ASK_NOT_BOUND);
	assert_line(f, 0, 0, "");
}

static void an_ask_decided_on_an_older_line_is_refused(void **state)
{
	struct fixture *f = *state;
	struct ask late;

	ask_and_commit(f, ASK_BIND, 0);
	late = ask_of(f, ASK_REASSIGN, 2);
	ask_and_commit(f, ASK_REASSIGN, 1);
	assert_int_equal(publisher_ask(f->publisher, 0, &late), ASK_LINE_MOVED);
	assert_int_equal(commit(f, 0), 0);
	assert_line(f, 2, 1, "r2");
}

static void malformed_asks_are_refused(void **state)
{
	struct fixture *f = *state;
	struct ask ask = ask_of(f, ASK_BIND, 3);

	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_MALFORMED);
	ask.slot = -1;
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_MALFORMED);
	ask = ask_of(f, ASK_NONE, 0);
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_MALFORMED);
	ask = ask_of(f, ASK_BIND, 0);
	memset(&ask.data_addr, 0, sizeof(ask.data_addr));
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_MALFORMED);
	ask = ask_of(f, ASK_BIND, 0);
	memset(&ask.ctrl_addr, 0, sizeof(ask.ctrl_addr));
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_MALFORMED);
	assert_int_equal(commit(f, 0), 0);
}

static void nothing_is_published_before_it_is_durable(void **state)
{
	struct fixture *f = *state;
	const struct ask ask = ask_of(f, ASK_BIND, 0);
	const uint32_t *vols;

	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_TAKEN);
	assert_line(f, 0, 0, "");
	assert_int_equal(publisher_take_group(f->publisher, f->records, 4), 1);
	assert_int_equal(f->records[0].volume_state.line.lineage.epoch, 1);
	assert_true(publisher_in_flight(f->publisher, 0));
	assert_line(f, 0, 0, "");
	assert_int_equal(publisher_persisted(f->publisher, 0, &vols), 1);
	assert_int_equal(vols[0], 0);
	assert_line(f, 1, 1, "r1");
}

static void a_failed_write_changes_nothing_and_ends_minting(void **state)
{
	struct fixture *f = *state;
	struct ask ask;

	ask_and_commit(f, ASK_BIND, 0);
	ask = ask_of(f, ASK_REASSIGN, 1);
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_TAKEN);
	assert_int_equal(commit(f, -5), 1);
	assert_line(f, 1, 1, "r1");
	assert_true(publisher_is_closed(f->publisher));
	assert_int_equal(publisher_ask(f->publisher, 0, &ask),
			 ASK_STORE_CLOSED);
	assert_int_equal(commit(f, 0), 0);
}

static void an_ask_in_flight_is_not_overwritten(void **state)
{
	struct fixture *f = *state;
	struct ask ask = ask_of(f, ASK_BIND, 0);
	const uint32_t *vols;

	publisher_ask(f->publisher, 0, &ask);
	publisher_take_group(f->publisher, f->records, 4);
	ask = ask_of(f, ASK_BIND, 1);
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_BUSY);
	publisher_persisted(f->publisher, 0, &vols);
	assert_line(f, 1, 1, "r1");
}

static void of_one_volume_the_newest_staged_ask_wins(void **state)
{
	struct fixture *f = *state;
	struct ask ask = ask_of(f, ASK_BIND, 0);

	publisher_ask(f->publisher, 0, &ask);
	ask = ask_of(f, ASK_BIND, 2);
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_TAKEN);
	assert_int_equal(commit(f, 0), 1);
	assert_line(f, 1, 1, "r3");
}

static void a_withdrawn_ask_is_not_minted(void **state)
{
	struct fixture *f = *state;
	const struct ask ask = ask_of(f, ASK_BIND, 0);

	publisher_ask(f->publisher, 0, &ask);
	publisher_withdraw(f->publisher, 0);
	assert_int_equal(commit(f, 0), 0);
	assert_line(f, 0, 0, "");
	assert_int_equal(ask_and_commit(f, ASK_BIND, 1), ASK_TAKEN);
	assert_line(f, 1, 1, "r2");
}

static void asks_that_wait_share_one_group(void **state)
{
	struct fixture *f = *state;
	uint32_t v2 = add_volume(f, "v2");
	uint32_t v3 = add_volume(f, "v3");

	publisher_create(f->publisher, v2);
	publisher_create(f->publisher, v3);
	assert_int_equal(publisher_take_group(f->publisher, f->records, 4), 2);
	/* One group in flight at a time. */
	assert_int_equal(publisher_take_group(f->publisher, f->records, 4), 0);
}

static void a_reloaded_line_is_where_minting_goes_on(void **state)
{
	struct fixture *f = *state;
	uint32_t v2 = add_volume(f, "v2");
	struct record record = { .kind = RECORD_VOLUME, .write_seq = 9 };
	struct ask ask = ask_of(f, ASK_REASSIGN, 0);

	record.volume_state.topology = topology_abc();
	record.volume_state.line.lineage = (struct lineage){ 3, 5 };
	strcpy(record.volume_state.line.primary.s, "r2");
	strcpy(record.volume_state.line.data_addr.s, "x:1");
	strcpy(record.volume_state.line.ctrl_addr.s, "x:2");
	publisher_reload(f->publisher, v2, &record);
	ask.expected = *publisher_line(f->publisher, v2);
	assert_int_equal(publisher_ask(f->publisher, v2, &ask), ASK_TAKEN);
	assert_int_equal(publisher_take_group(f->publisher, f->records, 4), 1);
	assert_int_equal(f->records[0].write_seq, 10);
	assert_int_equal(f->records[0].volume_state.line.lineage.epoch, 4);
	assert_int_equal(f->records[0]
				 .volume_state.line.lineage.endpoint_version,
			 1);
}

static void a_damaged_volume_mints_nothing(void **state)
{
	struct fixture *f = *state;
	struct volume_id id;
	struct ask ask = ask_of(f, ASK_BIND, 0);
	int vol;

	volume_id_parse("broken", &id);
	vol = registry_add_corrupt(&f->registry, &id, (struct mono_ms){ 1 });
	memset(&ask.expected, 0, sizeof(ask.expected));
	assert_int_equal(publisher_ask(f->publisher, (uint32_t)vol, &ask),
			 ASK_QUARANTINED);
	assert_int_equal(commit(f, 0), 0);
}

static void the_highest_lineage_is_the_end(void **state)
{
	struct fixture *f = *state;
	uint32_t v2 = add_volume(f, "v2");
	struct record record = { .kind = RECORD_VOLUME, .write_seq = 1 };
	struct ask ask = ask_of(f, ASK_REASSIGN, 0);

	record.volume_state.line.lineage =
		(struct lineage){ UINT64_MAX, UINT64_MAX };
	strcpy(record.volume_state.line.primary.s, "r1");
	publisher_reload(f->publisher, v2, &record);
	ask.expected = *publisher_line(f->publisher, v2);
	assert_int_equal(publisher_ask(f->publisher, v2, &ask), ASK_EXHAUSTED);
	ask.intent = ASK_REFRESH;
	assert_int_equal(publisher_ask(f->publisher, v2, &ask), ASK_EXHAUSTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bind_mints_1_1),
		TEST(bind_is_refused_while_the_volume_has_any_line),
		TEST(refresh_raises_only_the_endpoint_version),
		TEST(refresh_to_the_same_addresses_mints_nothing),
		TEST(refresh_is_for_the_lines_holder_alone),
		TEST(reassign_raises_the_epoch_and_resets_the_version),
		TEST(reassign_needs_a_line),
		TEST(an_ask_decided_on_an_older_line_is_refused),
		TEST(malformed_asks_are_refused),
		TEST(nothing_is_published_before_it_is_durable),
		TEST(a_failed_write_changes_nothing_and_ends_minting),
		TEST(an_ask_in_flight_is_not_overwritten),
		TEST(of_one_volume_the_newest_staged_ask_wins),
		TEST(a_withdrawn_ask_is_not_minted),
		TEST(asks_that_wait_share_one_group),
		TEST(a_reloaded_line_is_where_minting_goes_on),
		TEST(a_damaged_volume_mints_nothing),
		TEST(the_highest_lineage_is_the_end),
	};

	return cmocka_run_group_tests_name("publisher", tests, NULL, NULL);
}
