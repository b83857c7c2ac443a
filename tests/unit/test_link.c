// SPDX-License-Identifier: GPL-2.0
/*
 * The link between a master and replicas that keep to the protocol: who gets
 * in, what arrives, in which order, and what ends it.
 */
#include "link_world.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct link_limits defaults;

static bool master_has_hello(struct world *w)
{
	return w->nr_messages >= 1;
}

static bool replica_has_message(struct world *w)
{
	return w->sides[0].nr_messages >= 1;
}

static bool master_has_two_messages(struct world *w)
{
	return w->nr_messages >= 2;
}

static struct side *connect_a(struct world *w)
{
	struct side *side;

	server_start(w, 0, defaults);
	side = client_start(w, 0, &w->keys[0], link_server_port(w->server));
	world_run(w, master_has_hello);
	return side;
}

static void message_goes_each_way(void **state)
{
	struct world *w = *state;
	struct side *side = connect_a(w);
	const struct message lease = lease_of(7), report = report_of(8);

	assert_int_equal(w->nr_up, 1);
	assert_int_equal(side->nr_up, 1);
	assert_int_equal(w->last.kind, MESSAGE_HELLO);
	assert_string_equal(w->last.hello.host.s, "host-a");
	assert_string_equal(link_peer_host(w->peers[0])->s, "host-a");

	assert_int_equal(link_peer_send(w->peers[0], &lease), 0);
	world_run(w, replica_has_message);
	assert_memory_equal(&side->last, &lease, sizeof(lease));

	assert_int_equal(link_client_send(side->client, &report), 0);
	world_run(w, master_has_two_messages);
	assert_memory_equal(&w->last, &report, sizeof(report));
	assert_int_equal(w->nr_refused + w->nr_down + side->nr_down, 0);
}

static bool replica_is_down(struct world *w)
{
	return w->sides[0].nr_down >= 1;
}

/* Sends from a server's queue keep their order and survive the close. */
static void close_sends_what_is_queued_first(void **state)
{
	struct world *w = *state;
	struct side *side = connect_a(w);
	const int nr = 100;

	for (int i = 1; i <= nr; i++) {
		const struct message sync = sync_of((uint64_t)i);

		assert_int_equal(link_peer_send(w->peers[0], &sync), 0);
	}
	link_peer_close(w->peers[0]);
	assert_int_equal(w->nr_down, 0);	/* not from within the call */
	assert_int_equal(link_peer_send(w->peers[0],
					&(struct message){
						.kind = MESSAGE_LEASE }),
			 -ENOTCONN);
	world_run(w, replica_is_down);
	assert_int_equal(side->nr_messages, nr);
	assert_int_equal(side->last.sync.incarnation, nr);
	assert_non_null(strstr(side->reason, "closed the connection"));
}

static bool both_refused(struct world *w)
{
	return w->nr_refused >= 1 && w->sides[0].nr_down >= 1;
}

static void wrong_key_is_refused_on_both_sides_with_a_sentence(void **state)
{
	struct world *w = *state;
	const struct key wrong = key_of("host-a", 0xab);
	struct side *side;

	server_start(w, 0, defaults);
	side = client_start(w, 0, &wrong, link_server_port(w->server));
	world_run(w, both_refused);
	assert_string_equal(w->refused, "claims to be host-a: wrong key");
	assert_non_null(strstr(
		side->reason,
		"host-a: the master refused the handshake: wrong key or unknown host"));
	assert_true(link_client_is_refused(side->client));
	assert_int_equal(w->nr_up + w->nr_messages + w->nr_down, 0);
	assert_int_equal(side->nr_up + side->nr_messages, 0);
}

static void unknown_host_is_told_no_more_than_a_wrong_key(void **state)
{
	struct world *w = *state;
	const struct key unknown = key_of("host-c", 0xaa);
	struct side *side;

	server_start(w, 0, defaults);
	side = client_start(w, 0, &unknown, link_server_port(w->server));
	world_run(w, both_refused);
	assert_string_equal(w->refused, "claims to be host-c: unknown host");
	assert_non_null(strstr(
		side->reason,
		"host-c: the master refused the handshake: wrong key or unknown host"));
	assert_int_equal(w->nr_up + w->nr_messages + w->nr_down, 0);
	assert_int_equal(side->nr_up + side->nr_messages, 0);
}

