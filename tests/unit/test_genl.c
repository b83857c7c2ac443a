// SPDX-License-Identifier: GPL-2.0
/*
 * Messages of the module as structs: what is sound is read whole, what is not
 * is no gate.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include <linux/bfence.h>

#include "edge/genl_gate.h"

static struct nl_msg *message_new(void)
{
	struct nl_msg *m = nlmsg_alloc();

	assert_non_null(m);
	assert_non_null(genlmsg_put(m, 0, 0, 30, 0, 0, BFENCE_CMD_GATE_GET,
				    BFENCE_GENL_VERSION));
	return m;
}

static struct nl_msg *gate_new(enum bfence_state state)
{
	struct nl_msg *m = message_new();

	nla_put_string(m, BFENCE_A_VOLUME, "v1");
	nla_put_string(m, BFENCE_A_REPLICA, "r1");
	nla_put_u32(m, BFENCE_A_STATE, state);
	return m;
}

/* Reads the message and frees it. */
static int read_gate(struct nl_msg *m, struct gate_info *ret)
{
	int error = genl_gate_read(nlmsg_hdr(m), ret);

	nlmsg_free(m);
	return error;
}

static void gate_is_read_whole(void **state)
{
	struct nl_msg *m = gate_new(BFENCE_STATE_OPEN);
	struct gate_info gate;

	(void)state;
	nla_put_string(m, BFENCE_A_PRIMARY, "r2");
	nla_put_u64(m, BFENCE_A_EPOCH, 7);
	nla_put_u64(m, BFENCE_A_ENDPOINT_VERSION, 2);
	nla_put_u64(m, BFENCE_A_INCARNATION, 9);
	nla_put_u32(m, BFENCE_A_OPEN_FLAGS, BFENCE_F_LEASED);
	nla_put_u32(m, BFENCE_A_REASON, BFENCE_REASON_OPENED);
	nla_put_u8(m, BFENCE_A_MANAGED, 1);
	nla_put_flag(m, BFENCE_A_FORCED);
	nla_put_u64(m, BFENCE_A_ADMITTED, 1000);
	nla_put_u64(m, BFENCE_A_REJECTED_STALE, 1);
	nla_put_u64(m, BFENCE_A_REJECTED_CLOSED, 2);
	nla_put_u64(m, BFENCE_A_REJECTED_LEASE, 4);
	nla_put_u64(m, BFENCE_A_REJECTED_READ_ONLY, 8);
	nla_put_u64(m, BFENCE_A_REJECTED_NEWER, 512);
	nla_put_u64(m, BFENCE_A_IO_ERRORS, 16);
	nla_put_u64(m, BFENCE_A_INFLIGHT, 32);
	nla_put_u64(m, BFENCE_A_DRAINED, 64);
	nla_put_u64(m, BFENCE_A_CLOSE_NS, 128);
	nla_put_u64(m, BFENCE_A_DRAIN_NS, 256);
	assert_int_equal(read_gate(m, &gate), 0);
	assert_string_equal(gate.volume.s, "v1");
	assert_string_equal(gate.replica.s, "r1");
	assert_string_equal(gate.primary.s, "r2");
	assert_int_equal(gate.authority.epoch, 7);
	assert_int_equal(gate.authority.endpoint_version, 2);
	assert_int_equal(gate.incarnation, 9);
	assert_true(gate.leased && gate.managed && gate.forced);
	assert_false(gate.lease_ended || gate.backing_gone);
	assert_int_equal(gate.admitted, 1000);
	assert_int_equal(gate.rejected, 15 + 512);
	assert_int_equal(gate.io_errors, 16);
	assert_int_equal(gate.inflight, 32);
	assert_int_equal(gate.drained_ios, 64);
	assert_int_equal(gate.close_ns, 128);
	assert_int_equal(gate.drain_ns, 256);
}

static void only_closed_and_open_gates_have_drained(void **state)
{
	static const struct {
		enum bfence_state there;
		enum gate_state here;
		bool drained;
	} cases[] = {
		{ BFENCE_STATE_CLOSED, GATE_CLOSED, true },
		{ BFENCE_STATE_OPEN, GATE_OPEN, true },
		{ BFENCE_STATE_DRAINING, GATE_DRAINING, false },
		{ BFENCE_STATE_QUARANTINED, GATE_QUARANTINED, false },
	};
	struct gate_info gate;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(read_gate(gate_new(cases[i].there), &gate), 0);
		assert_int_equal(gate.state, cases[i].here);
		assert_true(gate.drained == cases[i].drained);
	}
	assert_int_equal(read_gate(gate_new(__BFENCE_STATE_MAX), &gate),
			 -EBADMSG);
}

static void end_of_a_lease_and_loss_of_a_device_are_told_apart(void **state)
{
	struct nl_msg *lease = gate_new(BFENCE_STATE_CLOSED);
	struct nl_msg *gone = gate_new(BFENCE_STATE_CLOSED);
	struct gate_info gate;

	(void)state;
	nla_put_u32(lease, BFENCE_A_REASON, BFENCE_REASON_LEASE);
	nla_put_u32(gone, BFENCE_A_REASON, BFENCE_REASON_BACKING_GONE);
	assert_int_equal(read_gate(lease, &gate), 0);
	assert_true(gate.lease_ended && !gate.backing_gone);
	assert_int_equal(read_gate(gone, &gate), 0);
	assert_true(!gate.lease_ended && gate.backing_gone);
}

