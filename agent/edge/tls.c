// SPDX-License-Identifier: GPL-2.0
/*
 * TLS 1.3 with an external pre-shared key, through OpenSSL and two memory
 * BIOs. Must never know a socket.
 */
#include "tls.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge/clock.h"

/* One suite, so that the hash of the key is never in question. */
#define TLS_SUITE	"TLS_AES_128_GCM_SHA256"
#define TLS_GROUPS	"X25519:P-256"

static const unsigned char suite_id[2] = { 0x13, 0x01 };

struct tls_ctx {
	SSL_CTX *ssl_ctx;
	const struct keys *keys;	/* of a server, borrowed */
	struct key key;			/* of a client */
	uint8_t decoy[KEY_SIZE];	/* the key of every unknown host */
	bool is_server;
};

struct tls {
	struct tls_ctx *ctx;
	SSL *ssl;
	BIO *in, *out;			/* owned by ssl */
	struct host_id claimed;		/* empty: no well-formed claim yet */
	bool known;			/* the claimed host has a key */
	bool finished;
	char why[160];
};

/* A session that stands for a key; NULL when memory is out. */
static SSL_SESSION *session_of(SSL *ssl, const uint8_t secret[KEY_SIZE])
{
	const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, suite_id);
	SSL_SESSION *session = SSL_SESSION_new();

	if (session && cipher &&
	    SSL_SESSION_set1_master_key(session, secret, KEY_SIZE) &&
	    SSL_SESSION_set_cipher(session, cipher) &&
	    SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION))
		return session;
	SSL_SESSION_free(session);
	return NULL;
}

static int identity_parse(const unsigned char *identity, size_t len,
			  struct host_id *ret)
{
	char text[HOST_ID_SIZE];

	if (len >= sizeof(text) || memchr(identity, '\0', len))
		return -EINVAL;
	memcpy(text, identity, len);
	text[len] = '\0';
	return host_id_parse(text, ret);
}

/*
 * OpenSSL asks for the key of an identity. There is always one: an unknown
 * host then fails exactly where a wrong key does.
 */
static int find_session(SSL *ssl, const unsigned char *identity, size_t len,
			SSL_SESSION **session)
{
	struct tls *tls = SSL_get_app_data(ssl);
	const struct key *key = NULL;

	tls->claimed = (struct host_id){ 0 };
	if (!identity_parse(identity, len, &tls->claimed))
		key = keys_find(tls->ctx->keys, &tls->claimed);
	tls->known = key;
	*session = session_of(ssl, key ? key->secret : tls->ctx->decoy);
	return *session ? 1 : 0;
}

static int use_session(SSL *ssl, const EVP_MD *md, const unsigned char **id,
		       size_t *id_len, SSL_SESSION **session)
{
	struct tls *tls = SSL_get_app_data(ssl);
	const struct key *key = &tls->ctx->key;

	*session = NULL;
	if (md && !EVP_MD_is_a(md, "SHA256"))
		return 1;	/* no key for that hash: the handshake fails */
	*session = session_of(ssl, key->secret);
	*id = (const unsigned char *)key->host.s;
	*id_len = strlen(key->host.s);
	return *session ? 1 : 0;
}

static int refuse_certificate(X509_STORE_CTX *store, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
	return 0;
}

static int ssl_ctx_setup(struct tls_ctx *ctx)
{
	SSL_CTX *c = ctx->ssl_ctx;

	if (!SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) ||
	    !SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) ||
	    !SSL_CTX_set_ciphersuites(c, TLS_SUITE) ||
	    !SSL_CTX_set1_groups_list(c, TLS_GROUPS) ||
	    !SSL_CTX_set_num_tickets(c, 0) || !SSL_CTX_set_max_early_data(c, 0))
		return -EPROTO;
	SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
	SSL_CTX_clear_options(c, SSL_OP_ALLOW_NO_DHE_KEX);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
	if (ctx->is_server) {	/* has no certificate and asks for none */
		SSL_CTX_set_psk_find_session_callback(c, find_session);
		return 0;
	}
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(c, refuse_certificate, NULL);
	SSL_CTX_set_psk_use_session_callback(c, use_session);
	return 0;
}

/* NULL when there is no memory, or no TLS 1.3 in this OpenSSL. */
static struct tls_ctx *ctx_new(bool is_server)
{
	struct tls_ctx *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		return NULL;
	ctx->is_server = is_server;
	ctx->ssl_ctx = SSL_CTX_new(is_server ? TLS_server_method() :
					       TLS_client_method());
	if (ctx->ssl_ctx && !ssl_ctx_setup(ctx))
		return ctx;
	tls_ctx_free(ctx);
	return NULL;
}

static int no_ctx(struct err *err)
{
	return err_set(err, -EPROTO,
		       "tls: no memory, or no TLS 1.3 with " TLS_SUITE);
}

int tls_ctx_new_server(const struct keys *keys, struct tls_ctx **ret,
		       struct err *err)
{
	struct tls_ctx *ctx = ctx_new(true);
	int r;

	if (!ctx)
		return no_ctx(err);
	ctx->keys = keys;
	r = clock_random(ctx->decoy, sizeof(ctx->decoy));
	if (r) {
		tls_ctx_free(ctx);
		return err_set(err, r, "tls: no random bytes: %s",
			       strerror(-r));
	}
	*ret = ctx;
	return 0;
}

int tls_ctx_new_client(const struct key *key, struct tls_ctx **ret,
		       struct err *err)
{
	struct tls_ctx *ctx = ctx_new(false);

	if (!ctx)
		return no_ctx(err);
	ctx->key = *key;
	*ret = ctx;
	return 0;
}

