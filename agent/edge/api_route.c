// SPDX-License-Identifier: GPL-2.0
/*
 * Requests of operators and their answers. An ask for a change waits, with
 * its connection suspended, until the owner of the loop knows its fate. Must
 * never decide anything.
 */
#include "api_state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_json.h"
#include "clock.h"

#define VALUE_BYTES_SHOWN	80

/* --- answers ------------------------------------------------------------- */

/* Takes response; MHD_NO makes the daemon close the connection. */
static enum MHD_Result reply(struct MHD_Connection *connection,
			     unsigned int status, const char *type,
			     struct MHD_Response *response)
{
	enum MHD_Result ret = MHD_NO;

	if (!response)
		return MHD_NO;
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				    type) == MHD_YES)
		ret = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return ret;
}

/* Takes object, which may be NULL; gives NULL without memory. */
static struct MHD_Response *json_response(json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	struct MHD_Response *response = NULL;

	json_decref(object);
	if (text)
		response =
			MHD_create_response_from_buffer(strlen(text), text,
							MHD_RESPMEM_MUST_FREE);
	if (!response)
		free(text);
	return response;
}

static enum MHD_Result reply_json(struct MHD_Connection *connection,
				  unsigned int status, json_t *object)
{
	return reply(connection, status, "application/json",
		     json_response(object));
}

/* What an asker wrote may be no text at all; a sentence always is. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static struct MHD_Response *error_response(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

static struct MHD_Response *error_response(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	make_printable(text);
	return json_response(json_pack("{s:s}", "error", text));
}

/* Takes error. */
static enum MHD_Result refuse(struct MHD_Connection *connection,
			      unsigned int status, struct MHD_Response *error)
{
	return reply(connection, status, "application/json", error);
}

static enum MHD_Result reply_volume(const struct api_request *request,
				    unsigned int status,
				    const struct volume_id *id)
{
	const struct master *master = request->api->config.master;
	struct volume_status volume;
	int vol = master_find_volume(master, id);

	if (vol >= 0)
		master_volume_status(master, (uint32_t)vol, clock_now(),
				     &volume);
	if (vol < 0 || !api_volume_exists(&volume))
		return refuse(request->connection, MHD_HTTP_NOT_FOUND,
			      error_response("volume %s is unknown", id->s));
	return reply_json(request->connection, status,
			  api_json_volume(&volume));
}

/* --- reads --------------------------------------------------------------- */

static enum MHD_Result get_healthz(struct api_request *request)
{
	static char ok[] = "ok";
	struct MHD_Response *response;

	response = MHD_create_response_from_buffer(strlen(ok), ok,
						   MHD_RESPMEM_PERSISTENT);
	return reply(request->connection, MHD_HTTP_OK, "text/plain", response);
}

static uint32_t count_volumes(const struct master *master, struct mono_ms now)
{
	struct volume_status status;
	uint32_t nr = 0;

	for (uint32_t i = 0; i < master_nr_volumes(master); i++) {
		master_volume_status(master, i, now, &status);
		nr += api_volume_exists(&status);
	}
	return nr;
}

static uint32_t count_connected(const struct master *master, struct mono_ms now)
{
	struct host_status status;
	uint32_t nr = 0;

	for (uint32_t i = 0; i < master_nr_hosts(master); i++) {
		master_host_status(master, i, now, &status);
		nr += status.connected;
	}
	return nr;
}

