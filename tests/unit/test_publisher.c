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
#include "core/record_mint.h"

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
	assert_int_equal(record_line(&f->records[0]).lineage.epoch, 1);
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
	const struct record_volume reloaded = {
		.topology = topology_abc(),
		.line = { { 3, 5 }, { "r2" }, { "x:1" }, { "x:2" } },
	};
	const struct record record =
		record_of_volume(&f->registry.volumes[v2].id, 9, &reloaded);
	struct ask ask = ask_of(f, ASK_REASSIGN, 0);

	publisher_reload(f->publisher, v2, &record);
	ask.expected = *publisher_line(f->publisher, v2);
	assert_int_equal(publisher_ask(f->publisher, v2, &ask), ASK_TAKEN);
	assert_int_equal(publisher_take_group(f->publisher, f->records, 4), 1);
	assert_int_equal(f->records[0].write_seq, 10);
	assert_int_equal(record_line(&f->records[0]).lineage.epoch, 4);
	assert_int_equal(record_line(&f->records[0]).lineage.endpoint_version,
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
	const struct record_volume reloaded = {
		.line = { .lineage = { UINT64_MAX, UINT64_MAX },
			  .primary = { "r1" } },
	};
	const struct record record =
		record_of_volume(&f->registry.volumes[v2].id, UINT64_MAX - 1,
				 &reloaded);
	struct ask ask = ask_of(f, ASK_REASSIGN, 0);

	publisher_reload(f->publisher, v2, &record);
	ask.expected = *publisher_line(f->publisher, v2);
	assert_int_equal(publisher_ask(f->publisher, v2, &ask), ASK_EXHAUSTED);
	ask.intent = ASK_REFRESH;
	assert_int_equal(publisher_ask(f->publisher, v2, &ask), ASK_EXHAUSTED);
}

/* --- the end of a volume, and its next life --------------------------------- */

static struct lineage line_of(struct fixture *f)
{
	return publisher_line(f->publisher, 0)->lineage;
}

static const struct lineage nothing_reported;

static void delete_v1(struct fixture *f)
{
	assert_int_equal(publisher_delete(f->publisher, 0, line_of(f),
					  nothing_reported),
			 ASK_TAKEN);
	assert_int_equal(commit(f, 0), 1);
}

static void a_tombstone_holds_the_highest_epoch_of_the_line(void **state)
{
	struct fixture *f = *state;

	ask_and_commit(f, ASK_BIND, 0);
	ask_and_commit(f, ASK_REASSIGN, 1);
	delete_v1(f);
	assert_int_equal(f->records[0].kind, RECORD_TOMBSTONE);
	assert_int_equal(record_floor_epoch(&f->records[0]), 2);
	assert_int_equal(f->records[0].write_seq, 4);
	assert_false(publisher_exists(f->publisher, 0));
	assert_line(f, 0, 0, "");
	assert_int_equal(ask_and_commit(f, ASK_BIND, 0), ASK_NO_VOLUME);
}

static void bind_goes_on_above_the_earlier_lives(void **state)
{
	struct fixture *f = *state;

	ask_and_commit(f, ASK_BIND, 0);
	ask_and_commit(f, ASK_REASSIGN, 1);
	delete_v1(f);
	publisher_create(f->publisher, 0);
	commit(f, 0);
	assert_line(f, 0, 0, "");
	assert_int_equal(ask_and_commit(f, ASK_BIND, 2), ASK_TAKEN);
	assert_line(f, 3, 1, "r3");
	/* Never bound in this life: still above the last one. */
	delete_v1(f);
	publisher_create(f->publisher, 0);
	commit(f, 0);
	delete_v1(f);
	assert_int_equal(record_floor_epoch(&f->records[0]), 3);
}

static void nothing_is_deleted_before_it_is_durable(void **state)
{
	struct fixture *f = *state;
	const uint32_t *vols;

	ask_and_commit(f, ASK_BIND, 0);
	assert_int_equal(publisher_delete(f->publisher, 0, line_of(f),
					  nothing_reported),
			 ASK_TAKEN);
	assert_true(publisher_exists(f->publisher, 0));
	publisher_take_group(f->publisher, f->records, NR_VOLUMES);
	assert_true(publisher_exists(f->publisher, 0));
	publisher_persisted(f->publisher, -5, &vols);
	assert_true(publisher_exists(f->publisher, 0));
	assert_line(f, 1, 1, "r1");
}

