// SPDX-License-Identifier: GPL-2.0
/*
 * A host is lost: from the tick that finds its silence too long until every
 * volume whose primary it was has a new line, durable on the disk. Beside it
 * one group of as many mints without a master, on the same disk. Must never
 * know how the master decides.
 *
 * The program is DIR NR_VOLUMES NR_HOSTS. It answers each "lose" with the
 * time of both in nanoseconds, the number of mints and that of their groups.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "engine.h"
#include "minter.h"

#define FRESHNESS_MS	10000
#define TICK_MS		101		/* more than the master's own */
#define PRIMARIES	1000		/* the lost host has about so many */
#define PATH_SIZE	512

struct run {
	const char *dir;
	uint32_t nr_volumes;
	uint32_t nr_hosts;
	uint32_t nr_runs;
	uint32_t next;			/* volume of the group beside */
	uint32_t *volumes;
	struct minter *minter;
};

static uint32_t nr_primaries(struct cluster *c, uint32_t host)
{
	struct host_status status;

	master_host_status(cluster_master(c), host, (struct mono_ms){ 0 },
			   &status);
	return status.nr_primaries;
}

/* Placement gives each host about as many; the nearest one is lost. */
static uint32_t choose(const struct run *run, struct cluster *c)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < run->nr_hosts; i++)
		if (abs((int)nr_primaries(c, i) - PRIMARIES) <
		    abs((int)nr_primaries(c, best) - PRIMARIES))
			best = i;
	return best;
}

static void beat(const struct run *run, struct cluster *c, uint32_t but)
{
	for (uint32_t i = 0; i < run->nr_hosts; i++) {
		if (i == but)
			continue;
		cluster_prepare_beat(c, i, 0);
		cluster_beat(c);
	}
}

/* All are heard, and then all but the lost one, in its last fresh instant. */
static void fall_silent(const struct run *run, struct cluster *c, uint32_t lost)
{
	beat(run, c, run->nr_hosts);
	cluster_lose(c, lost);
	cluster_wait_ms(c, FRESHNESS_MS);
	beat(run, c, lost);
	cluster_wait_ms(c, TICK_MS);
}

static int measure_group(struct run *run, uint32_t nr, uint64_t *ret_ns)
{
	uint64_t begin;
	int ret;

	for (uint32_t i = 0; i < nr; i++)
		run->volumes[i] = run->next++ % run->nr_volumes;
	begin = cluster_clock_ns();
	ret = minter_mint(run->minter, run->volumes, nr);
	*ret_ns = cluster_clock_ns() - begin;
	return ret;
}

static int measure(struct run *run, struct cluster *c)
{
	uint32_t lost = choose(run, c);
	uint32_t nr = nr_primaries(c, lost);
	size_t nr_groups;
	uint64_t group_ns;
	uint64_t ns;
	int ret;

	fall_silent(run, c, lost);
	ret = cluster_settle(c);
	if (ret)
		return ret;
	nr_groups = cluster_nr_groups(c);
	ret = cluster_tick_until_durable(c, nr, &ns);
	nr_groups = cluster_nr_groups(c) - nr_groups;
	if (ret == 0)
		ret = cluster_settle(c);
	if (ret == 0 && nr_primaries(c, lost) != 0)
		ret = -ENODATA;
	if (ret == 0)
		ret = measure_group(run, nr, &group_ns);
	if (ret == 0)
		printf("%" PRIu64 " %" PRIu64 " %" PRIu32 " %zu\n", ns,
		       group_ns, nr, nr_groups);
	return ret;
}

static int lose(struct run *run)
{
	char store[PATH_SIZE];
	const struct cluster_config config = {
		.nr_volumes = run->nr_volumes,
		.nr_hosts = run->nr_hosts,
		.store = store,
		.freshness_ms = FRESHNESS_MS,
	};
	struct cluster *c;
	int ret;

	snprintf(store, sizeof(store), "%s/lost-%u", run->dir, run->nr_runs++);
	ret = cluster_new(&config, &c);
	if (ret)
		return ret;
	ret = measure(run, c);
	cluster_free(c);
	return ret;
}

static int start(struct run *run)
{
	char store[PATH_SIZE];
	size_t nr_found;
	int ret;

	snprintf(store, sizeof(store), "%s/group", run->dir);
	run->volumes = calloc(run->nr_volumes, sizeof(*run->volumes));
	if (!run->volumes)
		return -ENOMEM;
	ret = minter_open(store, run->nr_volumes, &run->minter, &nr_found);
	for (uint32_t i = 0; i < run->nr_volumes; i++)
		run->volumes[i] = i;
	for (uint32_t i = 0; ret == 0 && i < run->nr_volumes;
	     i += ENGINE_BATCH) {
		uint32_t left = run->nr_volumes - i;

		ret = minter_fill(run->minter, run->volumes + i,
				  left < ENGINE_BATCH ? left : ENGINE_BATCH);
	}
	return ret;
}

int main(int argc, char **argv)
{
	struct run run = { 0 };
	char line[64];
	int ret;

	if (argc != 4 || !engine_number(argv[2], &run.nr_volumes) ||
	    !engine_number(argv[3], &run.nr_hosts) ||
	    run.nr_hosts <= REPLICA_SLOTS) {
		fprintf(stderr, "usage: %s DIR NR_VOLUMES NR_HOSTS\n", argv[0]);
		return 2;
	}
	run.dir = argv[1];
	ret = start(&run);
	while (ret == 0 && fgets(line, sizeof(line), stdin)) {
		ret = strcmp(line, "lose\n") == 0 ? lose(&run) : -EINVAL;
		fflush(stdout);
	}
	if (run.minter)
		minter_close(run.minter);
	free(run.volumes);
	if (ret)
		fprintf(stderr, "%s: %s\n", argv[0], strerror(-ret));
	return ret ? 1 : 0;
}
