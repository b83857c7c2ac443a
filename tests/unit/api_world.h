/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The world of test_api.c: a real master behind the operators' API, real HTTP
 * over a real Unix socket, server and clients on one loop. No thread.
 */
#ifndef BFENCE_TEST_API_WORLD_H
#define BFENCE_TEST_API_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/record_mint.h"
#include "edge/api.h"
#include "edge/api_json.h"
#include "edge/clock.h"

#define NR_ENTRIES	64
#define VOLUMES_MAX	10000
#define NR_HOSTS	4
#define LIMIT_MS	5000	/* less than the server's own timeout */
#define REPLY_BYTES	(16 << 20)

struct client {
	struct fixture *f;
	struct loop_op op;
	int fd;
	char *request;
	size_t request_len;
	size_t sent;
	char *reply;
	size_t reply_len;
	bool aside;		/* nobody waits for its end */
	bool idle;		/* sends, and never reads */
	bool done;
};

struct fixture {
	struct loop *loop;
	struct store *store;
	struct master *master;
	struct master_update *update;
	struct api *api;
	char dir[64];
	char path[96];
	char store_dir[96];
	int nr_running;		/* clients */
	int nr_asks;
	struct master_event asked;	/* the last one */
	bool hold_group;	/* the test says when it is durable */
	struct loop_op limit;
};

/* --- the world --------------------------------------------------------------- */

static void step(struct fixture *f, const struct master_event *event)
{
	assert_int_equal(master_step(f->master, event, f->update), 0);
	for (unsigned int i = 0; i < f->update->nr_answers; i++)
		api_answer(f->api, &f->update->answers[i]);
}

static void persisted(struct fixture *f, int error)
{
	const struct master_event event = { .type = MASTER_PERSISTED,
					    .now = clock_now(),
					    .persist_error = error };

	step(f, &event);
}

static void on_ask(void *arg, const struct master_event *asked)
{
	struct master_event event = *asked;
	struct fixture *f = arg;

	f->nr_asks++;
	f->asked = *asked;
	assert_int_not_equal(event.ask.token, 0);
	event.now = clock_now();
	step(f, &event);
	if (f->update->nr_persist && !f->hold_group)
		persisted(f, 0);
}

static void out_of_time(struct loop_op *op, int res)
{
	struct fixture *f = loop_container(op, struct fixture, limit);

	if (res == -ETIME)
		loop_stop(f->loop);
}

static void make_master(struct fixture *f)
{
	const struct master_config config = {
		.incarnation = 1,
		.volumes_max = VOLUMES_MAX + 1,
		.hosts_max = NR_HOSTS,
		.heartbeat_ms = 1000,
		.lease_ms = 6000,
		.freshness_ms = 10000,
		.grace_ms = 10000,
		.retry_ms = 5000,
		.drain_ms = 5000,
	};
	struct host_id host;
	char name[16];

	assert_int_equal(master_new(&config, clock_now(), &f->master), 0);
	for (int i = 1; i <= NR_HOSTS; i++) {
		snprintf(name, sizeof(name), "h%d", i);
		assert_int_equal(host_id_parse(name, &host), 0);
		assert_int_equal(master_add_host(f->master, &host), i - 1);
	}
}