static void
delete_compares_the_line_and_waits_for_what_is_in_flight(void **state)
{
	struct fixture *f = *state;
	struct lineage first;
	struct ask ask;

	ask_and_commit(f, ASK_BIND, 0);
	first = line_of(f);
	ask_and_commit(f, ASK_REASSIGN, 1);
	assert_int_equal(publisher_delete(f->publisher, 0, first,
					  nothing_reported),
			 ASK_LINE_MOVED);
	ask = ask_of(f, ASK_REASSIGN, 2);
	publisher_ask(f->publisher, 0, &ask);
	publisher_take_group(f->publisher, f->records, NR_VOLUMES);
	assert_int_equal(publisher_delete(f->publisher, 0, line_of(f),
					  nothing_reported),
			 ASK_BUSY);
}

static void an_operators_ask_is_neither_replaced_nor_withdrawn(void **state)
{
	struct fixture *f = *state;
	struct ask ask;

	ask_and_commit(f, ASK_BIND, 0);
	ask = ask_of(f, ASK_REASSIGN, 1);
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_TAKEN);
	assert_int_equal(publisher_delete(f->publisher, 0, line_of(f),
					  nothing_reported),
			 ASK_TAKEN);
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_BUSY);
	publisher_withdraw(f->publisher, 0);
	assert_int_equal(commit(f, 0), 1);
	assert_false(publisher_exists(f->publisher, 0));
}

static void a_floor_that_was_reported_counts_in_the_tombstone(void **state)
{
	struct fixture *f = *state;

	ask_and_commit(f, ASK_BIND, 0);
	assert_int_equal(publisher_delete(f->publisher, 0, line_of(f),
					  (struct lineage){ 40, 2 }),
			 ASK_TAKEN);
	commit(f, 0);
	assert_int_equal(record_floor_epoch(&f->records[0]), 40);
	/* No epoch ever passes the write_seq. */
	assert_int_equal(f->records[0].write_seq, 40);
	assert_true(record_is_valid(&f->records[0]));
}

static void a_reloaded_tombstone_is_where_the_next_life_begins(void **state)
{
	struct fixture *f = *state;
	const struct topology t = topology_abc();
	struct volume_id id;
	struct record tombstone;
	struct ask ask = ask_of(f, ASK_BIND, 0);
	int vol;

	volume_id_parse("old", &id);
	tombstone = record_of_tombstone(&id, 12, 7);
	vol = registry_add_deleted(&f->registry, &id, (struct mono_ms){ 1 });
	publisher_reload(f->publisher, (uint32_t)vol, &tombstone);
	assert_false(publisher_exists(f->publisher, (uint32_t)vol));
	assert_int_equal(registry_add_volume(&f->registry, &id, &t,
					     (struct mono_ms){ 2 }),
			 vol);
	publisher_create(f->publisher, (uint32_t)vol);
	commit(f, 0);
	assert_int_equal(f->records[0].write_seq, 13);
	assert_int_equal(publisher_ask(f->publisher, (uint32_t)vol, &ask),
			 ASK_TAKEN);
	commit(f, 0);
	assert_int_equal(record_line(&f->records[0]).lineage.epoch, 8);
}

/* --- a line that is not to be trusted ---------------------------------------- */

static void the_door_itself_refuses_a_mint_below_a_floor(void **state)
{
	struct fixture *f = *state;
	struct ask ask;

	ask = ask_of(f, ASK_BIND, 0);
	ask.floor = (struct lineage){ 1, 1 };
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_REGRESSED);
	ask_and_commit(f, ASK_BIND, 0);
	ask = ask_of(f, ASK_REASSIGN, 1);
	ask.floor = (struct lineage){ 1, 2 };
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_REGRESSED);
	ask = ask_of(f, ASK_REFRESH, 0);
	ask.data_addr.s[0] = '9';
	ask.floor = (struct lineage){ 2, 1 };
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_REGRESSED);
	ask.floor = (struct lineage){ 1, 1 };
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_TAKEN);
}

static enum ask_refusal recover(struct fixture *f, int slot, uint64_t floor)
{
	static const struct recovery trace = { .wall_s = 99, .uid = 12 };
	struct ask ask = ask_of(f, ASK_RECOVER, slot);
	enum ask_refusal refusal;

	if (floor)
		ask.floor = (struct lineage){ floor, 3 };
	refusal = publisher_recover(f->publisher, 0, &ask, &trace);
	commit(f, 0);
	return refusal;
}

static void recover_mints_above_the_line_and_the_floor(void **state)
{
	struct fixture *f = *state;
	struct recovery r;

	ask_and_commit(f, ASK_BIND, 0);
	assert_int_equal(recover(f, 1, 20), ASK_TAKEN);
	assert_line(f, 21, 1, "r2");
	r = record_recovery(&f->records[0]);
	assert_int_equal(r.line.epoch, 1);
	assert_int_equal(r.floor.epoch, 20);
	assert_int_equal(r.floor.endpoint_version, 3);
	assert_int_equal(r.wall_s, 99);
	assert_int_equal(r.uid, 12);
	assert_int_equal(r.write_seq, 21);
	assert_int_equal(f->records[0].write_seq, 21);
	assert_true(record_is_valid(&f->records[0]));
	/* Every later record carries the trace. */
	ask_and_commit(f, ASK_REASSIGN, 2);
	assert_line(f, 22, 1, "r3");
	assert_int_equal(record_recovery(&f->records[0]).write_seq, 21);
}

