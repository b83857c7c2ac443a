// SPDX-License-Identifier: GPL-2.0
/*
 * One connection: a socket, TLS over it, frames in and out. Must never know
 * which host is allowed.
 *
 * Outside its own callbacks a living connection always has `readable` in
 * flight; so a cancel of that op is the way to be called by the loop.
 */
#include "link_io.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "edge/clock.h"
#include "edge/link_sock.h"
#include "edge/wire.h"

#define LINGER_MS	1000	/* for the last words, and the peer's FIN */
#define RECV_BYTES	16384
#define RECV_ROUNDS	4	/* then others have their turn */

static bool is_alive(const struct link_io *io)
{
	return io->state != LINK_IO_DEAD && !io->is_doomed;
}

/* The last step of each callback: io may be freed when it returns. */
static void settle(struct link_io *io)
{
	if (io->state != LINK_IO_DEAD || io->busy)
		return;
	if (io->readable.in_flight || io->writable.in_flight ||
	    io->timer.in_flight)
		return;
	close(io->fd);
	tls_free(io->tls);
	free(io->in);
	io->fd = -1;
	io->tls = NULL;
	io->in = NULL;
	io->ops->gone(io);
}

static void reason_set(struct link_io *io, const char *reason)
{
	if (!io->reason[0])	/* the first one is the cause */
		snprintf(io->reason, sizeof(io->reason), "%s", reason);
}

void link_io_say_down(struct link_io *io)
{
	if (io->said_down)
		return;
	io->said_down = true;
	io->ops->down(io, io->reason);
}

/* Only from a callback of the loop, for it calls down(). */
static void die(struct link_io *io, const char *reason)
{
	static const struct linger abort_it = { .l_onoff = 1 };
	const uint8_t *unsent;

	if (io->state == LINK_IO_DEAD)
		return;
	reason_set(io, reason);
	io->state = LINK_IO_DEAD;
	/* What the peer did not take must not linger in the kernel either. */
	if (io->is_doomed || tls_out(io->tls, &unsent))
		setsockopt(io->fd, SOL_SOCKET, SO_LINGER, &abort_it,
			   sizeof(abort_it));
	else
		shutdown(io->fd, SHUT_RDWR);
	loop_cancel(io->loop, &io->readable);
	loop_cancel(io->loop, &io->writable);
	loop_cancel(io->loop, &io->timer);
	link_io_say_down(io);
}

void link_io_drop(struct link_io *io, const char *reason)
{
	if (!is_alive(io))
		return;
	reason_set(io, reason);
	io->is_doomed = true;
	loop_cancel(io->loop, &io->readable);
}

void link_io_abandon(struct link_io *io)
{
	io->said_down = true;
	io->is_doomed = true;
	die(io, "");
	settle(io);
}

static void deadline_set(struct link_io *io, uint64_t at_ms)
{
	io->deadline_ms = at_ms;
	if (io->timer.in_flight)
		loop_cancel(io->loop, &io->timer);	/* then set anew */
	else if (at_ms)
		loop_timer(io->loop, &io->timer, at_ms);
}

/* Many messages of one turn leave with one send. */
static void want_write(struct link_io *io)
{
	if (!io->writable.in_flight)
		loop_poll(io->loop, &io->writable, io->fd, POLLOUT);
}

void link_io_close(struct link_io *io, const char *reason)
{
	if (!is_alive(io) || io->state == LINK_IO_CLOSING)
		return;
	reason_set(io, reason);
	io->state = LINK_IO_CLOSING;
	tls_shutdown(io->tls);
	deadline_set(io, clock_now().v + LINGER_MS);
	want_write(io);
}

void link_io_refuse(struct link_io *io, const char *reason)
{
	struct message refuse = { .kind = MESSAGE_REFUSE };

	if (io->is_server && io->state == LINK_IO_UP) {
		snprintf(refuse.refuse.reason, sizeof(refuse.refuse.reason),
			 "%s", reason);
		link_io_send(io, &refuse);
	}
	link_io_close(io, reason);
}

int link_io_send(struct link_io *io, const struct message *message)
{
	uint8_t frame[WIRE_FRAME_BYTES_MAX];
	const uint8_t *unsent;
	size_t len;
	int r;

	if (!is_alive(io) || io->state != LINK_IO_UP)
		return -ENOTCONN;
	r = wire_frame_put(message, frame);
	if (r < 0)
		return r;
	len = (size_t)r;
	if (tls_out(io->tls, &unsent) + len > io->queue_bytes_max) {
		link_io_drop(io, "it does not read: the queue to it is full");
		return -ENOBUFS;
	}
	if (tls_write(io->tls, frame, len)) {
		link_io_drop(io, tls_why(io->tls));
		return -ENOTCONN;
	}
	want_write(io);
	return 0;
}

static void take_frames(struct link_io *io)
{
	struct message message;
	size_t at = 0;
	int n = 1;

	while (n > 0 && is_alive(io) && io->state == LINK_IO_UP) {
		n = wire_frame_get(io->in + at, io->in_len - at, &message);
		if (n > 0) {
			at += (size_t)n;
			io->ops->message(io, &message);
		} else if (n == -EMSGSIZE) {
			link_io_refuse(io, "sent a frame of a bad length");
		} else if (n < 0) {
			link_io_refuse(io, "sent a message that is not lawful");
		}
	}
	io->in_len -= at;
	memmove(io->in, io->in + at, io->in_len);
}

