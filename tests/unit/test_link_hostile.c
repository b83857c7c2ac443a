// SPDX-License-Identifier: GPL-2.0
/*
 * The link against peers that do not keep to the protocol: strangers,
 * liars, babblers and the deaf. What they cost, and whom.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "edge/link_sock.h"
#include "edge/tls.h"
#include "edge/wire.h"
#include "link_world.h"

#define NR_RAWS		4
#define RAW_BYTES	65536

/* A peer made by hand: with a key it speaks TLS, without one bytes. */
struct raw {
	struct world *world;
	struct loop_op op;
	int fd;
	struct tls_ctx *ctx;
	struct tls *tls;
	bool is_up, is_closed;
	bool is_deaf;			/* reads nothing once it is up */
	struct message last;
	int nr_messages;
	uint8_t sent[RAW_BYTES];	/* all that it ever sent */
	size_t nr_sent;
	uint8_t in[RAW_BYTES];
	size_t nr_in;
};

static struct raw raws[NR_RAWS];

static void raw_send_bytes(struct raw *raw, const void *bytes, size_t len)
{
	assert_true(raw->nr_sent + len <= sizeof(raw->sent));
	memcpy(raw->sent + raw->nr_sent, bytes, len);
	raw->nr_sent += len;
	assert_int_equal(send(raw->fd, bytes, len, MSG_NOSIGNAL), len);
}

static void raw_flush(struct raw *raw)
{
	const uint8_t *bytes;
	const size_t len = tls_out(raw->tls, &bytes);

	if (!len)
		return;
	raw_send_bytes(raw, bytes, len);
	tls_out_drop(raw->tls, len);
}

/* Inside of TLS. */
static void raw_send_plain(struct raw *raw, const void *bytes, size_t len)
{
	assert_true(raw->is_up);
	assert_int_equal(tls_write(raw->tls, bytes, len), 0);
	raw_flush(raw);
}

static void raw_send(struct raw *raw, const struct message *message)
{
	static uint8_t frame[WIRE_FRAME_BYTES_MAX];
	const int len = wire_frame_put(message, frame);

	assert_true(len > 0);
	raw_send_plain(raw, frame, (size_t)len);
}

static void raw_take(struct raw *raw)
{
	int n;

	if (tls_handshake(raw->tls) != 1)
		return;
	raw->is_up = true;
	while ((n = tls_read(raw->tls, raw->in + raw->nr_in,
			     sizeof(raw->in) - raw->nr_in)) > 0)
		raw->nr_in += (size_t)n;
	while ((n = wire_frame_get(raw->in, raw->nr_in, &raw->last)) > 0) {
		raw->nr_messages++;
		raw->nr_in -= (size_t)n;
		memmove(raw->in, raw->in + n, raw->nr_in);
	}
}

