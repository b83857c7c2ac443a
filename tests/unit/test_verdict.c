// SPDX-License-Identifier: GPL-2.0
/*
 * The gate's decisions, as the kernel module takes them. No gate, no time.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "verdict.h"

#define LINEAGE(e, v) \
	((struct lineage){ .epoch = (e), .endpoint_version = (v) })
#define NR(table) (sizeof(table) / sizeof((table)[0]))

static const struct verdict_host quiet_host;

static struct verdict_gate gate_at(__u64 epoch, __u64 version)
{
	return (struct verdict_gate){ .authority = LINEAGE(epoch, version),
				      .primary = "r1" };
}

static struct verdict_ask ask_at(__u64 epoch, __u64 version)
{
	return (struct verdict_ask){ .lineage = LINEAGE(epoch, version) };
}

static void a_zeroed_gate_is_closed_and_holds_no_authority(void **state)
{
	const struct verdict_gate gate = {};
	const struct verdict_ask open = ask_at(1, 1);

	(void)state;
	assert_int_equal(gate.state, BFENCE_STATE_CLOSED);
	assert_false(lineage_is_set(&gate.authority));
	assert_int_equal(verdict_open(&gate, &open, &quiet_host),
			 VERDICT_NEWER);
}

static void lineages_are_ordered_by_epoch_then_version(void **state)
{
	static const struct {
		struct lineage a, b;
		int order;
	} rows[] = {
		{ { 1, 1 }, { 1, 1 }, 0 },
		{ { 1, 1 }, { 1, 2 }, -1 },
		{ { 1, UINT64_MAX }, { 2, 1 }, -1 },
		{ { UINT64_MAX, 1 }, { UINT64_MAX - 1, UINT64_MAX }, 1 },
		{ { 0, 0 }, { 1, 1 }, -1 },
	};

	(void)state;
	for (size_t i = 0; i < NR(rows); i++) {
		assert_int_equal(lineage_cmp(&rows[i].a, &rows[i].b),
				 rows[i].order);
		assert_int_equal(lineage_cmp(&rows[i].b, &rows[i].a),
				 -rows[i].order);
	}
}

static void a_name_is_of_few_characters_and_begins_alphanumeric(void **state)
{
	static const char *const sound[] = { "a", "0", "Z9", "a.b_c-d" };
	static const char *const unsound[] = {
		"", ".", "-a", "_a", "a b", "a/b", "a\n", "\xc3\xa9"
	};

	(void)state;
	for (size_t i = 0; i < NR(sound); i++)
		assert_true(verdict_name_is_sound(sound[i]));
	for (size_t i = 0; i < NR(unsound); i++)
		assert_false(verdict_name_is_sound(unsound[i]));
}

static void a_fence_raises_repeats_or_is_stale(void **state)
{
	const struct verdict_gate gate = gate_at(7, 2);
	static const struct {
		struct lineage lineage;
		enum verdict verdict;
	} rows[] = {
		{ { 7, 1 }, VERDICT_STALE }, { { 6, 99 }, VERDICT_STALE },
		{ { 7, 2 }, VERDICT_SAME },  { { 7, 3 }, VERDICT_APPLY },
		{ { 8, 1 }, VERDICT_APPLY },
	};

	(void)state;
	for (size_t i = 0; i < NR(rows); i++) {
		const struct verdict_ask ask = { .lineage = rows[i].lineage };

		assert_int_equal(verdict_fence(&gate, &ask, &quiet_host),
				 rows[i].verdict);
	}
}

static void the_same_lineage_with_another_primary_is_a_conflict(void **state)
{
	struct verdict_gate gate = gate_at(7, 2);
	struct verdict_ask ask = ask_at(7, 2);

	(void)state;
	ask.primary = "r2";
	assert_int_equal(verdict_fence(&gate, &ask, &quiet_host),
			 VERDICT_CONFLICT_PRIMARY);
	assert_int_equal(verdict_open(&gate, &ask, &quiet_host),
			 VERDICT_CONFLICT_PRIMARY);
	ask.primary = "r1";
	assert_int_equal(verdict_fence(&gate, &ask, &quiet_host), VERDICT_SAME);
	gate.primary[0] = '\0';		/* not named yet: no contradiction */
	ask.primary = "r2";
	assert_int_equal(verdict_fence(&gate, &ask, &quiet_host), VERDICT_SAME);
}

