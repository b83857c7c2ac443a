/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A master and hosts that obey at once, in one process and on a clock of
 * their own. The master is the daemon's, its persisted groups go to a real
 * store or are durable at once. Must never know what is measured.
 */
#ifndef BFENCE_BENCH_CLUSTER_H
#define BFENCE_BENCH_CLUSTER_H

#include <stddef.h>

#include "core/master.h"
#include "edge/loop.h"

struct cluster_config {
	uint32_t nr_volumes;
	uint32_t nr_hosts;		/* three at least */
	const char *store;		/* a folder, or NULL */
	uint32_t freshness_ms;
};

struct cluster;

/* Every volume is bound and open on its three hosts. 0 or negative errno. */
int cluster_new(const struct cluster_config *config, struct cluster **ret);
void cluster_free(struct cluster *c);

struct master *cluster_master(struct cluster *c);
/* What malloc has given to the master alone. */
size_t cluster_master_bytes(const struct cluster *c);
uint32_t cluster_nr_slots(const struct cluster *c, uint32_t host);

/* The clock of all. */
void cluster_wait_ms(struct cluster *c, uint64_t ms);

/* A heartbeat that repeats what the master knows of nr slots, no more than
 * MESSAGE_SLOTS_MAX and the host's; then it is sent. */
void cluster_prepare_beat(struct cluster *c, uint32_t host, uint32_t nr_slots);
void cluster_beat(struct cluster *c);
void cluster_tick(struct cluster *c);

/* The hosts do and report what they were told, until nothing is left; when
 * this returns nothing is in flight. 0 or a negative errno. */
int cluster_settle(struct cluster *c);

/* From now on the host says nothing. */
void cluster_lose(struct cluster *c, uint32_t host);
/* A tick, and then the loop, until so many records more are durable; gives
 * the time from the one to the other. */
int cluster_tick_until_durable(struct cluster *c, size_t nr, uint64_t *ret_ns);
/* The groups that were made durable so far. */
size_t cluster_nr_groups(const struct cluster *c);

/* Nanoseconds of the machine's clock, from one call to another. */
uint64_t cluster_clock_ns(void);

#endif
