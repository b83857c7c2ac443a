// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting for a drain. A notification only wakes; what counts is the gate as
 * read afterwards, so that a lost one delays and never misleads.
 */
#include "wait.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <sys/signalfd.h>

#include "change.h"
#include "clock.h"
#include "gate.h"

#define REREAD_MS	500	/* if no notification comes at all */
#define OVERDUE_NS	10000000000ULL

/* Signals go into the descriptor from here on: none is missed, none kills. */
static int signals_open(struct refusal *refusal)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return refuse(refusal, -errno, "cannot block signals: %s",
			      strerror(errno));
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		return refuse(refusal, -errno, "signalfd: %s", strerror(errno));
	return fd;
}

int wait_init(struct wait *wait, struct refusal *refusal)
{
	int error;

	wait->signal_fd = signals_open(refusal);
	if (wait->signal_fd < 0)
		return wait->signal_fd;
	error = genl_open(&wait->events, refusal);
	if (error)
		goto err_close_signals;
	error = genl_join(&wait->events, refusal);
	if (error)
		goto err_close_events;
	return 0;

err_close_events:
	genl_close(&wait->events);
err_close_signals:
	close(wait->signal_fd);
	return error;
}

void wait_exit(struct wait *wait)
{
	genl_close(&wait->events);
	close(wait->signal_fd);
}

/* 0 when it is time to read again. */
static int wait_event(struct wait *wait, const json_t *gate,
		      struct refusal *refusal)
{
	struct pollfd fds[] = {
		{ .fd = wait->signal_fd, .events = POLLIN },
		{ .fd = mnl_socket_get_fd(wait->events.socket),
		  .events = POLLIN },
	};
	json_t *events;
	int error;

	if (poll(fds, 2, REREAD_MS) < 0 && errno != EINTR)
		return refuse(refusal, -errno, "poll: %s", strerror(errno));
	if (fds[0].revents)
		return refuse(refusal, -EINTR,
			      "the wait was interrupted: the gate refuses new "
			      "I/O, but the end of the drain is not proven "
			      "(%" PRIu64 " in flight at the last reading)",
			      gate_u64(gate, "inflight"));
	if (!fds[1].revents)
		return 0;
	error = genl_next(&wait->events, &events, refusal);
	if (error == -ENOBUFS)
		return 0;
	if (!error)
		json_decref(events);
	return error;
}

static int reread(struct genl *genl, const struct drain_goal *goal,
		  json_t **gate, struct refusal *refusal)
{
	json_t *now;
	int error;

	error = change_read(genl, goal->volume, &now, refusal);
	if (error == -ENOENT)
		return refuse(refusal, error,
			      "the gate was detached during the wait");
	if (error)
		return error;
	json_decref(*gate);
	*gate = now;
	return 0;
}

static int say_verdict(enum drain_verdict verdict, const json_t *gate,
		       struct refusal *refusal)
{
	struct lineage lineage = gate_lineage(gate);

	switch (verdict) {
	case DRAIN_QUARANTINED:
		return refuse(refusal, -ETIMEDOUT,
			      "quarantined: I/O of an older grant is still in "
			      "flight after %" PRIu64 " ms (%" PRIu64 " in "
			      "all, the oldest for at least %" PRIu64 " ms); "
			      "the gate stays closed and drains when it ends",
			      gate_u64(gate, "drain_ms"),
			      gate_u64(gate, "inflight"),
			      gate_u64(gate, "inflight_oldest_ns") / 1000000);
	case DRAIN_REOPENED:
		return refuse(refusal, -EBUSY,
			      "the gate was opened again at %" PRIu64
			      ".%" PRIu64 " during the wait",
			      lineage.epoch, lineage.endpoint_version);
	case DRAIN_LOWER:
		return refuse(refusal, -ESTALE,
			      "the gate was attached anew during the wait and "
			      "is at %" PRIu64 ".%" PRIu64 " only",
			      lineage.epoch, lineage.endpoint_version);
	case DRAIN_MORE:
		return refuse(refusal, -ETIMEDOUT,
			      "the gate still drains long past its deadline, "
			      "%" PRIu64 " in flight",
			      gate_u64(gate, "inflight"));
	case DRAIN_DONE:
		break;
	}
	return 0;
}

int wait_until(struct wait *wait, struct genl *genl,
	       const struct drain_goal *goal, json_t **gate,
	       struct refusal *refusal)
{
	uint64_t end_ns = clock_boottime_ns() + OVERDUE_NS +
			  gate_u64(*gate, "drain_ms") * 1000000ULL;
	enum drain_verdict verdict;
	int error;

	for (;;) {
		verdict = drain_judge(*gate, goal);
		if (verdict != DRAIN_MORE || clock_boottime_ns() > end_ns)
			return say_verdict(verdict, *gate, refusal);
		error = wait_event(wait, *gate, refusal);
		if (error)
			return error;
		error = reread(genl, goal, gate, refusal);
		if (error)
			return error;
	}
}
