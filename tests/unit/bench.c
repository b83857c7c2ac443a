// SPDX-License-Identifier: GPL-2.0
/*
 * Carries out what the replica core orders, and writes it down. Must never
 * decide anything for it.
 */
#include "bench.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORE	7	/* of the master */

struct lineage bench_lineage(uint64_t epoch, uint64_t endpoint_version)
{
	return (struct lineage){ epoch, endpoint_version };
}

struct volume_id bench_volume(const char *name)
{
	struct volume_id id = { { 0 } };

	assert(volume_id_parse(name, &id) == 0);
	return id;
}

static struct replica_id replica_named(const char *name)
{
	struct replica_id id = { { 0 } };

	/* Empty: a slot that is to be left as it is. */
	assert(!name[0] || replica_id_parse(name, &id) == 0);
	return id;
}

__attribute__((format(printf, 2, 3))) static void trace(struct bench *b,
							const char *format, ...)
{
	size_t used = strlen(b->trace);
	va_list args;

	va_start(args, format);
	vsnprintf(b->trace + used, sizeof(b->trace) - used, format, args);
	va_end(args);
}

/* --- the kernel -------------------------------------------------------------- */

struct bench_gate *bench_gate(struct bench *b, const char *volume)
{
	const struct volume_id id = bench_volume(volume);
	struct bench_gate *unused = NULL;

	for (int i = 0; i < BENCH_GATES; i++) {
		struct bench_gate *gate = &b->gates[i];

		if (gate->present && volume_id_equal(&gate->info.volume, &id))
			return gate;
		if (!gate->present && !unused)
			unused = gate;
	}
	assert(unused);
	memset(unused, 0, sizeof(*unused));
	unused->info.volume = id;
	return unused;
}

static void trace_op(struct bench *b, const struct kernel_op *op)
{
	static const char *const names[] = {
		[KERNEL_ATTACH] = "attach",
		[KERNEL_FENCE] = "fence",
		[KERNEL_OPEN] = "open",
		[KERNEL_CLOSE] = "close",
	};

	if (op->kind == KERNEL_LEASE) {
		trace(b, "kernel lease until %" PRIu64 "\n",
		      op->lease_deadline.v);
		return;
	}
	trace(b, "kernel %s %s %" PRIu64 ".%" PRIu64 "%s%s\n", names[op->kind],
	      op->volume.s, op->lineage.epoch, op->lineage.endpoint_version,
	      op->leased ? " leased" : "", op->keep_disk ? " keep-disk" : "");
}

static void end_grant(struct bench_gate *gate)
{
	gate->info.state = gate->busy ? GATE_DRAINING : GATE_CLOSED;
	gate->info.drained = !gate->busy;
}

static int attach(struct bench_gate *gate, const struct kernel_op *op)
{
	if (gate->present)
		return -EEXIST;
	gate->present = true;
	gate->info.replica = op->replica;
	gate->info.authority = op->lineage;
	gate->info.primary = op->primary;
	gate->info.managed = op->incarnation != 0;
	end_grant(gate);
	return 0;
}

static int fence(struct bench_gate *gate, const struct kernel_op *op)
{
	int order = lineage_cmp(op->lineage, gate->info.authority);

	if (order < 0)
		return -ESTALE;
	if (order == 0)
		return 0;
	gate->info.authority = op->lineage;
	gate->info.primary = op->primary;
	end_grant(gate);
	return 0;
}

static int open_gate(const struct bench *b, struct bench_gate *gate,
		     const struct kernel_op *op)
{
	if (lineage_cmp(op->lineage, gate->info.authority))
		return -ESTALE;
	if (gate->info.state == GATE_OPEN)
		return 0;
	if (gate->info.state != GATE_CLOSED)
		return -EAGAIN;
	if (op->leased && b->lease_deadline <= b->now.v)
		return -EKEYEXPIRED;
	gate->info.state = GATE_OPEN;
	gate->info.leased = op->leased;
	return 0;
}

