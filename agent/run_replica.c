// SPDX-License-Identifier: GPL-2.0
/*
 * Wires the replica's pure core to the edge: what the module, the floor log,
 * the master and the clock say becomes events; what the core orders is
 * carried out in its order. Must never decide anything.
 */
#include "run_replica.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "edge/clock.h"
#include "log.h"
#include "run_replica_state.h"

#define RING_ENTRIES	256
/* What no notification tells, such as I/O errors, is looked at this often. */
#define LIST_MS		5000

/* --- carrying out ----------------------------------------------------------- */

static void run_op(struct run *r, const struct kernel_op *op)
{
	struct done *done = &r->done[r->nr_done++];
	struct err err = { 0 };
	const char *backing = config_backing(&r->config->replica, &op->volume);

	assert(r->nr_done <= REPLICA_UPDATE_MAX);
	memset(done, 0, sizeof(*done));
	done->event.type = REPLICA_KERNEL_DONE;
	done->event.kernel.op = *op;
	done->event.kernel.error =
		genl_run(r->genl, op, backing, &done->event.kernel.gate, &err);
	snprintf(done->reason, sizeof(done->reason), "%.*s",
		 (int)sizeof(done->reason) - 1, err.text);
	done->event.kernel.reason = done->reason;
}

static void carry_out(struct run *r)
{
	const struct replica_update *u = r->update;

	for (unsigned int i = 0; i < u->nr_notes; i++)
		log_info("%s", u->notes[i].text);
	for (unsigned int i = 0; i < u->nr_kernel; i++)
		run_op(r, &u->kernel[i]);
	if (u->nr_persist)
		r->persist_error = store_commit(r->store, u->persist,
						u->nr_persist, &r->persisted);
	/* -ENOBUFS, -ENOTCONN: on_down() follows, and all is told anew. */
	for (unsigned int i = 0; i < u->nr_send; i++)
		link_client_send(r->link, &u->send[i]);
	if (u->reset_link)
		link_client_reset(r->link);
	r->wanted_at = u->timer;
}

static void step(struct run *r, struct replica_event *event)
{
	event->now = clock_now();
	if (replica_step(r->replica, event, r->update))
		log_warning("replica: event %d does not fit", event->type);
	carry_out(r);
}

/* What follows from an event at once. False: nothing does. */
static bool next_event(struct run *r, struct replica_event *ret)
{
	if (r->done_at < r->nr_done) {
		*ret = r->done[r->done_at++].event;
		if (r->done_at == r->nr_done)
			r->done_at = r->nr_done = 0;
		return true;
	}
	memset(ret, 0, sizeof(*ret));
	if (r->persist_error) {
		ret->type = REPLICA_PERSISTED;
		ret->persist_error = r->persist_error;
		r->persist_error = 0;
		return true;
	}
	ret->type = REPLICA_TICK;
	return r->update->more;
}

/* Never called from within itself: no callback comes from a call of the edge. */
static void feed(struct run *r, const struct replica_event *event)
{
	struct replica_event next = *event;

	do {
		step(r, &next);
	} while (next_event(r, &next));
	if (r->wanted_at.v)
		loop_timer_by(r->loop, &r->timer, r->wanted_at.v);
}

/* --- what happens ------------------------------------------------------------ */

/* Commits go on either way, as long as the log has room. */
static void tell_compaction(struct run *r)
{
	int error = store_status(r->store).compaction_error;

	if (error == r->compaction_error)
		return;
	r->compaction_error = error;
	if (error)
		log_warning("floor log: no new one was made (%s): commits go on in "
			    "the old one, tried again later",
			    strerror(-error));
	else
		log_info("floor log: a new one was made again");
}

static void on_persisted(struct loop_op *op, int res)
{
	struct run *r = loop_container(op, struct run, persisted);
	struct replica_event event = { .type = REPLICA_PERSISTED };

	if (r->ending)
		return;
	event.persist_error = res;
	tell_compaction(r);
	feed(r, &event);
	if (r->stopping)
		loop_stop(r->loop);
}

static void on_timer(struct loop_op *op, int res)
{
	struct run *r = loop_container(op, struct run, timer);

	(void)res;	/* also when it was cancelled: an earlier one is due */
	if (!r->ending)
		feed(r, &(struct replica_event){ .type = REPLICA_TICK });
}

static void on_gate(void *arg, const struct gate_info *gate)
{
	feed(arg,
	     &(struct replica_event){ .type = REPLICA_GATE, .gate = *gate });
}

static void on_gone(void *arg, const struct volume_id *volume)
{
	feed(arg, &(struct replica_event){ .type = REPLICA_GATE_GONE,
					   .gone = *volume });
}

