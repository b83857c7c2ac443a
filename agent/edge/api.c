// SPDX-License-Identifier: GPL-2.0
/*
 * The life of the operators' door on the loop: one epoll of the HTTP daemon
 * is polled by the ring, its timeouts become a timer. No thread. Must never
 * decide anything.
 */
#include "api_state.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"

#define CONNECTIONS_MAX		64
#define TIMEOUT_S		10
#define LAST_RUNS_MAX		8	/* to let answers out at the end */

/* --- on the loop --------------------------------------------------------- */

static void run_in(struct api *api, uint64_t left_ms)
{
	uint64_t at = clock_now().v + left_ms;

	if (!api->timer.in_flight) {
		api->timer_at = at;
		loop_timer(api->loop, &api->timer, at);
	} else if (at < api->timer_at) {
		/* Its done() runs too; a run too early does no harm. */
		api->timer_at = at;
		loop_cancel(api->loop, &api->timer);
	}
}

static bool is_full(const struct api *api)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(api->daemon,
				    MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info && info->num_connections >= CONNECTIONS_MAX;
}

static void run(struct api *api)
{
	MHD_UNSIGNED_LONG_LONG left_ms;
	bool was_full = is_full(api);

	MHD_run(api->daemon);
	/* A full daemon looks away from its listening socket, and looks there
	 * again when it next runs: nothing else would make it run. */
	if (was_full && !is_full(api))
		MHD_run(api->daemon);
	if (!api->poll.in_flight)
		loop_poll(api->loop, &api->poll, api->epoll_fd, POLLIN);
	if (MHD_get_timeout(api->daemon, &left_ms) == MHD_YES)
		run_in(api, left_ms);
}

static void free_when_idle(struct api *api)
{
	if (!api->poll.in_flight && !api->timer.in_flight)
		free(api);
}

static void on_poll(struct loop_op *op, int res)
{
	struct api *api = loop_container(op, struct api, poll);

	(void)res;	/* whatever it was, the daemon looks for itself */
	if (api->freed)
		free_when_idle(api);
	else
		run(api);
}

static void on_timer(struct loop_op *op, int res)
{
	struct api *api = loop_container(op, struct api, timer);

	(void)res;
	if (api->freed)
		free_when_idle(api);
	else
		run(api);
}

/* --- life ---------------------------------------------------------------- */

static int start_daemon(struct api *api, struct err *err)
{
	const union MHD_DaemonInfo *info;

	/* No Date header: the wall clock has no say here. */
	api->daemon =
		MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
					 MHD_USE_SUPPRESS_DATE_NO_CLOCK,
				 0, NULL, NULL, api_handle, api,
				 MHD_OPTION_LISTEN_SOCKET, api->sock.fd,
				 MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
				 MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_S,
				 MHD_OPTION_NOTIFY_COMPLETED, api_completed,
				 api, MHD_OPTION_END);
	if (!api->daemon)
		return err_set(err, -EIO, "%s: the HTTP server did not start",
			       api->config.socket_path);
	info = MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info) {
		MHD_stop_daemon(api->daemon);
		return err_set(err, -EIO, "%s: the HTTP server has no epoll",
			       api->config.socket_path);
	}
	api->epoll_fd = info->epoll_fd;
	return 0;
}

int api_new(struct loop *loop, const struct api_config *config,
	    struct api **ret, struct err *err)
{
	struct api *api = calloc(1, sizeof(*api));
	int error;

	if (!api)
		return err_set(err, -ENOMEM, "%s: out of memory",
			       config->socket_path);
	api->loop = loop;
	api->config = *config;
	api->poll.done = on_poll;
	api->timer.done = on_timer;
	error = api_socket_open(config->socket_path, &api->sock, err);
	if (error)
		goto err_free;
	/* The daemon owns the socket from here on, also when it fails. */
	error = start_daemon(api, err);
	if (error)
		goto err_unlink;
	run(api);
	*ret = api;
	return 0;

err_unlink:
	api_socket_unlink(&api->sock);
err_free:
	free(api);
	return error;
}

void api_answer(struct api *api, const struct master_answer *answer)
{
	struct api_request *request = api->waiting;

	while (request && request->token != answer->token)
		request = request->next;
	if (!request || request->answered)
		return;
	request->answer = *answer;
	request->answered = true;
	if (!request->suspended)
		return;
	request->suspended = false;
	MHD_resume_connection(request->connection);
	/* A resumed connection makes no event, and no timeout either. */
	if (!api->freed)
		run_in(api, 0);
}

/* The daemon cannot be stopped while somebody waits. */
static void answer_all(struct api *api)
{
	struct master_answer answer = {
		.error = -ESHUTDOWN,
		.text = "the master is stopping; whether the ask was done is not known",
	};
	MHD_UNSIGNED_LONG_LONG left_ms = 0;

	for (struct api_request *r = api->waiting; r; r = r->next) {
		answer.token = r->token;
		api_answer(api, &answer);
	}
	for (int i = 0; i < LAST_RUNS_MAX && left_ms == 0; i++) {
		MHD_run(api->daemon);
		if (MHD_get_timeout(api->daemon, &left_ms) != MHD_YES)
			break;
	}
}

void api_free(struct api *api)
{
	if (!api)
		return;
	api->freed = true;
	answer_all(api);
	MHD_stop_daemon(api->daemon);
	api_socket_unlink(&api->sock);
	loop_cancel(api->loop, &api->poll);
	loop_cancel(api->loop, &api->timer);
	free_when_idle(api);
}
