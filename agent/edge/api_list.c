// SPDX-License-Identifier: GPL-2.0
/*
 * Long arrays, made object by object as the reader takes them: neither the
 * memory nor the time of the loop grows with the number of volumes. Must
 * never decide anything.
 */
#include "api_state.h"

#include <stdlib.h>
#include <string.h>

#include "api_json.h"
#include "clock.h"

#define BLOCK_BYTES	(32 << 10)

struct list {
	const struct api *api;
	/* The row of this index, NULL without memory; *ret_skip: none. */
	json_t *(*row)(const struct api *api, uint32_t index, bool *ret_skip);
	uint32_t (*nr_rows)(const struct master *master);
	uint32_t next;
	char separator;			/* before the next row */
	bool ended;
	char *text;			/* what has to be read next */
	size_t len;
	size_t used;
};

static json_t *volume_row(const struct api *api, uint32_t index, bool *ret_skip)
{
	struct volume_status status;

	master_volume_status(api->config.master, index, clock_now(), &status);
	*ret_skip = !status.exists;
	return *ret_skip ? NULL : api_json_volume(&status);
}

static json_t *host_row(const struct api *api, uint32_t index, bool *ret_skip)
{
	struct host_status status;

	master_host_status(api->config.master, index, clock_now(), &status);
	*ret_skip = false;
	return api_json_host(&status);
}

/* The next row that is shown; NULL with *ret_more false at the end. */
static json_t *next_row(struct list *list, bool *ret_more)
{
	uint32_t nr = list->nr_rows(list->api->config.master);
	bool skip = true;
	json_t *row = NULL;

	while (skip && list->next < nr)
		row = list->row(list->api, list->next++, &skip);
	*ret_more = !skip;
	return row;
}

/* The row behind its separator; NULL without memory. */
static char *row_text(char separator, const json_t *row)
{
	size_t len = row ? json_dumpb(row, NULL, 0, JSON_COMPACT) : 0;
	char *text = len ? malloc(len + 2) : NULL;

	if (!text)
		return NULL;
	text[0] = separator;
	text[len + 1] = '\0';
	if (json_dumpb(row, text + 1, len, JSON_COMPACT) == len)
		return text;
	free(text);
	return NULL;
}

/* Replaces the text that has been read; false without memory. */
static bool refill(struct list *list)
{
	bool more;
	json_t *row = next_row(list, &more);

	free(list->text);
	list->used = 0;
	if (more) {
		list->text = row_text(list->separator, row);
		list->separator = ',';
	} else {
		list->text = strdup(list->separator == '[' ? "[]\n" : "]\n");
		list->ended = true;
	}
	json_decref(row);
	list->len = list->text ? strlen(list->text) : 0;
	return list->text;
}

static ssize_t read_list(void *arg, uint64_t pos, char *to, size_t size)
{
	struct list *list = arg;
	size_t done = 0, n;

	(void)pos;
	while (done < size) {
		if (list->used == list->len && list->ended)
			break;
		if (list->used == list->len && !refill(list))
			return MHD_CONTENT_READER_END_WITH_ERROR;
		n = list->len - list->used;
		if (n > size - done)
			n = size - done;
		memcpy(to + done, list->text + list->used, n);
		list->used += n;
		done += n;
	}
	return done ? (ssize_t)done : MHD_CONTENT_READER_END_OF_STREAM;
}

static void free_list(void *arg)
{
	struct list *list = arg;

	free(list->text);
	free(list);
}

/* Takes a copy of what; NULL without memory. */
static struct MHD_Response *respond(const struct list *what)
{
	struct list *list = malloc(sizeof(*list));
	struct MHD_Response *response;

	if (!list)
		return NULL;
	*list = *what;
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN,
						     BLOCK_BYTES, read_list,
						     list, free_list);
	if (!response)
		free(list);
	return response;
}

struct MHD_Response *api_list_volumes(const struct api *api)
{
	const struct list list = {
		.api = api,
		.row = volume_row,
		.nr_rows = master_nr_volumes,
		.separator = '[',
	};

	return respond(&list);
}

struct MHD_Response *api_list_hosts(const struct api *api)
{
	const struct list list = {
		.api = api,
		.row = host_row,
		.nr_rows = master_nr_hosts,
		.separator = '[',
	};

	return respond(&list);
}
