// SPDX-License-Identifier: GPL-2.0
/*
 * What a heartbeat and a tick cost when nothing has changed. Must never know
 * how the master looks things up.
 *
 * The program is NR_VOLUMES NR_HOSTS. It prints the bytes that malloc has
 * given to the master, then answers each line with times in nanoseconds:
 *
 *     same K N   N times: a heartbeat of K slots of one host, again and again
 *     turn K N   N rounds, each the mean of a heartbeat from every host; each
 *                host is heard once a second
 *     tick N     N times: a tick that finds nothing, one a tenth of a second
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "engine.h"

#define FRESHNESS_MS	10000
#define BEAT_MS		1000
#define TICK_MS		100
#define BLOCK		16	/* heartbeats that are timed as one */

struct run {
	struct cluster *cluster;
	uint32_t nr_volumes;
	uint32_t nr_hosts;
};

static uint64_t beat_ns(struct run *run, uint32_t host, uint32_t nr_slots)
{
	uint64_t begin;

	cluster_prepare_beat(run->cluster, host, nr_slots);
	begin = cluster_clock_ns();
	cluster_beat(run->cluster);
	return cluster_clock_ns() - begin;
}

static void do_same(struct run *run, uint32_t nr_slots, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		uint64_t ns = 0;

		for (int j = 0; j < BLOCK; j++)
			ns += beat_ns(run, 0, nr_slots);
		printf("%" PRIu64 " ", ns / BLOCK);
	}
	putchar('\n');
}

/* The clock goes on a second while all of them are heard. */
static uint64_t round_ns(struct run *run, uint32_t nr_slots)
{
	uint64_t ns = 0;
	uint64_t waited = 0;

	for (uint32_t i = 0; i < run->nr_hosts; i++) {
		uint64_t due = (uint64_t)BEAT_MS * (i + 1) / run->nr_hosts;

		cluster_wait_ms(run->cluster, due - waited);
		waited = due;
		ns += beat_ns(run, i, nr_slots);
	}
	return ns / run->nr_hosts;
}

static void do_turn(struct run *run, uint32_t nr_slots, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++)
		printf("%" PRIu64 " ", round_ns(run, nr_slots));
	putchar('\n');
}

static void do_ticks(struct run *run, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		uint64_t begin;

		/* The clock is a second on when all were heard. */
		if (i % (BEAT_MS / TICK_MS) == 0)
			round_ns(run, 0);
		cluster_wait_ms(run->cluster, TICK_MS);
		begin = cluster_clock_ns();
		cluster_tick(run->cluster);
		printf("%" PRIu64 " ", cluster_clock_ns() - begin);
	}
	putchar('\n');
}

static int obey(struct run *run, const char *line)
{
	uint32_t nr_slots;
	uint32_t nr;

	if (sscanf(line, "same %" SCNu32 " %" SCNu32, &nr_slots, &nr) == 2 &&
	    nr_slots <= cluster_nr_slots(run->cluster, 0))
		do_same(run, nr_slots, nr);
	else if (sscanf(line, "turn %" SCNu32 " %" SCNu32, &nr_slots, &nr) ==
			 2 &&
		 nr_slots <= cluster_nr_slots(run->cluster, run->nr_hosts - 1))
		do_turn(run, nr_slots, nr);
	else if (sscanf(line, "tick %" SCNu32, &nr) == 1)
		do_ticks(run, nr);
	else
		return -EINVAL;
	/* What was measured left all as it was: nothing came of it. */
	return cluster_settle(run->cluster);
}

static int count_open(struct run *run, uint32_t *ret)
{
	struct volume_status *status = malloc(sizeof(*status));

	if (!status)
		return -ENOMEM;
	*ret = 0;
	for (uint32_t i = 0; i < run->nr_volumes; i++) {
		master_volume_status(cluster_master(run->cluster), i,
				     (struct mono_ms){ 0 }, status);
		*ret += status->slots[0].fenced && status->slots[1].fenced &&
			status->slots[2].fenced;
	}
	free(status);
	return 0;
}

static int start(struct run *run)
{
	const struct cluster_config config = {
		.nr_volumes = run->nr_volumes,
		.nr_hosts = run->nr_hosts,
		.freshness_ms = FRESHNESS_MS,
	};
	uint32_t nr_open;
	int ret = cluster_new(&config, &run->cluster);

	if (ret == 0)
		ret = count_open(run, &nr_open);
	if (ret == 0 && nr_open != run->nr_volumes)
		ret = -ENODATA;
	if (ret == 0)
		printf("%zu\n", cluster_master_bytes(run->cluster));
	return ret;
}

int main(int argc, char **argv)
{
	struct run run = { 0 };
	char line[64];
	int ret;

	if (argc != 3 || !engine_number(argv[1], &run.nr_volumes) ||
	    !engine_number(argv[2], &run.nr_hosts) ||
	    run.nr_hosts <= REPLICA_SLOTS) {
		fprintf(stderr, "usage: %s NR_VOLUMES NR_HOSTS\n", argv[0]);
		return 2;
	}
	ret = start(&run);
	fflush(stdout);
	while (ret == 0 && fgets(line, sizeof(line), stdin)) {
		ret = obey(&run, line);
		fflush(stdout);
	}
	cluster_free(run.cluster);
	if (ret)
		fprintf(stderr, "%s: %s\n", argv[0], strerror(-ret));
	return ret ? 1 : 0;
}