static void force_lowers_nothing_and_settles_no_conflict(void **state)
{
	const struct verdict_gate gate = gate_at(7, 2);
	struct verdict_ask ask = ask_at(7, 1);

	(void)state;
	ask.flags = BFENCE_F_FORCE;
	assert_int_equal(verdict_fence(&gate, &ask, &quiet_host),
			 VERDICT_STALE);
	assert_int_equal(verdict_open(&gate, &ask, &quiet_host), VERDICT_STALE);
	ask.lineage = LINEAGE(7, 2);
	ask.primary = "r2";
	assert_int_equal(verdict_fence(&gate, &ask, &quiet_host),
			 VERDICT_CONFLICT_PRIMARY);
}

static void a_disk_is_kept_for_the_same_epoch_and_primary_alone(void **state)
{
	const struct verdict_gate gate = gate_at(7, 2);
	struct verdict_ask ask = ask_at(7, 3);

	(void)state;
	ask.flags = BFENCE_F_KEEP_DISK;
	ask.primary = "r1";
	assert_int_equal(verdict_fence(&gate, &ask, &quiet_host),
			 VERDICT_APPLY);
	ask.primary = "r2";
	assert_int_equal(verdict_fence(&gate, &ask, &quiet_host),
			 VERDICT_KEEP_DISK);
	ask.primary = NULL;		/* unsaid is not the same */
	assert_int_equal(verdict_fence(&gate, &ask, &quiet_host),
			 VERDICT_KEEP_DISK);
	ask.primary = "r1";
	ask.lineage = LINEAGE(8, 1);
	assert_int_equal(verdict_fence(&gate, &ask, &quiet_host),
			 VERDICT_KEEP_DISK);
}

static void a_gate_opens_at_exactly_its_authority(void **state)
{
	const struct verdict_gate gate = gate_at(7, 2);
	static const struct {
		struct lineage lineage;
		enum verdict verdict;
	} rows[] = {
		{ { 7, 1 }, VERDICT_STALE },
		{ { 7, 2 }, VERDICT_APPLY },
		{ { 7, 3 }, VERDICT_NEWER },
		{ { 8, 1 }, VERDICT_NEWER },
	};

	(void)state;
	for (size_t i = 0; i < NR(rows); i++) {
		const struct verdict_ask ask = { .lineage = rows[i].lineage };

		assert_int_equal(verdict_open(&gate, &ask, &quiet_host),
				 rows[i].verdict);
	}
}

static void a_gate_opens_only_when_drained(void **state)
{
	static const struct {
		enum bfence_state state;
		enum verdict verdict;
	} rows[] = {
		{ BFENCE_STATE_CLOSED, VERDICT_APPLY },
		{ BFENCE_STATE_OPEN, VERDICT_SAME },
		{ BFENCE_STATE_DRAINING, VERDICT_UNDRAINED },
		{ BFENCE_STATE_QUARANTINED, VERDICT_UNDRAINED },
	};
	const struct verdict_ask ask = ask_at(7, 2);
	struct verdict_gate gate = gate_at(7, 2);

	(void)state;
	for (size_t i = 0; i < NR(rows); i++) {
		gate.state = rows[i].state;
		assert_int_equal(verdict_open(&gate, &ask, &quiet_host),
				 rows[i].verdict);
	}
}

