// SPDX-License-Identifier: GPL-2.0
/*
 * Wires the master's pure core to the edge: what the store, the links, the
 * operators and the clock say becomes events; what the core orders is carried
 * out in its order. Must never decide anything.
 */
#include "run_master.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "core/master.h"
#include "edge/api.h"
#include "edge/clock.h"
#include "edge/keys.h"
#include "edge/link.h"
#include "edge/signals.h"
#include "edge/store.h"
#include "log.h"

#define RING_ENTRIES	4096

struct run {
	const struct config *config;
	struct loop *loop;
	struct keys keys;
	struct store *store;
	struct master *master;
	struct link_server *server;
	struct api *api;
	struct signals *signals;
	struct master_update *update;
	struct link_peer **peers;	/* by host */
	int persist_error;		/* of a group that was not taken */
	int compaction_error;		/* the last one that was told */
	bool stopping;
	bool ending;
	uint64_t incarnation;
	size_t nr_reloaded;
	struct mono_ms started;
	struct loop_op persisted;
	struct loop_op timer;
};

/* --- carrying out ------------------------------------------------------------- */

static void send_one(struct run *r, const struct master_send *send)
{
	struct link_peer *peer = r->peers[send->host];

	/* -ENOBUFS: the link drops the peer, on_down() follows. */
	if (peer && link_peer_send(peer, &send->message) == 0 && send->close)
		link_peer_close(peer);
}

static void carry_out(struct run *r)
{
	const struct master_update *u = r->update;

	for (unsigned int i = 0; i < u->nr_notes; i++)
		log_info("%s", u->notes[i].text);
	if (u->nr_persist)
		r->persist_error = store_commit(r->store, u->persist,
						u->nr_persist, &r->persisted);
	for (unsigned int i = 0; i < u->nr_sends; i++)
		send_one(r, &u->sends[i]);
	for (unsigned int i = 0; i < u->nr_answers; i++)
		api_answer(r->api, &u->answers[i]);
}

/* What follows from an event at once. False: nothing does. */
static bool next_event(struct run *r, struct master_event *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (r->persist_error) {
		ret->type = MASTER_PERSISTED;
		ret->persist_error = r->persist_error;
		r->persist_error = 0;
		return true;
	}
	ret->type = MASTER_TICK;
	return r->update->more;
}

/* Never called from within itself: no callback comes from a call of the edge. */
static void feed(struct run *r, const struct master_event *event)
{
	struct master_event next = *event;

	do {
		next.now = clock_now();
		if (master_step(r->master, &next, r->update))
			log_warning("master: event %d is not one", next.type);
		carry_out(r);
	} while (next_event(r, &next));
	loop_timer_by(r->loop, &r->timer, r->update->timer.v);
}

/* --- what happens --------------------------------------------------------------- */

/* Commits go on either way, as long as the log has room. */
static void tell_compaction(struct run *r)
{
	int error = store_status(r->store).compaction_error;

	if (error == r->compaction_error)
		return;
	r->compaction_error = error;
	if (error)
		log_warning("authority log: no new one was made (%s): commits go on in "
			    "the old one, tried again later",
			    strerror(-error));
	else
		log_info("authority log: a new one was made again");
}

static void on_persisted(struct loop_op *op, int res)
{
	struct run *r = loop_container(op, struct run, persisted);
	struct master_event event = { .type = MASTER_PERSISTED };

	if (r->stopping)
		loop_stop(r->loop);
	if (r->ending)
		return;
	event.persist_error = res;
	if (res)
		log_error("authority log: write failed (%s): closed for good",
			  strerror(-res));
	tell_compaction(r);
	feed(r, &event);
}

static void on_timer(struct loop_op *op, int res)
{
	struct run *r = loop_container(op, struct run, timer);

	(void)res;
	if (!r->ending)
		feed(r, &(struct master_event){ .type = MASTER_TICK });
}

static void on_up(void *arg, struct link_peer *peer, const struct host_id *host)
{
	struct run *r = arg;
	int at = master_find_host(r->master, host);

	if (at < 0) {
		link_peer_close(peer);
		return;
	}
	r->peers[at] = peer;
	feed(r,
	     &(struct master_event){ .type = MASTER_UP, .host = (uint32_t)at });
}

