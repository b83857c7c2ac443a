// SPDX-License-Identifier: GPL-2.0
/*
 * The master's end of the link: listens, lets in whoever proves to be the
 * host it says, one connection a host. Must never know what a message means,
 * but for the host in a Hello.
 */
#include "link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "edge/clock.h"
#include "edge/link_io.h"
#include "edge/link_sock.h"

#define ACCEPT_ROUNDS	16	/* then others have their turn */
#define PAUSE_MS	200	/* after an accept that could not be served */

struct link_peer {
	struct link_io io;
	struct link_server *server;
	LIST_ENTRY(link_peer) entry;
	struct host_id host;
	bool is_up;			/* said its Hello, not yet down */
	bool is_half_open;		/* counted as such */
	char from[LINK_ADDR_TEXT_SIZE];
};

struct link_server {
	struct loop *loop;
	struct link_server_config config;
	struct tls_ctx *tls_ctx;
	int fd;
	uint16_t port;
	LIST_HEAD(, link_peer) peers;
	uint32_t nr_half_open;
	bool said_full;			/* until a place is free again */
	bool freed;
	unsigned int busy;		/* in a callback of the loop */
	struct loop_op acceptable, pause;
};

/* The last step of each callback: server may be freed when it returns. */
static void settle(struct link_server *server)
{
	if (!server->freed || server->busy || !LIST_EMPTY(&server->peers))
		return;
	if (server->acceptable.in_flight || server->pause.in_flight)
		return;
	close(server->fd);
	tls_ctx_free(server->tls_ctx);
	free(server);
}

static void half_open_over(struct link_peer *peer)
{
	if (!peer->is_half_open)
		return;
	peer->is_half_open = false;
	peer->server->nr_half_open--;
	peer->server->said_full = false;
}

static void on_io_up(struct link_io *io)
{
	struct link_peer *peer = loop_container(io, struct link_peer, io);

	peer->host = *tls_peer(io->tls);
}

/* The older connection learns why, but it is down from now on. */
static void replace_older(struct link_peer *newer)
{
	struct link_peer *peer;

	LIST_FOREACH(peer, &newer->server->peers, entry)
	if (peer->is_up && host_id_equal(&peer->host, &newer->host))
		break;
	if (!peer)
		return;
	link_io_refuse(&peer->io,
		       "a newer connection of this host has replaced this one");
	link_io_say_down(&peer->io);
}

static void on_first_message(struct link_peer *peer,
			     const struct message *message)
{
	struct link_server *server = peer->server;
	char reason[MESSAGE_REASON_SIZE];

	if (message->kind != MESSAGE_HELLO) {
		snprintf(reason, sizeof(reason),
			 "%s: the first message is not a Hello", peer->host.s);
		link_io_refuse(&peer->io, reason);
		return;
	}
	if (!host_id_equal(&message->hello.host, &peer->host)) {
		snprintf(reason, sizeof(reason),
			 "the key is that of %s, but the Hello says %s",
			 peer->host.s, message->hello.host.s);
		link_io_refuse(&peer->io, reason);
		return;
	}
	replace_older(peer);
	if (server->freed)
		return;
	half_open_over(peer);
	link_io_accept(&peer->io);
	peer->is_up = true;
	server->config.ops->on_up(server->config.arg, peer, &peer->host);
}

static bool replica_may_say(enum message_kind kind)
{
	return kind == MESSAGE_REPORT || kind == MESSAGE_ACK;
}

static void on_io_message(struct link_io *io, const struct message *message)
{
	struct link_peer *peer = loop_container(io, struct link_peer, io);
	struct link_server *server = peer->server;

	if (!peer->is_up) {
		on_first_message(peer, message);
		/* The callbacks may have sent it away again. */
		if (!peer->is_up || io->state != LINK_IO_UP || io->is_doomed)
			return;
	} else if (!replica_may_say(message->kind)) {
		link_io_refuse(io,
			       "sent a message that no replica may send now");
		return;
	}
	server->config.ops->on_message(server->config.arg, peer, message);
}

static void on_io_down(struct link_io *io, const char *reason)
{
	struct link_peer *peer = loop_container(io, struct link_peer, io);
	const struct link_server_config *config = &peer->server->config;
	const bool was_up = peer->is_up;

	peer->is_up = false;
	if (was_up)
		config->ops->on_down(config->arg, peer, reason);
	else
		config->ops->on_refused(config->arg, peer->from, reason);
}

static void on_io_gone(struct link_io *io)
{
	struct link_peer *peer = loop_container(io, struct link_peer, io);
	struct link_server *server = peer->server;

	half_open_over(peer);
	LIST_REMOVE(peer, entry);
	free(peer);
	settle(server);
}

static const struct link_io_ops io_ops = {
	.up = on_io_up,
	.message = on_io_message,
	.down = on_io_down,
	.gone = on_io_gone,
};

/* Takes fd. */
static int peer_new(struct link_server *server, int fd, const char *from)
{
	struct link_peer *peer = calloc(1, sizeof(*peer));

	if (!peer) {
		close(fd);
		return -ENOMEM;
	}
	peer->server = server;
	peer->io.loop = server->loop;
	peer->io.ops = &io_ops;
	peer->io.queue_bytes_max = server->config.limits.queue_bytes_max;
	peer->io.is_server = true;
	snprintf(peer->from, sizeof(peer->from), "%s", from);
	if (link_io_start(&peer->io, fd, server->tls_ctx,
			  server->config.limits.handshake_ms)) {
		free(peer);
		return -ENOMEM;
	}
	peer->is_half_open = true;
	server->nr_half_open++;
	LIST_INSERT_HEAD(&server->peers, peer, entry);
	return 0;
}