static void hello_of_another_host_is_refused_and_both_say_why(void **state)
{
	struct world *w = *state;
	struct side *side;

	server_start(w, 0, defaults);
	side = client_start(w, 0, &w->keys[0], link_server_port(w->server));
	side->hello_host = host_of("host-b");
	world_run(w, both_refused);
	assert_string_equal(w->refused,
			    "the key is that of host-a, but the Hello says host-b");
	assert_non_null(strstr(side->reason, w->refused));
	assert_int_equal(side->last.kind, MESSAGE_REFUSE);
	assert_int_equal(w->nr_up + w->nr_messages + w->nr_down, 0);
}

static void host_that_never_says_hello_is_refused_at_the_deadline(void **state)
{
	struct world *w = *state;
	const struct link_limits limits = { .handshake_ms = 300 };
	struct side *side;

	server_start(w, 0, limits);
	side = client_start(w, 0, &w->keys[0], link_server_port(w->server));
	side->hello_host = (struct host_id){ 0 };
	world_run(w, both_refused);
	assert_string_equal(w->refused, "no Hello within 300 ms");
	assert_non_null(strstr(side->reason, w->refused));
	assert_int_equal(w->nr_up, 0);
}

static bool waited(struct world *w)
{
	return w->sides[1].nr_down >= 1;
}

/* host-b's deadline is longer than that of the handshake of host-a. */
static void deadline_of_the_handshake_spares_who_said_hello(void **state)
{
	struct world *w = *state;
	const struct link_limits limits = { .handshake_ms = 400 };
	struct side *silent;

	server_start(w, 0, limits);
	client_start(w, 0, &w->keys[0], link_server_port(w->server));
	world_run(w, master_has_hello);
	silent = client_start(w, 1, &w->keys[1], link_server_port(w->server));
	silent->hello_host = (struct host_id){ 0 };
	world_run(w, waited);
	assert_int_equal(w->nr_up, 1);
	assert_int_equal(w->nr_down, 0);
	assert_int_equal(w->sides[0].nr_down, 0);
}

static bool both_are_up(struct world *w)
{
	return w->peers[0] && w->peers[1];
}

static void host_that_said_hello_is_no_longer_half_open(void **state)
{
	struct world *w = *state;
	const struct link_limits limits = { .half_open_max = 1 };

	server_start(w, 0, limits);
	client_start(w, 0, &w->keys[0], link_server_port(w->server));
	world_run(w, master_has_hello);
	client_start(w, 1, &w->keys[1], link_server_port(w->server));
	world_run(w, both_are_up);
	assert_int_equal(w->nr_refused, 0);
}

static bool first_is_replaced(struct world *w)
{
	return w->nr_up >= 2 && w->sides[0].nr_down >= 1;
}

static void second_connection_of_a_host_replaces_the_first(void **state)
{
	struct world *w = *state;
	struct side *first = connect_a(w), *second;
	struct link_peer *old = w->peers[0];

	first->free_on_down = true;	/* or it would dial again */
	second = client_start(w, 1, &w->keys[0], link_server_port(w->server));
	world_run(w, first_is_replaced);
	assert_string_equal(w->trace, "udu");
	assert_ptr_not_equal(w->peers[0], old);
	assert_non_null(strstr(w->reason, "newer connection of this host"));
	assert_non_null(strstr(first->reason, "newer connection of this host"));
	assert_int_equal(second->nr_down, 0);
}

static bool up_twice(struct world *w)
{
	return w->nr_up >= 2;
}

static bool up_three_times(struct world *w)
{
	return w->nr_up >= 3;
}

