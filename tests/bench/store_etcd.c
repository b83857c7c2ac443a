// SPDX-License-Identifier: GPL-2.0
/*
 * A running etcd as an engine: its HTTP/JSON door over connections that stay
 * open, one put a mint; many that wait share up to CONNECTIONS of them. The
 * place is the server's URL. Must never know the other engines.
 */
#include "engine.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS	100
#define BODY_SIZE	(4 * ENGINE_FRAME)

struct door {
	CURL *easy;
	char body[BODY_SIZE];
};

struct client {
	CURLM *multi;
	struct door doors[CONNECTIONS];
	uint8_t frame[ENGINE_FRAME];
	const uint32_t *volumes;	/* that still wait */
	size_t nr;
};

static size_t swallow(char *data, size_t size, size_t nr, void *arg)
{
	(void)data;
	(void)arg;
	return size * nr;
}

static void write_body(struct client *c, struct door *door, uint32_t volume)
{
	unsigned char key[4 * ENGINE_ID_SIZE], value[2 * ENGINE_FRAME];
	char id[ENGINE_ID_SIZE];

	engine_id(volume, id);
	c->frame[volume % ENGINE_FRAME]++;
	EVP_EncodeBlock(key, (unsigned char *)id, (int)strlen(id));
	EVP_EncodeBlock(value, c->frame, ENGINE_FRAME);
	snprintf(door->body, BODY_SIZE, "{\"key\":\"%s\",\"value\":\"%s\"}",
		 key, value);
	curl_easy_setopt(door->easy, CURLOPT_POSTFIELDS, door->body);
}

static int answer_of(CURL *easy, CURLcode code)
{
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK && status == 200)
		return 0;
	fprintf(stderr, "etcd: HTTP %ld: %s\n", status,
		curl_easy_strerror(code));
	return -EIO;
}

/* The next volume goes through this door; false: none waits any more. */
static bool send_next(struct client *c, struct door *door)
{
	if (c->nr == 0)
		return false;
	write_body(c, door, *c->volumes++);
	c->nr--;
	curl_multi_add_handle(c->multi, door->easy);
	return true;
}

static int take_answers(struct client *c, size_t *nr_open)
{
	CURLMsg *msg;
	int left, ret = 0;

	while ((msg = curl_multi_info_read(c->multi, &left))) {
		CURL *easy = msg->easy_handle;
		struct door *door;
		int answer = answer_of(easy, msg->data.result);

		curl_multi_remove_handle(c->multi, easy);
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &door);
		if (answer)
			ret = answer;
		if (ret || !send_next(c, door))
			--*nr_open;
	}
	return ret;
}

static int mint_many(struct client *c)
{
	size_t nr_open = 0;
	int running, ret = 0;

	while (nr_open < CONNECTIONS && send_next(c, &c->doors[nr_open]))
		nr_open++;
	while (ret == 0 && nr_open) {
		if (curl_multi_perform(c->multi, &running) ||
		    curl_multi_poll(c->multi, NULL, 0, 1000, NULL))
			return -EIO;
		ret = take_answers(c, &nr_open);
	}
	return ret;
}

static int mint(void *store, const uint32_t *volumes, size_t nr)
{
	struct client *c = store;
	CURL *easy = c->doors[0].easy;

	c->volumes = volumes;
	c->nr = nr;
	if (nr > 1)
		return mint_many(c);
	write_body(c, &c->doors[0], volumes[0]);
	return answer_of(easy, curl_easy_perform(easy));
}

static void close_it(void *store)
{
	struct client *c = store;

	for (size_t i = 0; i < CONNECTIONS; i++)
		curl_easy_cleanup(c->doors[i].easy);
	curl_multi_cleanup(c->multi);
	free(c);
}

static int open_door(struct door *door, const char *url)
{
	door->easy = curl_easy_init();
	if (!door->easy)
		return -ENOMEM;
	curl_easy_setopt(door->easy, CURLOPT_URL, url);
	curl_easy_setopt(door->easy, CURLOPT_WRITEFUNCTION, swallow);
	curl_easy_setopt(door->easy, CURLOPT_PRIVATE, door);
	return 0;
}

static int open_it(const char *place, uint32_t nr_volumes, void **ret,
		   size_t *ret_found)
{
	struct client *c = calloc(1, sizeof(*c));
	char url[256];
	int code = 0;

	(void)nr_volumes;
	if (!c)
		return -ENOMEM;
	snprintf(url, sizeof(url), "%s/v3/kv/put", place);
	c->multi = curl_multi_init();
	if (!c->multi)
		code = -ENOMEM;
	else
		curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS,
				  (long)CONNECTIONS);
	for (size_t i = 0; code == 0 && i < CONNECTIONS; i++)
		code = open_door(&c->doors[i], url);
	if (code) {
		close_it(c);
		return code;
	}
	*ret_found = 0;
	*ret = c;
	return 0;
}

const struct engine engine = {
	.open = open_it,
	.mint = mint,
	.close = close_it,
};
