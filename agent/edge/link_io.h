/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One connection, the same at both ends: a socket, TLS over it, frames in
 * and out. Must never know which end it is, but for who may say Refuse, nor
 * which host is allowed.
 *
 *   HANDSHAKE -> UP -> CLOSING (flushes, waits for the peer) -> DEAD
 *
 * DEAD waits for the loop to let go of the ops, then gone() frees the whole.
 */
#ifndef BFENCE_LINK_IO_H
#define BFENCE_LINK_IO_H

#include "core/message.h"
#include "edge/loop.h"
#include "edge/tls.h"

#define LINK_REASON_SIZE	256

struct link_io;

struct link_io_ops {
	void (*up)(struct link_io *io);		/* TLS has proved the key */
	void (*message)(struct link_io *io, const struct message *message);
	void (*down)(struct link_io *io, const char *reason);	/* once */
	void (*gone)(struct link_io *io);	/* the last call: free it */
};

enum link_io_state {
	LINK_IO_DEAD,
	LINK_IO_HANDSHAKE,
	LINK_IO_UP,
	LINK_IO_CLOSING,
};

/* The owner sets the first four, link_io_start() the rest. */
struct link_io {
	struct loop *loop;
	const struct link_io_ops *ops;
	size_t queue_bytes_max;
	bool is_server;			/* tells the peer why, by a Refuse */

	int fd;
	struct tls *tls;
	enum link_io_state state;
	bool is_doomed;			/* DEAD at the next event */
	bool said_down;
	bool is_refused;		/* the handshake failed: no key of it */
	bool shut;			/* our side of the socket is closed */
	unsigned int busy;		/* in a callback of the loop */
	uint32_t handshake_ms;
	uint64_t deadline_ms;		/* 0 = none */
	uint8_t *in;			/* decrypted, not yet a whole frame */
	size_t in_len;
	struct loop_op readable, writable, timer;
	char reason[LINK_REASON_SIZE];
};

/* Takes fd, connected or connecting. 0 or -ENOMEM, and fd is closed. */
int link_io_start(struct link_io *io, int fd, struct tls_ctx *ctx,
		  uint32_t handshake_ms);

/* The peer is who it should be: the handshake deadline is over. */
void link_io_accept(struct link_io *io);

/* As link_peer_send(). */
int link_io_send(struct link_io *io, const struct message *message);

/* The three ways down, down() follows from the loop: after what is queued;
 * with the reason told to the peer; at once. */
void link_io_close(struct link_io *io, const char *reason);
void link_io_refuse(struct link_io *io, const char *reason);
void link_io_drop(struct link_io *io, const char *reason);

/* Calls down() now, if it was not called yet; the way down goes on. */
void link_io_say_down(struct link_io *io);

/* Ends it without down(); gone() follows, perhaps before the return. */
void link_io_abandon(struct link_io *io);

#endif
