// SPDX-License-Identifier: GPL-2.0
/*
 * The verbs that ask the master: cluster status, volume list|show|create,
 * host list. They never touch the kernel of this host.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "api.h"
#include "http.h"
#include "run.h"
#include "view.h"

#define PATH_BYTES	128

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
};

static int call(const struct args *args, const struct question *question,
		json_t **ret, struct refusal *refusal)
{
	struct http_request request = {
		.socket = args->socket,
		.path = question->path,
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

int run_volume_show(const struct args *args, struct refusal *refusal)
{
	struct question question = { .type = JSON_OBJECT };
	char path[PATH_BYTES];
	json_t *volume;
	int error;

	/* A checked name needs no escaping in a path. */
	snprintf(path, sizeof(path), "/v1/volumes/%s", args->volume);
	question.path = path;
	error = call(args, &question, &volume, refusal);
	if (error)
		return error;
	error = print_volume(volume, args);
	json_decref(volume);
	return error;
}

/* Without --guard the master's own default holds. */
int run_volume_create(const struct args *args, struct refusal *refusal)
{
	struct question question = { "/v1/volumes", NULL, JSON_OBJECT };
	json_t *body, *volume;
	int error;

	body = json_pack("{s:s, s:[s,s,s], s:s*}", "volume", args->volume,
			 "hosts", args->hosts[0], args->hosts[1],
			 args->hosts[2], "guard", args->guard);
	if (!body)
		return refuse(refusal, -ENOMEM, "out of memory");
	question.body = body;
	error = call(args, &question, &volume, refusal);
	json_decref(body);
	if (error)
		return error;
	error = print_volume(volume, args);
	json_decref(volume);
	return error;
}
