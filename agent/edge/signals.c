// SPDX-License-Identifier: GPL-2.0
/*
 * signalfd on the loop.
 */
#include "signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct signals {
	struct loop *loop;
	struct loop_op op;
	void (*on_signal)(void *arg, int signo);
	void *arg;
	int fd;
};

static void on_ready(struct loop_op *op, int res)
{
	struct signals *s = loop_container(op, struct signals, op);
	struct signalfd_siginfo info;

	if (res < 0)
		return;
	while (read(s->fd, &info, sizeof(info)) == sizeof(info))
		s->on_signal(s->arg, (int)info.ssi_signo);
	loop_poll(s->loop, &s->op, s->fd, POLLIN);
}

int signals_new(struct loop *loop, void (*on_signal)(void *arg, int signo),
		void *arg, struct signals **ret, struct err *err)
{
	struct signals *s = calloc(1, sizeof(*s));
	sigset_t set;

	if (!s)
		return err_set(err, -ENOMEM, "signals: no memory");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	s->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (s->fd < 0) {
		int error = errno;

		free(s);
		return err_set(err, -error, "signals: %s", strerror(error));
	}
	s->loop = loop;
	s->on_signal = on_signal;
	s->arg = arg;
	s->op.done = on_ready;
	loop_poll(loop, &s->op, s->fd, POLLIN);
	*ret = s;
	return 0;
}

void signals_free(struct signals *signals)
{
	if (!signals)
		return;
	close(signals->fd);
	free(signals);
}
