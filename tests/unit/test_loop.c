// SPDX-License-Identifier: GPL-2.0
/*
 * The event loop: each op is done exactly once, at its time, in any number.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "edge/clock.h"
#include "edge/loop.h"

#define NR_ENTRIES	8
#define MANY		500

struct probe {
	struct loop_op op;
	struct loop *loop;
	struct probe *other;
	int nr_done;
	int res;
	uint64_t at_ms;		/* of the last done() */
	int *order;		/* counts the done() of all probes */
	int turn;
	int stop_after;
};

static void probe_done(struct loop_op *op, int res)
{
	struct probe *probe = loop_container(op, struct probe, op);

	probe->nr_done++;
	probe->res = res;
	probe->at_ms = clock_now().v;
	if (probe->order)
		probe->turn = ++*probe->order;
	if (probe->stop_after && probe->nr_done >= probe->stop_after)
		loop_stop(probe->loop);
}

static struct probe probe_of(struct loop *loop)
{
	return (struct probe){ .op.done = probe_done,
			       .loop = loop,
			       .stop_after = 1 };
}

static struct loop *loop_of(void **state)
{
	return *state;
}

static int setup(void **state)
{
	struct loop *loop;

	if (loop_new(NR_ENTRIES, &loop))
		return -1;
	*state = loop;
	return 0;
}

static int teardown(void **state)
{
	loop_free(*state);
	return 0;
}

static void timer_fires_once_at_its_instant_and_not_before(void **state)
{
	struct probe probe = probe_of(loop_of(state));
	uint64_t at = clock_now().v + 15;

	loop_timer(probe.loop, &probe.op, at);
	assert_true(probe.op.in_flight);
	assert_int_equal(loop_run(probe.loop), 0);
	assert_int_equal(probe.nr_done, 1);
	assert_int_equal(probe.res, -ETIME);
	assert_true(probe.at_ms >= at);
	assert_true(probe.at_ms < at + 5000);
	assert_false(probe.op.in_flight);
}

static void timer_of_the_past_fires_at_once(void **state)
{
	struct probe probe = probe_of(loop_of(state));

	loop_timer(probe.loop, &probe.op, 1);
	assert_int_equal(loop_run(probe.loop), 0);
	assert_int_equal(probe.res, -ETIME);
}

static void
timer_that_would_be_late_is_ended_and_one_in_time_is_left(void **state)
{
	struct probe probe = probe_of(loop_of(state));
	uint64_t now = clock_now().v;

	loop_timer_by(probe.loop, &probe.op, now + 60000);
	loop_timer_by(probe.loop, &probe.op, now + 30000);
	loop_timer_by(probe.loop, &probe.op, now + 30000);
	assert_int_equal(loop_run(probe.loop), 0);
	assert_int_equal(probe.nr_done, 1);
	assert_int_equal(probe.res, -ECANCELED);
	now = clock_now().v;
	loop_timer_by(probe.loop, &probe.op, now + 15);
	loop_timer_by(probe.loop, &probe.op, now + 60000);
	probe.stop_after = 2;
	assert_int_equal(loop_run(probe.loop), 0);
	assert_int_equal(probe.nr_done, 2);
	assert_int_equal(probe.res, -ETIME);
	assert_true(probe.at_ms >= now + 15);
}

static void timers_fire_in_the_order_of_their_instants(void **state)
{
	struct probe late = probe_of(loop_of(state));
	struct probe soon = probe_of(loop_of(state));
	uint64_t now = clock_now().v;
	int order = 0;

	late.order = &order;
	soon.order = &order;
	soon.stop_after = 0;
	loop_timer(late.loop, &late.op, now + 20);
	loop_timer(soon.loop, &soon.op, now + 5);
	assert_int_equal(loop_run(late.loop), 0);
	assert_int_equal(soon.turn, 1);
	assert_int_equal(late.turn, 2);
}

static void poll_tells_that_a_pipe_became_readable(void **state)
{
	struct probe probe = probe_of(loop_of(state));
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	loop_poll(probe.loop, &probe.op, fds[0], POLLIN);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(loop_run(probe.loop), 0);
	assert_int_equal(probe.res, POLLIN);
	close(fds[0]);
	close(fds[1]);
}

