/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The event loop: one io_uring, one thread, completions by callback. Must
 * never know what its users do.
 *
 * A user embeds a struct loop_op in its own struct and finds itself again
 * with container_of(). An op is in flight from the call that takes it until
 * its done() is called, exactly once a submission; it must not be freed or
 * submitted again before. Callbacks may submit, cancel and stop.
 */
#ifndef BFENCE_LOOP_H
#define BFENCE_LOOP_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

struct loop_op {
	void (*done)(struct loop_op *op, int res);	/* res: as cqe->res */
	bool in_flight;
	struct __kernel_timespec ts;	/* of loop_timer() */
};

#define loop_container(op, type, member) \
	((type *)((char *)(op)-offsetof(type, member)))

/*
 * Gives a loop, or a negative errno. nr_entries is how many ops can be
 * submitted in one go; more may be in flight. The thread that makes the loop
 * must be the one that runs it.
 */
int loop_new(unsigned int nr_entries, struct loop **ret);

/*
 * Cancels what is in flight, calls each done() (most often with -ECANCELED),
 * then frees. So the owners of ops in flight must still live. An op that
 * these callbacks submit is not taken: in_flight stays false and its done()
 * is never called. NULL is fine; not from a callback.
 */
void loop_free(struct loop *loop);

/* Runs until loop_stop(), also one that came before; 0 or the first negative
 * errno of the ring, after which the loop is good for loop_free() only. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/*
 * An empty SQE whose completion calls op->done; the caller prepares it with
 * io_uring_prep_*() before its next call here. Never NULL: a full ring is
 * submitted first. That would cut a chain (IOSQE_IO_LINK) in two, so the
 * ops of a chain are taken in a row after one loop_reserve() for all.
 */
struct io_uring_sqe *loop_sqe(struct loop *loop, struct loop_op *op);
void loop_reserve(struct loop *loop, unsigned int nr_sqes);

/* One-shot readiness of fd (POLLIN, POLLOUT); res is the revents. */
void loop_poll(struct loop *loop, struct loop_op *op, int fd,
	       unsigned int poll_mask);

/* Fires once at the absolute CLOCK_BOOTTIME instant; res is -ETIME. */
void loop_timer(struct loop *loop, struct loop_op *op, uint64_t at_ms);

/*
 * The same for an op that may be in flight: one that is due later is ended
 * now, by a done() with -ECANCELED, and it is for that done() to start it
 * anew; one that is due in time is left alone.
 */
void loop_timer_by(struct loop *loop, struct loop_op *op, uint64_t at_ms);

/* Asks an op in flight to end early: done() follows with -ECANCELED, or with
 * its result when that came first. No effect on an idle op. */
void loop_cancel(struct loop *loop, struct loop_op *op);

#endif