/* Takes fd. A flood of strangers is said once, not once a stranger. */
static int admit(struct link_server *server, int fd,
		 const struct link_addr *addr)
{
	char from[LINK_ADDR_TEXT_SIZE], reason[96];

	link_addr_text(addr, from);
	if (server->nr_half_open < server->config.limits.half_open_max)
		return peer_new(server, fd, from);
	close(fd);
	if (server->said_full)
		return 0;
	server->said_full = true;
	snprintf(reason, sizeof(reason),
		 "%u connections without a Hello are open already, which is the limit",
		 server->nr_half_open);
	server->config.ops->on_refused(server->config.arg, from, reason);
	return 0;
}

/* 0: nobody waits; 1: perhaps more; or a negative errno. */
static int accept_one(struct link_server *server)
{
	struct link_addr addr = { .len = sizeof(addr.sa) };
	const int fd = accept4(server->fd, (struct sockaddr *)&addr.sa,
			       &addr.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int r;

	if (fd < 0 && errno == EAGAIN)
		return 0;
	if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
		return 1;
	if (fd < 0)
		return -errno;
	r = admit(server, fd, &addr);
	return r ? r : 1;
}

/* Out of descriptors or memory: the socket stays readable, so to poll it
 * would spin. */
static void pause_accept(struct link_server *server, int error)
{
	if (!server->said_full) {
		server->said_full = true;
		server->config.ops->on_refused(server->config.arg, "accept",
					       strerror(-error));
	}
	if (!server->freed)
		loop_timer(server->loop, &server->pause,
			   clock_now().v + PAUSE_MS);
}

static void acceptable_done(struct loop_op *op, int res)
{
	struct link_server *server =
		loop_container(op, struct link_server, acceptable);
	int r = 1;

	server->busy++;
	if (!server->freed && res != -ECANCELED) {
		for (int i = 0; i < ACCEPT_ROUNDS && r > 0 && !server->freed;
		     i++)
			r = accept_one(server);
		if (r < 0)
			pause_accept(server, r);
		else if (!server->freed)
			loop_poll(server->loop, op, server->fd, POLLIN);
	}
	server->busy--;
	settle(server);
}

static void pause_done(struct loop_op *op, int res)
{
	struct link_server *server =
		loop_container(op, struct link_server, pause);

	if (!server->freed && res != -ECANCELED)
		loop_poll(server->loop, &server->acceptable, server->fd,
			  POLLIN);
	settle(server);
}

static void limits_default(struct link_limits *limits)
{
	if (!limits->handshake_ms)
		limits->handshake_ms = LINK_HANDSHAKE_MS;
	if (!limits->half_open_max)
		limits->half_open_max = LINK_HALF_OPEN_MAX;
	if (!limits->queue_bytes_max)
		limits->queue_bytes_max = LINK_QUEUE_BYTES_MAX;
}

static int server_open(struct link_server *server, struct err *err)
{
	const char *text = server->config.listen_addr;
	struct link_addr addr;
	int r;

	r = link_addr_parse(text, &addr, err);
	if (r)
		return r;
	r = tls_ctx_new_server(server->config.keys, &server->tls_ctx, err);
	if (r)
		return r;
	server->fd = link_sock_listen(&addr, &server->port);
	if (server->fd >= 0)
		return 0;
	tls_ctx_free(server->tls_ctx);
	return err_set(err, server->fd, "%s: listen: %s", text,
		       strerror(-server->fd));
}

int link_server_new(struct loop *loop, const struct link_server_config *config,
		    struct link_server **ret, struct err *err)
{
	struct link_server *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return err_set(err, -ENOMEM, "%s: out of memory",
			       config->listen_addr);
	server->loop = loop;
	server->config = *config;
	limits_default(&server->config.limits);
	LIST_INIT(&server->peers);
	server->acceptable.done = acceptable_done;
	server->pause.done = pause_done;
	r = server_open(server, err);
	if (r) {
		free(server);
		return r;
	}
	server->config.listen_addr = NULL;	/* was borrowed for the call */
	loop_poll(loop, &server->acceptable, server->fd, POLLIN);
	*ret = server;
	return 0;
}

void link_server_free(struct link_server *server)
{
	struct link_peer *peer, *next;

	if (!server)
		return;
	server->freed = true;
	server->busy++;
	loop_cancel(server->loop, &server->acceptable);
	loop_cancel(server->loop, &server->pause);
	for (peer = LIST_FIRST(&server->peers); peer; peer = next) {
		next = LIST_NEXT(peer, entry);
		link_io_abandon(&peer->io);
	}
	server->busy--;
	settle(server);
}

uint16_t link_server_port(const struct link_server *server)
{
	return server->port;
}

int link_peer_send(struct link_peer *peer, const struct message *message)
{
	return link_io_send(&peer->io, message);
}

void link_peer_close(struct link_peer *peer)
{
	link_io_close(&peer->io, "closed by this side");
}

const struct host_id *link_peer_host(const struct link_peer *peer)
{
	return &peer->host;
}