static int change(struct bench *b, struct bench_gate *gate,
		  const struct kernel_op *op)
{
	if (op->kind == KERNEL_ATTACH)
		return attach(gate, op);
	if (!gate->present)
		return -ENOENT;
	if (op->kind == KERNEL_FENCE)
		return fence(gate, op);
	if (op->kind == KERNEL_OPEN)
		return open_gate(b, gate, op);
	if (gate->info.state == GATE_OPEN)
		end_grant(gate);
	return 0;
}

static struct replica_event run_op(struct bench *b, const struct kernel_op *op)
{
	struct replica_event done = { .type = REPLICA_KERNEL_DONE };

	trace_op(b, op);
	done.kernel.op = *op;
	if (op->kind == b->fail_kind) {
		done.kernel.error = b->fail_error;
		done.kernel.reason = "the kernel says\nno";
	} else if (op->kind == KERNEL_LEASE) {
		b->lease_deadline = op->lease_deadline.v;
	} else {
		struct bench_gate *gate = bench_gate(b, op->volume.s);

		done.kernel.error = change(b, gate, op);
		done.kernel.reason = "the kernel refuses";
		done.kernel.gate = gate->info;
	}
	return done;
}

void bench_tell_gate(struct bench *b, const char *volume)
{
	bench_feed(b, &(struct replica_event){
			      .type = REPLICA_GATE,
			      .gate = bench_gate(b, volume)->info });
}

void bench_drained(struct bench *b, const char *volume)
{
	struct bench_gate *gate = bench_gate(b, volume);

	assert(gate->info.state != GATE_OPEN);
	gate->busy = false;
	end_grant(gate);
	bench_tell_gate(b, volume);
}

/* --- the floor log ------------------------------------------------------------ */

static void trace_record(struct bench *b, const struct record *record)
{
	struct floor floor;

	if (record->kind == RECORD_INCARNATION) {
		trace(b, "write incarnation %" PRIu64 "\n",
		      record_incarnation(record).value);
		return;
	}
	floor = record_floor(record);
	trace(b,
	      "write %s %" PRIu64 ".%" PRIu64 " served %" PRIu64 ".%" PRIu64
	      "\n",
	      record->volume.s, floor.lineage.epoch,
	      floor.lineage.endpoint_version, floor.served.epoch,
	      floor.served.endpoint_version);
}

static void keep(struct bench *b, const struct record *record)
{
	struct record *place = b->log;

	while (place < b->log + b->nr_log &&
	       !(place->kind == record->kind &&
		 volume_id_equal(&place->volume, &record->volume)))
		place++;
	if (place == b->log + b->nr_log)
		b->nr_log++;
	else
		assert(record->write_seq == place->write_seq + 1);
	*place = *record;
}

void bench_log_done(struct bench *b)
{
	struct replica_event event = { .type = REPLICA_PERSISTED };

	assert(b->nr_group);
	event.persist_error = b->log_error;
	for (unsigned int i = 0; i < b->nr_group && !b->log_error; i++)
		keep(b, &b->group[i]);
	b->nr_group = 0;
	bench_feed(b, &event);
}

/* --- the master ------------------------------------------------------------------ */

static void trace_sent(struct bench *b, const struct message *m)
{
	const struct ack *ack = &m->ack;

	if (m->kind == MESSAGE_HELLO)
		trace(b, "send hello incarnation %" PRIu64 "\n",
		      m->hello.incarnation);
	else if (m->kind == MESSAGE_REPORT)
		trace(b, "send %s %" PRIu64 " slots %u\n",
		      m->report.full ? "inventory" : "heartbeat", m->report.seq,
		      m->report.nr_slots);
	else if (ack->error)
		trace(b, "send ack %s %" PRIu64 ".%" PRIu64 " error %d\n",
		      command_name(ack->kind), ack->asked.epoch,
		      ack->asked.endpoint_version, ack->error);
	else
		trace(b, "send ack %s %" PRIu64 ".%" PRIu64 " %s%s%s\n",
		      command_name(ack->kind), ack->asked.epoch,
		      ack->asked.endpoint_version,
		      gate_state_name(ack->proof.state),
		      ack->proof.drained ? " drained" : "",
		      ack->proof.floor_durable ? " durable" : "");
}

static void take_sent(struct bench *b)
{
	for (unsigned int i = 0; i < b->update->nr_send; i++) {
		struct message *m = malloc(sizeof(*m));

		assert(m && b->nr_sent < BENCH_SENT);
		*m = b->update->send[i];
		b->sent[b->nr_sent++] = m;
		trace_sent(b, m);
	}
}

