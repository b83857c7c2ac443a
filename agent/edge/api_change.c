// SPDX-License-Identifier: GPL-2.0
/*
 * Asks for a change. Each waits, with its connection suspended, until the
 * owner of the loop knows its fate. Must never decide anything.
 */
#include "api_state.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "api_json.h"
#include "clock.h"

static unsigned int status_of_error(int error)
{
	switch (error) {
	case -EINVAL:
		return MHD_HTTP_BAD_REQUEST;
	case -ENOENT:
		return MHD_HTTP_NOT_FOUND;
	case -EEXIST:
	case -EBUSY:
	case -ESTALE:
	case -EAGAIN:
		return MHD_HTTP_CONFLICT;
	case -ENOSPC:
		return MHD_HTTP_INSUFFICIENT_STORAGE;
	}
	return MHD_HTTP_SERVICE_UNAVAILABLE;
}

static enum MHD_Result reply_deleted(const struct api_request *request)
{
	json_t *object = json_object();

	api_json_set(&object, "volume", json_string(request->volume.s));
	api_json_set(&object, "deleted", json_true());
	return api_reply_json(request->connection, MHD_HTTP_OK, object);
}

static enum MHD_Result reply_fate(const struct api_request *request)
{
	const struct master_answer *answer = &request->answer;

	if (answer->error)
		return api_refuse(request->connection,
				  status_of_error(answer->error),
				  api_error("%s", answer->text));
	if (request->asked == MASTER_DELETE)
		return reply_deleted(request);
	if (request->asked == MASTER_DRAIN || request->asked == MASTER_UNDRAIN)
		return api_reply_host(request, &request->host);
	return api_reply_volume(request,
				request->asked == MASTER_CREATE ?
					MHD_HTTP_CREATED :
					MHD_HTTP_OK,
				&request->volume);
}

/* Who is at the other end of the socket, as the kernel says. */
static uint32_t uid_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection,
					MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t size = sizeof(peer);

	if (info)
		getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer,
			   &size);
	return peer.uid;
}

/* The ask goes to the owner of the loop, who may answer it at once. */
static enum MHD_Result ask(struct api_request *request,
			   struct master_event *event)
{
	struct api *api = request->api;

	if (api->freed)
		return api_refuse(request->connection,
				  MHD_HTTP_SERVICE_UNAVAILABLE,
				  api_error("%s: the master is stopping",
					    request->name[0] ?
						    request->name :
						    event->ask.volume.s));
	event->ask.uid = uid_of(request->connection);
	event->ask.wall_s = clock_wall_s();
	event->ask.token = ++api->last_token;
	request->asked = event->type;
	request->volume = event->ask.volume;
	request->host = event->ask.hosts[0];
	request->token = event->ask.token;
	request->next = api->waiting;
	api->waiting = request;
	api->config.ops->ask(api->config.arg, event);
	if (request->answered)
		return reply_fate(request);
	MHD_suspend_connection(request->connection);
	request->suspended = true;
	return MHD_YES;
}

static enum MHD_Result refuse_malformed(const struct api_request *request,
					const struct err *err)
{
	return api_refuse(request->connection, MHD_HTTP_BAD_REQUEST,
			  api_error("%s", err->text));
}

static void take_body(struct master_event *event, const struct api_ask *body)
{
	memcpy(event->ask.hosts, body->hosts, sizeof(event->ask.hosts));
	event->ask.guard = body->guard;
}

enum MHD_Result api_create_volume(struct api_request *request)
{
	struct master_event event = { .type = MASTER_CREATE };
	struct api_ask body;
	struct err err;

	if (request->answered)
		return reply_fate(request);
	if (api_ask_parse(request->body, request->body_len, &body, &err))
		return refuse_malformed(request, &err);
	event.ask.volume = body.volume;
	take_body(&event, &body);
	return ask(request, &event);
}

enum MHD_Result api_recover_volume(struct api_request *request)
{
	struct master_event event = { .type = MASTER_RECOVER };
	struct api_ask body;
	struct err err;

	if (request->answered)
		return reply_fate(request);
	if (volume_id_parse(request->name, &event.ask.volume))
		return api_refuse_name(request);
	if (api_ask_parse_recover(request->body, request->body_len, &body,
				  &err))
		return refuse_malformed(request, &err);
	take_body(&event, &body);
	event.ask.expected = body.expected;
	return ask(request, &event);
}

enum MHD_Result api_reassign_volume(struct api_request *request)
{
	struct master_event event = { .type = MASTER_REASSIGN };
	struct api_ask body;
	struct err err;

	if (request->answered)
		return reply_fate(request);
	if (volume_id_parse(request->name, &event.ask.volume))
		return api_refuse_name(request);
	if (api_ask_parse_reassign(request->body, request->body_len, &body,
				   &err))
		return refuse_malformed(request, &err);
	event.ask.hosts[0] = body.to;
	event.ask.any_line = !body.expects;
	event.ask.expected = body.expected;
	event.ask.any_data = body.force;
	return ask(request, &event);
}

/* A body that is not empty was meant for something else. */
static enum MHD_Result ask_of_host(struct api_request *request,
				   enum master_event_type type)
{
	struct master_event event = { .type = type };

	if (request->answered)
		return reply_fate(request);
	if (host_id_parse(request->name, &event.ask.hosts[0]))
		return api_refuse_host(request);
	if (request->body_len)
		return api_refuse(request->connection, MHD_HTTP_BAD_REQUEST,
				  api_error("body: this ask has none"));
	return ask(request, &event);
}

enum MHD_Result api_drain_host(struct api_request *request)
{
	return ask_of_host(request, MASTER_DRAIN);
}

enum MHD_Result api_undrain_host(struct api_request *request)
{
	return ask_of_host(request, MASTER_UNDRAIN);
}

struct arguments {
	const char *expect;		/* NULL: was not given */
	const char *unknown;
	int nr;
};

/* A word that is misspelt must not delete what it was to protect. */
static enum MHD_Result take_argument(void *arg, enum MHD_ValueKind kind,
				     const char *key, const char *value)
{
	struct arguments *to = arg;

	(void)kind;
	to->nr++;
	if (strcmp(key, "expect") == 0)
		to->expect = value ? value : "";
	else
		to->unknown = key;
	return MHD_YES;
}

static int parse_delete(struct api_request *request, struct master_ask *ask,
			struct err *err)
{
	struct arguments arguments = { 0 };

	MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND,
				  take_argument, &arguments);
	if (arguments.unknown)
		return err_set(err, -EINVAL,
			       "argument: \"%.*s\" is not one of this ask: expect",
			       API_VALUE_BYTES_SHOWN, arguments.unknown);
	if (arguments.nr > 1)
		return err_set(err, -EINVAL, "expect: named more than once");
	ask->any_line = !arguments.expect;
	return arguments.expect ? api_ask_parse_line(arguments.expect,
						     &ask->expected, err) :
				  0;
}

enum MHD_Result api_delete_volume(struct api_request *request)
{
	struct master_event event = { .type = MASTER_DELETE };
	struct err err;

	if (request->answered)
		return reply_fate(request);
	if (volume_id_parse(request->name, &event.ask.volume))
		return api_refuse_name(request);
	if (parse_delete(request, &event.ask, &err))
		return refuse_malformed(request, &err);
	return ask(request, &event);
}