static json_t *store_id_json(const struct store *store)
{
	struct store_id id = store_identity(store);
	char text[2 * STORE_ID_SIZE + 1];

	for (size_t i = 0; i < STORE_ID_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", id.b[i]);
	return json_string(text);
}

static enum MHD_Result get_status(struct api_request *request)
{
	const struct api_config *c = &request->api->config;
	struct mono_ms now = clock_now();
	const struct store_skip *skips;
	size_t nr_skips = store_skips(c->store, &skips);
	json_t *object = json_object();

	api_json_set(&object, "store_id", store_id_json(c->store));
	api_json_set_u64(&object, "incarnation", c->incarnation);
	api_json_set_u64(&object, "uptime_ms", now.v - c->started.v);
	api_json_set_u64(&object, "volumes", count_volumes(c->master, now));
	api_json_set_u64(&object, "hosts", master_nr_hosts(c->master));
	api_json_set_u64(&object, "hosts_connected",
			 count_connected(c->master, now));
	api_json_set_u64(&object, "reloaded", c->nr_reloaded);
	api_json_set(&object, "skips", api_json_skips(skips, nr_skips));
	return reply_json(request->connection, MHD_HTTP_OK, object);
}

static enum MHD_Result get_volumes(struct api_request *request)
{
	return reply(request->connection, MHD_HTTP_OK, "application/json",
		     api_list_volumes(request->api));
}

static enum MHD_Result get_hosts(struct api_request *request)
{
	return reply(request->connection, MHD_HTTP_OK, "application/json",
		     api_list_hosts(request->api));
}

static enum MHD_Result get_volume(struct api_request *request)
{
	struct volume_id id;

	if (volume_id_parse(request->name, &id))
		return refuse(request->connection, MHD_HTTP_BAD_REQUEST,
			      error_response("volume: \"%.*s\" is not a volume name",
					     VALUE_BYTES_SHOWN, request->name));
	return reply_volume(request, MHD_HTTP_OK, &id);
}

/* --- asks ---------------------------------------------------------------- */

static unsigned int status_of_error(int error)
{
	switch (error) {
	case -EINVAL:
		return MHD_HTTP_BAD_REQUEST;
	case -ENOENT:
		return MHD_HTTP_NOT_FOUND;
	case -EEXIST:
		return MHD_HTTP_CONFLICT;
	case -ENOSPC:
		return MHD_HTTP_INSUFFICIENT_STORAGE;
	}
	return MHD_HTTP_SERVICE_UNAVAILABLE;
}

static enum MHD_Result reply_fate(struct api_request *request)
{
	const struct master_answer *answer = &request->answer;

	if (answer->error)
		return refuse(request->connection,
			      status_of_error(answer->error),
			      error_response("%s", answer->text));
	return reply_volume(request, MHD_HTTP_CREATED, &request->volume);
}

static enum MHD_Result post_volumes(struct api_request *request)
{
	struct api *api = request->api;
	struct api_ask ask;
	struct err err;

	if (request->answered)
		return reply_fate(request);
	if (api_ask_parse(request->body, request->body_len, &ask, &err))
		return refuse(request->connection, MHD_HTTP_BAD_REQUEST,
			      error_response("%s", err.text));
	if (api->freed)
		return refuse(request->connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			      error_response("volume %s: the master is stopping",
					     ask.volume.s));
	request->volume = ask.volume;
	request->token = ++api->last_token;
	request->next = api->waiting;
	api->waiting = request;
	api->config.ops->create(api->config.arg, &ask.volume, ask.hosts,
				ask.guard, request->token);
	if (request->answered)
		return reply_fate(request);
	MHD_suspend_connection(request->connection);
	request->suspended = true;
	return MHD_YES;
}

/* --- routes -------------------------------------------------------------- */

/* A path that ends in '/' has a name behind it. */
static const struct route {
	const char *method;
	const char *path;
	const char *allowed;		/* all methods of the path */
	enum MHD_Result (*answer)(struct api_request *request);
} routes[] = {
	{ "GET", "/healthz", "GET", get_healthz },
	{ "GET", "/v1/status", "GET", get_status },
	{ "GET", "/v1/volumes", "GET, POST", get_volumes },
	{ "POST", "/v1/volumes", "GET, POST", post_volumes },
	{ "GET", "/v1/volumes/", "GET", get_volume },
	{ "GET", "/v1/hosts", "GET", get_hosts },
};

/* The name behind the path, or NULL when url is another one. */
static const char *match(const char *path, const char *url)
{
	size_t len = strlen(path);

	if (strncmp(url, path, len))
		return NULL;
	return path[len - 1] == '/' || !url[len] ? url + len : NULL;
}

static enum MHD_Result refuse_method(struct api_request *request,
				     const char *url, const char *method,
				     const char *allowed)
{
	struct MHD_Response *error =
		error_response("%.*s: method %.*s is not one of %s",
			       VALUE_BYTES_SHOWN, url, VALUE_BYTES_SHOWN,
			       method, allowed);

	if (error)
		MHD_add_response_header(error, MHD_HTTP_HEADER_ALLOW, allowed);
	return refuse(request->connection, MHD_HTTP_METHOD_NOT_ALLOWED, error);
}

static enum MHD_Result route(struct api_request *request, const char *url,
			     const char *method)
{
	const char *allowed = NULL;

	if (request->body_too_large)
		return refuse(request->connection, MHD_HTTP_CONTENT_TOO_LARGE,
			      error_response("body: more than %d bytes",
					     API_BODY_BYTES_MAX));
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		request->name = match(routes[i].path, url);
		if (!request->name)
			continue;
		if (strcmp(method, routes[i].method) == 0)
			return routes[i].answer(request);
		allowed = routes[i].allowed;
	}
	if (allowed)
		return refuse_method(request, url, method, allowed);
	return refuse(request->connection, MHD_HTTP_NOT_FOUND,
		      error_response("there is no path %.*s", VALUE_BYTES_SHOWN,
				     url));
}

/* What is past the limit is read and forgotten, so that the asker hears the
 * refusal instead of a broken connection. */
static enum MHD_Result take_body(struct api_request *request, const char *data,
				 size_t len)
{
	char *grown;

	if (len > API_BODY_BYTES_MAX - request->body_len)
		request->body_too_large = true;
	if (request->body_too_large)
		return MHD_YES;
	grown = realloc(request->body, request->body_len + len);
	if (!grown)
		return MHD_NO;
	memcpy(grown + request->body_len, data, len);
	request->body = grown;
	request->body_len += len;
	return MHD_YES;
}

enum MHD_Result api_handle(void *arg, struct MHD_Connection *connection,
			   const char *url, const char *method,
			   const char *version, const char *data,
			   size_t *data_len, void **context)
{
	struct api_request *request = *context;
	size_t len = *data_len;

	(void)version;
	if (!request) {
		request = calloc(1, sizeof(*request));
		if (!request)
			return MHD_NO;
		request->api = arg;
		request->connection = connection;
		*context = request;
		return MHD_YES;
	}
	*data_len = 0;
	return len ? take_body(request, data, len) :
		     route(request, url, method);
}

static void forget(struct api *api, const struct api_request *request)
{
	struct api_request **at = &api->waiting;

	while (*at && *at != request)
		at = &(*at)->next;
	if (*at)
		*at = request->next;
}

void api_completed(void *arg, struct MHD_Connection *connection, void **context,
		   enum MHD_RequestTerminationCode code)
{
	struct api_request *request = *context;

	(void)connection;
	(void)code;
	if (!request)
		return;
	forget(arg, request);
	free(request->body);
	free(request);
	*context = NULL;
}
