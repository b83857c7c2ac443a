// SPDX-License-Identifier: GPL-2.0
/*
 * A replica's end of the link: dials the master, for ever. Must never know
 * what a message means, but that a Refuse ends the connection.
 */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/clock.h"
#include "edge/link_io.h"
#include "edge/link_sock.h"

#define SAID_SIZE	(LINK_REASON_SIZE + LINK_ADDR_TEXT_SIZE)

struct link_client {
	struct link_io io;		/* one after the other */
	struct loop *loop;
	struct link_client_config config;
	struct tls_ctx *tls_ctx;
	struct link_addr addr;
	char addr_text[LINK_ADDR_TEXT_SIZE];
	bool has_io;			/* io is not gone yet */
	bool is_up;
	bool freed;
	unsigned int busy;		/* in a callback of the loop */
	uint32_t backoff_ms;
	char said[SAID_SIZE];		/* the last reason */
	struct loop_op redial;
};

/* The last step of each callback: client may be freed when it returns. */
static void settle(struct link_client *client)
{
	if (!client->freed || client->busy || client->has_io ||
	    client->redial.in_flight)
		return;
	tls_ctx_free(client->tls_ctx);
	free(client);
}

static void say_down(struct link_client *client, const char *reason)
{
	const bool was_up = client->is_up;
	char text[SAID_SIZE];

	snprintf(text, sizeof(text), "%s: %s", client->addr_text, reason);
	client->is_up = false;
	if (!was_up && !strcmp(text, client->said))
		return;
	memcpy(client->said, text, sizeof(text));
	client->config.ops->on_down(client->config.arg, client->said);
}

/* Between half of the backoff and all of it, so that the hosts of a master
 * that has come back do not dial in step. */
static void redial_later(struct link_client *client)
{
	const uint32_t backoff_ms = client->backoff_ms;
	uint32_t jitter = 0;

	/* Without random bytes it is only less well spread. */
	clock_random(&jitter, sizeof(jitter));
	client->backoff_ms =
		backoff_ms > client->config.limits.backoff_max_ms / 2 ?
			client->config.limits.backoff_max_ms :
			2 * backoff_ms;
	loop_timer(client->loop, &client->redial,
		   clock_now().v + backoff_ms / 2 +
			   jitter % (backoff_ms - backoff_ms / 2 + 1));
}

static void on_io_up(struct link_io *io)
{
	struct link_client *client = loop_container(io, struct link_client, io);

	client->is_up = true;
	link_io_accept(io);
	client->config.ops->on_up(client->config.arg);
}

static bool master_may_say(enum message_kind kind)
{
	switch (kind) {
	case MESSAGE_WELCOME:
	case MESSAGE_REFUSE:
	case MESSAGE_SYNC:
	case MESSAGE_COMMAND:
	case MESSAGE_LEASE:
		return true;
	case MESSAGE_UNSPEC:
	case MESSAGE_HELLO:
	case MESSAGE_REPORT:
	case MESSAGE_ACK:
		break;
	}
	return false;
}

static void on_io_message(struct link_io *io, const struct message *message)
{
	struct link_client *client = loop_container(io, struct link_client, io);
	char reason[LINK_REASON_SIZE];

	if (!master_may_say(message->kind)) {
		link_io_close(io, "sent a message that no master may send");
		return;
	}
	if (message->kind == MESSAGE_REFUSE) {
		/* It would refuse again at once: no hurry. */
		client->backoff_ms = client->config.limits.backoff_max_ms;
		snprintf(reason, sizeof(reason), "the master refused: %s",
			 message->refuse.reason);
		link_io_close(io, reason);
	} else {
		client->backoff_ms = client->config.limits.backoff_min_ms;
	}
	client->config.ops->on_message(client->config.arg, message);
}

static void on_io_down(struct link_io *io, const char *reason)
{
	say_down(loop_container(io, struct link_client, io), reason);
}

static void on_io_gone(struct link_io *io)
{
	struct link_client *client = loop_container(io, struct link_client, io);

	client->has_io = false;
	if (!client->freed)
		redial_later(client);
	settle(client);
}

static const struct link_io_ops io_ops = {
	.up = on_io_up,
	.message = on_io_message,
	.down = on_io_down,
	.gone = on_io_gone,
};

static int dial(struct link_client *client)
{
	const int fd = link_sock_dial(&client->addr);
	int r;

	if (fd < 0)
		return fd;
	client->io.loop = client->loop;
	client->io.ops = &io_ops;
	client->io.queue_bytes_max = client->config.limits.queue_bytes_max;
	r = link_io_start(&client->io, fd, client->tls_ctx,
			  client->config.limits.handshake_ms);
	client->has_io = r == 0;
	return r;
}

static void redial_done(struct loop_op *op, int res)
{
	struct link_client *client =
		loop_container(op, struct link_client, redial);
	int r;

	client->busy++;
	if (!client->freed && res != -ECANCELED) {
		r = dial(client);
		if (r)
			say_down(client, strerror(-r));
		if (r && !client->freed)
			redial_later(client);
	}
	client->busy--;
	settle(client);
}

static void limits_default(struct link_limits *limits)
{
	if (!limits->handshake_ms)
		limits->handshake_ms = LINK_HANDSHAKE_MS;
	if (!limits->queue_bytes_max)
		limits->queue_bytes_max = LINK_QUEUE_BYTES_MAX;
	if (!limits->backoff_min_ms)
		limits->backoff_min_ms = LINK_BACKOFF_MIN_MS;
	if (!limits->backoff_max_ms)
		limits->backoff_max_ms = LINK_BACKOFF_MAX_MS;
}

int link_client_new(struct loop *loop, const struct link_client_config *config,
		    struct link_client **ret, struct err *err)
{
	struct link_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return err_set(err, -ENOMEM, "%s: out of memory",
			       config->master_addr);
	client->loop = loop;
	client->config = *config;
	limits_default(&client->config.limits);
	client->backoff_ms = client->config.limits.backoff_min_ms;
	client->redial.done = redial_done;
	r = link_addr_parse(config->master_addr, &client->addr, err);
	if (!r)
		r = tls_ctx_new_client(config->key, &client->tls_ctx, err);
	if (r) {
		free(client);
		return r;
	}
	link_addr_text(&client->addr, client->addr_text);
	client->config.master_addr = NULL;	/* both were borrowed */
	client->config.key = NULL;
	loop_timer(loop, &client->redial, clock_now().v);
	*ret = client;
	return 0;
}

void link_client_free(struct link_client *client)
{
	if (!client)
		return;
	client->freed = true;
	client->busy++;
	loop_cancel(client->loop, &client->redial);
	if (client->has_io)
		link_io_abandon(&client->io);
	client->busy--;
	settle(client);
}

int link_client_send(struct link_client *client, const struct message *message)
{
	return client->is_up ? link_io_send(&client->io, message) : -ENOTCONN;
}

bool link_client_is_refused(const struct link_client *client)
{
	return client->io.is_refused;
}

void link_client_reset(struct link_client *client)
{
	if (client->has_io)
		link_io_drop(&client->io, "reset by this side");
}