static int setup(void **state)
{
	static const struct api_ops ops = { .ask = on_ask };
	struct fixture *f = calloc(1, sizeof(*f));
	struct api_config config = { .incarnation = 7,
				     .nr_reloaded = 3,
				     .started = clock_now() };
	struct store_config store = { .volumes_max = 8 };
	struct err err;

	f->update = calloc(1, sizeof(*f->update));
	strcpy(f->dir, "/tmp/bfence-api-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/m.sock", f->dir);
	snprintf(f->store_dir, sizeof(f->store_dir), "%s/store", f->dir);
	store.dir = f->store_dir;
	f->limit.done = out_of_time;
	make_master(f);
	assert_int_equal(loop_new(NR_ENTRIES, &f->loop), 0);
	assert_int_equal(store_open(&store, f->loop, &f->store, &err), 0);
	config.socket_path = f->path;
	config.ops = &ops;
	config.arg = f;
	config.master = f->master;
	config.store = f->store;
	assert_int_equal(api_new(f->loop, &config, &f->api, &err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	api_free(f->api);
	store_close(f->store);
	loop_free(f->loop);
	master_free(f->master);
	snprintf(command, sizeof(command), "rm -r %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f->update);
	free(f);
	return 0;
}

/* A volume as the reload gives it; bound when epoch is not 0. */
static void add_volume(struct fixture *f, const char *name, uint64_t epoch)
{
	struct record_volume state = { 0 };
	struct line *line = &state.line;
	struct volume_id id;
	struct record r;

	assert_int_equal(volume_id_parse(name, &id), 0);
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		snprintf(state.topology.slots[i].replica.s, REPLICA_ID_SIZE,
			 "r%d", i + 1);
		snprintf(state.topology.slots[i].host.s, HOST_ID_SIZE, "h%d",
			 i + 1);
	}
	if (epoch) {
		line->lineage = (struct lineage){ epoch, 2 };
		strcpy(line->primary.s, "r2");
		strcpy(line->data_addr.s, "10.0.0.2:9000");
		strcpy(line->ctrl_addr.s, "10.0.0.2:9001");
	}
	r = record_of_volume(&id, 5, &state);
	assert_true(master_reload(f->master, &r, clock_now()) >= 0);
}

/* --- clients ----------------------------------------------------------------- */

static void client_end(struct client *c)
{
	c->done = true;
	c->reply[c->reply_len] = '\0';
	if (!c->aside && --c->f->nr_running == 0)
		loop_stop(c->f->loop);
}

static void client_go(struct client *c)
{
	struct io_uring_sqe *sqe = loop_sqe(c->f->loop, &c->op);

	if (c->sent < c->request_len)
		io_uring_prep_send(sqe, c->fd, c->request + c->sent,
				   c->request_len - c->sent, MSG_NOSIGNAL);
	else
		io_uring_prep_recv(sqe, c->fd, c->reply + c->reply_len,
				   REPLY_BYTES - 1 - c->reply_len, 0);
}

static void client_done(struct loop_op *op, int res)
{
	struct client *c = loop_container(op, struct client, op);

	if (c->sent < c->request_len && res > 0) {
		c->sent += (size_t)res;
		if (c->sent == c->request_len && c->idle) {
			client_end(c);
			return;
		}
	} else if (res > 0) {
		c->reply_len += (size_t)res;
	} else {
		client_end(c);
		return;
	}
	client_go(c);
}

static void client_start(struct client *c, struct fixture *f,
			 const char *request, size_t len)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	c->f = f;
	c->op.done = client_done;
	c->request = malloc(len);
	c->reply = malloc(c->idle ? 1 : REPLY_BYTES);
	assert_non_null(c->request);
	assert_non_null(c->reply);
	memcpy(c->request, request, len);
	c->request_len = len;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strcpy(addr.sun_path, f->path);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	if (!c->aside)
		f->nr_running++;
	client_go(c);
}

static void client_free(struct client *c)
{
	close(c->fd);
	free(c->request);
	free(c->reply);
}

/* Until all clients are done; a hang is a failure. */
static void run_clients(struct fixture *f)
{
	struct loop_op *limit = &f->limit;

	if (!limit->in_flight)
		loop_timer(f->loop, limit, clock_now().v + LIMIT_MS);
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(f->nr_running, 0);
}

static void pass(struct loop_op *op, int res)
{
	struct client *nobody = loop_container(op, struct client, op);

	(void)res;
	loop_stop(nobody->f->loop);
}

/* Time for something that must not happen. */
static void let_pass(struct fixture *f, uint64_t ms)
{
	struct client nobody = { .f = f, .op.done = pass };

	loop_timer(f->loop, &nobody.op, clock_now().v + ms);
	assert_int_equal(loop_run(f->loop), 0);
	assert_false(nobody.op.in_flight);
}

/* Chunks become one body, in place. */
static void dechunk(char *body)
{
	char *to = body, *from = body, *end;
	unsigned long len;

	for (;;) {
		len = strtoul(from, &end, 16);
		assert_memory_equal(end, "\r\n", 2);
		if (!len)
			break;
		memmove(to, end + 2, len);
		to += len;
		from = end + 2 + len;
		assert_memory_equal(from, "\r\n", 2);
		from += 2;
	}
	*to = '\0';
}

static int status_of(const struct client *c)
{
	int status;

	assert_int_equal(sscanf(c->reply, "HTTP/1.1 %d ", &status), 1);
	return status;
}

static json_t *json_of(struct client *c)
{
	char *body = strstr(c->reply, "\r\n\r\n");
	json_error_t where;
	json_t *json;

	assert_non_null(body);
	*body = '\0';
	body += 4;
	assert_non_null(strstr(c->reply, "Content-Type: application/json"));
	if (strstr(c->reply, "Transfer-Encoding: chunked"))
		dechunk(body);
	json = json_loads(body, JSON_REJECT_DUPLICATES, &where);
	assert_non_null(json);
	return json;
}

static size_t write_request(char *to, size_t size, const char *method,
			    const char *path, const char *body)
{
	return (size_t)snprintf(to, size,
				"%s %s HTTP/1.1\r\nHost: localhost\r\n"
				"Connection: close\r\nContent-Length: %zu\r\n"
				"\r\n%s",
				method, path, strlen(body), body);
}

static void client_ask(struct client *c, struct fixture *f, const char *method,
		       const char *path, const char *body)
{
	size_t size = strlen(body) + 512;
	char *text = malloc(size);

	assert_non_null(text);
	client_start(c, f, text, write_request(text, size, method, path, body));
	free(text);
}

/* One whole exchange; *ret_status its status. */
static json_t *exchange(struct fixture *f, const char *method, const char *path,
			const char *body, int *ret_status)
{
	struct client c = { 0 };
	json_t *json;

	client_ask(&c, f, method, path, body);
	run_clients(f);
	*ret_status = status_of(&c);
	json = json_of(&c);
	client_free(&c);
	return json;
}

static json_t *get(struct fixture *f, const char *path)
{
	int status;
	json_t *json = exchange(f, "GET", path, "", &status);

	assert_int_equal(status, 200);
	return json;
}

static void expect_refusal(struct fixture *f, const char *method,
			   const char *path, const char *body, int status,
			   const char *part)
{
	int got;
	json_t *json = exchange(f, method, path, body, &got);
	const char *text = json_string_value(json_object_get(json, "error"));

	assert_non_null(text);
	if (!strstr(text, part) || got != status)
		fail_msg("%s %s: %d \"%s\" instead of %d \"...%s...\"", method,
			 path, got, text, status, part);
	assert_int_equal(json_object_size(json), 1);
	json_decref(json);
}

static void expect_keys(const json_t *object, const char *expected)
{
	char got[512] = "";
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)object, key, value) {
		assert_true(strlen(got) + strlen(key) + 2 < sizeof(got));
		strcat(strcat(got, key), " ");
	}
	assert_string_equal(got, expected);
}

#endif