static int list(struct run *r, struct err *err)
{
	struct gate_info *gates;
	size_t nr;
	int error = genl_list(r->genl, &gates, &nr, err);

	if (error)
		return error;
	for (size_t i = 0; i < nr; i++)
		on_gate(r, &gates[i]);
	free(gates);
	return 0;
}

static void list_again(struct run *r)
{
	struct err err = { 0 };

	if (list(r, &err))
		log_warning("gates-not-listed reason=\"%s\"", err.text);
	else
		feed(r, &(struct replica_event){ .type = REPLICA_LISTED });
}

static void on_lost(void *arg)
{
	log_warning("notifications-lost: the gates are listed again");
	list_again(arg);
}

static void on_list_timer(struct loop_op *op, int res)
{
	struct run *r = loop_container(op, struct run, list_timer);

	(void)res;
	if (r->ending)
		return;
	list_again(r);
	loop_timer(r->loop, &r->list_timer, clock_now().v + LIST_MS);
}

static void on_up(void *arg)
{
	struct run *r = arg;

	log_info("link-up master=%s", r->config->replica.master);
	r->was_up = true;
	feed(r, &(struct replica_event){ .type = REPLICA_UP });
}

static void on_message(void *arg, const struct message *message)
{
	feed(arg, &(struct replica_event){ .type = REPLICA_MESSAGE,
					   .message = message });
}

static void on_down(void *arg, const char *reason)
{
	struct run *r = arg;

	log_info("link-down reason=\"%s\"", reason);
	/* A key that never fitted is a mistake for an operator to mend, and no
	 * gate is served by waiting. One that did may fit again. */
	if (!r->was_up && link_client_is_refused(r->link)) {
		err_set(&r->fatal, -EACCES, "%s: %s", r->config->replica.key,
			reason);
		loop_stop(r->loop);
	}
	feed(r, &(struct replica_event){ .type = REPLICA_DOWN });
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

/* --- start ------------------------------------------------------------------- */

static int start_link(struct run *r, struct err *err)
{
	static const struct link_client_ops ops = {
		.on_up = on_up,
		.on_message = on_message,
		.on_down = on_down,
	};
	const struct config_replica *config = &r->config->replica;
	const struct link_client_config link = {
		.master_addr = config->master,
		.key = keys_find(&r->keys, &config->host),
		.ops = &ops,
		.arg = r,
	};

	return link_client_new(r->loop, &link, &r->link, err);
}

static int load_key(struct run *r, struct err *err)
{
	const struct config_replica *config = &r->config->replica;
	int error = keys_load(config->key, &r->keys, err);

	if (!error && !keys_find(&r->keys, &config->host))
		error = err_set(err, -ENOENT, "%s: it holds no key of host %s",
				config->key, config->host.s);
	return error;
}

static int start(struct run *r, struct err *err)
{
	static const struct genl_ops genl_ops = {
		.on_gate = on_gate,
		.on_gone = on_gone,
		.on_lost = on_lost,
	};
	const struct store_config store = {
		.dir = r->config->replica.store,
		.volumes_max = r->config->replica.slots_max,
	};
	int error = load_key(r, err);

	if (!error)
		error = genl_new(&r->genl, err);
	if (error)
		return error;
	error = loop_new(RING_ENTRIES, &r->loop);
	if (error)
		return err_set(err, error, "io_uring: %s", strerror(-error));
	error = signals_new(r->loop, on_signal, r, &r->signals, err);
	if (!error)
		error = store_open(&store, r->loop, &r->store, err);
	/* Watched before it is listed, so that no change falls between. */
	if (!error)
		error = genl_watch(r->genl, r->loop, &genl_ops, r, err);
	if (!error)
		error = run_replica_start_core(r, err);
	return error ? error : start_link(r, err);
}

static void stop(struct run *r)
{
	r->ending = true;
	link_client_free(r->link);
	store_close(r->store);
	loop_free(r->loop);
	signals_free(r->signals);
	genl_free(r->genl);
	replica_free(r->replica);
	keys_exit(&r->keys);
	free(r->update);
}

int run_replica(const struct config *config, struct err *err)
{
	struct run *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->config = config;
	r->persisted.done = on_persisted;
	r->timer.done = on_timer;
	r->list_timer.done = on_list_timer;
	error = start(r, err);
	if (!error) {
		feed(r, &(struct replica_event){ .type = REPLICA_READY });
		loop_timer(r->loop, &r->list_timer, clock_now().v + LIST_MS);
		log_info("replica-up host=%s master=%s volumes=%u",
			 config->replica.host.s, config->replica.master,
			 config->replica.nr_volumes);
		sd_notify(0, "READY=1");
		error = loop_run(r->loop);
		if (error)
			err_set(err, error, "io_uring: %s", strerror(-error));
		else if (r->fatal.code)
			error = err_set(err, r->fatal.code, "%s",
					r->fatal.text);
	}
	stop(r);
	free(r);
	return error;
}
