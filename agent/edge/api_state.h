/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inside of struct api, shared by api.c (its life on the loop) and
 * api_route.c (requests and answers). Nobody else includes this.
 */
#ifndef BFENCE_API_STATE_H
#define BFENCE_API_STATE_H

#include <microhttpd.h>

#include "api.h"
#include "api_ask.h"
#include "api_socket.h"

#define API_BODY_BYTES_MAX	(64 << 10)

/* One request, from its headers to the end of its answer. */
struct api_request {
	struct api *api;
	struct MHD_Connection *connection;
	struct api_request *next;	/* of those that wait, with a token */
	const char *name;		/* in the path, while it is answered */
	char *body;
	size_t body_len;
	bool body_too_large;
	bool suspended;
	bool answered;			/* answer is filled */
	uint64_t token;			/* 0: nothing was asked */
	struct volume_id volume;	/* that was asked for */
	struct master_answer answer;
};

struct api {
	struct loop *loop;
	struct api_config config;
	struct api_socket sock;
	struct MHD_Daemon *daemon;
	struct loop_op poll;		/* of the daemon's epoll */
	struct loop_op timer;
	uint64_t timer_at;		/* when timer is in flight */
	int epoll_fd;
	bool freed;			/* no new asks; the last op frees */
	uint64_t last_token;
	struct api_request *waiting;
};

/* api_route.c: the daemon's callbacks, arg is the struct api. */
enum MHD_Result api_handle(void *arg, struct MHD_Connection *connection,
			   const char *url, const char *method,
			   const char *version, const char *data,
			   size_t *data_len, void **context);
void api_completed(void *arg, struct MHD_Connection *connection, void **context,
		   enum MHD_RequestTerminationCode code);

/* api_list.c: streams all volumes, or all hosts, as one array. */
struct MHD_Response *api_list_volumes(const struct api *api);
struct MHD_Response *api_list_hosts(const struct api *api);

#endif
