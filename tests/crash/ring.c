// SPDX-License-Identifier: GPL-2.0
/*
 * The loop of agent/edge/loop.h and the clock of agent/edge/clock.h, on the
 * model's machine: one thing at a time, in an order that a seed decides, on a
 * time that passes when nothing else is left to do. Must never know who its
 * users are.
 */
#include "edge/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "edge/clock.h"
#include "machine.h"

#define OPS_MAX		64

enum op_state {
	OP_FREE,
	OP_WAITING,	/* for its turn, its time or the one before it */
	OP_COMPLETED,	/* its done() is to be called */
};

struct ring_op {
	enum op_state state;
	struct io_uring_sqe sqe;
	struct loop_op *op;
	uint64_t number;	/* in the order of submission */
	bool cancelled;		/* asked to end early */
	bool half_done;		/* of a slow write */
	int res;
};

struct loop {
	struct ring_op ops[OPS_MAX];
	struct io_uring_sqe dropped;
	uint64_t nr_taken;
	uint64_t nr_steps;
	bool stopped;
	bool ending;
	int owed_sync;		/* of ring_early: fd of the work left undone */
};

struct mono_ms clock_now(void)
{
	return (struct mono_ms){ machine.running->now_ms };
}

/* The same bytes in each run; other ones after a reboot of an empty disk do
 * not matter to anybody. */
int clock_random(void *buf, size_t len)
{
	uint8_t *at = buf;

	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)(hash_mix(machine.running->disk->nr_changed,
					   i) |
				  1);
	return 0;
}

int loop_new(unsigned int nr_entries, struct loop **ret)
{
	(void)nr_entries;
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

/* --- what is taken ---------------------------------------------------------- */

struct io_uring_sqe *loop_sqe(struct loop *loop, struct loop_op *op)
{
	assert(op->done);
	assert(!op->in_flight);
	if (loop->ending)
		return &loop->dropped;
	for (size_t i = 0; i < OPS_MAX; i++) {
		struct ring_op *at = &loop->ops[i];

		if (at->state != OP_FREE)
			continue;
		*at = (struct ring_op){ .state = OP_WAITING,
					.op = op,
					.number = ++loop->nr_taken };
		io_uring_prep_nop(&at->sqe);
		op->in_flight = true;
		return &at->sqe;
	}
	assert(!"more ops in flight than the model has room for");
	return NULL;
}

void loop_reserve(struct loop *loop, unsigned int nr_sqes)
{
	(void)loop;
	assert(nr_sqes <= OPS_MAX / 2);
}

void loop_poll(struct loop *loop, struct loop_op *op, int fd,
	       unsigned int poll_mask)
{
	io_uring_prep_poll_add(loop_sqe(loop, op), fd, poll_mask);
}

void loop_timer(struct loop *loop, struct loop_op *op, uint64_t at_ms)
{
	struct io_uring_sqe *sqe = loop_sqe(loop, op);

	op->ts.tv_sec = (long long)(at_ms / 1000);
	op->ts.tv_nsec = (long long)(at_ms % 1000 * 1000000);
	io_uring_prep_timeout(sqe, &op->ts, 0,
			      IORING_TIMEOUT_ABS | IORING_TIMEOUT_BOOTTIME);
}

static uint64_t due_ms(const struct loop_op *op)
{
	return (uint64_t)op->ts.tv_sec * 1000 +
	       (uint64_t)op->ts.tv_nsec / 1000000;
}

void loop_timer_by(struct loop *loop, struct loop_op *op, uint64_t at_ms)
{
	if (!op->in_flight) {
		loop_timer(loop, op, at_ms);
	} else if (at_ms < due_ms(op)) {
		op->ts.tv_sec = (long long)(at_ms / 1000);
		op->ts.tv_nsec = (long long)(at_ms % 1000 * 1000000);
		loop_cancel(loop, op);
	}
}

static struct ring_op *op_of(struct loop *loop, const struct loop_op *op)
{
	for (size_t i = 0; i < OPS_MAX; i++)
		if (loop->ops[i].state != OP_FREE && loop->ops[i].op == op)
			return &loop->ops[i];
	return NULL;
}

void loop_cancel(struct loop *loop, struct loop_op *op)
{
	if (op->in_flight)
		op_of(loop, op)->cancelled = true;
}

/* --- what an op does --------------------------------------------------------- */

static const void *pointer(uint64_t address)
{
	return (const void *)(uintptr_t)address;
}

static int do_sync(struct loop *loop, const struct io_uring_sqe *sqe)
{
	if (machine.lies.ring_sync)
		return 0;
	if (machine.lies.ring_early) {
		loop->owed_sync = sqe->fd;
		return 0;
	}
	return machine_sync(sqe->fd, sqe->fsync_flags & IORING_FSYNC_DATASYNC);
}

/* With RWF_DSYNC: the result tells of both, a failed sync alone. */
static int do_write(struct loop *loop, const struct io_uring_sqe *sqe)
{
	int n = machine_write(sqe->fd, pointer(sqe->addr), sqe->len, sqe->off);
	int ret;

	if (n <= 0 || !(sqe->rw_flags & RWF_DSYNC) || machine.lies.ring_sync)
		return n;
	if (machine.lies.ring_early) {
		loop->owed_sync = sqe->fd;
		return n;
	}
	ret = machine_sync_range(sqe->fd, (size_t)n, sqe->off);
	return ret ? ret : n;
}

static int do_op(struct loop *loop, const struct io_uring_sqe *sqe)
{
	switch (sqe->opcode) {
	case IORING_OP_NOP:
		return 0;
	case IORING_OP_WRITE:
		return do_write(loop, sqe);
	case IORING_OP_FSYNC:
		return do_sync(loop, sqe);
	case IORING_OP_RENAMEAT:
		return machine_rename(sqe->fd, pointer(sqe->addr),
				      (int)sqe->len, pointer(sqe->addr2));
	case IORING_OP_UNLINKAT:
		return machine_unlink(sqe->fd, pointer(sqe->addr));
	case IORING_OP_OPENAT:
		return machine_open(sqe->fd, pointer(sqe->addr),
				    (int)sqe->open_flags);
	case IORING_OP_CLOSE:
		return machine_close(sqe->fd);
	case IORING_OP_FALLOCATE:
		return machine_allocate(sqe->fd, sqe->off, sqe->addr);
	default:
		assert(!"an operation that the model does not know");
		return -EINVAL;
	}
}

static bool is_timer(const struct ring_op *at)
{
	return at->sqe.opcode == IORING_OP_TIMEOUT;
}

static struct ring_op *by_number(struct loop *loop, uint64_t number)
{
	for (size_t i = 0; i < OPS_MAX; i++)
		if (loop->ops[i].state != OP_FREE &&
		    loop->ops[i].number == number)
			return &loop->ops[i];
	return NULL;
}

/* Behind a link that has not ended. */
static bool is_held_back(struct loop *loop, const struct ring_op *at)
{
	const struct ring_op *before = by_number(loop, at->number - 1);

	return before && before->state == OP_WAITING && !machine.lies.links &&
	       before->sqe.flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK);
}

