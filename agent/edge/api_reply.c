// SPDX-License-Identifier: GPL-2.0
/*
 * Answers to operators: an object, a volume, a refusal with its sentence. Must
 * never know what was asked.
 */
#include "api_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_json.h"
#include "clock.h"

enum MHD_Result api_reply(struct MHD_Connection *connection,
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

enum MHD_Result api_reply_json(struct MHD_Connection *connection,
			       unsigned int status, json_t *object)
{
	return api_reply(connection, status, "application/json",
			 json_response(object));
}

/* What an asker wrote may be no text at all; a sentence always is. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

struct MHD_Response *api_error(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	make_printable(text);
	return json_response(json_pack("{s:s}", "error", text));
}

enum MHD_Result api_refuse(struct MHD_Connection *connection,
			   unsigned int status, struct MHD_Response *error)
{
	return api_reply(connection, status, "application/json", error);
}

enum MHD_Result api_reply_volume(const struct api_request *request,
				 unsigned int status,
				 const struct volume_id *id)
{
	const struct master *master = request->api->config.master;
	struct volume_status volume = { 0 };
	int vol = master_find_volume(master, id);

	if (vol >= 0)
		master_volume_status(master, (uint32_t)vol, clock_now(),
				     &volume);
	if (!volume.exists)
		return api_refuse(request->connection, MHD_HTTP_NOT_FOUND,
				  api_error("volume %s is unknown", id->s));
	return api_reply_json(request->connection, status,
			      api_json_volume(&volume));
}

enum MHD_Result api_reply_host(const struct api_request *request,
			       const struct host_id *id)
{
	const struct master *master = request->api->config.master;
	struct host_status host;
	int at = master_find_host(master, id);

	if (at < 0)
		return api_refuse(request->connection, MHD_HTTP_NOT_FOUND,
				  api_error("host %s is unknown", id->s));
	master_host_status(master, (uint32_t)at, clock_now(), &host);
	return api_reply_json(request->connection, MHD_HTTP_OK,
			      api_json_host(&host));
}

enum MHD_Result api_refuse_host(const struct api_request *request)
{
	return api_refuse(request->connection, MHD_HTTP_BAD_REQUEST,
			  api_error("host: \"%.*s\" is not a host name",
				    API_VALUE_BYTES_SHOWN, request->name));
}

enum MHD_Result api_refuse_name(const struct api_request *request)
{
	return api_refuse(request->connection, MHD_HTTP_BAD_REQUEST,
			  api_error("volume: \"%.*s\" is not a volume name",
				    API_VALUE_BYTES_SHOWN, request->name));
}
