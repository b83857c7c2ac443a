/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A master and two replicas in one loop over 127.0.0.1, and what they were
 * told. Waits for a condition, never for a time; a test that waits in vain
 * ends after WORLD_MS.
 */
#ifndef BFENCE_TESTS_LINK_WORLD_H
#define BFENCE_TESTS_LINK_WORLD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "edge/clock.h"
#include "edge/link.h"

#define WORLD_MS	10000
#define NR_CLIENTS	2

struct world;

/* What one replica saw. */
struct side {
	struct world *world;
	struct link_client *client;
	struct host_id hello_host;	/* empty: says no Hello by itself */
	int nr_up, nr_down, nr_messages;
	struct message last;
	char reason[512];
	bool free_on_up, free_on_message, free_on_down;
};

struct world {
	struct loop *loop;
	struct loop_op deadline;
	struct key keys[2];		/* host-a, host-b, as the master knows */
	struct keys known;
	struct link_server *server;
	struct side sides[NR_CLIENTS];
	bool (*until)(struct world *world);
	bool timed_out;
	/* What the master saw. */
	struct link_peer *peers[2];	/* by host: a, b */
	int nr_up, nr_down, nr_messages, nr_refused;
	struct message last;
	char trace[64];			/* u = up, d = down, in order */
	char reason[512];		/* of the last down */
	char refused[512];		/* the last one */
	bool free_on_up, free_on_message, free_on_down, free_on_refused;
};

static inline struct host_id host_of(const char *text)
{
	struct host_id host;

	assert_int_equal(host_id_parse(text, &host), 0);
	return host;
}

static inline struct key key_of(const char *host, uint8_t fill)
{
	struct key key = { .host = host_of(host) };

	memset(key.secret, fill, sizeof(key.secret));
	return key;
}

static inline struct message hello_of(const struct host_id *host)
{
	struct message message = {
		.kind = MESSAGE_HELLO,
		.hello = { .version_min = 1, .version_max = 1, .host = *host },
	};

	assert_int_equal(boot_id_parse("boot-1", &message.hello.boot), 0);
	return message;
}

static inline struct message report_of(uint64_t seq)
{
	return (struct message){ .kind = MESSAGE_REPORT, .report.seq = seq };
}

static inline struct message lease_of(uint64_t seq)
{
	return (struct message){ .kind = MESSAGE_LEASE,
				 .lease = { .seq = seq, .incarnation = 1 } };
}

/* Many bytes on the wire. */
static inline struct message sync_of(uint64_t incarnation)
{
	struct message message = {
		.kind = MESSAGE_SYNC,
		.sync = { .incarnation = incarnation,
			  .nr_slots = MESSAGE_SLOTS_MAX },
	};

	for (int i = 0; i < MESSAGE_SLOTS_MAX; i++) {
		memset(message.sync.slots[i].volume.s, 'v', VOLUME_ID_SIZE - 1);
		message.sync.slots[i].replica.s[0] = 'r';
	}
	return message;
}

/* Each callback ends here. */
static inline void world_check(struct world *world)
{
	if (world->until && world->until(world))
		loop_stop(world->loop);
}

static inline void world_timed_out(struct loop_op *op, int res)
{
	struct world *world = loop_container(op, struct world, deadline);

	if (res == -ECANCELED)
		return;
	world->timed_out = true;
	loop_stop(world->loop);
}

static inline void world_run(struct world *world,
			     bool (*until)(struct world *world))
{
	world->until = until;
	while (!world->timed_out && !until(world))
		assert_int_equal(loop_run(world->loop), 0);
	if (world->timed_out)
		fail_msg("waited in vain; master: %d up %d down %d refused (%s)",
			 world->nr_up, world->nr_down, world->nr_refused,
			 world->refused);
}

static inline void server_gone(struct world *world, bool now)
{
	if (!now)
		return;
	link_server_free(world->server);
	world->server = NULL;
}

static inline void trace(struct world *world, char c)
{
	const size_t len = strlen(world->trace);

	if (len + 1 < sizeof(world->trace))
		world->trace[len] = c;
}

static inline void server_up(void *arg, struct link_peer *peer,
			     const struct host_id *host)
{
	struct world *world = arg;

	assert_true(host_id_equal(host, link_peer_host(peer)));
	world->peers[strcmp(host->s, "host-a") != 0] = peer;
	world->nr_up++;
	trace(world, 'u');
	server_gone(world, world->free_on_up);
	world_check(world);
}