/* As the daemon does: kernel ops, then the group, then sends; the answers
 * are events of their own, after the update. */
void bench_feed(struct bench *b, const struct replica_event *event)
{
	struct replica_event next = *event;
	struct replica_event done[REPLICA_UPDATE_MAX];
	unsigned int nr_done;
	bool more;

	next.now = b->now;
	assert(replica_step(b->replica, &next, b->update) == 0);
	nr_done = b->update->nr_kernel;
	more = b->update->more;
	b->timer = b->update->timer.v;
	b->reset |= b->update->reset_link;
	for (unsigned int i = 0; i < b->update->nr_notes; i++)
		trace(b, "note %s\n", b->update->notes[i].text);
	for (unsigned int i = 0; i < nr_done; i++)
		done[i] = run_op(b, &b->update->kernel[i]);
	if (b->update->nr_persist) {
		assert(!b->nr_group);
		b->nr_group = b->update->nr_persist;
		for (unsigned int i = 0; i < b->nr_group; i++) {
			b->group[i] = b->update->persist[i];
			trace_record(b, &b->group[i]);
		}
	}
	take_sent(b);
	for (unsigned int i = 0; i < nr_done; i++)
		bench_feed(b, &done[i]);
	if (more)
		bench_feed(b, &(struct replica_event){ .type = REPLICA_TICK });
	while (b->nr_group && !b->log_holds)
		bench_log_done(b);
}

void bench_tick(struct bench *b, uint64_t ms)
{
	b->now.v += ms;
	bench_feed(b, &(struct replica_event){ .type = REPLICA_TICK });
}

static void say(struct bench *b, const struct message *message)
{
	bench_feed(b, &(struct replica_event){ .type = REPLICA_MESSAGE,
					       .message = message });
}

void bench_up(struct bench *b)
{
	bench_feed(b, &(struct replica_event){ .type = REPLICA_UP });
}

void bench_down(struct bench *b)
{
	bench_feed(b, &(struct replica_event){ .type = REPLICA_DOWN });
}

void bench_welcome(struct bench *b, uint64_t incarnation, uint8_t store)
{
	struct message m = { .kind = MESSAGE_WELCOME };

	b->incarnation = incarnation;
	m.welcome.version = 1;
	m.welcome.store.b[0] = store;
	m.welcome.incarnation = incarnation;
	m.welcome.heartbeat_ms = BENCH_HEARTBEAT;
	m.welcome.lease_ms = 6000;
	say(b, &m);
}

void bench_sync(struct bench *b, int nr_volumes, bool want_inventory)
{
	struct message *m = calloc(1, sizeof(*m));
	int at = 0;

	assert(m);
	do {
		struct sync *s = &m->sync;

		memset(m, 0, sizeof(*m));
		m->kind = MESSAGE_SYNC;
		s->first = at == 0;
		s->incarnation = b->incarnation;
		s->want_inventory = want_inventory;
		for (; at < nr_volumes && s->nr_slots < MESSAGE_SLOTS_MAX;
		     at++, s->nr_slots++) {
			snprintf(s->slots[s->nr_slots].volume.s, VOLUME_ID_SIZE,
				 "v%d", at + 1);
			s->slots[s->nr_slots].replica = replica_named(
				b->slot_name ? b->slot_name : "r1");
		}
		s->last = at == nr_volumes;
		say(b, m);
	} while (at < nr_volumes);
	free(m);
}

struct command bench_command(const struct bench *b, enum command_kind kind,
			     const char *name)
{
	struct command c = { .kind = kind,
			     .incarnation = b->incarnation,
			     .drain_ms = 500 };
	char volume[VOLUME_ID_SIZE], primary[REPLICA_ID_SIZE];

	assert(sscanf(name, "%63s %" SCNu64 ".%" SCNu64 " %15s", volume,
		      &c.lineage.epoch, &c.lineage.endpoint_version,
		      primary) == 4);
	c.volume = bench_volume(volume);
	c.replica = replica_named("r1");
	c.primary = replica_named(primary);
	return c;
}

