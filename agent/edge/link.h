/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The authenticated connection between a master and its replicas: TCP, TLS
 * 1.3 with an external pre-shared key per host, framed messages. Must never
 * know what a message decides. Nothing that an unauthenticated peer sent
 * reaches a callback, but its refusal.
 *
 * Messages to one peer leave in the order they were given. A peer that does
 * not read is dropped when its queue is full (-ENOBUFS to the sender first),
 * never waited for. Nothing here blocks: an address is numeric.
 *
 * No call made from outside the loop, nor any made from a callback, calls a
 * callback before it returns. After link_*_free() none is called any more;
 * the memory goes when the loop has let go of it, in loop_free() at last.
 */
#ifndef BFENCE_LINK_H
#define BFENCE_LINK_H

#include "core/message.h"
#include "edge/keys.h"
#include "edge/loop.h"
#include "err.h"

#define LINK_HANDSHAKE_MS	5000
#define LINK_HALF_OPEN_MAX	64
#define LINK_QUEUE_BYTES_MAX	(4u << 20)	/* to one peer, not yet sent */
#define LINK_BACKOFF_MIN_MS	100
#define LINK_BACKOFF_MAX_MS	5000

struct link_server;
struct link_client;
struct link_peer;

/* Each 0 means its default above. */
struct link_limits {
	uint32_t handshake_ms;		/* dial or accept to the first Hello */
	uint32_t half_open_max;		/* server: connections before Hello */
	size_t queue_bytes_max;
	uint32_t backoff_min_ms;	/* client: doubles up to ... */
	uint32_t backoff_max_ms;
};

/*
 * Server side (the master). A peer is up when TLS has proved that it holds
 * the key of `host` and its first message was a Hello of that very host; that
 * Hello is then the first on_message(). Any other is refused, with a reason
 * that both sides log.
 *
 * A host that connects again replaces its older connection: on_down() of the
 * old one, then on_up(). The newer is the live one, for a network cut leaves
 * a dead half here that nobody will ever speak on; and nobody else can take
 * the place, for the key proves the host.
 */
struct link_server_ops {
	void (*on_up)(void *arg, struct link_peer *peer,
		      const struct host_id *host);
	void (*on_message)(void *arg, struct link_peer *peer,
			   const struct message *message);
	/* The peer is gone; its pointer dies with the return. */
	void (*on_down)(void *arg, struct link_peer *peer, const char *reason);
	/* A connection that never came up: one sentence, for the log. */
	void (*on_refused)(void *arg, const char *from, const char *reason);
};

struct link_server_config {
	const char *listen_addr;	/* 127.0.0.1:7000, [::]:7000 */
	const struct keys *keys;	/* borrowed for the server's life */
	const struct link_server_ops *ops;	/* so are these */
	void *arg;
	struct link_limits limits;
};

int link_server_new(struct loop *loop, const struct link_server_config *config,
		    struct link_server **ret, struct err *err);
void link_server_free(struct link_server *server);

/* Where it listens: the kernel's choice when the address said port 0. */
uint16_t link_server_port(const struct link_server *server);

/* 0, -ENOBUFS (queue full: the peer is dropped, on_down() follows),
 * -ENOTCONN (it is on its way down), -EINVAL (not a message). */
int link_peer_send(struct link_peer *peer, const struct message *message);
/* Sends what is queued, then closes; on_down() follows. */
void link_peer_close(struct link_peer *peer);
const struct host_id *link_peer_host(const struct link_peer *peer);

/*
 * Client side (a replica): dials, and dials again with jittered backoff, for
 * ever. The first message after each on_up() must be a Hello. A Refuse of the
 * master is an on_message() like any other, then the connection ends.
 */
struct link_client_ops {
	/* TLS has proved that the master holds the key of this host. */
	void (*on_up)(void *arg);
	void (*on_message)(void *arg, const struct message *message);
	/* Down, or a dial that failed; said once per change of reason. Always
	 * said after an on_up(). */
	void (*on_down)(void *arg, const char *reason);
};

struct link_client_config {
	const char *master_addr;
	const struct key *key;		/* copied */
	const struct link_client_ops *ops;	/* borrowed */
	void *arg;
	struct link_limits limits;
};

int link_client_new(struct loop *loop, const struct link_client_config *config,
		    struct link_client **ret, struct err *err);
void link_client_free(struct link_client *client);

/* As link_peer_send(). */
int link_client_send(struct link_client *client, const struct message *message);
/* From on_down(), before the next dial: the two keys are not the same. */
bool link_client_is_refused(const struct link_client *client);
/* Drops the connection; on_down() and, after the backoff, a dial follow. */
void link_client_reset(struct link_client *client);

#endif