static void raw_readable(struct loop_op *op, int res)
{
	struct raw *raw = loop_container(op, struct raw, op);
	uint8_t bytes[4096];
	ssize_t n;

	if (res == -ECANCELED)
		return;
	n = recv(raw->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	raw->is_closed = n <= 0;
	if (n > 0 && raw->tls) {
		assert_int_equal(tls_feed(raw->tls, bytes, (size_t)n), 0);
		raw_take(raw);
		raw_flush(raw);
	}
	if (!raw->is_closed && !(raw->is_deaf && raw->is_up))
		loop_poll(raw->world->loop, op, raw->fd, POLLIN);
	world_check(raw->world);
}

static struct raw *raw_dial(struct world *w, int nr, const struct key *key)
{
	struct raw *raw = &raws[nr];
	const int small = 4096;
	struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_port = htons(link_server_port(w->server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	raw->world = w;
	raw->op.done = raw_readable;
	raw->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(raw->fd >= 0);
	setsockopt(raw->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(connect(raw->fd, (struct sockaddr *)&sa, sizeof(sa)),
			 0);
	if (key) {
		assert_int_equal(tls_ctx_new_client(key, &raw->ctx, NULL), 0);
		assert_int_equal(tls_new(raw->ctx, &raw->tls), 0);
		tls_handshake(raw->tls);
		raw_flush(raw);
	}
	loop_poll(w->loop, &raw->op, raw->fd, POLLIN);
	return raw;
}

/* Its connection is closed and its op idle. */
static void raw_forget(struct raw *raw)
{
	assert_false(raw->op.in_flight);
	tls_free(raw->tls);
	tls_ctx_free(raw->ctx);
	if (raw->fd >= 0)
		close(raw->fd);
	*raw = (struct raw){ .fd = -1 };
}

static int hostile_setup(void **state)
{
	for (int i = 0; i < NR_RAWS; i++)
		raws[i] = (struct raw){ .fd = -1 };
	return world_setup(state);
}

static int hostile_teardown(void **state)
{
	const int r = world_teardown(state);

	for (int i = 0; i < NR_RAWS; i++)
		raw_forget(&raws[i]);
	return r;
}

static const struct link_limits defaults;

static bool first_is_closed(struct world *w)
{
	return raws[0].is_closed && w->nr_refused + w->nr_down >= 1;
}

static bool first_is_up(struct world *w)
{
	(void)w;
	return raws[0].is_up;
}

static bool master_has_hello(struct world *w)
{
	return w->nr_messages >= 1;
}

static void assert_only_refused_once(const struct world *w, const char *why)
{
	assert_int_equal(w->nr_refused, 1);
	assert_int_equal(w->nr_up + w->nr_down + w->nr_messages, 0);
	if (!strstr(w->refused, why))
		fail_msg("refused with: %s", w->refused);
}

/* A raw peer with the key of host-a that has said its Hello. */
static struct raw *raw_connect_a(struct world *w, bool is_deaf)
{
	const struct message hello = hello_of(&w->keys[0].host);
	struct raw *raw = raw_dial(w, 0, &w->keys[0]);

	raw->is_deaf = is_deaf;
	world_run(w, first_is_up);
	raw_send(raw, &hello);
	world_run(w, master_has_hello);
	return raw;
}

static void
plain_garbage_costs_one_refusal_and_a_closed_connection(void **state)
{
	struct world *w = *state;
	struct raw *raw;

	server_start(w, 0, defaults);
	raw = raw_dial(w, 0, NULL);
	raw_send_bytes(raw, "GET / HTTP/1.1\r\nHost: master\r\n\r\n", 32);
	world_run(w, first_is_closed);
	assert_only_refused_once(w, "offers no key");
}

static void stranger_that_hangs_up_costs_one_refusal(void **state)
{
	struct world *w = *state;
	struct raw *raw;

	server_start(w, 0, defaults);
	raw = raw_dial(w, 0, NULL);
	shutdown(raw->fd, SHUT_WR);
	world_run(w, first_is_closed);
	assert_only_refused_once(w,
				 "closed the connection during the handshake");
}

/* A pre-shared key with an identity far longer than any host id. */
static int use_long_identity(SSL *ssl, const EVP_MD *md,
			     const unsigned char **id, size_t *id_len,
			     SSL_SESSION **session)
{
	static const unsigned char suite[] = { 0x13, 0x01 }, secret[32] = { 1 };
	static unsigned char identity[300];

	(void)md;
	memset(identity, 'h', sizeof(identity));
	*id = identity;
	*id_len = sizeof(identity);
	*session = SSL_SESSION_new();
	SSL_SESSION_set1_master_key(*session, secret, sizeof(secret));
	SSL_SESSION_set_cipher(*session, SSL_CIPHER_find(ssl, suite));
	SSL_SESSION_set_protocol_version(*session, TLS1_3_VERSION);
	return 1;
}

/* The first flight of a TLS client that has no key of ours. */
static size_t client_hello_of(int version, SSL_psk_use_session_cb_func psk,
			      uint8_t *buf, size_t size)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;
	BIO *out = BIO_new(BIO_s_mem());
	int len;

	assert_non_null(ctx);
	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_psk_use_session_callback(ctx, psk);
	ssl = SSL_new(ctx);
	assert_non_null(ssl);
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
	SSL_set_connect_state(ssl);
	SSL_do_handshake(ssl);
	len = BIO_read(out, buf, (int)size);
	assert_true(len > 0);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return (size_t)len;
}

static void tls_client_without_a_key_of_ours_is_refused(void **state)
{
	static const struct {
		int version;
		SSL_psk_use_session_cb_func psk;
	} clients[] = {
		{ TLS1_3_VERSION, NULL },
		{ TLS1_2_VERSION, NULL },
		{ TLS1_3_VERSION, use_long_identity },
	};
	struct world *w = *state;
	uint8_t bytes[2048];

	server_start(w, 0, defaults);
	for (int i = 0; i < 3; i++) {
		struct raw *raw = raw_dial(w, 0, NULL);
		const size_t len = client_hello_of(clients[i].version,
						   clients[i].psk, bytes,
						   sizeof(bytes));

		w->nr_refused = 0;
		raw_send_bytes(raw, bytes, len);
		world_run(w, first_is_closed);
		assert_only_refused_once(w, "offers no key");
		raw_forget(raw);
	}
}

static void replayed_byte_stream_is_refused(void **state)
{
	static uint8_t bytes[RAW_BYTES];
	struct world *w = *state;
	struct raw *raw;
	size_t len;

	server_start(w, 0, defaults);
	raw = raw_connect_a(w, false);
	len = raw->nr_sent;
	memcpy(bytes, raw->sent, len);
	shutdown(raw->fd, SHUT_WR);
	world_run(w, first_is_closed);
	raw_forget(raw);

	w->nr_up = w->nr_down = w->nr_messages = 0;
	raw = raw_dial(w, 0, NULL);
	raw_send_bytes(raw, bytes, len);
	world_run(w, first_is_closed);
	assert_only_refused_once(w, "claims to be host-a");
}

static void first_message_that_is_no_hello_is_refused(void **state)
{
	struct world *w = *state;
	const struct message report = report_of(1);
	struct raw *raw;

	server_start(w, 0, defaults);
	raw = raw_dial(w, 0, &w->keys[0]);
	world_run(w, first_is_up);
	raw_send(raw, &report);
	world_run(w, first_is_closed);
	assert_only_refused_once(w, "host-a: the first message is not a Hello");
	assert_int_equal(raw->last.kind, MESSAGE_REFUSE);
	assert_string_equal(raw->last.refuse.reason, w->refused);
}

static bool first_was_told(struct world *w)
{
	return raws[0].nr_messages >= 1 && w->nr_down >= 1;
}

static void second_hello_or_a_masters_message_ends_the_connection(void **state)
{
	struct world *w = *state;
	const struct message bad[] = { hello_of(&w->keys[0].host),
				       lease_of(1) };

	server_start(w, 0, defaults);
	for (int i = 0; i < 2; i++) {
		struct raw *raw;

		w->nr_down = w->nr_messages = 0;
		raw = raw_connect_a(w, false);
		raw_send(raw, &bad[i]);
		world_run(w, first_was_told);
		assert_int_equal(w->nr_messages, 1);
		assert_string_equal(w->reason,
				    "sent a message that no replica may send now");
		assert_int_equal(raw->last.kind, MESSAGE_REFUSE);
		assert_string_equal(raw->last.refuse.reason, w->reason);
		world_run(w, first_is_closed);
		raw_forget(raw);
	}
}

static void frame_over_the_limit_ends_the_connection_with_a_reason(void **state)
{
	static const uint8_t header[] = { 0, 1, 0, 1 };
	struct world *w = *state;
	struct raw *raw;

	server_start(w, 0, defaults);
	raw = raw_connect_a(w, false);
	raw_send_plain(raw, header, sizeof(header));
	world_run(w, first_was_told);
	assert_string_equal(w->reason, "sent a frame of a bad length");
	assert_string_equal(raw->last.refuse.reason, w->reason);
}

static void unlawful_message_ends_the_connection_with_a_reason(void **state)
{
	static const uint8_t frame[] = { 0, 0, 0, 2, 0x7a, 0 };
	struct world *w = *state;
	struct raw *raw;

	server_start(w, 0, defaults);
	raw = raw_connect_a(w, false);
	raw_send_plain(raw, frame, sizeof(frame));
	world_run(w, first_was_told);
	assert_string_equal(w->reason, "sent a message that is not lawful");
	assert_string_equal(raw->last.refuse.reason, w->reason);
	assert_int_equal(w->nr_messages, 1);
}

static bool master_has_two_messages(struct world *w)
{
	return w->nr_messages >= 2;
}

/* One frame in as many TLS records as it has bytes. */
static void frame_that_comes_byte_by_byte_is_one_message(void **state)
{
	struct world *w = *state;
	const struct message report = report_of(77);
	uint8_t frame[256];
	struct raw *raw;
	int len;

	server_start(w, 0, defaults);
	raw = raw_connect_a(w, false);
	len = wire_encode(&report, frame + WIRE_HEADER_BYTES,
			  sizeof(frame) - WIRE_HEADER_BYTES);
	assert_true(len > 0);
	memcpy(frame, (uint8_t[]){ 0, 0, 0, (uint8_t)len }, WIRE_HEADER_BYTES);
	for (int i = 0; i < WIRE_HEADER_BYTES + len; i++)
		raw_send_plain(raw, frame + i, 1);
	world_run(w, master_has_two_messages);
	assert_memory_equal(&w->last, &report, sizeof(report));
}

static bool master_has_three_messages(struct world *w)
{
	return w->nr_messages >= 3;
}

static void frames_cut_anywhere_between_records_keep_their_order(void **state)
{
	static uint8_t two[2 * WIRE_FRAME_BYTES_MAX];
	struct world *w = *state;
	const struct message first = report_of(1), second = report_of(1u << 30);
	struct raw *raw;
	int cut, len;

	server_start(w, 0, defaults);
	raw = raw_connect_a(w, false);
	cut = wire_frame_put(&first, two);
	assert_true(cut > 0);
	len = wire_frame_put(&second, two + cut);
	assert_true(len > 7);
	raw_send_plain(raw, two, (size_t)cut + 7);
	world_run(w, master_has_two_messages);
	assert_memory_equal(&w->last, &first, sizeof(first));
	raw_send_plain(raw, two + cut + 7, (size_t)len - 7);
	world_run(w, master_has_three_messages);
	assert_memory_equal(&w->last, &second, sizeof(second));
}

static bool third_is_closed(struct world *w)
{
	return raws[2].is_closed && w->nr_refused >= 1;
}

static bool all_are_closed(struct world *w)
{
	return raws[0].is_closed && raws[1].is_closed && w->nr_refused >= 3;
}

static void
half_open_connections_are_capped_and_end_at_the_deadline(void **state)
{
	struct world *w = *state;
	const struct link_limits limits = { .handshake_ms = 500,
					    .half_open_max = 2 };

	server_start(w, 0, limits);
	for (int i = 0; i < 3; i++)
		raw_dial(w, i, NULL);
	raw_send_bytes(&raws[1], "\x16\x03\x01", 3);	/* and no more */
	world_run(w, third_is_closed);
	assert_only_refused_once(w, "2 connections without a Hello");
	assert_false(raws[0].is_closed);
	world_run(w, all_are_closed);
	assert_string_equal(w->refused, "no handshake within 500 ms");
	assert_int_equal(w->nr_refused, 3);

	client_start(w, 0, &w->keys[1], link_server_port(w->server));
	world_run(w, master_has_hello);	/* the places are free again */
}

static void flood_past_the_cap_is_said_once(void **state)
{
	struct world *w = *state;
	const struct link_limits limits = { .half_open_max = 1 };

	server_start(w, 0, limits);
	for (int i = 0; i < NR_RAWS - 1; i++)
		raw_dial(w, i, NULL);
	world_run(w, third_is_closed);
	assert_true(raws[1].is_closed);
	assert_only_refused_once(w, "1 connections without a Hello");
}

static int nr_expected;

static bool other_host_has_all(struct world *w)
{
	return w->sides[1].nr_messages >= nr_expected;
}

static bool deaf_is_down(struct world *w)
{
	return w->nr_down >= 1;
}

static void deaf_peer_is_dropped_at_its_limit_and_delays_nobody(void **state)
{
	struct world *w = *state;
	const struct link_limits limits = { .queue_bytes_max = 128 * 1024 };
	const struct message sync = sync_of(1);
	const struct message lease = lease_of(1);
	int r = 0;

	server_start(w, 0, limits);
	client_start(w, 1, &w->keys[1], link_server_port(w->server));
	world_run(w, master_has_hello);
	w->nr_messages = 0;
	raw_connect_a(w, true);
	nr_expected = 0;
	while (!r) {
		for (int i = 0; i < 10 && !r; i++)
			r = link_peer_send(w->peers[0], &sync);
		assert_int_equal(link_peer_send(w->peers[1], &lease), 0);
		nr_expected++;
		assert_int_equal(w->nr_down, 0);
		if (r)
			break;
		world_run(w, other_host_has_all);
	}
	assert_int_equal(r, -ENOBUFS);
	assert_true(nr_expected > 3);	/* the sockets took their part */
	assert_int_equal(link_peer_send(w->peers[0], &lease), -ENOTCONN);
	world_run(w, deaf_is_down);
	assert_string_equal(w->reason,
			    "it does not read: the queue to it is full");
	world_run(w, other_host_has_all);
	assert_int_equal(w->nr_down, 1);
	assert_int_equal(w->sides[1].nr_down, 0);
}

static bool first_has_all(struct world *w)
{
	(void)w;
	return raws[0].nr_messages >= nr_expected;
}

static void peer_that_reads_late_gets_all_that_its_queue_held(void **state)
{
	struct world *w = *state;
	const struct message lease = lease_of(1);
	const int nr = 700;	/* 3 MB: more than the sockets hold */
	struct raw *raw;

	server_start(w, 0, defaults);
	client_start(w, 1, &w->keys[1], link_server_port(w->server));
	world_run(w, master_has_hello);
	w->nr_messages = 0;
	raw = raw_connect_a(w, true);
	for (int i = 1; i <= nr; i++) {
		const struct message sync = sync_of((uint64_t)i);

		assert_int_equal(link_peer_send(w->peers[0], &sync), 0);
	}
	assert_int_equal(link_peer_send(w->peers[1], &lease), 0);
	nr_expected = 1;
	world_run(w, other_host_has_all);
	raw->is_deaf = false;
	loop_poll(w->loop, &raw->op, raw->fd, POLLIN);
	nr_expected = nr;
	world_run(w, first_has_all);
	assert_int_equal(raw->last.sync.incarnation, nr);
	assert_int_equal(w->nr_down, 0);
}

/* A TLS server with a certificate instead of our key, served by hand. */
struct impostor {
	struct world *world;
	struct loop_op op;
	int listen_fd, fd;
	uint16_t port;
	SSL_CTX *ctx;
	SSL *ssl;
};

static void certificate_use(SSL_CTX *ctx)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	assert_non_null(pkey);
	assert_non_null(cert);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, pkey);
	assert_true(X509_sign(cert, pkey, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, pkey), 1);
	X509_free(cert);
	EVP_PKEY_free(pkey);
}

static void impostor_event(struct loop_op *op, int res)
{
	struct impostor *imp = loop_container(op, struct impostor, op);

	if (res == -ECANCELED)
		return;
	if (imp->fd < 0) {
		imp->fd = accept4(imp->listen_fd, NULL, NULL, SOCK_NONBLOCK);
		assert_true(imp->fd >= 0);
		assert_int_equal(SSL_set_fd(imp->ssl, imp->fd), 1);
		SSL_set_accept_state(imp->ssl);
	} else if (SSL_get_error(imp->ssl, SSL_do_handshake(imp->ssl)) !=
		   SSL_ERROR_WANT_READ) {
		shutdown(imp->fd, SHUT_RDWR);
		return;
	}
	loop_poll(imp->world->loop, op, imp->fd, POLLIN);
}

static bool replica_is_down(struct world *w)
{
	return w->sides[0].nr_down >= 1;
}

static void
master_with_a_certificate_instead_of_the_key_is_refused(void **state)
{
	static struct impostor imp;
	struct world *w = *state;
	struct link_addr addr;
	struct side *side;

	imp = (struct impostor){ .world = w,
				 .op.done = impostor_event,
				 .fd = -1 };
	assert_int_equal(link_addr_parse("127.0.0.1:0", &addr, NULL), 0);
	imp.listen_fd = link_sock_listen(&addr, &imp.port);
	assert_true(imp.listen_fd >= 0);
	imp.ctx = SSL_CTX_new(TLS_server_method());
	certificate_use(imp.ctx);
	imp.ssl = SSL_new(imp.ctx);
	loop_poll(w->loop, &imp.op, imp.listen_fd, POLLIN);

	side = client_start(w, 0, &w->keys[0], imp.port);
	side->free_on_down = true;
	world_run(w, replica_is_down);
	assert_int_equal(side->nr_up, 0);
	assert_non_null(
		strstr(side->reason,
		       "host-a: the peer is no master that holds our key"));
	SSL_free(imp.ssl);
	SSL_CTX_free(imp.ctx);
	close(imp.fd);
	close(imp.listen_fd);
}

#define HOSTILE_TEST(f) \
	cmocka_unit_test_setup_teardown(f, hostile_setup, hostile_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOSTILE_TEST(
			plain_garbage_costs_one_refusal_and_a_closed_connection),
		HOSTILE_TEST(stranger_that_hangs_up_costs_one_refusal),
		HOSTILE_TEST(tls_client_without_a_key_of_ours_is_refused),
		HOSTILE_TEST(replayed_byte_stream_is_refused),
		HOSTILE_TEST(first_message_that_is_no_hello_is_refused),
		HOSTILE_TEST(
			second_hello_or_a_masters_message_ends_the_connection),
		HOSTILE_TEST(
			frame_over_the_limit_ends_the_connection_with_a_reason),
		HOSTILE_TEST(
			unlawful_message_ends_the_connection_with_a_reason),
		HOSTILE_TEST(frame_that_comes_byte_by_byte_is_one_message),
		HOSTILE_TEST(
			frames_cut_anywhere_between_records_keep_their_order),
		HOSTILE_TEST(
			half_open_connections_are_capped_and_end_at_the_deadline),
		HOSTILE_TEST(flood_past_the_cap_is_said_once),
		HOSTILE_TEST(
			deaf_peer_is_dropped_at_its_limit_and_delays_nobody),
		HOSTILE_TEST(peer_that_reads_late_gets_all_that_its_queue_held),
		HOSTILE_TEST(
			master_with_a_certificate_instead_of_the_key_is_refused),
	};

	return cmocka_run_group_tests_name("link_hostile", tests, NULL, NULL);
}