static void one_lineage_is_opened_with_one_access(void **state)
{
	const struct verdict_host leased = { .lease_running = true };
	struct verdict_gate gate = gate_at(7, 2);
	struct verdict_ask ask = ask_at(7, 2);

	(void)state;
	gate.access_known = true;
	gate.access = BFENCE_F_LEASED;
	assert_int_equal(verdict_open(&gate, &ask, &leased),
			 VERDICT_CONFLICT_ACCESS);
	ask.flags = BFENCE_F_LEASED;
	assert_int_equal(verdict_open(&gate, &ask, &leased), VERDICT_APPLY);
	gate.state = BFENCE_STATE_OPEN;
	ask.flags = BFENCE_F_LEASED | BFENCE_F_READ_ONLY;
	assert_int_equal(verdict_open(&gate, &ask, &leased),
			 VERDICT_CONFLICT_ACCESS);
}

static void a_leased_open_needs_a_running_lease(void **state)
{
	const struct verdict_host leased = { .lease_running = true };
	const struct verdict_gate gate = gate_at(7, 2);
	struct verdict_ask ask = ask_at(7, 2);

	(void)state;
	ask.flags = BFENCE_F_LEASED;
	assert_int_equal(verdict_open(&gate, &ask, &quiet_host),
			 VERDICT_NO_LEASE);
	assert_int_equal(verdict_open(&gate, &ask, &leased), VERDICT_APPLY);
}

static void a_read_only_backing_device_opens_read_only(void **state)
{
	struct verdict_gate gate = gate_at(7, 2);
	struct verdict_ask ask = ask_at(7, 2);

	(void)state;
	gate.read_only = true;
	assert_int_equal(verdict_open(&gate, &ask, &quiet_host),
			 VERDICT_READ_ONLY);
	ask.flags = BFENCE_F_READ_ONLY;
	assert_int_equal(verdict_open(&gate, &ask, &quiet_host), VERDICT_APPLY);
}

typedef enum verdict command_fn(const struct verdict_gate *,
				const struct verdict_ask *,
				const struct verdict_host *);

static enum verdict detach(const struct verdict_gate *gate,
			   const struct verdict_ask *ask,
			   const struct verdict_host *host)
{
	return verdict_detach(gate, ask, host, false);
}

static void every_command_asks_who_gives_it(void **state)
{
	static command_fn *const commands[] = { verdict_fence, verdict_open,
						verdict_close, detach };
	const struct verdict_host host = { .incarnation = 5 };
	struct verdict_gate gate = gate_at(7, 2);

	(void)state;
	gate.managed = true;
	for (size_t i = 0; i < NR(commands); i++) {
		struct verdict_ask ask = ask_at(7, 2);

		assert_int_equal(commands[i](&gate, &ask, &host),
				 VERDICT_MANAGED);
		ask.incarnation = 4;
		ask.flags = BFENCE_F_FORCE;	/* no cure for an old master */
		assert_int_equal(commands[i](&gate, &ask, &host),
				 VERDICT_OLD_INCARNATION);
		ask.incarnation = 5;
		ask.flags = 0;
		assert_int_equal(verdict_errno(commands[i](&gate, &ask, &host)),
				 0);
		ask.incarnation = 0;
		ask.flags = BFENCE_F_FORCE;
		assert_int_equal(verdict_errno(commands[i](&gate, &ask, &host)),
				 0);
	}
}

static void only_a_bare_change_of_a_managed_gate_is_forced(void **state)
{
	struct verdict_gate gate = gate_at(7, 2);
	struct verdict_ask ask = ask_at(7, 3);

	(void)state;
	ask.flags = BFENCE_F_FORCE;
	assert_false(verdict_is_forced(&gate, &ask));
	gate.managed = true;
	assert_true(verdict_is_forced(&gate, &ask));
	ask.incarnation = 5;
	assert_false(verdict_is_forced(&gate, &ask));
}

static void a_close_is_done_once(void **state)
{
	const struct verdict_ask ask = {};
	struct verdict_gate gate = gate_at(7, 2);

	(void)state;
	gate.state = BFENCE_STATE_OPEN;
	assert_int_equal(verdict_close(&gate, &ask, &quiet_host),
			 VERDICT_APPLY);
	gate.state = BFENCE_STATE_QUARANTINED;
	assert_int_equal(verdict_close(&gate, &ask, &quiet_host), VERDICT_SAME);
}