/* What fails or is short breaks its chain. */
static bool broke_its_chain(const struct ring_op *at)
{
	if (!(at->sqe.flags & IOSQE_IO_LINK) || machine.lies.links)
		return false;
	return at->res < 0 || (at->sqe.opcode == IORING_OP_WRITE &&
			       (uint32_t)at->res != at->sqe.len);
}

static void complete(struct loop *loop, struct ring_op *at, int res)
{
	at->state = OP_COMPLETED;
	at->res = res;
	while (broke_its_chain(at)) {
		at = by_number(loop, at->number + 1);
		assert(at);
		at->state = OP_COMPLETED;
		at->res = -ECANCELED;
	}
}

static void tell(struct ring_op *at)
{
	struct loop_op *op = at->op;
	int res = at->res;

	at->state = OP_FREE;
	assert(op->in_flight);
	op->in_flight = false;
	/* Before anybody knows of it: what was done is on the disk or not. */
	if (machine.at_point)
		machine.at_point();
	op->done(op, res);
}

/* --- whose turn it is --------------------------------------------------------- */

static bool can_go(struct loop *loop, const struct ring_op *at)
{
	if (at->state == OP_COMPLETED)
		return true;
	return at->state == OP_WAITING && !is_held_back(loop, at) &&
	       (at->cancelled || !is_timer(at));
}

/* The oldest, or any: what completes first is anybody's guess. */
static struct ring_op *next_op(struct loop *loop)
{
	struct ring_op *found = NULL;
	uint64_t nr = 0;

	for (size_t i = 0; i < OPS_MAX; i++) {
		struct ring_op *at = &loop->ops[i];

		if (!can_go(loop, at))
			continue;
		nr++;
		if (!found)
			found = at;
		else if (machine.running->order &&
			 hash_mix(machine.running->order, loop->nr_steps) %
					 nr ==
				 0)
			found = at;
		else if (!machine.running->order &&
			 (at->number < found->number) != machine.lies.links)
			found = at;
	}
	return found;
}

static struct ring_op *next_timer(struct loop *loop)
{
	struct ring_op *found = NULL;

	for (size_t i = 0; i < OPS_MAX; i++) {
		struct ring_op *at = &loop->ops[i];

		if (at->state == OP_WAITING && is_timer(at) &&
		    (!found || due_ms(at->op) < due_ms(found->op)))
			found = at;
	}
	return found;
}

static void work_off(struct loop *loop)
{
	if (!loop->owed_sync)
		return;
	machine_sync(loop->owed_sync, true);
	loop->owed_sync = 0;
}

static bool is_slow_write(const struct ring_op *at)
{
	return machine.running->is_slow && !at->half_done &&
	       at->sqe.opcode == IORING_OP_WRITE;
}

bool ring_step(struct loop *loop)
{
	struct ring_op *at = next_op(loop);

	loop->nr_steps++;
	if (!at)
		return false;
	if (at->state == OP_COMPLETED) {
		tell(at);
		work_off(loop);
	} else if (is_slow_write(at)) {
		at->half_done = true;
		disk_write(machine.running->disk,
			   machine.running->files[at->sqe.fd - FD_FIRST].inode,
			   pointer(at->sqe.addr), at->sqe.len / 2 + 100,
			   at->sqe.off);
	} else if (is_timer(at) && at->cancelled) {
		complete(loop, at, -ECANCELED);
	} else {
		complete(loop, at, do_op(loop, &at->sqe));
	}
	return true;
}

static void wait_for_timer(struct loop *loop)
{
	struct ring_op *timer = next_timer(loop);

	/* Else the real one would wait for ever. */
	assert(timer);
	if (due_ms(timer->op) > machine.running->now_ms)
		machine.running->now_ms = due_ms(timer->op);
	complete(loop, timer, -ETIME);
}

int loop_run(struct loop *loop)
{
	while (!loop->stopped)
		if (!ring_step(loop))
			wait_for_timer(loop);
	loop->stopped = false;
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	loop->ending = true;
	for (size_t i = 0; i < OPS_MAX; i++)
		loop->ops[i].cancelled = loop->ops[i].state == OP_WAITING;
	while (ring_step(loop))
		;
	free(loop);
}