static void reset_client_comes_back(void **state)
{
	struct world *w = *state;
	struct side *side = connect_a(w);

	link_client_reset(side->client);
	assert_int_equal(side->nr_down, 0);	/* not from within the call */
	world_run(w, up_twice);
	assert_int_equal(side->nr_down, 1);
	assert_non_null(strstr(side->reason, "reset by this side"));
	assert_int_equal(w->nr_down, 1);

	/* Each fall from up is said, even with the same reason. */
	link_client_reset(side->client);
	world_run(w, up_three_times);
	assert_int_equal(side->nr_down, 2);
}

struct dials {
	struct loop_op op;
	struct world *world;
	bool over;
};

static void dials_over(struct loop_op *op, int res)
{
	struct dials *dials = loop_container(op, struct dials, op);

	assert_int_equal(res, -ETIME);
	dials->over = true;
	loop_stop(dials->world->loop);
}

/* At most 4 ms between two dials: some 20 of them fail. */
static void
failed_dials_are_said_once_and_go_on_until_the_master_is_there(void **state)
{
	struct world *w = *state;
	struct dials dials = { .op.done = dials_over, .world = w };
	struct side *side;
	uint16_t port;

	server_start(w, 0, defaults);
	port = link_server_port(w->server);
	link_server_free(w->server);
	w->server = NULL;
	side = client_start(w, 0, &w->keys[0], port);
	loop_timer(w->loop, &dials.op, clock_now().v + 80);
	w->until = NULL;
	while (!dials.over)
		assert_int_equal(loop_run(w->loop), 0);
	assert_int_equal(side->nr_down, 1);
	assert_non_null(strstr(side->reason, "Connection refused"));
	server_start(w, port, defaults);
	world_run(w, master_has_hello);
	assert_int_equal(side->nr_down, 1);
	assert_int_equal(side->nr_up, 1);
}

static bool client_up_twice(struct world *w)
{
	return w->sides[0].nr_up >= 2;
}

static void replica_reconnects_to_a_master_that_restarted(void **state)
{
	struct world *w = *state;
	struct side *side = connect_a(w);
	const uint16_t port = link_server_port(w->server);

	link_server_free(w->server);
	w->server = NULL;
	world_run(w, replica_is_down);
	server_start(w, port, defaults);
	world_run(w, client_up_twice);
	assert_true(side->nr_down >= 1);
	assert_int_equal(w->nr_down, 0);	/* none after the free */
}

static bool client_freed(struct world *w)
{
	return !w->sides[0].client;
}

static bool server_freed(struct world *w)
{
	return !w->server;
}

/* The sanitizer is the judge of these. */
static void client_may_be_freed_in_each_of_its_callbacks(void **state)
{
	struct world *w = *state;

	server_start(w, 0, defaults);
	for (int i = 0; i < 3; i++) {
		struct side *side = client_start(w, 0, &w->keys[0],
						 link_server_port(w->server));

		side->free_on_up = i == 0;
		side->free_on_message = side->free_on_down = i != 0;
		if (i)
			side->hello_host = host_of("host-b");
		if (i == 2)
			side->free_on_message = false;
		world_run(w, client_freed);
	}
}

static void server_may_be_freed_in_each_of_its_callbacks(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 4; i++) {
		struct side *side;

		w->free_on_up = i == 0;
		w->free_on_message = i == 1;
		w->free_on_down = i == 2;
		w->free_on_refused = i == 3;
		server_start(w, 0, defaults);
		side = client_start(w, 0, &w->keys[0],
				    link_server_port(w->server));
		if (i == 2) {
			w->nr_messages = 0;
			world_run(w, master_has_hello);
			link_client_reset(side->client);
		}
		if (i == 3)
			side->hello_host = host_of("host-b");
		world_run(w, server_freed);
		link_client_free(side->client);
		side->client = NULL;
	}
}

static void loop_may_end_before_the_link(void **state)
{
	struct world *w = *state;

	connect_a(w);
	loop_free(w->loop);
	link_client_free(w->sides[0].client);
	link_server_free(w->server);
	w->sides[0].client = NULL;
	w->server = NULL;
	w->loop = NULL;
}

