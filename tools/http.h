/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way to the master: one HTTP request over its Unix socket, JSON both
 * ways. Knows no path of the API.
 */
#ifndef BFENCE_TOOLS_HTTP_H
#define BFENCE_TOOLS_HTTP_H

#include <jansson.h>

#include "refusal.h"

#define HTTP_REPLY_BYTES_MAX	(64 << 20)
#define HTTP_TIMEOUT_S		30L	/* a mint waits for a disk, no longer */

struct http_request {
	const char *socket;
	const char *path;
	const char *method;		/* NULL: GET, or POST with a body */
	const json_t *body;		/* may be NULL */
};

/*
 * Gives the JSON of a 2xx answer. Anything else is a refusal: the sentence of
 * the master's {"error": ...} where it sent one.
 */
int http_call(const struct http_request *request, json_t **ret,
	      struct refusal *refusal);

#endif