static inline void server_message(void *arg, struct link_peer *peer,
				  const struct message *message)
{
	struct world *world = arg;

	assert_non_null(peer);
	world->nr_messages++;
	world->last = *message;
	server_gone(world, world->free_on_message);
	world_check(world);
}

static inline void server_down(void *arg, struct link_peer *peer,
			       const char *reason)
{
	struct world *world = arg;

	for (int i = 0; i < 2; i++)
		if (world->peers[i] == peer)
			world->peers[i] = NULL;
	world->nr_down++;
	trace(world, 'd');
	snprintf(world->reason, sizeof(world->reason), "%s", reason);
	server_gone(world, world->free_on_down);
	world_check(world);
}

static inline void server_refused(void *arg, const char *from,
				  const char *reason)
{
	struct world *world = arg;

	assert_true(*from);
	world->nr_refused++;
	snprintf(world->refused, sizeof(world->refused), "%s", reason);
	server_gone(world, world->free_on_refused);
	world_check(world);
}

static const struct link_server_ops server_ops = {
	.on_up = server_up,
	.on_message = server_message,
	.on_down = server_down,
	.on_refused = server_refused,
};

static inline void client_gone(struct side *side, bool now)
{
	if (!now)
		return;
	link_client_free(side->client);
	side->client = NULL;
}

static inline void client_up(void *arg)
{
	struct side *side = arg;
	struct message hello;

	side->nr_up++;
	if (side->hello_host.s[0]) {
		hello = hello_of(&side->hello_host);
		assert_int_equal(link_client_send(side->client, &hello), 0);
	}
	client_gone(side, side->free_on_up);
	world_check(side->world);
}

static inline void client_message(void *arg, const struct message *message)
{
	struct side *side = arg;

	side->nr_messages++;
	side->last = *message;
	client_gone(side, side->free_on_message);
	world_check(side->world);
}

static inline void client_down(void *arg, const char *reason)
{
	struct side *side = arg;

	side->nr_down++;
	snprintf(side->reason, sizeof(side->reason), "%s", reason);
	client_gone(side, side->free_on_down);
	world_check(side->world);
}

static const struct link_client_ops client_ops = {
	.on_up = client_up,
	.on_message = client_message,
	.on_down = client_down,
};

static inline void server_start(struct world *world, uint16_t port,
				struct link_limits limits)
{
	char listen[32];
	const struct link_server_config config = {
		.listen_addr = listen,
		.keys = &world->known,
		.ops = &server_ops,
		.arg = world,
		.limits = limits,
	};
	struct err err;

	snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
	if (link_server_new(world->loop, &config, &world->server, &err))
		fail_msg("%s", err.text);
}

/* Dials the master's port. The Hello is that of the key's host. */
static inline struct side *client_start(struct world *world, int nr,
					const struct key *key, uint16_t port)
{
	struct side *side = &world->sides[nr];
	char master[32];
	const struct link_client_config config = {
		.master_addr = master,
		.key = key,
		.ops = &client_ops,
		.arg = side,
		.limits = { .backoff_min_ms = 1, .backoff_max_ms = 4 },
	};
	struct err err;

	snprintf(master, sizeof(master), "127.0.0.1:%u", port);
	*side = (struct side){ .world = world, .hello_host = key->host };
	if (link_client_new(world->loop, &config, &side->client, &err))
		fail_msg("%s", err.text);
	return side;
}

static inline int world_setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	if (!world || loop_new(64, &world->loop))
		return -1;
	world->keys[0] = key_of("host-a", 0xaa);
	world->keys[1] = key_of("host-b", 0xbb);
	world->known = (struct keys){ .nr = 2, .keys = world->keys };
	world->deadline.done = world_timed_out;
	loop_timer(world->loop, &world->deadline, clock_now().v + WORLD_MS);
	*state = world;
	return 0;
}

static inline int world_teardown(void **state)
{
	struct world *world = *state;

	for (int i = 0; i < NR_CLIENTS; i++)
		link_client_free(world->sides[i].client);
	link_server_free(world->server);
	loop_free(world->loop);
	free(world);
	return 0;
}

#define WORLD_TEST(f) \
	cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

#endif
