// SPDX-License-Identifier: GPL-2.0
/*
 * One slot by itself: what its gate, its floor and a command make due.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/adapter.h"

static const struct replica_config config = {
	.boot = { "boot-1" },
	.data_addr = { "10.0.0.1:4420" },
};

struct one {
	struct adapter a;
	struct adapter_host host;
	struct gate_info gate;
};

/* v1, held as r1; its gate is open at 2.1 with primary r1, and so recorded. */
static int setup(void **state)
{
	struct one *o = calloc(1, sizeof(*o));
	const struct volume_id v1 = { "v1" };
	const struct floor floor = { { "r1" }, { 2, 1 }, { "r1" }, { 2, 1 } };
	const struct record record = record_of_floor(&v1, 3, &floor);

	assert_non_null(o);
	o->gate = (struct gate_info){ .volume = v1,
				      .replica = { "r1" },
				      .state = GATE_OPEN,
				      .drained = true,
				      .authority = { 2, 1 },
				      .primary = { "r1" } };
	o->host.config = &config;
	o->host.incarnation = 5;
	adapter_init(&o->a, &v1);
	adapter_load(&o->a, &record);
	adapter_take_gate(&o->a, &o->gate);
	*state = o;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static struct command command(enum command_kind kind, uint64_t epoch,
			      uint64_t endpoint_version)
{
	return (struct command){ .kind = kind,
				 .volume = { "v1" },
				 .replica = { "r1" },
				 .lineage = { epoch, endpoint_version },
				 .primary = { "r1" },
				 .incarnation = 5 };
}

static struct kernel_op next_op(struct one *o)
{
	struct kernel_op op = { 0 };

	adapter_next_op(&o->a, &o->host, &op);
	return op;
}

static void command_is_taken(struct one *o, const struct command *c)
{
	char reason[MESSAGE_REASON_SIZE];

	assert_int_equal(adapter_command(&o->a, &o->host, c, reason), 0);
}

static void done(struct one *o, const struct kernel_op *op, int error)
{
	struct replica_event event = { .type = REPLICA_KERNEL_DONE };

	event.kernel.op = *op;
	event.kernel.error = error;
	event.kernel.gate = o->gate;
	adapter_done(&o->a, &event);
}

static void sound_slot_has_nothing_due(void **state)
{
	struct one *o = *state;
	struct ack ack;

	assert_int_equal(next_op(o).kind, KERNEL_UNSPEC);
	assert_false(adapter_next_ack(&o->a, &o->host, &ack));
	assert_false(adapter_is_dirty(&o->a));
}

static void disk_is_kept_within_an_epoch_and_a_primary_alone(void **state)
{
	static const struct {
		uint64_t epoch, endpoint_version;
		const char *primary;
		bool asked, kept;
	} cases[] = {
		{ 2, 2, "r1", true, true },
		{ 2, 2, "r1", false, false },
		{ 2, 2, "r2", true, false },
		{ 3, 1, "r1", true, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct command c = command(COMMAND_FENCE, cases[i].epoch,
					   cases[i].endpoint_version);

		teardown(state);
		setup(state);
		c.keep_disk = cases[i].asked;
		replica_id_parse(cases[i].primary, &c.primary);
		command_is_taken(*state, &c);
		assert_true(next_op(*state).keep_disk == cases[i].kept);
	}
}

static void one_op_at_a_time_is_in_flight(void **state)
{
	struct one *o = *state;
	struct command fence = command(COMMAND_FENCE, 3, 1);
	struct kernel_op op;

	command_is_taken(o, &fence);
	op = next_op(o);
	assert_int_equal(op.kind, KERNEL_FENCE);
	assert_int_equal(next_op(o).kind, KERNEL_UNSPEC);
	fence.lineage.epoch = 4;
	command_is_taken(o, &fence);
	assert_int_equal(next_op(o).kind, KERNEL_UNSPEC);
	o->gate.authority.epoch = 3;
	o->gate.state = GATE_CLOSED;
	done(o, &op, 0);
	op = next_op(o);
	assert_int_equal(op.kind, KERNEL_FENCE);
	assert_int_equal(op.lineage.epoch, 4);
}

static void answer_to_an_older_op_does_not_prove_the_newer_fence(void **state)
{
	struct one *o = *state;
	struct command fence = command(COMMAND_FENCE, 3, 1);
	struct kernel_op op;
	struct ack ack = { 0 };

	command_is_taken(o, &fence);
	op = next_op(o);
	fence.lineage.epoch = 4;
	command_is_taken(o, &fence);
	o->gate.authority.epoch = 3;
	o->gate.state = GATE_CLOSED;
	done(o, &op, 0);
	assert_false(adapter_next_ack(&o->a, &o->host, &ack));
}

static void record_is_the_whole_state_and_counts_up(void **state)
{
	struct one *o = *state;
	struct command fence = command(COMMAND_FENCE, 3, 1);
	struct record record;

	replica_id_parse("r2", &fence.primary);
	command_is_taken(o, &fence);
	assert_true(adapter_is_dirty(&o->a));
	adapter_write(&o->a, &record);
	assert_false(adapter_is_dirty(&o->a));
	assert_int_equal(record.kind, RECORD_FLOOR);
	assert_int_equal(record.write_seq, 4);
	assert_string_equal(record_floor(&record).replica.s, "r1");
	assert_string_equal(record_floor(&record).primary.s, "r2");
	assert_int_equal(record_floor(&record).lineage.epoch, 3);
	assert_int_equal(record_floor(&record).served.epoch, 2);
	adapter_written(&o->a, -EIO);
	assert_true(adapter_is_dirty(&o->a));
	adapter_write(&o->a, &record);
	assert_int_equal(record.write_seq, 4);
	adapter_written(&o->a, 0);
	assert_false(adapter_is_dirty(&o->a));
}

static void what_changes_during_a_write_is_written_next(void **state)
{
	struct one *o = *state;
	struct command fence = command(COMMAND_FENCE, 3, 1);
	struct record record;

	command_is_taken(o, &fence);
	adapter_write(&o->a, &record);
	fence.lineage.epoch = 4;
	command_is_taken(o, &fence);
	adapter_written(&o->a, 0);
	assert_int_equal(o->a.durable.lineage.epoch, 3);
	assert_true(adapter_is_dirty(&o->a));
}

static void gate_may_only_raise_the_floor(void **state)
{
	struct one *o = *state;

	o->gate.authority = (struct lineage){ 1, 9 };
	adapter_take_gate(&o->a, &o->gate);
	assert_int_equal(o->a.floor.lineage.epoch, 2);
	assert_int_equal(next_op(o).kind, KERNEL_FENCE);
	o->gate.authority = (struct lineage){ 2, 7 };
	adapter_take_gate(&o->a, &o->gate);
	assert_int_equal(o->a.floor.lineage.endpoint_version, 7);
}

static void gate_without_an_incarnation_to_name_is_not_attached(void **state)
{
	struct one *o = *state;

	o->a.configured = true;
	adapter_lose_gate(&o->a);
	adapter_retry(&o->a);
	o->host.incarnation = 0;
	assert_int_equal(next_op(o).kind, KERNEL_UNSPEC);
	o->host.incarnation = 5;
	assert_int_equal(next_op(o).kind, KERNEL_ATTACH);
}

static void draining_gate_proves_nothing(void **state)
{
	static const enum gate_state states[] = {
		GATE_ABSENT,   GATE_CLOSED,	 GATE_OPEN,
		GATE_DRAINING, GATE_QUARANTINED,
	};
	struct one *o = *state;
	const struct lineage at = { 2, 1 }, other = { 2, 2 };

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		o->gate.state = states[i];
		o->gate.drained = true;
		adapter_take_gate(&o->a, &o->gate);
		assert_true(
			adapter_proves(&o->a, at) ==
			(states[i] == GATE_CLOSED || states[i] == GATE_OPEN));
		assert_false(adapter_proves(&o->a, other));
		o->gate.drained = false;
		adapter_take_gate(&o->a, &o->gate);
		assert_false(adapter_proves(&o->a, at));
	}
	adapter_lose_gate(&o->a);
	assert_false(adapter_proves(&o->a, at));
}

static void proof_says_durable_for_its_own_lineage_alone(void **state)
{
	struct one *o = *state;
	struct proof proof;

	adapter_proof(&o->a, &o->host, &proof);
	assert_true(proof.floor_durable);
	assert_string_equal(proof.boot.s, "boot-1");
	o->gate.authority = (struct lineage){ 3, 1 };
	adapter_take_gate(&o->a, &o->gate);
	adapter_proof(&o->a, &o->host, &proof);
	assert_int_equal(proof.lineage.epoch, 3);
	assert_false(proof.floor_durable);
}

static void lost_backing_device_is_reported(void **state)
{
	struct one *o = *state;
	struct slot_fact fact;

	adapter_fact(&o->a, &config, &fact);
	assert_true(fact.backing_ok);
	o->gate.state = GATE_CLOSED;
	o->gate.backing_gone = true;
	adapter_take_gate(&o->a, &o->gate);
	adapter_fact(&o->a, &config, &fact);
	assert_false(fact.backing_ok);
}

static void errors_found_at_a_restart_count_against_the_data(void **state)
{
	struct one *o = *state;
	const struct record record =
		record_of_floor(&o->gate.volume, 3, &o->a.durable);
	struct slot_fact fact;

	adapter_init(&o->a, &o->gate.volume);
	adapter_load(&o->a, &record);
	o->gate.io_errors = 1;
	adapter_take_gate(&o->a, &o->gate);
	adapter_fact(&o->a, &config, &fact);
	assert_true(lineage_is_none(fact.served));
}

static void commands_of_a_lost_link_are_not_answered_but_kept_to(void **state)
{
	struct one *o = *state;
	struct command fence = command(COMMAND_FENCE, 3, 1);
	struct kernel_op op;
	struct ack ack;

	command_is_taken(o, &fence);
	adapter_forget_commands(&o->a);
	op = next_op(o);	/* the floor was raised: the gate follows */
	assert_int_equal(op.kind, KERNEL_FENCE);
	assert_int_equal(op.lineage.epoch, 3);
	o->gate.authority.epoch = 3;
	o->gate.state = GATE_CLOSED;
	done(o, &op, 0);
	assert_false(adapter_next_ack(&o->a, &o->host, &ack));
}

static void name_may_change_until_something_was_promised(void **state)
{
	const struct volume_id v2 = { "v2" };
	const struct replica_id r1 = { "r1" }, r2 = { "r2" };
	struct adapter a;

	(void)state;
	adapter_init(&a, &v2);
	assert_int_equal(adapter_name(&a, &r1), 0);
	assert_int_equal(adapter_name(&a, &r2), 0);
	assert_false(adapter_is_dirty(&a));
	a.configured = true;
	assert_true(adapter_is_dirty(&a));
	a.recorded = true;
	assert_int_equal(adapter_name(&a, &r1), -EEXIST);
	assert_string_equal(a.floor.replica.s, "r2");
}

static void change_of_state_is_noted_once(void **state)
{
	struct one *o = *state;
	struct replica_note note;

	assert_true(adapter_note(&o->a, &note));
	assert_string_equal(
		note.text,
		"gate volume=v1 replica=r1 state=absent->open lineage=2.1 role=primary");
	assert_false(adapter_note(&o->a, &note));
	o->gate.io_errors++;
	adapter_take_gate(&o->a, &o->gate);
	assert_false(adapter_note(&o->a, &note));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sound_slot_has_nothing_due),
		TEST(disk_is_kept_within_an_epoch_and_a_primary_alone),
		TEST(one_op_at_a_time_is_in_flight),
		TEST(answer_to_an_older_op_does_not_prove_the_newer_fence),
		TEST(record_is_the_whole_state_and_counts_up),
		TEST(what_changes_during_a_write_is_written_next),
		TEST(gate_may_only_raise_the_floor),
		TEST(gate_without_an_incarnation_to_name_is_not_attached),
		TEST(draining_gate_proves_nothing),
		TEST(proof_says_durable_for_its_own_lineage_alone),
		TEST(lost_backing_device_is_reported),
		TEST(errors_found_at_a_restart_count_against_the_data),
		TEST(commands_of_a_lost_link_are_not_answered_but_kept_to),
		TEST(name_may_change_until_something_was_promised),
		TEST(change_of_state_is_noted_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