static void message_that_is_no_sound_gate_is_refused(void **state)
{
	struct nl_msg *nameless = message_new();
	struct nl_msg *half = gate_new(BFENCE_STATE_CLOSED);
	struct nl_msg *bad_name = message_new();
	struct gate_info gate;

	(void)state;
	nla_put_string(nameless, BFENCE_A_REPLICA, "r1");
	nla_put_u32(nameless, BFENCE_A_STATE, BFENCE_STATE_CLOSED);
	nla_put_u64(half, BFENCE_A_EPOCH, 7);
	nla_put_string(bad_name, BFENCE_A_VOLUME, "../v1");
	nla_put_string(bad_name, BFENCE_A_REPLICA, "r1");
	nla_put_u32(bad_name, BFENCE_A_STATE, BFENCE_STATE_CLOSED);
	assert_int_equal(read_gate(nameless, &gate), -EBADMSG);
	assert_int_equal(read_gate(half, &gate), -EBADMSG);
	assert_int_equal(read_gate(bad_name, &gate), -EBADMSG);
}

/* An NLMSG_ERROR as the kernel composes it: errno, request, attributes. */
static void assert_sentence(int flags, const char *text, const char *expected)
{
	struct nlmsgerr error = { .error = -EBUSY };
	struct nl_msg *m = nlmsg_alloc_simple(NLMSG_ERROR, flags);
	char sentence[64] = "untouched";

	assert_non_null(m);
	error.msg.nlmsg_len = NLMSG_HDRLEN + 8;
	nlmsg_append(m, &error, sizeof(error), NLMSG_ALIGNTO);
	if (!(flags & NLM_F_CAPPED))
		nlmsg_append(m, "request!", 8, NLMSG_ALIGNTO);
	if (text)
		nla_put_string(m, NLMSGERR_ATTR_MSG, text);
	genl_sentence_read(nlmsg_data(nlmsg_hdr(m)), sentence,
			   sizeof(sentence));
	assert_string_equal(sentence, expected);
	nlmsg_free(m);
}

static void sentence_of_a_refusal_is_found_behind_the_request(void **state)
{
	(void)state;
	assert_sentence(NLM_F_ACK_TLVS, "the device is busy",
			"the device is busy");
	assert_sentence(NLM_F_ACK_TLVS | NLM_F_CAPPED,
			"bfence: the device is busy", "the device is busy");
	assert_sentence(NLM_F_ACK_TLVS, NULL, "");
	assert_sentence(0, NULL, "");
	assert_sentence(NLM_F_CAPPED, NULL, "");
}

static void op_becomes_the_attributes_of_its_command(void **state)
{
	const struct kernel_op op = {
		.kind = KERNEL_FENCE,
		.volume = { "v1" },
		.lineage = { 7, 2 },
		.primary = { "r2" },
		.incarnation = 5,
		.drain_ms = 300,
		.keep_disk = true,
	};
	const struct kernel_op lease = { .kind = KERNEL_LEASE,
					 .incarnation = 5,
					 .lease_deadline = { 12345 } };
	struct nlattr *attrs[BFENCE_A_MAX + 1];
	struct nl_msg *m = message_new();

	(void)state;
	assert_int_equal(genl_op_command(KERNEL_FENCE), BFENCE_CMD_GATE_FENCE);
	assert_int_equal(genl_op_put(m, &op, NULL), 0);
	genlmsg_parse(nlmsg_hdr(m), 0, attrs, BFENCE_A_MAX, NULL);
	assert_string_equal(nla_get_string(attrs[BFENCE_A_VOLUME]), "v1");
	assert_int_equal(nla_get_u64(attrs[BFENCE_A_EPOCH]), 7);
	assert_int_equal(nla_get_u64(attrs[BFENCE_A_ENDPOINT_VERSION]), 2);
	assert_string_equal(nla_get_string(attrs[BFENCE_A_PRIMARY]), "r2");
	assert_int_equal(nla_get_u64(attrs[BFENCE_A_INCARNATION]), 5);
	assert_int_equal(nla_get_u32(attrs[BFENCE_A_DRAIN_MS]), 300);
	assert_int_equal(nla_get_u32(attrs[BFENCE_A_FLAGS]),
			 BFENCE_F_KEEP_DISK);
	nlmsg_free(m);

	m = message_new();
	assert_int_equal(genl_op_put(m, &lease, NULL), 0);
	genlmsg_parse(nlmsg_hdr(m), 0, attrs, BFENCE_A_MAX, NULL);
	assert_int_equal(nla_get_u64(attrs[BFENCE_A_LEASE_DEADLINE_NS]),
			 12345000000);
	assert_null(attrs[BFENCE_A_VOLUME]);
	nlmsg_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gate_is_read_whole),
		cmocka_unit_test(only_closed_and_open_gates_have_drained),
		cmocka_unit_test(
			end_of_a_lease_and_loss_of_a_device_are_told_apart),
		cmocka_unit_test(message_that_is_no_sound_gate_is_refused),
		cmocka_unit_test(
			sentence_of_a_refusal_is_found_behind_the_request),
		cmocka_unit_test(op_becomes_the_attributes_of_its_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
