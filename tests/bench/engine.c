// SPDX-License-Identifier: GPL-2.0
/*
 * The main() of a program that measures one store: commands in, times out.
 * Must never know which store it is.
 */
#include "engine.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* Prime to every number of volumes that is a power of ten: volumes are
 * visited all over the store, each once a round. */
#define STRIDE		7919

struct run {
	void *store;
	uint32_t nr_volumes;
	uint32_t next;		/* volume */
	uint32_t *picked;	/* nr_volumes of them */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static long peak_rss_kib(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long kib = -1;

	while (file && kib < 0 && fgets(line, sizeof(line), file))
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = strtol(line + 6, NULL, 10);
	if (file)
		fclose(file);
	return kib;
}

static int start(struct run *run, const char *place)
{
	uint64_t begin = now_ns();
	size_t nr_found;
	int ret = engine.open(place, run->nr_volumes, &run->store, &nr_found);
	uint64_t end = now_ns();

	if (ret)
		return ret;
	printf("%" PRIu64 " %ld %zu\n", end - begin, peak_rss_kib(), nr_found);
	return 0;
}

static void pick(struct run *run, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		run->picked[i] = run->next;
		run->next = (run->next + STRIDE) % run->nr_volumes;
	}
}

static int do_mint(struct run *run, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		uint64_t begin;
		int ret;

		pick(run, 1);
		begin = now_ns();
		ret = engine.mint(run->store, run->picked, 1);
		if (ret)
			return ret;
		printf("%" PRIu64 " ", now_ns() - begin);
	}
	putchar('\n');
	return 0;
}

static int do_batch(struct run *run, size_t nr)
{
	uint64_t begin;
	int ret;

	if (nr > run->nr_volumes)
		return -EINVAL;
	pick(run, nr);
	begin = now_ns();
	ret = engine.mint(run->store, run->picked, nr);
	if (ret == 0)
		printf("%" PRIu64 "\n", now_ns() - begin);
	return ret;
}

static int do_fill(struct run *run)
{
	uint64_t begin = now_ns();
	uint32_t nr = run->nr_volumes;
	int ret = 0;

	for (uint32_t i = 0; i < nr; i++)
		run->picked[i] = i;
	for (uint32_t i = 0; ret == 0 && i < nr; i += ENGINE_BATCH) {
		size_t nr_batch = nr - i < ENGINE_BATCH ? nr - i : ENGINE_BATCH;

		ret = (engine.fill ? engine.fill : engine.mint)(run->store,
								run->picked + i,
								nr_batch);
	}
	if (ret == 0)
		printf("%" PRIu64 "\n", now_ns() - begin);
	return ret;
}

static int obey(struct run *run, const char *line)
{
	uint32_t nr;

	if (strcmp(line, "fill\n") == 0)
		return do_fill(run);
	if (strncmp(line, "mint ", 5) == 0 && engine_number(line + 5, &nr))
		return do_mint(run, nr);
	if (strncmp(line, "batch ", 6) == 0 && engine_number(line + 6, &nr))
		return do_batch(run, nr);
	return -EINVAL;
}

int main(int argc, char **argv)
{
	struct run run = { 0 };
	char line[64];
	int ret;

	if (argc != 3 || !engine_number(argv[2], &run.nr_volumes)) {
		fprintf(stderr, "usage: %s PLACE NR_VOLUMES\n", argv[0]);
		return 2;
	}
	ret = start(&run, argv[1]);
	run.picked = ret ? NULL : calloc(run.nr_volumes, sizeof(*run.picked));
	if (ret == 0 && !run.picked)
		ret = -ENOMEM;
	fflush(stdout);
	while (ret == 0 && fgets(line, sizeof(line), stdin)) {
		ret = obey(&run, line);
		fflush(stdout);
	}
	if (run.store)
		engine.close(run.store);
	free(run.picked);
	if (ret)
		fprintf(stderr, "%s: %s\n", argv[0], strerror(-ret));
	return ret ? 1 : 0;
}