static void take_plaintext(struct link_io *io)
{
	int n = 1;

	while (n > 0 && is_alive(io) && io->state == LINK_IO_UP) {
		n = tls_read(io->tls, io->in + io->in_len,
			     WIRE_FRAME_BYTES_MAX - io->in_len);
		if (n > 0) {
			io->in_len += (size_t)n;
			take_frames(io);
		} else if (n == -ECONNRESET) {
			die(io, "the peer closed the connection");
		} else if (n < 0) {
			link_io_close(io, tls_why(io->tls));
		}
	}
}

static void take_handshake(struct link_io *io)
{
	const int r = tls_handshake(io->tls);

	if (r < 0) {
		io->is_refused = true;
		link_io_close(io, tls_why(io->tls));	/* flushes the alert */
	} else if (r > 0) {
		io->state = LINK_IO_UP;
		io->ops->up(io);
	}
}

static void take_bytes(struct link_io *io, const uint8_t *bytes, size_t len)
{
	const uint8_t *unsent;

	if (io->state == LINK_IO_CLOSING)
		return;		/* read on for the FIN alone */
	if (tls_feed(io->tls, bytes, len)) {
		die(io, strerror(ENOMEM));
		return;
	}
	if (io->state == LINK_IO_HANDSHAKE)
		take_handshake(io);
	take_plaintext(io);
	if (!is_alive(io) || !tls_out(io->tls, &unsent))
		return;
	/* TLS answers some requests by itself; that is bounded too. */
	if (tls_out(io->tls, &unsent) > io->queue_bytes_max)
		link_io_drop(io, "it does not read: the queue to it is full");
	else
		want_write(io);
}

static void receive(struct link_io *io)
{
	uint8_t bytes[RECV_BYTES];

	for (int i = 0; i < RECV_ROUNDS && is_alive(io); i++) {
		const ssize_t n =
			recv(io->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n > 0)
			take_bytes(io, bytes, (size_t)n);
		else if (n == 0)
			die(io,
			    io->state == LINK_IO_HANDSHAKE ?
				    "the peer closed the connection during the handshake" :
				    "the peer closed the connection");
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			die(io, strerror(errno));
	}
}

/* An op was cancelled by us, or because the loop ends: then res tells
 * nothing about the socket. */
static void readable_done(struct loop_op *op, int res)
{
	struct link_io *io = loop_container(op, struct link_io, readable);

	io->busy++;
	if (is_alive(io) && res != -ECANCELED) {
		receive(io);
		if (is_alive(io))
			loop_poll(io->loop, &io->readable, io->fd, POLLIN);
	}
	if (io->is_doomed)
		die(io, io->reason);
	io->busy--;
	settle(io);
}

/* 1: all is sent; 0: the socket is full; or a negative errno. */
static int flush(struct link_io *io)
{
	const uint8_t *bytes;
	size_t len;

	while ((len = tls_out(io->tls, &bytes))) {
		const ssize_t n =
			send(io->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n >= 0)
			tls_out_drop(io->tls, (size_t)n);
		else if (errno == EAGAIN)
			return 0;
		else if (errno != EINTR)
			return -errno;
	}
	return 1;
}

static void writable_done(struct loop_op *op, int res)
{
	struct link_io *io = loop_container(op, struct link_io, writable);
	int r;

	io->busy++;
	if (is_alive(io) && res != -ECANCELED) {
		r = flush(io);
		if (r == 0)
			want_write(io);
		if (r < 0)	/* its last words, a Refuse, may be here yet */
			receive(io);
		if (r < 0 && is_alive(io))
			die(io, strerror(-r));
		if (r > 0 && io->state == LINK_IO_CLOSING && !io->shut) {
			io->shut = true;
			shutdown(io->fd, SHUT_WR);
		}
	}
	io->busy--;
	settle(io);
}

static void expire(struct link_io *io)
{
	char reason[64];

	io->deadline_ms = 0;
	snprintf(reason, sizeof(reason), "no %s within %u ms",
		 io->state == LINK_IO_UP ? "Hello" : "handshake",
		 io->handshake_ms);
	if (io->state == LINK_IO_UP) {
		link_io_refuse(io, reason);
	} else {
		io->is_doomed = true;
		die(io, reason);
	}
}

static void timer_done(struct loop_op *op, int res)
{
	struct link_io *io = loop_container(op, struct link_io, timer);

	(void)res;	/* only the deadline counts, it may have moved */
	io->busy++;
	if (is_alive(io) && io->deadline_ms) {
		if (clock_now().v >= io->deadline_ms)
			expire(io);
		else
			loop_timer(io->loop, &io->timer, io->deadline_ms);
	}
	io->busy--;
	settle(io);
}

void link_io_accept(struct link_io *io)
{
	if (io->state == LINK_IO_UP)
		deadline_set(io, 0);
}

int link_io_start(struct link_io *io, int fd, struct tls_ctx *ctx,
		  uint32_t handshake_ms)
{
	struct tls *tls;
	uint8_t *in = malloc(WIRE_FRAME_BYTES_MAX);

	if (!in || tls_new(ctx, &tls)) {
		free(in);
		close(fd);
		return -ENOMEM;
	}
	link_sock_setup(fd);
	*io = (struct link_io){
		.loop = io->loop,
		.ops = io->ops,
		.queue_bytes_max = io->queue_bytes_max,
		.is_server = io->is_server,
		.fd = fd,
		.tls = tls,
		.in = in,
		.state = LINK_IO_HANDSHAKE,
		.handshake_ms = handshake_ms,
		.readable.done = readable_done,
		.writable.done = writable_done,
		.timer.done = timer_done,
	};
	loop_poll(io->loop, &io->readable, fd, POLLIN);
	deadline_set(io, clock_now().v + handshake_ms);
	/* The client speaks first, once the socket is connected. */
	tls_handshake(tls);
	if (!io->is_server)
		want_write(io);
	return 0;
}
