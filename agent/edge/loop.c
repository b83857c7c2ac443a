// SPDX-License-Identifier: GPL-2.0
/*
 * The event loop over one io_uring. Must never know what its users do.
 */
#include "loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct loop {
	struct io_uring ring;
	struct io_uring_sqe dropped;	/* what nobody will submit any more */
	unsigned int nr_in_flight;
	int error;			/* the first one of the ring */
	bool stopped;
	bool ending;
};

int loop_new(unsigned int nr_entries, struct loop **ret)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN,
	};
	struct loop *loop = calloc(1, sizeof(*loop));
	int err;

	if (!loop)
		return -ENOMEM;
	err = io_uring_queue_init_params(nr_entries, &loop->ring, &params);
	if (err) {
		free(loop);
		return err;
	}
	*ret = loop;
	return 0;
}

/* Submits, waits for one completion at least; an interrupt is no error. */
static int submit_and_wait(struct loop *loop, unsigned int nr_wait)
{
	int n = io_uring_submit_and_wait(&loop->ring, nr_wait);

	if (n < 0 && n != -EINTR && !loop->error)
		loop->error = n;
	return loop->error;
}

/*
 * Calls done() of everything that has completed. One at a time, because a
 * callback may stop the loop, and what is left then stays for its next run.
 */
static void dispatch(struct loop *loop)
{
	struct io_uring_cqe *cqe;

	while (!loop->stopped && !io_uring_peek_cqe(&loop->ring, &cqe)) {
		struct loop_op *op = io_uring_cqe_get_data(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&loop->ring, cqe);
		if (!op)	/* a cancel: its op tells the outcome */
			continue;
		assert(op->in_flight);
		assert(loop->nr_in_flight > 0);
		op->in_flight = false;
		loop->nr_in_flight--;
		op->done(op, res);
	}
}

int loop_run(struct loop *loop)
{
	while (!loop->stopped) {
		if (submit_and_wait(loop, 1))
			return loop->error;
		dispatch(loop);
	}
	loop->stopped = false;
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

static struct io_uring_sqe *sqe_get(struct loop *loop)
{
	struct io_uring_sqe *sqe = NULL;

	if (!loop->error)
		sqe = io_uring_get_sqe(&loop->ring);
	while (!loop->error && !sqe && !submit_and_wait(loop, 0))
		sqe = io_uring_get_sqe(&loop->ring);
	return sqe ? sqe : &loop->dropped;
}

/*
 * Every op that was taken gets its done(), so that an owner which waits for
 * it to free itself is not leaked. New ones are not taken any more: a timer
 * that always starts anew must not keep the loop alive.
 */
void loop_free(struct loop *loop)
{
	struct io_uring_sqe *sqe;

	if (!loop)
		return;
	loop->ending = true;
	loop->stopped = false;
	if (loop->nr_in_flight) {
		sqe = sqe_get(loop);
		io_uring_prep_cancel(sqe, NULL,
				     IORING_ASYNC_CANCEL_ANY |
					     IORING_ASYNC_CANCEL_ALL);
		io_uring_sqe_set_data(sqe, NULL);
	}
	while (loop->nr_in_flight && !submit_and_wait(loop, 1)) {
		dispatch(loop);
		loop->stopped = false;
	}
	io_uring_queue_exit(&loop->ring);
	free(loop);
}

void loop_reserve(struct loop *loop, unsigned int nr_sqes)
{
	assert(nr_sqes <= loop->ring.sq.ring_entries);
	while (io_uring_sq_space_left(&loop->ring) < nr_sqes)
		if (submit_and_wait(loop, 0))
			break;
}

struct io_uring_sqe *loop_sqe(struct loop *loop, struct loop_op *op)
{
	struct io_uring_sqe *sqe;

	assert(op->done);
	assert(!op->in_flight);
	sqe = loop->ending ? &loop->dropped : sqe_get(loop);
	io_uring_prep_nop(sqe);
	io_uring_sqe_set_data(sqe, op);
	if (loop->ending)
		return sqe;
	op->in_flight = true;
	loop->nr_in_flight++;
	return sqe;
}

void loop_poll(struct loop *loop, struct loop_op *op, int fd,
	       unsigned int poll_mask)
{
	io_uring_prep_poll_add(loop_sqe(loop, op), fd, poll_mask);
}

static void set_due(struct loop_op *op, uint64_t at_ms)
{
	op->ts.tv_sec = (long long)(at_ms / 1000);
	op->ts.tv_nsec = (long long)(at_ms % 1000 * 1000000);
}

static uint64_t due_ms(const struct loop_op *op)
{
	return (uint64_t)op->ts.tv_sec * 1000 +
	       (uint64_t)op->ts.tv_nsec / 1000000;
}

void loop_timer(struct loop *loop, struct loop_op *op, uint64_t at_ms)
{
	struct io_uring_sqe *sqe = loop_sqe(loop, op);

	set_due(op, at_ms);
	io_uring_prep_timeout(sqe, &op->ts, 0,
			      IORING_TIMEOUT_ABS | IORING_TIMEOUT_BOOTTIME);
}

void loop_timer_by(struct loop *loop, struct loop_op *op, uint64_t at_ms)
{
	if (!op->in_flight) {
		loop_timer(loop, op, at_ms);
	} else if (at_ms < due_ms(op)) {
		set_due(op, at_ms);	/* asked once is enough */
		loop_cancel(loop, op);
	}
}

void loop_cancel(struct loop *loop, struct loop_op *op)
{
	struct io_uring_sqe *sqe;

	if (!op->in_flight)
		return;
	sqe = sqe_get(loop);
	io_uring_prep_cancel(sqe, op, 0);
	io_uring_sqe_set_data(sqe, NULL);
}
