// SPDX-License-Identifier: GPL-2.0
/*
 * Messages and bytes: the round trip of each kind, and that no bytes but
 * those of a lawful message become one.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "edge/wire.h"
#include "wire.pb-c.h"

#define LEN(a)	(sizeof(a) / sizeof((a)[0]))

#define VOLUME_LONGEST \
	"v23456789.123456789-123456789_123456789.123456789-123456789_123"
#define HOST_LONGEST	"h23456789.123456789-123456789_1"
#define REPLICA_LONGEST	"r23456789.12345"
#define BOOT		"5e0cf04e-5a3d-4b0a-9c39-2d2a8c1f7a10"
#define ADDR_LONGEST	"[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:655350"

static struct slot_fact fact_largest(void)
{
	struct slot_fact fact = {
		.state = GATE_QUARANTINED,
		.role = ROLE_PRIMARY,
		.authority = { UINT64_MAX, UINT64_MAX },
		.floor = { UINT64_MAX, UINT64_MAX },
		.applied = { UINT64_MAX, UINT64_MAX },
		.served = { UINT64_MAX, UINT64_MAX },
		.backing_ok = true,
		.withdrawn = true,
		.io_errors = UINT64_MAX,
	};

	assert_int_equal(volume_id_parse(VOLUME_LONGEST, &fact.volume), 0);
	assert_int_equal(replica_id_parse(REPLICA_LONGEST, &fact.replica), 0);
	assert_int_equal(addr_parse(ADDR_LONGEST, &fact.data_addr), 0);
	assert_int_equal(addr_parse(ADDR_LONGEST, &fact.ctrl_addr), 0);
	return fact;
}

static struct slot_fact fact_smallest(void)
{
	struct slot_fact fact = { 0 };

	assert_int_equal(volume_id_parse("v", &fact.volume), 0);
	assert_int_equal(replica_id_parse("1", &fact.replica), 0);
	return fact;
}

static void hello_fill(struct message *m, bool largest)
{
	m->kind = MESSAGE_HELLO;
	m->hello = (struct hello){ .version_min = 1, .version_max = 1 };
	assert_int_equal(host_id_parse(largest ? HOST_LONGEST : "h",
				       &m->hello.host),
			 0);
	assert_int_equal(boot_id_parse(largest ? BOOT : "b", &m->hello.boot),
			 0);
	if (!largest)
		return;
	m->hello.version_max = UINT32_MAX;
	memset(&m->hello.master_store, 0xff, sizeof(m->hello.master_store));
	m->hello.incarnation = UINT64_MAX;
}

static void report_fill(struct message *m, bool largest)
{
	m->kind = MESSAGE_REPORT;
	if (!largest)
		return;
	m->report.seq = UINT64_MAX;
	m->report.full = true;
	m->report.first = true;
	m->report.last = true;
	m->report.digest = UINT64_MAX;
	m->report.nr_slots = MESSAGE_SLOTS_MAX;
	for (int i = 0; i < MESSAGE_SLOTS_MAX; i++)
		m->report.slots[i] = i % 2 ? fact_smallest() : fact_largest();
}

static void ack_fill(struct message *m, bool largest)
{
	const struct slot_fact fact = largest ? fact_largest() :
						fact_smallest();

	m->kind = MESSAGE_ACK;
	m->ack.kind = largest ? COMMAND_FENCE : COMMAND_CLOSE;
	m->ack.proof.volume = fact.volume;
	m->ack.proof.replica = fact.replica;
	assert_int_equal(boot_id_parse(BOOT, &m->ack.proof.boot), 0);
	if (!largest)
		return;
	m->ack.asked = fact.authority;
	m->ack.error = -4095;
	memset(m->ack.reason, 'r', MESSAGE_REASON_SIZE - 1);
	m->ack.proof.lineage = fact.authority;
	m->ack.proof.state = GATE_QUARANTINED;
	m->ack.proof.drained = true;
	m->ack.proof.floor_durable = true;
	m->ack.proof.forced = true;
	m->ack.proof.incarnation = UINT64_MAX;
	m->ack.proof.admitted = UINT64_MAX;
	m->ack.proof.rejected = UINT64_MAX - 1;
	m->ack.proof.drained_ios = UINT64_MAX - 2;
	m->ack.proof.inflight = UINT64_MAX - 3;
	m->ack.proof.close_ns = UINT64_MAX - 4;
	m->ack.proof.drain_ns = UINT64_MAX - 5;
}

static void welcome_fill(struct message *m, bool largest)
{
	m->kind = MESSAGE_WELCOME;
	m->welcome.version = largest ? UINT32_MAX : 1;
	m->welcome.store.b[STORE_ID_SIZE - 1] = 1;
	m->welcome.incarnation = largest ? UINT64_MAX : 1;
	m->welcome.heartbeat_ms = largest ? UINT32_MAX : 1;
	m->welcome.lease_ms = largest ? UINT32_MAX - 1 : 1;
}

static void refuse_fill(struct message *m, bool largest)
{
	m->kind = MESSAGE_REFUSE;
	if (largest)
		memset(m->refuse.reason, '~', MESSAGE_REASON_SIZE - 1);
}

static void sync_fill(struct message *m, bool largest)
{
	const struct slot_fact fact = fact_largest();

	m->kind = MESSAGE_SYNC;
	m->sync.incarnation = 1;
	if (!largest)
		return;
	m->sync.first = true;
	m->sync.last = true;
	m->sync.want_inventory = true;
	m->sync.incarnation = UINT64_MAX;
	m->sync.nr_slots = MESSAGE_SLOTS_MAX;
	for (int i = 0; i < MESSAGE_SLOTS_MAX; i++) {
		m->sync.slots[i].volume = fact.volume;
		m->sync.slots[i].replica = fact.replica;
	}
}

static void command_fill(struct message *m, bool largest)
{
	const struct slot_fact fact = largest ? fact_largest() :
						fact_smallest();

	m->kind = MESSAGE_COMMAND;
	m->command.kind = largest ? COMMAND_OPEN : COMMAND_CLOSE;
	m->command.volume = fact.volume;
	m->command.replica = fact.replica;
	m->command.lineage = fact.authority;
	m->command.incarnation = 1;
	if (!largest)
		return;
	m->command.primary = fact.replica;
	m->command.incarnation = UINT64_MAX;
	m->command.drain_ms = UINT32_MAX;
	m->command.keep_disk = true;
	m->command.leased = true;
	m->command.late = true;
}

static void lease_fill(struct message *m, bool largest)
{
	m->kind = MESSAGE_LEASE;
	m->lease.incarnation = 1;
	if (!largest)
		return;
	m->lease.seq = UINT64_MAX;
	m->lease.lease_ms = UINT32_MAX;
	m->lease.incarnation = UINT64_MAX;
}

static void (*const fills[])(struct message *m, bool largest) = {
	hello_fill, report_fill, ack_fill, welcome_fill,
	refuse_fill, sync_fill, command_fill, lease_fill,
};

static size_t encode(const struct message *m, uint8_t buf[WIRE_BYTES_MAX])
{
	const int len = wire_encode(m, buf, WIRE_BYTES_MAX);

	assert_true(len >= 0);
	return (size_t)len;
}

/* A copy of the exact size, so that the sanitizer sees one byte too far. */
static int decode(const uint8_t *bytes, size_t len, struct message *ret)
{
	uint8_t *copy = malloc(len ? len : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	r = wire_decode(copy, len, ret);
	free(copy);
	return r;
}

static int setup(void **state)
{
	*state = calloc(1, WIRE_FRAME_BYTES_MAX);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void each_kind_comes_back_equal_at_its_smallest_and_largest(void **state)
{
	static struct message in, out;

	for (size_t i = 0; i < LEN(fills) * 2; i++) {
		size_t len;

		memset(&in, 0, sizeof(in));
		memset(&out, 0xff, sizeof(out));
		fills[i / 2](&in, i % 2);
		len = encode(&in, *state);
		assert_int_equal(decode(*state, len, &out), 0);
		assert_memory_equal(&in, &out, sizeof(in));
	}
}

static void each_largest_message_fits_the_limit_with_room(void **state)
{
	static struct message in;

	for (size_t i = 0; i < LEN(fills); i++) {
		memset(&in, 0, sizeof(in));
		fills[i](&in, true);
		assert_true(encode(&in, *state) < WIRE_BYTES_MAX / 2);
	}
}

static void buffer_one_byte_short_is_enospc_and_stays_untouched(void **state)
{
	static struct message in;
	uint8_t *buf = *state;

	for (size_t i = 0; i < LEN(fills); i++) {
		size_t len;

		memset(&in, 0, sizeof(in));
		fills[i](&in, true);
		len = encode(&in, buf);
		memset(buf, 0xa5, len);
		assert_int_equal(wire_encode(&in, buf, len - 1), -ENOSPC);
		for (size_t j = 0; j < len; j++)
			assert_int_equal(buf[j], 0xa5);
		assert_int_equal(wire_encode(&in, buf, len), len);
	}
}

static void message_of_no_kind_or_of_too_many_slots_is_not_encoded(void **state)
{
	static struct message in;

	in.kind = MESSAGE_UNSPEC;
	assert_int_equal(wire_encode(&in, *state, WIRE_BYTES_MAX), -EINVAL);
	in.kind = (enum message_kind)(MESSAGE_LEASE + 1);
	assert_int_equal(wire_encode(&in, *state, WIRE_BYTES_MAX), -EINVAL);
	in.kind = MESSAGE_REPORT;
	in.report.nr_slots = MESSAGE_SLOTS_MAX + 1;
	assert_int_equal(wire_encode(&in, *state, WIRE_BYTES_MAX), -EINVAL);
	in.kind = MESSAGE_SYNC;
	in.sync.nr_slots = MESSAGE_SLOTS_MAX + 1;
	assert_int_equal(wire_encode(&in, *state, WIRE_BYTES_MAX), -EINVAL);
}

/* The volume's record is damaged: only its name is known. */
static void a_sync_slot_may_come_without_a_replica(void **state)
{
	static struct message in, out;
	size_t len;

	sync_fill(&in, true);
	in.sync.slots[5].replica = (struct replica_id){ 0 };
	len = encode(&in, *state);
	memset(&out, 0xff, sizeof(out));
	assert_int_equal(decode(*state, len, &out), 0);
	assert_string_equal(out.sync.slots[5].replica.s, "");
	assert_true(volume_id_equal(&out.sync.slots[5].volume,
				    &in.sync.slots[5].volume));
	assert_string_equal(out.sync.slots[4].replica.s,
			    in.sync.slots[4].replica.s);
	in.sync.slots[5].volume.s[0] = '\0';
	len = encode(&in, *state);
	assert_int_equal(decode(*state, len, &out), -EBADMSG);
}

static void control_bytes_of_a_reason_leave_as_blanks(void **state)
{
	static const char reason[] = "one\nline\x1b[0m \x7f\xc3\xa9";
	static struct message in, out;
	size_t len;

	in.kind = MESSAGE_REFUSE;
	memcpy(in.refuse.reason, reason, sizeof(reason));
	len = encode(&in, *state);
	assert_int_equal(decode(*state, len, &out), 0);
	assert_string_equal(out.refuse.reason, "one line [0m  \xc3\xa9");
}

/* What a decoder accepted must be a message that can be said again. */
static void decode_hostile(const uint8_t *bytes, size_t len)
{
	static struct message first, second;
	static uint8_t again[WIRE_BYTES_MAX];
	size_t len_again;
	int r = decode(bytes, len, &first);

	if (r) {
		assert_int_equal(r, -EBADMSG);
		return;
	}
	len_again = encode(&first, again);
	assert_int_equal(decode(again, len_again, &second), 0);
	assert_memory_equal(&first, &second, sizeof(first));
}

static void truncation_at_every_byte_never_crashes(void **state)
{
	static struct message in;

	for (size_t i = 0; i < LEN(fills); i++) {
		size_t len;

		memset(&in, 0, sizeof(in));
		fills[i](&in, true);
		if (in.kind == MESSAGE_REPORT)
			in.report.nr_slots = 4;
		if (in.kind == MESSAGE_SYNC)
			in.sync.nr_slots = 4;
		len = encode(&in, *state);
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(decode(*state, cut, &in), -EBADMSG);
	}
}

static void each_flipped_bit_is_refused_or_a_lawful_message(void **state)
{
	static struct message in;
	uint8_t *buf = *state;

	for (size_t i = 0; i < LEN(fills) * 2; i++) {
		size_t len;

		memset(&in, 0, sizeof(in));
		fills[i / 2](&in, i % 2);
		if (in.kind == MESSAGE_REPORT && in.report.nr_slots)
			in.report.nr_slots = 3;
		if (in.kind == MESSAGE_SYNC && in.sync.nr_slots)
			in.sync.nr_slots = 3;
		len = encode(&in, buf);
		for (size_t bit = 0; bit < len * 8; bit++) {
			buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
			decode_hostile(buf, len);
			buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void random_bytes_are_refused_or_a_lawful_message(void **state)
{
	uint8_t *buf = *state;
	uint64_t x = 88172645463325252ULL;	/* xorshift, the same each run */

	for (int round = 0; round < 20000; round++) {
		const size_t len = 1 + x % 60;

		for (size_t i = 0; i < len; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			buf[i] = (uint8_t)(x >> 24);
		}
		/* Often a tag that exists, so that depth is reached. */
		if (round % 2) {
			buf[0] = (uint8_t)((x >> 40) % 3 << 3 | 0x0a);
			buf[1] = (uint8_t)(len - 2);
		}
		decode_hostile(buf, len);
	}
}

static void nothing_and_too_much_are_refused(void **state)
{
	static struct message out;
	uint8_t *big = calloc(1, WIRE_BYTES_MAX + 1);

	(void)state;
	assert_non_null(big);
	assert_int_equal(decode(big, 0, &out), -EBADMSG);
	assert_int_equal(wire_decode(big, WIRE_BYTES_MAX + 1, &out), -EBADMSG);
	free(big);
}

/* Unknown fields are skipped, but 30,000 of them would take megabytes. */
static void message_that_unfolds_past_the_budget_is_refused(void **state)
{
	static struct message in, out;
	uint8_t *buf = *state;
	size_t len;

	lease_fill(&in, true);
	len = encode(&in, buf);
	for (int i = 0; i < 30000; i++) {
		buf[len++] = 15 << 3;	/* field 15, a varint */
		buf[len++] = 1;
	}
	assert_true(len < WIRE_BYTES_MAX);
	assert_int_equal(decode(buf, len, &out), -EBADMSG);
	len -= 2 * 29000;
	assert_int_equal(decode(buf, len, &out), 0);
}

static void unknown_message_and_unknown_field_differ(void **state)
{
	static const uint8_t unknown_message[] = { 0xfa, 0x07, 0x00 };
	static struct message in, out;
	uint8_t *buf = *state;
	size_t len;

	assert_int_equal(decode(unknown_message, sizeof(unknown_message), &out),
			 -EBADMSG);
	lease_fill(&in, true);
	len = encode(&in, buf);
	memcpy(buf + len, unknown_message, sizeof(unknown_message));
	assert_int_equal(decode(buf, len + sizeof(unknown_message), &out), 0);
	assert_memory_equal(&in, &out, sizeof(in));
}

/* Each entry spoils one field of a lawful message, past the encoder. */
typedef void spoil_fn(struct message *m);

#define SPOIL(name, statement) \
	static void name(struct message *m) \
	{                                   \
		statement;                  \
	}

SPOIL(hello_no_version, m->hello.version_min = 0)
SPOIL(hello_versions_crossed, m->hello.version_min = 2;
      m->hello.version_max = 1)
SPOIL(hello_no_host, m->hello.host.s[0] = 0)
SPOIL(hello_bad_host, m->hello.host.s[0] = '.')
SPOIL(hello_no_boot, m->hello.boot.s[0] = 0)
SPOIL(hello_bad_boot, m->hello.boot.s[1] = ' ')
SPOIL(welcome_no_version, m->welcome.version = 0)
SPOIL(welcome_no_store, memset(&m->welcome.store, 0, STORE_ID_SIZE))
SPOIL(welcome_no_incarnation, m->welcome.incarnation = 0)
SPOIL(welcome_no_heartbeat, m->welcome.heartbeat_ms = 0)
SPOIL(welcome_no_lease, m->welcome.lease_ms = 0)
SPOIL(report_no_volume, m->report.slots[3].volume.s[0] = 0)
SPOIL(report_bad_volume, m->report.slots[2].volume.s[2] = '/')
SPOIL(report_no_replica, m->report.slots[63].replica.s[0] = 0)
SPOIL(report_bad_addr, m->report.slots[2].data_addr.s[4] = '\n')
SPOIL(report_bad_ctrl, m->report.slots[2].ctrl_addr.s[4] = ' ')
SPOIL(report_bad_state, m->report.slots[0].state = 5)
SPOIL(report_negative_state, m->report.slots[0].state = (enum gate_state) - 1)
SPOIL(report_bad_role, m->report.slots[0].role = 3)
SPOIL(report_half_authority, m->report.slots[0].authority.endpoint_version = 0)
SPOIL(report_half_floor, m->report.slots[0].floor.endpoint_version = 0)
SPOIL(report_half_applied, m->report.slots[0].applied.endpoint_version = 0)
SPOIL(report_half_served, m->report.slots[0].served.endpoint_version = 0)
SPOIL(ack_no_kind, m->ack.kind = COMMAND_UNSPEC)
SPOIL(ack_bad_kind, m->ack.kind = 4)
SPOIL(ack_positive_error, m->ack.error = 1)
SPOIL(ack_error_past_errno, m->ack.error = -4096)
SPOIL(ack_half_asked, m->ack.asked.endpoint_version = 0)
SPOIL(ack_asked_nothing, m->ack.asked = (struct lineage){ 0 })
SPOIL(ack_no_volume, m->ack.proof.volume.s[0] = 0)
SPOIL(ack_no_replica, m->ack.proof.replica.s[0] = 0)
SPOIL(ack_bad_state, m->ack.proof.state = 5)
SPOIL(ack_half_lineage, m->ack.proof.lineage.endpoint_version = 0)
SPOIL(ack_bad_boot, m->ack.proof.boot.s[0] = '-')
SPOIL(ack_success_without_boot, m->ack.error = 0; m->ack.proof.boot.s[0] = 0)
SPOIL(sync_no_incarnation, m->sync.incarnation = 0)
SPOIL(sync_no_volume, m->sync.slots[63].volume.s[0] = 0)
SPOIL(sync_bad_replica, m->sync.slots[0].replica.s[0] = '_')
SPOIL(command_no_kind, m->command.kind = COMMAND_UNSPEC)
SPOIL(command_bad_kind, m->command.kind = 4)
SPOIL(command_no_volume, m->command.volume.s[0] = 0)
SPOIL(command_no_replica, m->command.replica.s[0] = 0)
SPOIL(command_no_lineage, m->command.lineage = (struct lineage){ 0 })
SPOIL(command_half_lineage, m->command.lineage.endpoint_version = 0)
SPOIL(command_no_primary, m->command.primary.s[0] = 0)
SPOIL(command_bad_primary, m->command.primary.s[0] = '@')
SPOIL(command_no_incarnation, m->command.incarnation = 0)
SPOIL(lease_no_incarnation, m->lease.incarnation = 0)

static const struct {
	void (*fill)(struct message *m, bool largest);
	spoil_fn *spoil;
} spoils[] = {
	{ hello_fill, hello_no_version },
	{ hello_fill, hello_versions_crossed },
	{ hello_fill, hello_no_host },
	{ hello_fill, hello_bad_host },
	{ hello_fill, hello_no_boot },
	{ hello_fill, hello_bad_boot },
	{ welcome_fill, welcome_no_version },
	{ welcome_fill, welcome_no_store },
	{ welcome_fill, welcome_no_incarnation },
	{ welcome_fill, welcome_no_heartbeat },
	{ welcome_fill, welcome_no_lease },
	{ report_fill, report_no_volume },
	{ report_fill, report_bad_volume },
	{ report_fill, report_no_replica },
	{ report_fill, report_bad_addr },
	{ report_fill, report_bad_ctrl },
	{ report_fill, report_bad_state },
	{ report_fill, report_negative_state },
	{ report_fill, report_bad_role },
	{ report_fill, report_half_authority },
	{ report_fill, report_half_floor },
	{ report_fill, report_half_applied },
	{ report_fill, report_half_served },
	{ ack_fill, ack_no_kind },
	{ ack_fill, ack_bad_kind },
	{ ack_fill, ack_positive_error },
	{ ack_fill, ack_error_past_errno },
	{ ack_fill, ack_half_asked },
	{ ack_fill, ack_asked_nothing },
	{ ack_fill, ack_no_volume },
	{ ack_fill, ack_no_replica },
	{ ack_fill, ack_bad_state },
	{ ack_fill, ack_half_lineage },
	{ ack_fill, ack_bad_boot },
	{ ack_fill, ack_success_without_boot },
	{ sync_fill, sync_no_incarnation },
	{ sync_fill, sync_no_volume },
	{ sync_fill, sync_bad_replica },
	{ command_fill, command_no_kind },
	{ command_fill, command_bad_kind },
	{ command_fill, command_no_volume },
	{ command_fill, command_no_replica },
	{ command_fill, command_no_lineage },
	{ command_fill, command_half_lineage },
	{ command_fill, command_no_primary },
	{ command_fill, command_bad_primary },
	{ command_fill, command_no_incarnation },
	{ lease_fill, lease_no_incarnation },
};

static void value_out_of_range_is_refused_field_by_field(void **state)
{
	static struct message in, out;

	for (size_t i = 0; i < LEN(spoils); i++) {
		size_t len;

		memset(&in, 0, sizeof(in));
		spoils[i].fill(&in, true);
		len = encode(&in, *state);
		assert_int_equal(decode(*state, len, &out), 0);
		spoils[i].spoil(&in);
		len = encode(&in, *state);
		if (decode(*state, len, &out) != -EBADMSG)
			fail_msg("entry %zu of spoils[] was accepted", i);
	}
}

static int decode_envelope(const Bfence__V1__Envelope *envelope)
{
	static struct message out;
	static uint8_t buf[WIRE_BYTES_MAX];
	const size_t len = bfence__v1__envelope__get_packed_size(envelope);

	assert_true(len <= sizeof(buf));
	bfence__v1__envelope__pack(envelope, buf);
	return decode(buf, len, &out);
}

static void
report_and_sync_of_65_slots_are_refused_and_of_64_are_not(void **state)
{
	Bfence__V1__Envelope envelope = BFENCE__V1__ENVELOPE__INIT;
	Bfence__V1__Report report = BFENCE__V1__REPORT__INIT;
	Bfence__V1__SlotFact fact = BFENCE__V1__SLOT_FACT__INIT;
	Bfence__V1__SlotFact *facts[MESSAGE_SLOTS_MAX + 1];
	Bfence__V1__Sync sync = BFENCE__V1__SYNC__INIT;
	Bfence__V1__SyncSlot slot = BFENCE__V1__SYNC_SLOT__INIT;
	Bfence__V1__SyncSlot *slots[MESSAGE_SLOTS_MAX + 1];

	(void)state;
	fact.volume = slot.volume = (char *)"v1";
	fact.replica = slot.replica = (char *)"r1";
	for (int i = 0; i <= MESSAGE_SLOTS_MAX; i++) {
		facts[i] = &fact;
		slots[i] = &slot;
	}
	report.slots = facts;
	report.n_slots = MESSAGE_SLOTS_MAX;
	envelope.message_case = BFENCE__V1__ENVELOPE__MESSAGE_REPORT;
	envelope.report = &report;
	assert_int_equal(decode_envelope(&envelope), 0);
	report.n_slots++;
	assert_int_equal(decode_envelope(&envelope), -EBADMSG);

	sync.incarnation = 1;
	sync.slots = slots;
	sync.n_slots = MESSAGE_SLOTS_MAX;
	envelope.message_case = BFENCE__V1__ENVELOPE__MESSAGE_SYNC;
	envelope.sync = &sync;
	assert_int_equal(decode_envelope(&envelope), 0);
	sync.n_slots++;
	assert_int_equal(decode_envelope(&envelope), -EBADMSG);
}

static void text_and_ids_one_byte_too_long_are_refused(void **state)
{
	Bfence__V1__Envelope envelope = BFENCE__V1__ENVELOPE__INIT;
	Bfence__V1__Refuse refuse = BFENCE__V1__REFUSE__INIT;
	Bfence__V1__Hello hello = BFENCE__V1__HELLO__INIT;
	char reason[MESSAGE_REASON_SIZE + 1];
	uint8_t store[STORE_ID_SIZE + 1] = { 1 };

	(void)state;
	memset(reason, 'x', sizeof(reason));
	reason[MESSAGE_REASON_SIZE] = '\0';
	refuse.reason = reason;
	envelope.message_case = BFENCE__V1__ENVELOPE__MESSAGE_REFUSE;
	envelope.refuse = &refuse;
	assert_int_equal(decode_envelope(&envelope), -EBADMSG);
	refuse.reason = (char *)"two\nlines";
	assert_int_equal(decode_envelope(&envelope), -EBADMSG);
	refuse.reason = (char *)"rub\x7fout";
	assert_int_equal(decode_envelope(&envelope), -EBADMSG);

	hello.version_min = hello.version_max = 1;
	hello.host = (char *)HOST_LONGEST;
	hello.boot = (char *)BOOT;
	hello.master_store.data = store;
	hello.master_store.len = STORE_ID_SIZE;
	envelope.message_case = BFENCE__V1__ENVELOPE__MESSAGE_HELLO;
	envelope.hello = &hello;
	assert_int_equal(decode_envelope(&envelope), 0);
	hello.host = (char *)HOST_LONGEST "2";
	assert_int_equal(decode_envelope(&envelope), -EBADMSG);
	hello.host = (char *)HOST_LONGEST;
	hello.master_store.len = STORE_ID_SIZE + 1;
	assert_int_equal(decode_envelope(&envelope), -EBADMSG);
	hello.master_store.len = STORE_ID_SIZE - 1;
	assert_int_equal(decode_envelope(&envelope), -EBADMSG);
}

static void ack_without_a_proof_is_refused(void **state)
{
	Bfence__V1__Envelope envelope = BFENCE__V1__ENVELOPE__INIT;
	Bfence__V1__Ack ack = BFENCE__V1__ACK__INIT;

	(void)state;
	ack.kind = BFENCE__V1__COMMAND_KIND__COMMAND_KIND_CLOSE;
	envelope.message_case = BFENCE__V1__ENVELOPE__MESSAGE_ACK;
	envelope.ack = &ack;
	assert_int_equal(decode_envelope(&envelope), -EBADMSG);
}

static void frame_is_taken_only_when_all_of_it_is_there(void **state)
{
	static struct message in, out;
	uint8_t *buf = *state;
	int len;

	lease_fill(&in, true);
	len = wire_frame_put(&in, buf);
	assert_true(len > WIRE_HEADER_BYTES);
	for (int have = 0; have < len; have++)
		assert_int_equal(wire_frame_get(buf, (size_t)have, &out), 0);
	buf[len] = 0xff;	/* the next frame is not looked at */
	assert_int_equal(wire_frame_get(buf, (size_t)len + 1, &out), len);
	assert_memory_equal(&in, &out, sizeof(in));
	buf[WIRE_HEADER_BYTES] ^= 0xff;
	assert_int_equal(wire_frame_get(buf, (size_t)len, &out), -EBADMSG);
}

static void frame_length_is_from_one_to_the_limit_only(void **state)
{
	static const struct {
		uint8_t bytes[WIRE_HEADER_BYTES];
		int r;
	} table[] = {
		{ { 0, 0, 0, 0 }, -EMSGSIZE },
		{ { 0, 0, 0, 1 }, 0 },
		{ { 0, 1, 0, 0 }, 0 },
		{ { 0, 1, 0, 1 }, -EMSGSIZE },
		{ { 0x80, 0, 0, 0 }, -EMSGSIZE },
		{ { 0xff, 0xff, 0xff, 0xff }, -EMSGSIZE },
	};
	static struct message out;

	(void)state;
	for (size_t i = 0; i < LEN(table); i++)
		assert_int_equal(wire_frame_get(table[i].bytes,
						WIRE_HEADER_BYTES, &out),
				 table[i].r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_kind_comes_back_equal_at_its_smallest_and_largest),
		TEST(each_largest_message_fits_the_limit_with_room),
		TEST(buffer_one_byte_short_is_enospc_and_stays_untouched),
		TEST(message_of_no_kind_or_of_too_many_slots_is_not_encoded),
		TEST(a_sync_slot_may_come_without_a_replica),
		TEST(control_bytes_of_a_reason_leave_as_blanks),
		TEST(truncation_at_every_byte_never_crashes),
		TEST(each_flipped_bit_is_refused_or_a_lawful_message),
		TEST(random_bytes_are_refused_or_a_lawful_message),
		TEST(nothing_and_too_much_are_refused),
		TEST(message_that_unfolds_past_the_budget_is_refused),
		TEST(unknown_message_and_unknown_field_differ),
		TEST(value_out_of_range_is_refused_field_by_field),
		TEST(report_and_sync_of_65_slots_are_refused_and_of_64_are_not),
		TEST(text_and_ids_one_byte_too_long_are_refused),
		TEST(ack_without_a_proof_is_refused),
		TEST(frame_is_taken_only_when_all_of_it_is_there),
		TEST(frame_length_is_from_one_to_the_limit_only),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
