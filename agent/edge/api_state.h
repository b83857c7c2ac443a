/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inside of struct api, shared by api.c (its life on the loop),
 * api_route.c (requests), api_change.c (asks), api_reply.c (answers) and
 * api_list.c (long ones). Nobody else includes this.
 */
#ifndef BFENCE_API_STATE_H
#define BFENCE_API_STATE_H

#include <jansson.h>
#include <microhttpd.h>

#include "api.h"
#include "api_ask.h"
#include "api_socket.h"

#define API_BODY_BYTES_MAX	(64 << 10)
#define API_NAME_BYTES		256	/* more than any name has */
#define API_VALUE_BYTES_SHOWN	80

/* One request, from its headers to the end of its answer. */
struct api_request {
	struct api *api;
	struct MHD_Connection *connection;
	struct api_request *next;	/* of those that wait, with a token */
	char name[API_NAME_BYTES];	/* in the path */
	char *body;
	size_t body_len;
	bool body_too_large;
	bool suspended;
	bool answered;			/* answer is filled */
	enum master_event_type asked;
	uint64_t token;			/* 0: nothing was asked */
	struct volume_id volume;	/* that was asked for */
	struct host_id host;		/* the same, of a drain */
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

/* api_change.c */
enum MHD_Result api_create_volume(struct api_request *request);
enum MHD_Result api_delete_volume(struct api_request *request);
enum MHD_Result api_recover_volume(struct api_request *request);
enum MHD_Result api_reassign_volume(struct api_request *request);
enum MHD_Result api_drain_host(struct api_request *request);
enum MHD_Result api_undrain_host(struct api_request *request);

/* api_reply.c. The response is taken; MHD_NO makes the daemon close the
 * connection. */
enum MHD_Result api_reply(struct MHD_Connection *connection,
			  unsigned int status, const char *type,
			  struct MHD_Response *response);
enum MHD_Result api_reply_json(struct MHD_Connection *connection,
			       unsigned int status, json_t *object);
enum MHD_Result api_reply_volume(const struct api_request *request,
				 unsigned int status,
				 const struct volume_id *id);
enum MHD_Result api_reply_host(const struct api_request *request,
			       const struct host_id *id);
enum MHD_Result api_refuse(struct MHD_Connection *connection,
			   unsigned int status, struct MHD_Response *error);
enum MHD_Result api_refuse_name(const struct api_request *request);
enum MHD_Result api_refuse_host(const struct api_request *request);
struct MHD_Response *api_error(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* api_list.c: streams all volumes, or all hosts, as one array. */
struct MHD_Response *api_list_volumes(const struct api *api);
struct MHD_Response *api_list_hosts(const struct api *api);

#endif