static void recover_is_refused_when_the_line_is_sound(void **state)
{
	struct fixture *f = *state;
	const struct recovery trace = { 0 };
	struct ask ask;

	ask_and_commit(f, ASK_BIND, 0);
	assert_int_equal(recover(f, 1, 0), ASK_SOUND);
	ask = ask_of(f, ASK_RECOVER, 1);
	ask.floor = (struct lineage){ 1, 1 };
	assert_int_equal(publisher_recover(f->publisher, 0, &ask, &trace),
			 ASK_SOUND);
	/* The word for it does not pass by the other door. */
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_MALFORMED);
	ask.floor.epoch = 5;
	ask.intent = ASK_REASSIGN;
	assert_int_equal(publisher_recover(f->publisher, 0, &ask, &trace),
			 ASK_MALFORMED);
	ask.intent = ASK_RECOVER;
	ask.expected.lineage.epoch = 4;
	assert_int_equal(publisher_recover(f->publisher, 0, &ask, &trace),
			 ASK_LINE_MOVED);
	assert_line(f, 1, 1, "r1");
}

static void recover_ends_a_doubt_above_the_line(void **state)
{
	struct fixture *f = *state;
	struct ask ask;

	ask_and_commit(f, ASK_BIND, 0);
	f->registry.volumes[0].in_doubt = true;
	ask = ask_of(f, ASK_REASSIGN, 1);
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_QUARANTINED);
	assert_int_equal(recover(f, 0, 0), ASK_TAKEN);
	assert_line(f, 2, 1, "r1");
	assert_false(record_is_in_doubt(&f->records[0]));
}

static void a_damaged_record_bounds_what_it_said(void **state)
{
	struct fixture *f = *state;
	const struct topology t = topology_abc();
	const struct recovery trace = { 0 };
	struct ask ask = ask_of(f, ASK_RECOVER, 2);
	struct volume_id id;
	int vol;

	volume_id_parse("broken", &id);
	vol = registry_add_corrupt(&f->registry, &id, (struct mono_ms){ 1 });
	publisher_reload_corrupt(f->publisher, (uint32_t)vol, 14);
	assert_int_equal(registry_place(&f->registry, (uint32_t)vol, &t,
					(struct mono_ms){ 1 }),
			 0);
	ask.floor = (struct lineage){ 9, 9 };
	assert_int_equal(publisher_recover(f->publisher, (uint32_t)vol, &ask,
					   &trace),
			 ASK_TAKEN);
	commit(f, 0);
	assert_int_equal(record_line(&f->records[0]).lineage.epoch, 15);
	assert_int_equal(f->records[0].write_seq, 15);
	assert_true(publisher_exists(f->publisher, (uint32_t)vol));
}

/* --- across all of them ----------------------------------------------------- */

/* One line a volume: what another slot had before does not count. */
static void each_mint_is_above_all_before_it_on_whatever_slot(void **state)
{
	static const struct {
		enum ask_intent intent;
		int slot, address;
	} steps[] = {
		{ ASK_BIND, 0, 0 },	 { ASK_REFRESH, 0, 1 },
		{ ASK_REFRESH, 0, 2 },	 { ASK_REASSIGN, 1, 1 },
		{ ASK_REFRESH, 1, 2 },	 { ASK_REASSIGN, 0, 0 },
		{ ASK_REASSIGN, 0, 0 },	 { ASK_REFRESH, 0, 1 },
	};
	struct fixture *f = *state;
	struct lineage before = { 0, 0 };
	uint64_t write_seq = publisher_write_seq(f->publisher, 0);

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct ask ask = ask_of(f, steps[i].intent, steps[i].slot);

		snprintf(ask.data_addr.s, ADDR_SIZE, "10.1.0.%d:1",
			 steps[i].address);
		assert_int_equal(publisher_ask(f->publisher, 0, &ask),
				 ASK_TAKEN);
		assert_int_equal(commit(f, 0), 1);
		assert_true(
			lineage_cmp(publisher_line(f->publisher, 0)->lineage,
				    before) > 0);
		before = publisher_line(f->publisher, 0)->lineage;
		assert_int_equal(publisher_write_seq(f->publisher, 0),
				 ++write_seq);
	}
	assert_line(f, 4, 2, "r1");
}