static void on_message(void *arg, struct link_peer *peer,
		       const struct message *message)
{
	struct run *r = arg;
	int at = master_find_host(r->master, link_peer_host(peer));

	if (at < 0 || r->peers[at] != peer)
		return;
	feed(r, &(struct master_event){ .type = MASTER_MESSAGE,
					.host = (uint32_t)at,
					.message = message });
}

static void on_down(void *arg, struct link_peer *peer, const char *reason)
{
	struct run *r = arg;
	int at = master_find_host(r->master, link_peer_host(peer));

	if (at < 0 || r->peers[at] != peer)
		return;
	log_info("link-down host=%s reason=\"%s\"", link_peer_host(peer)->s,
		 reason);
	r->peers[at] = NULL;
	feed(r, &(struct master_event){ .type = MASTER_DOWN,
					.host = (uint32_t)at });
}

static void on_refused(void *arg, const char *from, const char *reason)
{
	(void)arg;
	log_warning("link-refused from=%s reason=\"%s\"", from, reason);
}

static void on_ask(void *arg, const struct master_event *event)
{
	feed(arg, event);
}

static void on_signal(void *arg, int signo)
{
	struct run *r = arg;

	log_info("stopping signal=%s", strsignal(signo));
	sd_notify(0, "STOPPING=1");
	r->stopping = true;
	/* A group that is being written is waited for. */
	if (!r->persisted.in_flight)
		loop_stop(r->loop);
}

/* --- start ------------------------------------------------------------------------ */

/* Raised durably before anything is said: no command of an earlier start can
 * be taken for one of this one. */
static int raise_incarnation(struct run *r, uint32_t *ret_lease_before,
			     struct err *err)
{
	const struct record newest = store_incarnation(r->store); /* or none */
	const struct incarnation before = record_incarnation(&newest);
	struct incarnation next = { .value = before.value + 1 };
	struct record record;
	uint32_t lease_ms = r->config->master.lease_ms;
	int ret;

	*ret_lease_before = before.lease_ms;
	/* A lease of an earlier start may still run. */
	if (lease_ms < before.lease_ms)
		lease_ms = before.lease_ms;
	next.lease_ms = lease_ms;
	r->incarnation = next.value;
	record = record_of_incarnation(newest.write_seq + 1, &next);
	ret = store_commit_now(r->store, &record);
	if (ret)
		return err_set(err, ret,
			       "%s: the incarnation could not be raised: %s",
			       r->config->master.store, strerror(-ret));
	return 0;
}

static int reload(struct run *r, struct err *err)
{
	const struct record *record;
	const struct store_skip *skips;
	size_t nr_skips = store_skips(r->store, &skips);
	int ret;

	for (size_t at = 0; (record = store_next_record(r->store, &at));) {
		ret = master_reload(r->master, record, r->started);
		if (ret < 0)
			return err_set(err, ret, "volume %s: not reloaded: %s",
				       record->volume.s, strerror(-ret));
		r->nr_reloaded += record->kind == RECORD_VOLUME;
	}
	for (size_t i = 0; i < nr_skips; i++) {
		log_warning("skip volume=%s offset=%" PRIu64 " reason=\"%s\"",
			    skips[i].volume.s, skips[i].offset,
			    skips[i].reason);
		if (skips[i].class != STORE_SKIP_CORRUPT ||
		    skips[i].volume.s[0] == '\0')
			continue;
		ret = master_reload_corrupt(r->master, &skips[i].volume,
					    skips[i].write_seq, r->started);
		if (ret < 0 && ret != -EEXIST)
			return err_set(err, ret,
				       "volume %s: not quarantined: %s",
				       skips[i].volume.s, strerror(-ret));
	}
	return 0;
}

