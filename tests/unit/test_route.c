// SPDX-License-Identifier: GPL-2.0
/*
 * The route from a heartbeat to an open gate and back, with nothing in it that
 * is not production code but the kernels, which decide by the module's rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "route.h"

#define SETTLE_MS	4000
#define RECOVER_MS	20000

static struct route *open_route(enum guard guard)
{
	struct route *r = route_start(guard, 1);

	route_run_ms(r, 500);
	route_create(r, "v1");
	route_create(r, "v2");
	route_run_ms(r, SETTLE_MS);
	assert_true(route_is_open(r, "v1"));
	assert_true(route_is_open(r, "v2"));
	return r;
}

static int primary_host(struct route *r, const char *name)
{
	const struct volume_status s = route_status(r, name);

	return s.line.primary.s[1] - '1';
}

static void assert_epoch(struct route *r, const char *name, uint64_t epoch)
{
	assert_int_equal(route_status(r, name).line.lineage.epoch, epoch);
}

static void a_new_volume_reaches_all_three_kernels(void **state)
{
	struct route *r = open_route(GUARD_LEASE);

	(void)state;
	assert_epoch(r, "v1", 1);
	assert_int_not_equal(primary_host(r, "v1"), primary_host(r, "v2"));
	for (int i = 0; i < ROUTE_HOSTS; i++) {
		const struct gate_info g = route_gate(r, i, "v1");

		assert_true(g.managed);
		assert_int_equal(g.leased, i == primary_host(r, "v1"));
	}
	route_end(r);
}

static void
a_primary_that_is_cut_off_closes_itself_and_is_replaced(void **state)
{
	struct route *r = open_route(GUARD_LEASE);
	int old = primary_host(r, "v1");

	(void)state;
	route_cut(r, old, true);
	route_run_ms(r, RECOVER_MS);
	assert_epoch(r, "v1", 2);
	assert_int_equal(route_gate(r, old, "v1").state, GATE_CLOSED);
	assert_true(route_gate(r, old, "v1").lease_ended);
	route_cut(r, old, false);
	route_run_ms(r, SETTLE_MS);
	assert_true(route_is_open(r, "v1"));
	assert_epoch(r, "v1", 2);
	assert_int_equal(route_gate(r, old, "v1").authority.epoch, 2);
	route_end(r);
}

static void a_frozen_primary_wakes_into_a_fence(void **state)
{
	struct route *r = open_route(GUARD_LEASE);
	int old = primary_host(r, "v1");

	(void)state;
	route_pause(r, old, true);
	route_run_ms(r, RECOVER_MS);
	assert_epoch(r, "v1", 2);
	/* To itself it still serves: its clock stood still. */
	assert_int_equal(route_gate(r, old, "v1").state, GATE_OPEN);
	assert_int_equal(route_gate(r, old, "v1").authority.epoch, 1);
	route_pause(r, old, false);
	route_run_ms(r, 1000);
	assert_int_equal(route_gate(r, old, "v1").authority.epoch, 2);
	route_run_ms(r, SETTLE_MS);
	assert_true(route_is_open(r, "v1"));
	route_end(r);
}

static void a_restarted_master_changes_nothing_that_is_well(void **state)
{
	struct route *r = open_route(GUARD_LEASE);
	unsigned int nr_lines = r->lines.nr;

	(void)state;
	route_kill_master(r);
	route_run_ms(r, 1500);
	route_start_master(r);
	for (int i = 0; i < 400; i++) {
		route_run_ms(r, 10);
		assert_int_equal(route_gate(r, primary_host(r, "v1"), "v1")
					 .state,
				 GATE_OPEN);
	}
	assert_true(route_is_open(r, "v1"));
	assert_int_equal(r->lines.nr, nr_lines);
	route_end(r);
}

static void a_master_away_longer_than_the_lease_finds_and_reopens_its_primaries(
	void **state)
{
	struct route *r = open_route(GUARD_LEASE);
	unsigned int nr_lines = r->lines.nr;
	int host = primary_host(r, "v1");

	(void)state;
	route_kill_master(r);
	route_run_ms(r, 8000);
	assert_int_equal(route_gate(r, host, "v1").state, GATE_CLOSED);
	for (int i = 0; i < ROUTE_HOSTS; i++)
		assert_true(i == host ||
			    route_gate(r, i, "v1").state == GATE_OPEN);
	route_start_master(r);
	route_run_ms(r, SETTLE_MS);
	assert_true(route_is_open(r, "v1"));
	assert_int_equal(r->lines.nr, nr_lines);
	route_end(r);
}

static void under_guard_quorum_a_masters_absence_closes_nothing(void **state)
{
	struct route *r = open_route(GUARD_QUORUM);

	(void)state;
	route_kill_master(r);
	route_run_ms(r, 60000);
	for (int i = 0; i < ROUTE_HOSTS; i++)
		assert_int_equal(route_gate(r, i, "v1").state, GATE_OPEN);
	route_start_master(r);
	route_run_ms(r, SETTLE_MS);
	assert_true(route_is_open(r, "v1"));
	assert_epoch(r, "v1", 1);
	route_end(r);
}