static void bad_address_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *addr, *why;
	} bad[] = {
		{ "localhost:7000", "names are not looked up" },
		{ "127.0.0.1", "not an address like" },
		{ "127.0.0.1:", "not an address like" },
		{ ":7000", "not an address like" },
		{ "2001:db8::1:7000", "not an address like" },
		{ "[]:7000", "not an address like" },
		{ "127.0.0.1:http", "not a numeric address" },
		{ "256.0.0.1:7000", "not a numeric address" },
		{ "192.0.2.1:7000", "Cannot assign requested address" },
	};
	struct world *w = *state;
	struct link_server_config config = {
		.keys = &w->known,
		.ops = &server_ops,
		.arg = w,
	};
	struct err err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		config.listen_addr = bad[i].addr;
		assert_true(link_server_new(w->loop, &config, &w->server,
					    &err) < 0);
		assert_non_null(strstr(err.text, bad[i].addr));
		assert_non_null(strstr(err.text, bad[i].why));
		assert_null(w->server);
	}
}

static void address_in_use_is_refused_with_its_reason(void **state)
{
	struct world *w = *state;
	struct link_server *second = NULL;
	struct link_server_config config = {
		.keys = &w->known,
		.ops = &server_ops,
		.arg = w,
	};
	char addr[32];
	struct err err;

	server_start(w, 0, defaults);
	snprintf(addr, sizeof(addr), "127.0.0.1:%u",
		 link_server_port(w->server));
	config.listen_addr = addr;
	assert_int_equal(link_server_new(w->loop, &config, &second, &err),
			 -EADDRINUSE);
	assert_non_null(strstr(err.text, addr));
}

/* The socket of a master that is still being taken down. */
static pid_t hold_address_for_a_while(int fd)
{
	const struct timespec while_s = { .tv_nsec = 200 * 1000000L };
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		nanosleep(&while_s, NULL);
		_exit(0);
	}
	close(fd);
	return pid;
}

static void address_that_gets_free_within_a_second_is_taken(void **state)
{
	struct world *w = *state;
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	struct link_server_config config = {
		.keys = &w->known,
		.ops = &server_ops,
		.arg = w,
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char addr[32];
	struct err err;
	pid_t holder;

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	snprintf(addr, sizeof(addr), "127.0.0.1:%u", ntohs(sin.sin_port));
	config.listen_addr = addr;
	holder = hold_address_for_a_while(fd);
	assert_int_equal(link_server_new(w->loop, &config, &w->server, &err),
			 0);
	assert_int_equal(waitpid(holder, NULL, 0), holder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(message_goes_each_way),
		WORLD_TEST(close_sends_what_is_queued_first),
		WORLD_TEST(wrong_key_is_refused_on_both_sides_with_a_sentence),
		WORLD_TEST(unknown_host_is_told_no_more_than_a_wrong_key),
		WORLD_TEST(hello_of_another_host_is_refused_and_both_say_why),
		WORLD_TEST(
			host_that_never_says_hello_is_refused_at_the_deadline),
		WORLD_TEST(deadline_of_the_handshake_spares_who_said_hello),
		WORLD_TEST(host_that_said_hello_is_no_longer_half_open),
		WORLD_TEST(second_connection_of_a_host_replaces_the_first),
		WORLD_TEST(reset_client_comes_back),
		WORLD_TEST(
			failed_dials_are_said_once_and_go_on_until_the_master_is_there),
		WORLD_TEST(replica_reconnects_to_a_master_that_restarted),
		WORLD_TEST(client_may_be_freed_in_each_of_its_callbacks),
		WORLD_TEST(server_may_be_freed_in_each_of_its_callbacks),
		WORLD_TEST(loop_may_end_before_the_link),
		WORLD_TEST(bad_address_is_refused_with_its_reason),
		WORLD_TEST(address_in_use_is_refused_with_its_reason),
		WORLD_TEST(address_that_gets_free_within_a_second_is_taken),
	};

	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