static int start_core(struct run *r, uint32_t lease_before, struct err *err)
{
	const struct config_master *c = &r->config->master;
	const struct master_config config = {
		.store = store_identity(r->store),
		.incarnation = r->incarnation,
		.volumes_max = c->volumes_max,
		.hosts_max = c->hosts_max,
		.heartbeat_ms = c->heartbeat_ms,
		.lease_ms = c->lease_ms,
		.lease_ms_before = lease_before,
		.freshness_ms = c->freshness_ms,
		.grace_ms = c->grace_ms,
		.retry_ms = c->retry_ms,
		.drain_ms = c->drain_ms,
		.min_epoch_interval_ms = c->min_epoch_interval_ms,
		.rebalance_skew = c->rebalance_skew,
		.rebalance_cooldown_ms = c->rebalance_cooldown_ms,
	};
	int ret;

	r->started = clock_now();
	r->update = calloc(1, sizeof(*r->update));
	r->peers = calloc(config.hosts_max, sizeof(struct link_peer *));
	ret = master_new(&config, r->started, &r->master);
	if (ret || !r->update || !r->peers)
		return err_set(err, -ENOMEM,
			       "no memory for %u volumes and %u hosts",
			       config.volumes_max, config.hosts_max);
	for (size_t i = 0; i < r->keys.nr; i++)
		if (master_add_host(r->master, &r->keys.keys[i].host) < 0)
			return err_set(err, -ENOSPC,
				       "%s: more hosts than hosts_max = %u",
				       c->keys, config.hosts_max);
	return reload(r, err);
}

static int open_doors(struct run *r, struct err *err)
{
	static const struct link_server_ops link_ops = {
		.on_up = on_up,
		.on_message = on_message,
		.on_down = on_down,
		.on_refused = on_refused,
	};
	const struct link_server_config link_config = {
		.listen_addr = r->config->master.listen,
		.keys = &r->keys,
		.ops = &link_ops,
		.arg = r,
	};
	static const struct api_ops api_ops = { .ask = on_ask };
	const struct api_config api_config = {
		.socket_path = r->config->master.socket,
		.ops = &api_ops,
		.arg = r,
		.master = r->master,
		.store = r->store,
		.incarnation = r->incarnation,
		.nr_reloaded = r->nr_reloaded,
		.started = r->started,
	};
	int ret = api_new(r->loop, &api_config, &r->api, err);

	if (ret)
		return ret;
	return link_server_new(r->loop, &link_config, &r->server, err);
}

static int start(struct run *r, struct err *err)
{
	const struct store_config store_config = {
		.dir = r->config->master.store,
		.volumes_max = r->config->master.volumes_max,
	};
	uint32_t lease_before;
	int ret = keys_load(r->config->master.keys, &r->keys, err);

	if (ret)
		return ret;
	ret = loop_new(RING_ENTRIES, &r->loop);
	if (ret)
		return err_set(err, ret, "io_uring: %s", strerror(-ret));
	ret = signals_new(r->loop, on_signal, r, &r->signals, err);
	if (!ret)
		ret = store_open(&store_config, r->loop, &r->store, err);
	if (!ret)
		ret = raise_incarnation(r, &lease_before, err);
	if (!ret)
		ret = start_core(r, lease_before, err);
	return ret ? ret : open_doors(r, err);
}

/* Whoever uses the loop lets go of it first; it then ends what is in flight. */
static void stop(struct run *r)
{
	r->ending = true;
	link_server_free(r->server);
	api_free(r->api);
	store_close(r->store);
	loop_free(r->loop);
	signals_free(r->signals);
	master_free(r->master);
	keys_exit(&r->keys);
	free(r->update);
	free(r->peers);
}

int run_master(const struct config *config, struct err *err)
{
	struct run r = { .config = config,
			 .persisted = { .done = on_persisted },
			 .timer = { .done = on_timer } };
	int ret = start(&r, err);

	if (ret == 0) {
		log_info("master-up store=%s incarnation=%" PRIu64
			 " volumes=%zu hosts=%zu listen=%s",
			 config->master.store, r.incarnation, r.nr_reloaded,
			 r.keys.nr, config->master.listen);
		sd_notify(0, "READY=1");
		feed(&r, &(struct master_event){ .type = MASTER_TICK });
		ret = loop_run(r.loop);
		if (ret)
			err_set(err, ret, "io_uring: %s", strerror(-ret));
	}
	stop(&r);
	return ret;
}