void bench_send(struct bench *b, const struct command *command)
{
	struct message m = { .kind = MESSAGE_COMMAND };

	m.command = *command;
	say(b, &m);
}

void bench_fence(struct bench *b, const char *name)
{
	const struct command c = bench_command(b, COMMAND_FENCE, name);

	bench_send(b, &c);
}

void bench_open(struct bench *b, const char *name)
{
	const struct command c = bench_command(b, COMMAND_OPEN, name);

	bench_send(b, &c);
}

void bench_lease(struct bench *b, uint64_t seq, uint32_t ms)
{
	struct message m = { .kind = MESSAGE_LEASE };

	m.lease.seq = seq;
	m.lease.lease_ms = ms;
	m.lease.incarnation = b->incarnation;
	say(b, &m);
}

/* --- life --------------------------------------------------------------------------- */

static void core_new(struct bench *b)
{
	assert(replica_new(&b->config, &b->replica) == 0);
}

struct bench *bench_new(void)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert(b);
	b->update = calloc(1, sizeof(*b->update));
	assert(b->update);
	b->now.v = 1000;
	b->config = (struct replica_config){
		.host = { "host-a" },
		.boot = { "boot-1" },
		.data_addr = { "10.0.0.1:4420" },
		.ctrl_addr = { "10.0.0.1:7421" },
		.heartbeat_ms = 400,
		.slots_max = BENCH_SLOTS,
	};
	core_new(b);
	return b;
}

void bench_free(struct bench *b)
{
	bench_forget(b);
	replica_free(b->replica);
	free(b->update);
	free(b);
}

void bench_backing(struct bench *b, const char *volume)
{
	bench_feed(b,
		   &(struct replica_event){ .type = REPLICA_BACKING,
					    .backing = bench_volume(volume) });
}

void bench_ready(struct bench *b)
{
	bench_feed(b, &(struct replica_event){ .type = REPLICA_READY });
}

void bench_restart(struct bench *b, int nr_volumes)
{
	char name[16];

	replica_free(b->replica);
	b->nr_group = 0;	/* what was being written is lost */
	core_new(b);
	for (int i = 1; i <= nr_volumes; i++) {
		snprintf(name, sizeof(name), "v%d", i);
		bench_backing(b, name);
	}
	for (unsigned int i = 0; i < b->nr_log; i++)
		bench_feed(b, &(struct replica_event){ .type = REPLICA_RECORD,
						       .record = &b->log[i] });
	for (int i = 0; i < BENCH_GATES; i++)
		if (b->gates[i].present)
			bench_tell_gate(b, b->gates[i].info.volume.s);
	bench_ready(b);
}

void bench_reboot(struct bench *b, int nr_volumes)
{
	memset(b->gates, 0, sizeof(b->gates));
	b->lease_deadline = 0;
	bench_restart(b, nr_volumes);
}

struct bench *bench_connected(int nr_volumes)
{
	struct bench *b = bench_new();

	bench_restart(b, nr_volumes);
	bench_up(b);
	bench_welcome(b, 5, STORE);
	bench_sync(b, nr_volumes, false);
	bench_forget(b);
	return b;
}

void bench_forget(struct bench *b)
{
	for (unsigned int i = 0; i < b->nr_sent; i++)
		free(b->sent[i]);
	b->nr_sent = 0;
	b->trace[0] = '\0';
	b->reset = false;
}

static const struct message *last(const struct bench *b, enum message_kind kind)
{
	for (unsigned int i = b->nr_sent; i--;)
		if (b->sent[i]->kind == kind)
			return b->sent[i];
	return NULL;
}

const struct ack *bench_last_ack(const struct bench *b)
{
	const struct message *m = last(b, MESSAGE_ACK);

	return m ? &m->ack : NULL;
}

const struct report *bench_last_report(const struct bench *b)
{
	const struct message *m = last(b, MESSAGE_REPORT);

	return m ? &m->report : NULL;
}

void bench_expect(struct bench *b, const char *expected)
{
	if (strcmp(b->trace, expected)) {
		fprintf(stderr, "--- expected\n%s--- found\n%s---\n", expected,
			b->trace);
		assert(!"the trace is another one");
	}
	bench_forget(b);
}