static void an_agents_restart_leaves_its_open_gates_alone(void **state)
{
	struct route *r = open_route(GUARD_LEASE);
	int host = primary_host(r, "v1");

	(void)state;
	route_kill_agent(r, host);
	route_run_ms(r, 500);
	route_start_agent(r, host);
	for (int i = 0; i < 300; i++) {
		route_run_ms(r, 10);
		assert_int_equal(route_gate(r, host, "v1").state, GATE_OPEN);
	}
	assert_true(route_is_open(r, "v1"));
	assert_epoch(r, "v1", 1);
	route_end(r);
}

static void a_rebooted_host_comes_back_closed_at_its_floor(void **state)
{
	struct route *r = open_route(GUARD_QUORUM);
	int host = primary_host(r, "v1");

	(void)state;
	route_cut(r, host, true);
	route_run_ms(r, SETTLE_MS * 2);
	assert_epoch(r, "v1", 2);
	route_cut(r, host, false);
	route_run_ms(r, SETTLE_MS);
	route_cut(r, host, true);
	route_reboot(r, host);
	assert_int_equal(route_gate(r, host, "v1").state, GATE_CLOSED);
	assert_int_equal(route_gate(r, host, "v1").authority.epoch, 2);
	route_cut(r, host, false);
	route_run_ms(r, SETTLE_MS);
	assert_true(route_is_open(r, "v1"));
	route_end(r);
}

static void a_late_slot_is_not_preferred_as_primary(void **state)
{
	struct route *r = open_route(GUARD_QUORUM);
	int first = primary_host(r, "v1");
	int second;

	(void)state;
	route_cut(r, first, true);
	route_run_ms(r, SETTLE_MS * 2);
	second = primary_host(r, "v1");
	assert_int_not_equal(first, second);
	route_cut(r, first, false);
	route_run_ms(r, SETTLE_MS);
	assert_true(route_is_open(r, "v1"));
	route_cut(r, second, true);
	route_run_ms(r, SETTLE_MS * 2);
	assert_epoch(r, "v1", 3);
	assert_int_not_equal(primary_host(r, "v1"), first);
	assert_int_not_equal(primary_host(r, "v1"), second);
	route_end(r);
}

static void all_hosts_reboot_at_once_and_the_same_line_comes_back(void **state)
{
	struct route *r = open_route(GUARD_LEASE);

	(void)state;
	for (int i = 0; i < ROUTE_HOSTS; i++)
		route_reboot(r, i);
	route_run_ms(r, RECOVER_MS);
	assert_true(route_is_open(r, "v1"));
	assert_true(route_is_open(r, "v2"));
	route_end(r);
}

/* --- anything at any time -------------------------------------------------------- */

static void a_deleted_volume_ends_closed_on_every_kernel(void **state)
{
	struct route *r = open_route(GUARD_LEASE);
	struct gate_info g;

	(void)state;
	route_cut(r, 2, true);
	route_run_ms(r, 1500);
	route_delete(r, "v1");
	route_run_ms(r, 500);
	for (int i = 0; i < 2; i++)
		assert_int_equal(route_gate(r, i, "v1").state, GATE_CLOSED);
	route_cut(r, 2, false);
	route_run_ms(r, 2000);
	g = route_gate(r, 2, "v1");
	assert_int_equal(g.state, GATE_CLOSED);
	assert_int_equal(g.authority.epoch, 1);
	/* After a reboot it is attached at its floor, and stays closed. */
	route_reboot(r, 2);
	route_run_ms(r, 2000);
	g = route_gate(r, 2, "v1");
	assert_int_equal(g.state, GATE_CLOSED);
	assert_int_equal(g.authority.epoch, 1);
	assert_true(route_is_open(r, "v2"));
	route_end(r);
}

static int nr_open(const struct route *r, const char *name)
{
	int nr = 0;

	for (int i = 0; i < ROUTE_HOSTS; i++)
		nr += route_gate(r, i, name).state == GATE_OPEN;
	return nr;
}

/* Nobody can mint for it, so nothing older can be served beside it. */
static void a_damaged_record_closes_no_gate_on_any_kernel(void **state)
{
	struct route *r = open_route(GUARD_LEASE);

	(void)state;
	route_kill_master(r);
	r->damaged = "v1";
	route_start_master(r);
	route_run_ms(r, 20000);
	assert_string_equal(route_status(r, "v1").state, "unsupported");
	assert_int_equal(nr_open(r, "v1"), ROUTE_HOSTS);
	route_kill_agent(r, 0);
	route_start_agent(r, 0);
	route_run_ms(r, 5000);
	assert_int_equal(nr_open(r, "v1"), ROUTE_HOSTS);
	assert_true(route_is_open(r, "v2"));
	/* The end of the volume is told to all: nobody knows who has it. */
	route_delete(r, "v1");
	route_run_ms(r, 2000);
	assert_int_equal(nr_open(r, "v1"), 0);
	route_end(r);
}