static void cancelled_op_is_done_once_with_ecanceled(void **state)
{
	struct probe probe = probe_of(loop_of(state));
	struct probe last = probe_of(loop_of(state));

	probe.stop_after = 0;
	loop_timer(probe.loop, &probe.op, clock_now().v + 3600000);
	loop_cancel(probe.loop, &probe.op);
	loop_cancel(probe.loop, &probe.op);
	loop_timer(last.loop, &last.op, clock_now().v + 5);
	assert_int_equal(loop_run(probe.loop), 0);
	assert_int_equal(probe.nr_done, 1);
	assert_int_equal(probe.res, -ECANCELED);
}

static void cancel_of_an_idle_op_has_no_effect(void **state)
{
	struct probe probe = probe_of(loop_of(state));

	loop_cancel(probe.loop, &probe.op);
	loop_timer(probe.loop, &probe.op, clock_now().v + 2);
	assert_int_equal(loop_run(probe.loop), 0);
	assert_int_equal(probe.res, -ETIME);
}

static void again_done(struct loop_op *op, int res)
{
	struct probe *probe = loop_container(op, struct probe, op);

	probe_done(op, res);
	if (probe->nr_done < MANY)
		loop_timer(probe->loop, op, 1);
}

static void callback_may_submit_its_own_op_again(void **state)
{
	struct probe probe = probe_of(loop_of(state));

	probe.op.done = again_done;
	probe.stop_after = MANY;
	loop_timer(probe.loop, &probe.op, 1);
	assert_int_equal(loop_run(probe.loop), 0);
	assert_int_equal(probe.nr_done, MANY);
}

static void cancelling_done(struct loop_op *op, int res)
{
	struct probe *probe = loop_container(op, struct probe, op);

	probe_done(op, res);
	loop_cancel(probe->loop, &probe->other->op);
}

static void later_done(struct loop_op *op, int res)
{
	struct probe *probe = loop_container(op, struct probe, op);

	probe_done(op, res);
	if (probe->nr_done == 1)
		loop_timer(probe->loop, op, clock_now().v + 10);
}

/* Both timers are due: the second one completes although it is cancelled,
 * and the cancel must not hit what its callback submits. */
static void cancel_that_came_too_late_spares_the_next_submission(void **state)
{
	struct probe first = probe_of(loop_of(state));
	struct probe second = probe_of(loop_of(state));

	first.op.done = cancelling_done;
	first.other = &second;
	first.stop_after = 0;
	second.op.done = later_done;
	second.stop_after = 2;
	loop_timer(first.loop, &first.op, 1);
	loop_timer(second.loop, &second.op, 2);
	assert_int_equal(loop_run(first.loop), 0);
	assert_int_equal(second.nr_done, 2);
	assert_int_equal(second.res, -ETIME);
}

static void many_more_ops_than_entries_are_all_done(void **state)
{
	struct probe *probes = calloc(MANY, sizeof(*probes));
	struct probe last = probe_of(loop_of(state));
	uint64_t now = clock_now().v;

	assert_non_null(probes);
	for (int i = 0; i < MANY; i++) {
		probes[i] = probe_of(loop_of(state));
		probes[i].stop_after = 0;
		loop_timer(last.loop, &probes[i].op, now + 1);
	}
	loop_timer(last.loop, &last.op, now + 20);
	assert_int_equal(loop_run(last.loop), 0);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(probes[i].nr_done, 1);
	free(probes);
}

static void stop_before_run_ends_that_run(void **state)
{
	loop_stop(loop_of(state));
	assert_int_equal(loop_run(loop_of(state)), 0);
}

static void stop_leaves_other_completions_to_the_next_run(void **state)
{
	struct probe first = probe_of(loop_of(state));
	struct probe second = probe_of(loop_of(state));

	loop_timer(first.loop, &first.op, 1);
	loop_timer(second.loop, &second.op, 1);
	assert_int_equal(loop_run(first.loop), 0);
	assert_int_equal(first.nr_done + second.nr_done, 1);
	assert_int_equal(loop_run(first.loop), 0);
	assert_int_equal(first.nr_done, 1);
	assert_int_equal(second.nr_done, 1);
}

