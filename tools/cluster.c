// SPDX-License-Identifier: GPL-2.0
/*
 * The verbs that ask the master: cluster status, volume list|show|create|
 * delete|recover|reassign, host list|show|drain|undrain. They never touch the
 * kernel of this host.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include <linux/bfence.h>

#include "api.h"
#include "http.h"
#include "run.h"
#include "view.h"

#define PATH_BYTES	192
#define LINEAGE_BYTES	44

/* An object, or an array of them: what every view can rely on. */
static bool is_sound(const json_t *answer, json_type type)
{
	json_t *row;
	size_t i;

	if (json_typeof(answer) != type)
		return false;
	json_array_foreach(answer, i, row)
		if (!json_is_object(row))
			return false;
	return true;
}

struct question {
	const char *path;
	const json_t *body;		/* NULL: only asks */
	json_type type;			/* what the answer must be */
	const char *method;		/* NULL: as the body tells */
};

static int call(const struct args *args, const struct question *question,
		json_t **ret, struct refusal *refusal)
{
	struct http_request request = {
		.socket = args->socket,
		.path = question->path,
		.method = question->method,
		.body = question->body,
	};
	json_t *answer;
	int error;

	error = http_call(&request, &answer, refusal);
	if (error)
		return error;
	if (!is_sound(answer, question->type)) {
		json_decref(answer);
		return refuse(refusal, -EBADMSG,
			      "the master's answer is not an %s",
			      question->type == JSON_ARRAY ?
				      "array of objects" :
				      "object");
	}
	*ret = answer;
	return 0;
}

/* The rows of one member, under an empty line, when there are any. */
static int print_member(const struct column *columns,
			const struct field *fields, const json_t *rows)
{
	if (!json_array_size(rows))
		return 0;
	putchar('\n');
	return view_table(columns, fields, rows, 0);
}

static int print_volume(const json_t *volume, const struct args *args)
{
	int error;

	if (args->json)
		return view_json_one(volume);
	view_long(api_volume_fields, volume, 0);
	error = print_member(api_slot_columns, api_slot_fields,
			     json_object_get(volume, "slots"));
	if (error)
		return error;
	return print_member(api_evidence_columns, api_evidence_fields,
			    json_object_get(volume, "evidence"));
}

int run_cluster_status(const struct args *args, struct refusal *refusal)
{
	const struct question question = { "/v1/status", NULL, JSON_OBJECT };
	json_t *status;
	int error;

	error = call(args, &question, &status, refusal);
	if (error)
		return error;
	if (args->json) {
		error = view_json_one(status);
	} else {
		view_long(api_status_fields, status, 0);
		error = print_member(api_skip_columns, api_skip_fields,
				     json_object_get(status, "skips"));
	}
	json_decref(status);
	return error;
}

struct list {
	const char *path;
	const struct column *columns;
	const struct field *fields;
};

static int run_list(const struct list *list, const struct args *args,
		    struct refusal *refusal)
{
	const struct question question = { list->path, NULL, JSON_ARRAY };
	json_t *rows;
	int error;

	error = call(args, &question, &rows, refusal);
	if (error)
		return error;
	error = args->json ? view_json(rows) :
			     view_table(list->columns, list->fields, rows, 0);
	json_decref(rows);
	return error;
}

int run_volume_list(const struct args *args, struct refusal *refusal)
{
	static const struct list list = {
		.path = "/v1/volumes",
		.columns = api_volume_columns,
		.fields = api_volume_fields,
	};

	return run_list(&list, args, refusal);
}

int run_host_list(const struct args *args, struct refusal *refusal)
{
	static const struct list list = {
		.path = "/v1/hosts",
		.columns = api_host_columns,
		.fields = api_host_fields,
	};

	return run_list(&list, args, refusal);
}

/* One volume is the answer; it is printed. */
static int run_volume(const struct question *question, const struct args *args,
		      struct refusal *refusal)
{
	json_t *volume;
	int error;

	error = call(args, question, &volume, refusal);
	if (error)
		return error;
	error = print_volume(volume, args);
	json_decref(volume);
	return error;
}

int run_volume_show(const struct args *args, struct refusal *refusal)
{
	struct question question = { .type = JSON_OBJECT };
	char path[PATH_BYTES];

	/* A checked name needs no escaping in a path. */
	snprintf(path, sizeof(path), "/v1/volumes/%s", args->volume);
	question.path = path;
	return run_volume(&question, args, refusal);
}

