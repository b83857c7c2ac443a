/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TLS 1.3 with an external pre-shared key for each host, between two memory
 * buffers. A peer that does not prove a key fails the handshake: there is no
 * certificate, no session ticket, no early data. Must never know a socket.
 *
 * The identity of a key is the host id. A host that is unknown and a host
 * that is known but has another key get the same answer, byte for byte: the
 * server does not tell a stranger which hosts exist.
 */
#ifndef BFENCE_TLS_H
#define BFENCE_TLS_H

#include "edge/keys.h"

struct tls_ctx;		/* what all connections of one end share */
struct tls;		/* one connection */

/* Borrows the keys for its life. */
int tls_ctx_new_server(const struct keys *keys, struct tls_ctx **ret,
		       struct err *err);
/* Copies the key. */
int tls_ctx_new_client(const struct key *key, struct tls_ctx **ret,
		       struct err *err);
void tls_ctx_free(struct tls_ctx *ctx);	/* after its connections */

int tls_new(struct tls_ctx *ctx, struct tls **ret);
void tls_free(struct tls *tls);

/* Bytes that came from the socket: 0 or -ENOMEM. */
int tls_feed(struct tls *tls, const uint8_t *bytes, size_t len);

/* Bytes for the socket: how many, and where. They stay until dropped. */
size_t tls_out(struct tls *tls, const uint8_t **ret);
void tls_out_drop(struct tls *tls, size_t len);

/* 1: the peer holds the key; 0: wants bytes; -EPROTO, and tls_why(). The
 * alert for the peer is then in tls_out(). */
int tls_handshake(struct tls *tls);

/* One sentence about the last -EPROTO. Quotes of an unproven peer nothing
 * but a well-formed host id. */
const char *tls_why(const struct tls *tls);

/* On the server: the host that the peer's key proves; NULL until then. */
const struct host_id *tls_peer(const struct tls *tls);

/* Bytes read, 0 when more must be fed, -ECONNRESET when the peer has closed,
 * -EPROTO. */
int tls_read(struct tls *tls, uint8_t *buf, size_t size);

/* 0 or -EPROTO; all of it goes to tls_out(). */
int tls_write(struct tls *tls, const uint8_t *bytes, size_t len);

/* Tells the peer that nothing more will come. */
void tls_shutdown(struct tls *tls);

#endif