static void
reserved_chain_runs_in_order_and_ends_at_its_first_error(void **state)
{
	struct loop *loop = loop_of(state);
	struct probe fill[NR_ENTRIES - 1], bad = probe_of(loop);
	struct probe after = probe_of(loop);
	struct io_uring_sqe *sqe;

	for (int i = 0; i < NR_ENTRIES - 1; i++) {
		fill[i] = probe_of(loop);
		fill[i].stop_after = 0;
		loop_timer(loop, &fill[i].op, 1);
	}
	bad.stop_after = 0;
	loop_reserve(loop, 2);	/* one entry is left: two need a submit */
	sqe = loop_sqe(loop, &bad.op);
	io_uring_prep_fsync(sqe, -1, IORING_FSYNC_DATASYNC);
	sqe->flags |= IOSQE_IO_LINK;
	sqe = loop_sqe(loop, &after.op);
	io_uring_prep_nop(sqe);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(bad.res, -EBADF);
	assert_int_equal(after.res, -ECANCELED);
}

/* Each entry of the ring has held a timer before. */
static void unprepared_sqe_does_nothing(void **state)
{
	struct probe probe = probe_of(loop_of(state));

	probe.stop_after = 2 * NR_ENTRIES;
	probe.op.done = again_done;
	loop_timer(probe.loop, &probe.op, 1);
	assert_int_equal(loop_run(probe.loop), 0);
	probe.op.done = probe_done;
	probe.stop_after = 1;
	assert_int_equal(loop_run(probe.loop), 0);
	loop_sqe(probe.loop, &probe.op);
	assert_int_equal(loop_run(probe.loop), 0);
	assert_int_equal(probe.res, 0);
}

static void free_ends_each_op_in_flight_with_ecanceled(void **state)
{
	struct probe timer = { .op.done = probe_done }, poll = timer;
	struct loop *loop;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(loop_new(NR_ENTRIES, &loop), 0);
	loop_timer(loop, &timer.op, clock_now().v + 3600000);
	loop_poll(loop, &poll.op, fds[0], POLLIN);
	loop_free(loop);
	assert_int_equal(timer.nr_done, 1);
	assert_int_equal(timer.res, -ECANCELED);
	assert_int_equal(poll.nr_done, 1);
	assert_int_equal(poll.res, -ECANCELED);
	close(fds[0]);
	close(fds[1]);
}

static void free_takes_no_new_op_from_a_callback(void **state)
{
	struct probe probe = { .op.done = again_done };
	struct loop *loop;

	(void)state;
	assert_int_equal(loop_new(NR_ENTRIES, &loop), 0);
	probe.loop = loop;
	loop_timer(loop, &probe.op, clock_now().v + 3600000);
	loop_free(loop);
	assert_int_equal(probe.nr_done, 1);
	assert_false(probe.op.in_flight);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(timer_fires_once_at_its_instant_and_not_before),
		TEST(timer_of_the_past_fires_at_once),
		TEST(timer_that_would_be_late_is_ended_and_one_in_time_is_left),
		TEST(timers_fire_in_the_order_of_their_instants),
		TEST(poll_tells_that_a_pipe_became_readable),
		TEST(cancelled_op_is_done_once_with_ecanceled),
		TEST(cancel_of_an_idle_op_has_no_effect),
		TEST(callback_may_submit_its_own_op_again),
		TEST(cancel_that_came_too_late_spares_the_next_submission),
		TEST(many_more_ops_than_entries_are_all_done),
		TEST(stop_before_run_ends_that_run),
		TEST(stop_leaves_other_completions_to_the_next_run),
		TEST(reserved_chain_runs_in_order_and_ends_at_its_first_error),
		TEST(unprepared_sqe_does_nothing),
		TEST(free_ends_each_op_in_flight_with_ecanceled),
		TEST(free_takes_no_new_op_from_a_callback),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