static void a_name_comes_back_above_its_floors_on_every_kernel(void **state)
{
	struct route *r = open_route(GUARD_LEASE);

	(void)state;
	route_delete(r, "v1");
	route_run_ms(r, 500);
	route_create_on(r, "v1", "cab");
	route_run_ms(r, RECOVER_MS);
	assert_true(route_is_open(r, "v1"));
	assert_epoch(r, "v1", 2);
	/* The kernels still know each slot by its first name. */
	for (int i = 0; i < ROUTE_HOSTS; i++)
		assert_int_equal(route_gate(r, i, "v1").replica.s[1], '1' + i);
	route_delete(r, "v1");
	route_run_ms(r, 500);
	route_kill_master(r);
	route_start_master(r);
	route_run_ms(r, 2000);
	/* Nobody knows any more which host had which name. */
	route_create_on(r, "v1", "cab");
	route_run_ms(r, RECOVER_MS);
	assert_epoch(r, "v1", 3);
	assert_string_equal(route_status(r, "v1").state, "open");
	assert_string_equal(route_status(r, "v1").slots[0].host.s, "host-c");
	assert_string_equal(route_status(r, "v1").slots[0].replica.s, "r1");
	assert_int_equal(route_status(r, "v1").nr_evidence, 0);
	route_end(r);
}

static void disturb(struct route *r, bool with_pauses)
{
	int host = (int)route_random(r, ROUTE_HOSTS);
	struct route_host *h = &r->hosts[host];

	switch (route_random(r, with_pauses ? 7 : 6)) {
	case 0:
		route_cut(r, host, true);
		break;
	case 1:
	case 2:
		route_cut(r, host, false);
		break;
	case 3:
		if (h->paused)
			break;
		if (h->replica)
			route_kill_agent(r, host);
		else
			route_start_agent(r, host);
		break;
	case 4:
		if (!h->paused)
			route_reboot(r, host);
		break;
	case 5:
		if (r->master)
			route_kill_master(r);
		else
			route_start_master(r);
		break;
	case 6:
		if (h->replica)
			route_pause(r, host, !h->paused);
		break;
	}
}

static void heal(struct route *r)
{
	for (int i = 0; i < ROUTE_HOSTS; i++) {
		route_cut(r, i, false);
		if (r->hosts[i].paused)
			route_pause(r, i, false);
		if (!r->hosts[i].replica)
			route_start_agent(r, i);
	}
	if (!r->master)
		route_start_master(r);
	route_run_ms(r, RECOVER_MS);
	assert_true(route_is_open(r, "v1"));
	assert_true(route_is_open(r, "v2"));
}

static void disturb_and_heal(enum guard guard, uint64_t seed, bool with_pauses)
{
	struct route *r = route_start(guard, seed);

	route_run_ms(r, 500);
	route_create(r, "v1");
	route_create(r, "v2");
	print_message("SEED=%llu\n", (unsigned long long)seed);
	for (int i = 0; i < 12; i++) {
		route_run_ms(r, 10 + 10 * route_random(r, 250));
		disturb(r, with_pauses);
	}
	heal(r);
	route_end(r);
}

static void
no_disturbance_breaks_an_invariant_or_lasts_under_guard_lease(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++)
		disturb_and_heal(GUARD_LEASE, seed, false);
}

static void
no_disturbance_breaks_an_invariant_or_lasts_with_frozen_hosts(void **state)
{
	(void)state;
	for (uint64_t seed = 101; seed <= 160; seed++)
		disturb_and_heal(seed % 2 ? GUARD_QUORUM : GUARD_LEASE, seed,
				 true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_volume_reaches_all_three_kernels),
		cmocka_unit_test(
			a_primary_that_is_cut_off_closes_itself_and_is_replaced),
		cmocka_unit_test(a_frozen_primary_wakes_into_a_fence),
		cmocka_unit_test(
			a_restarted_master_changes_nothing_that_is_well),
		cmocka_unit_test(
			a_master_away_longer_than_the_lease_finds_and_reopens_its_primaries),
		cmocka_unit_test(
			under_guard_quorum_a_masters_absence_closes_nothing),
		cmocka_unit_test(an_agents_restart_leaves_its_open_gates_alone),
		cmocka_unit_test(
			a_rebooted_host_comes_back_closed_at_its_floor),
		cmocka_unit_test(a_late_slot_is_not_preferred_as_primary),
		cmocka_unit_test(
			all_hosts_reboot_at_once_and_the_same_line_comes_back),
		cmocka_unit_test(a_deleted_volume_ends_closed_on_every_kernel),
		cmocka_unit_test(a_damaged_record_closes_no_gate_on_any_kernel),
		cmocka_unit_test(
			a_name_comes_back_above_its_floors_on_every_kernel),
		cmocka_unit_test(
			no_disturbance_breaks_an_invariant_or_lasts_under_guard_lease),
		cmocka_unit_test(
			no_disturbance_breaks_an_invariant_or_lasts_with_frozen_hosts),
	};

	return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