static void a_gate_in_use_is_not_detached(void **state)
{
	const struct verdict_ask ask = { .flags = BFENCE_F_FORCE };
	struct verdict_gate gate = gate_at(7, 2);

	(void)state;
	gate.state = BFENCE_STATE_OPEN;
	assert_int_equal(verdict_detach(&gate, &ask, &quiet_host, false),
			 VERDICT_BUSY_OPEN);
	gate.state = BFENCE_STATE_DRAINING;
	assert_int_equal(verdict_detach(&gate, &ask, &quiet_host, false),
			 VERDICT_BUSY_INFLIGHT);
	gate.state = BFENCE_STATE_QUARANTINED;
	assert_int_equal(verdict_detach(&gate, &ask, &quiet_host, false),
			 VERDICT_BUSY_INFLIGHT);
	gate.state = BFENCE_STATE_CLOSED;
	assert_int_equal(verdict_detach(&gate, &ask, &quiet_host, true),
			 VERDICT_BUSY_DISK);
	assert_int_equal(verdict_detach(&gate, &ask, &quiet_host, false),
			 VERDICT_APPLY);
}

static void an_attach_names_what_is_malformed(void **state)
{
	static const struct {
		const char *volume, *replica, *path, *primary;
		struct lineage floor;
		enum verdict verdict;
	} rows[] = {
		{ "v1", "r1", "/dev/a", NULL, { 0, 0 }, VERDICT_APPLY },
		{ "v1", "r1", "/dev/a", "r2", { 7, 2 }, VERDICT_APPLY },
		{ "", "r1", "/dev/a", NULL, { 0, 0 }, VERDICT_BAD_VOLUME },
		{ "v1", "r 1", "/dev/a", NULL, { 0, 0 }, VERDICT_BAD_REPLICA },
		{ "v1", "r1", "dev/a", NULL, { 0, 0 }, VERDICT_BAD_BACKING },
		{ "v1", "r1", "", NULL, { 0, 0 }, VERDICT_BAD_BACKING },
		{ "v1", "r1", "/dev/a", "", { 7, 2 }, VERDICT_BAD_PRIMARY },
		{ "v1", "r1", "/dev/a", NULL, { 7, 0 }, VERDICT_HALF_LINEAGE },
		{ "v1", "r1", "/dev/a", NULL, { 0, 2 }, VERDICT_HALF_LINEAGE },
		{ "v1", "r1", "/dev/a", "r2", { 0, 0 }, VERDICT_PRIMARY_ALONE },
	};

	(void)state;
	for (size_t i = 0; i < NR(rows); i++) {
		const struct verdict_ask ask = { .lineage = rows[i].floor,
						 .primary = rows[i].primary };

		assert_int_equal(verdict_attach(rows[i].volume, rows[i].replica,
						rows[i].path, &ask,
						&quiet_host),
				 rows[i].verdict);
	}
}

static void an_old_master_attaches_nothing(void **state)
{
	const struct verdict_host host = { .incarnation = 5 };
	const struct verdict_ask ask = { .incarnation = 4 };

	(void)state;
	assert_int_equal(verdict_attach("v1", "r1", "/dev/a", &ask, &host),
			 VERDICT_OLD_INCARNATION);
}

static void a_lease_is_the_masters_once_there_is_one(void **state)
{
	struct verdict_host host = {};
	struct verdict_ask ask = {};

	(void)state;
	assert_int_equal(verdict_lease(&ask, &host), VERDICT_APPLY);
	host.incarnation = 5;
	assert_int_equal(verdict_lease(&ask, &host), VERDICT_MANAGED);
	ask.incarnation = 4;
	assert_int_equal(verdict_lease(&ask, &host), VERDICT_OLD_INCARNATION);
	ask.incarnation = 5;
	assert_int_equal(verdict_lease(&ask, &host), VERDICT_APPLY);
}

