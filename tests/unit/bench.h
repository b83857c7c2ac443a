/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A bench for the production replica core: gates that drain when the test
 * says so, a floor log that answers when the test says so, a master that is
 * the test. What the core orders is written down, a line each, in its order.
 * Must never reach into the core.
 */
#ifndef BFENCE_TEST_BENCH_H
#define BFENCE_TEST_BENCH_H

#include "core/replica.h"

#define BENCH_GATES	256
#define BENCH_SENT	512
#define BENCH_SLOTS	250
#define BENCH_HEARTBEAT	1000

struct bench_gate {
	bool present;
	bool busy;		/* I/O is in flight: a fence has to drain */
	struct gate_info info;
};

struct bench {
	struct replica *replica;
	struct replica_config config;
	struct replica_update *update;
	struct mono_ms now;
	uint64_t timer;		/* of the last update */
	bool reset;		/* the link was, since bench_forget() */
	/* kernel */
	struct bench_gate gates[BENCH_GATES];
	uint64_t lease_deadline;
	enum kernel_op_kind fail_kind;	/* ops of this kind ... */
	int fail_error;			/* ... are refused with this */
	/* floor log */
	bool log_holds;		/* groups wait for bench_log_done() */
	int log_error;
	unsigned int nr_group;
	struct record group[REPLICA_UPDATE_MAX];
	unsigned int nr_log;
	struct record log[BENCH_GATES + 1];	/* newest of each volume */
	/* master */
	uint64_t incarnation;
	const char *slot_name;	/* in a SYNC; NULL: r1 */
	unsigned int nr_sent;
	struct message *sent[BENCH_SENT];
	char trace[1 << 16];
};

/* A core that was told of nothing yet; then its start is over. */
struct bench *bench_new(void);
void bench_free(struct bench *b);
void bench_backing(struct bench *b, const char *volume);
void bench_ready(struct bench *b);
/* A new core on the same kernel and log; or on the log alone. It is told of
 * the backing devices v1 .. v<nr>, and is ready. */
void bench_restart(struct bench *b, int nr_volumes);
void bench_reboot(struct bench *b, int nr_volumes);
/* A ready core of a host that holds v1 .. v<nr> as replica r1, connected to a
 * master of incarnation 5, all reported; nothing of it is in the trace. */
struct bench *bench_connected(int nr_volumes);

void bench_feed(struct bench *b, const struct replica_event *event);
void bench_tick(struct bench *b, uint64_t ms);	/* later */
void bench_log_done(struct bench *b);	/* the group that is held */
struct bench_gate *bench_gate(struct bench *b, const char *volume);
void bench_drained(struct bench *b, const char *volume);
void bench_tell_gate(struct bench *b, const char *volume);

void bench_up(struct bench *b);
void bench_down(struct bench *b);
void bench_welcome(struct bench *b, uint64_t incarnation, uint8_t store);
void bench_sync(struct bench *b, int nr_volumes, bool want_inventory);
/* Name is "v1 7.2 r1": volume, lineage, primary. The slot is replica r1. */
struct command bench_command(const struct bench *b, enum command_kind kind,
			     const char *name);
void bench_send(struct bench *b, const struct command *command);
void bench_fence(struct bench *b, const char *name);
void bench_open(struct bench *b, const char *name);
void bench_lease(struct bench *b, uint64_t seq, uint32_t ms);

void bench_forget(struct bench *b);	/* trace, sent and reset */
/* The whole trace since then; it is forgotten. */
void bench_expect(struct bench *b, const char *trace);
const struct ack *bench_last_ack(const struct bench *b);
const struct report *bench_last_report(const struct bench *b);
struct volume_id bench_volume(const char *name);
struct lineage bench_lineage(uint64_t epoch, uint64_t endpoint_version);

#endif