static void
what_a_failed_write_did_not_mint_is_minted_after_a_restart(void **state)
{
	struct fixture *f = *state;
	const struct record durable = f->records[0];
	struct ask ask = ask_of(f, ASK_BIND, 1);

	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_TAKEN);
	assert_int_equal(commit(f, -5), 1);
	assert_line(f, 0, 0, "");
	publisher_free(f->publisher);
	assert_int_equal(publisher_new(&f->registry, &f->publisher), 0);
	publisher_reload(f->publisher, 0, &durable);
	assert_line(f, 0, 0, "");
	assert_int_equal(publisher_ask(f->publisher, 0, &ask), ASK_TAKEN);
	assert_int_equal(commit(f, 0), 1);
	assert_line(f, 1, 1, "r2");
	assert_int_equal(f->records[0].write_seq, durable.write_seq + 1);
}

/* As many as a group takes are in flight, the rest of the room is queued. */
static void what_finds_no_room_is_refused_until_a_group_is_durable(void **state)
{
	static struct record group[RECORD_GROUP_MAX];
	static struct registry registry;
	const struct topology t = topology_abc();
	struct publisher *p;
	struct ask ask = { .data_addr.s = "a:1", .ctrl_addr.s = "a:2" };
	struct volume_id id = { 0 };
	const uint32_t *vols;
	uint32_t vol = 0;

	(void)state;
	assert_int_equal(registry_init(&registry, PUBLISHER_STAGED_MAX + 1, 4),
			 0);
	assert_int_equal(publisher_new(&registry, &p), 0);
	for (; vol < PUBLISHER_STAGED_MAX; vol++) {
		assert_true(publisher_has_room(p));
		snprintf(id.s, sizeof(id.s), "v%u", vol);
		registry_add_volume(&registry, &id, &t, (struct mono_ms){ 1 });
		publisher_create(p, vol);
	}
	assert_false(publisher_has_room(p));
	snprintf(id.s, sizeof(id.s), "damaged");
	registry_add_corrupt(&registry, &id, (struct mono_ms){ 1 });
	publisher_reload_corrupt(p, vol, 7);
	ask.intent = ASK_RECOVER;
	assert_int_equal(publisher_recover(p, vol, &ask,
					   &(struct recovery){ 0 }),
			 ASK_NO_ROOM);
	assert_int_equal(publisher_take_group(p, group, RECORD_GROUP_MAX),
			 RECORD_GROUP_MAX);
	assert_false(publisher_has_room(p));
	publisher_persisted(p, 0, &vols);
	assert_true(publisher_has_room(p));
	assert_int_equal(publisher_recover(p, vol, &ask,
					   &(struct recovery){ 0 }),
			 ASK_TAKEN);
	/* Each of the room is given once. */
	ask.intent = ASK_BIND;
	for (vol = 1; vol < RECORD_GROUP_MAX; vol++)
		assert_int_equal(publisher_ask(p, vol, &ask), ASK_TAKEN);
	assert_int_equal(publisher_ask(p, 0, &ask), ASK_NO_ROOM);
	/* What is taken back leaves its room. */
	while (publisher_take_group(p, group, RECORD_GROUP_MAX))
		publisher_persisted(p, 0, &vols);
	for (uint32_t i = 0; i <= PUBLISHER_STAGED_MAX; i++) {
		assert_int_equal(publisher_ask(p, 0, &ask), ASK_TAKEN);
		publisher_withdraw(p, 0);
		assert_int_equal(publisher_take_group(p, group, 1), 0);
	}
	publisher_free(p);
	registry_exit(&registry);
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
		TEST(a_tombstone_holds_the_highest_epoch_of_the_line),
		TEST(bind_goes_on_above_the_earlier_lives),
		TEST(nothing_is_deleted_before_it_is_durable),
		TEST(delete_compares_the_line_and_waits_for_what_is_in_flight),
		TEST(an_operators_ask_is_neither_replaced_nor_withdrawn),
		TEST(a_floor_that_was_reported_counts_in_the_tombstone),
		TEST(a_reloaded_tombstone_is_where_the_next_life_begins),
		TEST(the_door_itself_refuses_a_mint_below_a_floor),
		TEST(recover_mints_above_the_line_and_the_floor),
		TEST(recover_is_refused_when_the_line_is_sound),
		TEST(recover_ends_a_doubt_above_the_line),
		TEST(a_damaged_record_bounds_what_it_said),
		TEST(each_mint_is_above_all_before_it_on_whatever_slot),
		TEST(what_a_failed_write_did_not_mint_is_minted_after_a_restart),
		TEST(what_finds_no_room_is_refused_until_a_group_is_durable),
	};

	return cmocka_run_group_tests_name("publisher", tests, NULL, NULL);
}
