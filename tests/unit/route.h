/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The whole route in one process: the production master, three production
 * replicas, model kernels that decide by the module's own rules, durable
 * records that survive their owners. Links can be cut, agents killed, hosts
 * rebooted, the master restarted. After each step the invariants are asserted.
 */
#ifndef BFENCE_TEST_ROUTE_H
#define BFENCE_TEST_ROUTE_H

#include "core/master.h"
#include "core/replica.h"
#include "edge/wire.h"
#include "gate_model.h"

#define ROUTE_HOSTS	3
#define ROUTE_VOLUMES	2
#define ROUTE_RECORDS	512
#define ROUTE_DEPTH	8

struct route_log {
	unsigned int nr;
	struct record records[ROUTE_RECORDS];
};

struct route_host {
	struct replica *replica;	/* NULL: its agent is dead */
	struct gate_model *kernel;
	struct route_log floors;
	unsigned int boots;
	bool link_up;			/* as both ends see it */
	bool cut;			/* the network between them */
	bool paused;			/* neither runs nor ends a lease */
	uint64_t lost_ms;		/* by which its clock is behind */
	struct lineage highest[ROUTE_VOLUMES];	/* authority ever seen */
};

struct route_letter {
	struct route_letter *next;
	int host;
	bool to_master;
	uint64_t due_ms;
	size_t len;
	uint8_t bytes[];		/* as they are on the wire */
};

struct route {
	struct master *master;		/* NULL: it is dead */
	struct master_config config;
	struct master_update *master_update;
	struct replica_update *replica_updates;	/* one a nested event */
	unsigned int depth;
	struct route_log lines;
	const char *damaged;		/* volume whose record a start finds so */
	struct route_host hosts[ROUTE_HOSTS];
	struct route_letter *post;
	struct message message;		/* the one being delivered */
	uint8_t bytes[WIRE_BYTES_MAX];	/* the one being posted */
	uint64_t now_ms;
	uint64_t random;
	enum guard guard;
	bool clocks_run;		/* no host was ever paused */
	struct master_answer answer;
};

struct route *route_start(enum guard guard, uint64_t seed);
void route_end(struct route *r);

void route_run_ms(struct route *r, uint64_t ms);
void route_create(struct route *r, const char *name);
/* On three hosts in this order, as in "bca". */
void route_create_on(struct route *r, const char *name, const char *hosts);
void route_delete(struct route *r, const char *name);

void route_cut(struct route *r, int host, bool cut);
void route_pause(struct route *r, int host, bool paused);
void route_kill_agent(struct route *r, int host);
void route_start_agent(struct route *r, int host);
void route_reboot(struct route *r, int host);
void route_kill_master(struct route *r);
void route_start_master(struct route *r);

uint64_t route_random(struct route *r, uint64_t below);
struct gate_info route_gate(const struct route *r, int host, const char *name);
struct volume_status route_status(struct route *r, const char *name);
bool route_is_open(struct route *r, const char *name);

#endif