static void a_refused_io_knows_why(void **state)
{
	const struct lineage grant = LINEAGE(7, 2);
	static const struct {
		struct lineage authority;
		bool lease_is_over;
		enum verdict_reject why;
	} rows[] = {
		{ { 7, 2 }, false, REJECT_CLOSED },
		{ { 7, 2 }, true, REJECT_LEASE },
		{ { 7, 3 }, false, REJECT_STALE },
		{ { 8, 1 }, true, REJECT_STALE },
		{ { 7, 1 }, false, REJECT_NEWER },
		{ { 6, 9 }, true, REJECT_NEWER },
		{ { 0, 0 }, false, REJECT_NEWER },
	};

	(void)state;
	for (size_t i = 0; i < NR(rows); i++)
		assert_int_equal(verdict_reject(&grant, &rows[i].authority,
						rows[i].lease_is_over),
				 rows[i].why);
}

static void each_reason_has_an_errno_of_its_own(void **state)
{
	static const struct {
		enum verdict_reject why;
		int error;
	} rows[] = {
		{ REJECT_NONE, 0 },
		{ REJECT_STALE, -ESTALE },
		{ REJECT_NEWER, -EAGAIN },
		{ REJECT_CLOSED, -ENOLINK },
		{ REJECT_LEASE, -EKEYEXPIRED },
		{ REJECT_READ_ONLY, -EROFS },
	};

	(void)state;
	assert_int_equal(NR(rows), NR_REJECTS);
	for (size_t i = 0; i < NR(rows); i++)
		assert_int_equal(verdict_reject_errno(rows[i].why),
				 rows[i].error);
}

static void a_refusal_is_never_a_success(void **state)
{
	(void)state;
	assert_int_equal(verdict_errno(VERDICT_APPLY), 0);
	assert_int_equal(verdict_errno(VERDICT_SAME), 0);
	for (int v = VERDICT_SAME + 1; v <= NR_VERDICTS; v++)
		assert_true(verdict_errno((enum verdict)v) < 0);
	assert_int_equal(verdict_errno(VERDICT_STALE), -ESTALE);
	assert_int_equal(verdict_errno(VERDICT_CONFLICT_PRIMARY), -EEXIST);
	assert_int_equal(verdict_errno(VERDICT_MANAGED), -EPERM);
	assert_int_equal(verdict_errno(VERDICT_UNDRAINED), -EAGAIN);
	assert_int_equal(verdict_errno(VERDICT_NO_LEASE), -EKEYEXPIRED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_zeroed_gate_is_closed_and_holds_no_authority),
		cmocka_unit_test(lineages_are_ordered_by_epoch_then_version),
		cmocka_unit_test(
			a_name_is_of_few_characters_and_begins_alphanumeric),
		cmocka_unit_test(a_fence_raises_repeats_or_is_stale),
		cmocka_unit_test(
			the_same_lineage_with_another_primary_is_a_conflict),
		cmocka_unit_test(force_lowers_nothing_and_settles_no_conflict),
		cmocka_unit_test(
			a_disk_is_kept_for_the_same_epoch_and_primary_alone),
		cmocka_unit_test(a_gate_opens_at_exactly_its_authority),
		cmocka_unit_test(a_gate_opens_only_when_drained),
		cmocka_unit_test(one_lineage_is_opened_with_one_access),
		cmocka_unit_test(a_leased_open_needs_a_running_lease),
		cmocka_unit_test(a_read_only_backing_device_opens_read_only),
		cmocka_unit_test(every_command_asks_who_gives_it),
		cmocka_unit_test(
			only_a_bare_change_of_a_managed_gate_is_forced),
		cmocka_unit_test(a_close_is_done_once),
		cmocka_unit_test(a_gate_in_use_is_not_detached),
		cmocka_unit_test(an_attach_names_what_is_malformed),
		cmocka_unit_test(an_old_master_attaches_nothing),
		cmocka_unit_test(a_lease_is_the_masters_once_there_is_one),
		cmocka_unit_test(a_refused_io_knows_why),
		cmocka_unit_test(each_reason_has_an_errno_of_its_own),
		cmocka_unit_test(a_refusal_is_never_a_success),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