/* Takes the body, which is NULL without memory. */
static int run_volume_ask(const char *path, json_t *body,
			  const struct args *args, struct refusal *refusal)
{
	const struct question question = {
		.path = path,
		.body = body,
		.type = JSON_OBJECT,
	};
	int error;

	if (!body)
		return refuse(refusal, -ENOMEM, "out of memory");
	error = run_volume(&question, args, refusal);
	json_decref(body);
	return error;
}

/* Without --guard the master's own default holds. */
int run_volume_create(const struct args *args, struct refusal *refusal)
{
	return run_volume_ask("/v1/volumes",
			      json_pack("{s:s, s:[s,s,s], s:s*}", "volume",
					args->volume, "hosts", args->hosts[0],
					args->hosts[1], args->hosts[2], "guard",
					args->guard),
			      args, refusal);
}

/* The line that was meant, "none" for a volume that never had one. */
static void print_expected(char *text, size_t size, const struct args *args)
{
	if (args->lineage.epoch)
		snprintf(text, size, "%" PRIu64 ".%" PRIu64,
			 args->lineage.epoch, args->lineage.endpoint_version);
	else
		snprintf(text, size, "none");
}

int run_volume_recover(const struct args *args, struct refusal *refusal)
{
	char path[PATH_BYTES], expected[LINEAGE_BYTES];
	json_t *body, *hosts = NULL;

	snprintf(path, sizeof(path), "/v1/volumes/%s/recover", args->volume);
	print_expected(expected, sizeof(expected), args);
	if (args->hosts[0])
		hosts = json_pack("[s,s,s]", args->hosts[0], args->hosts[1],
				  args->hosts[2]);
	body = json_pack("{s:s, s:o*, s:s*}", "expect", expected, "hosts",
			 hosts, "guard", args->guard);
	return run_volume_ask(path, body, args, refusal);
}

/* Without --expect, whatever the line is: nothing is lost by a move. */
int run_volume_reassign(const struct args *args, struct refusal *refusal)
{
	char path[PATH_BYTES], expected[LINEAGE_BYTES];
	json_t *body;

	snprintf(path, sizeof(path), "/v1/volumes/%s/reassign", args->volume);
	print_expected(expected, sizeof(expected), args);
	body = json_pack("{s:s*, s:s*, s:b}", "to", args->to, "expect",
			 args->lineage.epoch ? expected : NULL, "force",
			 !!(args->flags & BFENCE_F_FORCE));
	return run_volume_ask(path, body, args, refusal);
}

/* --- hosts --------------------------------------------------------------- */

/* One host is the answer; it is printed. */
static int run_host(const struct args *args, const char *method,
		    const char *verb, struct refusal *refusal)
{
	struct question question = { .type = JSON_OBJECT, .method = method };
	char path[PATH_BYTES];
	json_t *host;
	int error;

	snprintf(path, sizeof(path), "/v1/hosts/%s%s", args->hosts[0], verb);
	question.path = path;
	error = call(args, &question, &host, refusal);
	if (error)
		return error;
	error = args->json ? view_json_one(host) : 0;
	if (!args->json)
		view_long(api_host_fields, host, 0);
	json_decref(host);
	return error;
}

int run_host_show(const struct args *args, struct refusal *refusal)
{
	return run_host(args, "GET", "", refusal);
}

int run_host_drain(const struct args *args, struct refusal *refusal)
{
	return run_host(args, "POST", "/drain", refusal);
}

int run_host_undrain(const struct args *args, struct refusal *refusal)
{
	return run_host(args, "POST", "/undrain", refusal);
}

int run_volume_delete(const struct args *args, struct refusal *refusal)
{
	struct question question = { .type = JSON_OBJECT, .method = "DELETE" };
	char path[PATH_BYTES], expected[LINEAGE_BYTES];
	json_t *answer;
	int error;

	print_expected(expected, sizeof(expected), args);
	if ((args->flags & BFENCE_F_FORCE) && args->lineage.epoch)
		return refuse(
			refusal, -EINVAL,
			"--force takes any line, --expect only its own: which is meant?");
	if (args->flags & BFENCE_F_FORCE)
		snprintf(path, sizeof(path), "/v1/volumes/%s", args->volume);
	else
		snprintf(path, sizeof(path), "/v1/volumes/%s?expect=%s",
			 args->volume, expected);
	question.path = path;
	error = call(args, &question, &answer, refusal);
	if (error)
		return error;
	error = args->json ? view_json_one(answer) : 0;
	if (!args->json)
		view_long(api_deleted_fields, answer, 0);
	json_decref(answer);
	return error;
}
