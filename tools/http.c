// SPDX-License-Identifier: GPL-2.0
/*
 * One HTTP request over a Unix socket, through libcurl. Must never look into
 * an answer further than its error.
 */
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <curl/curl.h>

#define URL_BYTES	256

struct reply {
	char *bytes;
	size_t len;
};

/* curl takes a short count as "stop". */
static size_t on_bytes(char *bytes, size_t size, size_t nr, void *data)
{
	struct reply *reply = data;
	char *grown;

	nr *= size;
	if (nr > HTTP_REPLY_BYTES_MAX - reply->len)
		return 0;
	grown = realloc(reply->bytes, reply->len + nr);
	if (!grown)
		return 0;
	memcpy(grown + reply->len, bytes, nr);
	reply->bytes = grown;
	reply->len += nr;
	return nr;
}

static int refuse_unreachable(CURL *curl, CURLcode code, const char *socket,
			      struct refusal *refusal)
{
	const char *why = curl_easy_strerror(code);
	long os_error = 0;

	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_error);
	if (code == CURLE_COULDNT_CONNECT && os_error)
		why = strerror((int)os_error);
	return refuse(refusal, -ECONNREFUSED,
		      "no answer from the master at %s: %s (is bfenced "
		      "running as master on this host? -s names another "
		      "socket)",
		      socket, why);
}

static int refuse_status(long status, const json_t *answer,
			 struct refusal *refusal)
{
	const char *sentence;

	sentence = json_string_value(json_object_get(answer, "error"));
	if (sentence)
		return refuse(refusal, -EREMOTEIO, "%s", sentence);
	return refuse(refusal, -EREMOTEIO,
		      "the master answered with HTTP status %ld and no reason",
		      status);
}

static int judge(long status, const struct reply *reply, json_t **ret,
		 struct refusal *refusal)
{
	json_error_t where;
	json_t *answer;
	int error;

	answer = json_loadb(reply->bytes ? reply->bytes : "", reply->len, 0,
			    &where);
	if (status < 200 || status > 299) {
		error = refuse_status(status, answer, refusal);
		json_decref(answer);
		return error;
	}
	if (!answer)
		return refuse(refusal, -EBADMSG,
			      "the master's answer is not JSON: %s",
			      where.text);
	*ret = answer;
	return 0;
}

static int set_options(CURL *curl, const struct http_request *request,
		       const char *body, struct curl_slist *headers)
{
	char url[URL_BYTES];
	CURLcode code;

	snprintf(url, sizeof(url), "http://localhost%s", request->path);
	code = curl_easy_setopt(curl, CURLOPT_URL, url);
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH,
					request->socket);
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_TIMEOUT, HTTP_TIMEOUT_S);
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	if (!code && request->method)
		code = curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST,
					request->method);
	if (!code && body)
		code = curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	if (!code && body)
		code = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	return code ? -EINVAL : 0;
}

static int perform(CURL *curl, const struct http_request *request, json_t **ret,
		   struct refusal *refusal)
{
	struct reply reply = { 0 };
	long status = 0;
	CURLcode code;
	int error;

	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply);
	code = curl_easy_perform(curl);
	if (code) {
		error = refuse_unreachable(curl, code, request->socket,
					   refusal);
	} else {
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
		error = judge(status, &reply, ret, refusal);
	}
	free(reply.bytes);
	return error;
}

int http_call(const struct http_request *request, json_t **ret,
	      struct refusal *refusal)
{
	struct curl_slist *headers;
	char *body = NULL;
	CURL *curl;
	int error;

	headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (request->body)
		body = json_dumps(request->body, JSON_COMPACT);
	curl = curl_easy_init();
	if (!headers || !curl || (request->body && !body))
		error = refuse(refusal, -ENOMEM, "out of memory");
	else if (set_options(curl, request, body, headers))
		error = refuse(refusal, -EINVAL,
			       "libcurl cannot use the socket path \"%s\"",
			       request->socket);
	else
		error = perform(curl, request, ret, refusal);
	curl_easy_cleanup(curl);
	free(body);
	curl_slist_free_all(headers);
	return error;
}