void tls_ctx_free(struct tls_ctx *ctx)
{
	if (!ctx)
		return;
	SSL_CTX_free(ctx->ssl_ctx);
	explicit_bzero(ctx, sizeof(*ctx));
	free(ctx);
}

int tls_new(struct tls_ctx *ctx, struct tls **ret)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return -ENOMEM;
	tls->ctx = ctx;
	tls->ssl = SSL_new(ctx->ssl_ctx);
	tls->in = BIO_new(BIO_s_mem());
	tls->out = BIO_new(BIO_s_mem());
	if (!tls->ssl || !tls->in || !tls->out) {
		SSL_free(tls->ssl);
		BIO_free(tls->in);
		BIO_free(tls->out);
		free(tls);
		return -ENOMEM;
	}
	SSL_set_app_data(tls->ssl, tls);
	SSL_set_bio(tls->ssl, tls->in, tls->out);
	if (ctx->is_server)
		SSL_set_accept_state(tls->ssl);
	else
		SSL_set_connect_state(tls->ssl);
	*ret = tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	SSL_free(tls->ssl);	/* and both BIOs */
	free(tls);
}

int tls_feed(struct tls *tls, const uint8_t *bytes, size_t len)
{
	size_t written;

	if (!BIO_write_ex(tls->in, bytes, len, &written) || written != len)
		return -ENOMEM;
	return 0;
}

size_t tls_out(struct tls *tls, const uint8_t **ret)
{
	char *bytes = NULL;
	const long len = BIO_get_mem_data(tls->out, &bytes);

	*ret = (const uint8_t *)bytes;
	return len > 0 ? (size_t)len : 0;
}

void tls_out_drop(struct tls *tls, size_t len)
{
	uint8_t scratch[4096];

	while (len) {
		const size_t part = len < sizeof(scratch) ? len :
							    sizeof(scratch);
		size_t dropped = 0;

		if (!BIO_read_ex(tls->out, scratch, part, &dropped))
			dropped = 0;
		assert(dropped == part);	/* callers drop what they saw */
		len -= dropped;
	}
}

/* The alert that the peer sent, or 0. */
static int alert_of(unsigned long error)
{
	const int reason = ERR_GET_REASON(error);

	if (ERR_GET_LIB(error) != ERR_LIB_SSL)
		return 0;
	return reason > SSL_AD_REASON_OFFSET ? reason - SSL_AD_REASON_OFFSET :
					       0;
}

static const char *text_of(unsigned long error)
{
	const char *text = ERR_reason_error_string(error);

	return text ? text : "broken";
}

static void why_of_client(struct tls *tls, unsigned long error)
{
	const char *host = tls->ctx->key.host.s;

	if (!tls->finished && alert_of(error))
		snprintf(tls->why, sizeof(tls->why),
			 "%s: the master refused the handshake: wrong key or unknown host",
			 host);
	else
		snprintf(tls->why, sizeof(tls->why),
			 "%s: the peer is no master that holds our key: %s",
			 host, text_of(error));
}

static void why_of_server(struct tls *tls, unsigned long error)
{
	const char *host = tls->claimed.s;

	if (*host && ERR_GET_REASON(error) == SSL_R_BINDER_DOES_NOT_VERIFY)
		snprintf(tls->why, sizeof(tls->why), "claims to be %s: %s",
			 host, tls->known ? "wrong key" : "unknown host");
	else if (*host)
		snprintf(tls->why, sizeof(tls->why), "claims to be %s: %s",
			 host, text_of(error));
	else
		snprintf(tls->why, sizeof(tls->why), "offers no key: %s",
			 text_of(error));
}

static int fail(struct tls *tls)
{
	const unsigned long error = ERR_peek_error();

	if (tls->finished)
		snprintf(tls->why, sizeof(tls->why), "broken stream: %s",
			 text_of(error));
	else if (tls->ctx->is_server)
		why_of_server(tls, error);
	else
		why_of_client(tls, error);
	ERR_clear_error();
	return -EPROTO;
}

int tls_handshake(struct tls *tls)
{
	int r;

	if (tls->finished)
		return 1;
	ERR_clear_error();
	r = SSL_do_handshake(tls->ssl);
	if (r != 1 && SSL_get_error(tls->ssl, r) == SSL_ERROR_WANT_READ)
		return 0;
	/* Resumed is how OpenSSL says that the key was used. */
	if (r != 1 || !SSL_session_reused(tls->ssl))
		return fail(tls);
	if (tls->ctx->is_server && !tls->known)
		return fail(tls);
	tls->finished = true;
	return 1;
}

const char *tls_why(const struct tls *tls)
{
	return tls->why;
}

const struct host_id *tls_peer(const struct tls *tls)
{
	return tls->finished && tls->ctx->is_server ? &tls->claimed : NULL;
}

int tls_read(struct tls *tls, uint8_t *buf, size_t size)
{
	size_t len;
	int r;

	ERR_clear_error();
	r = SSL_read_ex(tls->ssl, buf, size, &len);
	if (r == 1)
		return (int)len;
	switch (SSL_get_error(tls->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return -ECONNRESET;
	}
	return fail(tls);
}

int tls_write(struct tls *tls, const uint8_t *bytes, size_t len)
{
	size_t written;

	ERR_clear_error();
	if (!SSL_write_ex(tls->ssl, bytes, len, &written) || written != len)
		return fail(tls);
	return 0;
}

void tls_shutdown(struct tls *tls)
{
	ERR_clear_error();
	if (tls->finished)
		SSL_shutdown(tls->ssl);
	ERR_clear_error();
}
