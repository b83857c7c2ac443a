// SPDX-License-Identifier: GPL-2.0
/*
 * Which request of an operator goes where, and what is only read. Must never
 * decide anything.
 */
#include "api_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_json.h"
#include "clock.h"

/* --- reads --------------------------------------------------------------- */

static enum MHD_Result get_healthz(struct api_request *request)
{
	static char ok[] = "ok";
	struct MHD_Response *response;

	response = MHD_create_response_from_buffer(strlen(ok), ok,
						   MHD_RESPMEM_PERSISTENT);
	return api_reply(request->connection, MHD_HTTP_OK, "text/plain",
			 response);
}

static uint32_t count_volumes(const struct master *master, struct mono_ms now)
{
	struct volume_status status;
	uint32_t nr = 0;

	for (uint32_t i = 0; i < master_nr_volumes(master); i++) {
		master_volume_status(master, i, now, &status);
		nr += status.exists;
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
	return api_reply_json(request->connection, MHD_HTTP_OK, object);
}

static enum MHD_Result get_volumes(struct api_request *request)
{
	return api_reply(request->connection, MHD_HTTP_OK, "application/json",
			 api_list_volumes(request->api));
}

static enum MHD_Result get_hosts(struct api_request *request)
{
	return api_reply(request->connection, MHD_HTTP_OK, "application/json",
			 api_list_hosts(request->api));
}

static enum MHD_Result get_volume(struct api_request *request)
{
	struct volume_id id;

	if (volume_id_parse(request->name, &id))
		return api_refuse_name(request);
	return api_reply_volume(request, MHD_HTTP_OK, &id);
}

static enum MHD_Result get_host(struct api_request *request)
{
	struct host_id id;

	if (host_id_parse(request->name, &id))
		return api_refuse_host(request);
	return api_reply_host(request, &id);
}

/* --- routes -------------------------------------------------------------- */

/* A path that ends in '/' has a name behind it, and then perhaps a verb. */
static const struct route {
	const char *method;
	const char *path;
	const char *verb;
	const char *allowed;		/* all methods of the path */
	enum MHD_Result (*answer)(struct api_request *request);
} routes[] = {
	{ "GET", "/healthz", "", "GET", get_healthz },
	{ "GET", "/v1/status", "", "GET", get_status },
	{ "GET", "/v1/volumes", "", "GET, POST", get_volumes },
	{ "POST", "/v1/volumes", "", "GET, POST", api_create_volume },
	{ "POST", "/v1/volumes/", "/recover", "POST", api_recover_volume },
	{ "POST", "/v1/volumes/", "/reassign", "POST", api_reassign_volume },
	{ "GET", "/v1/volumes/", "", "DELETE, GET", get_volume },
	{ "DELETE", "/v1/volumes/", "", "DELETE, GET", api_delete_volume },
	{ "GET", "/v1/hosts", "", "GET", get_hosts },
	{ "POST", "/v1/hosts/", "/drain", "POST", api_drain_host },
	{ "POST", "/v1/hosts/", "/undrain", "POST", api_undrain_host },
	{ "GET", "/v1/hosts/", "", "GET", get_host },
};

/* Fills in the name behind the path; false: url is another one. A name that
 * is cut is still too long to be one. */
static bool match(const struct route *route, const char *url,
		  char name[API_NAME_BYTES])
{
	size_t len = strlen(route->path), all = strlen(url);
	size_t verb = strlen(route->verb);

	if (strncmp(url, route->path, len))
		return false;
	if (route->path[len - 1] != '/')
		return !url[len];
	if (all - len < verb || strcmp(url + all - verb, route->verb))
		return false;
	snprintf(name, API_NAME_BYTES, "%.*s", (int)(all - len - verb),
		 url + len);
	return true;
}

static enum MHD_Result refuse_method(struct api_request *request,
				     const char *url, const char *method,
				     const char *allowed)
{
	struct MHD_Response *error =
		api_error("%.*s: method %.*s is not one of %s",
			  API_VALUE_BYTES_SHOWN, url, API_VALUE_BYTES_SHOWN,
			  method, allowed);

	if (error)
		MHD_add_response_header(error, MHD_HTTP_HEADER_ALLOW, allowed);
	return api_refuse(request->connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			  error);
}

static enum MHD_Result route(struct api_request *request, const char *url,
			     const char *method)
{
	const char *allowed = NULL;

	if (request->body_too_large)
		return api_refuse(request->connection,
				  MHD_HTTP_CONTENT_TOO_LARGE,
				  api_error("body: more than %d bytes",
					    API_BODY_BYTES_MAX));
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!match(&routes[i], url, request->name))
			continue;
		if (strcmp(method, routes[i].method) == 0)
			return routes[i].answer(request);
		allowed = routes[i].allowed;
		/* Else the verb would be taken for a part of a name. */
		if (routes[i].verb[0])
			break;
	}
	if (allowed)
		return refuse_method(request, url, method, allowed);
	return api_refuse(request->connection, MHD_HTTP_NOT_FOUND,
			  api_error("there is no path %.*s",
				    API_VALUE_BYTES_SHOWN, url));
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
