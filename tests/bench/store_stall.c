// SPDX-License-Identifier: GPL-2.0
/*
 * How long the loop stands still while the log is compacted under steady
 * mints: a timer of one millisecond, and how late it comes. Must never know
 * how the store compacts; it sees that the file at DIR/log is another one.
 *
 * The program is DIR NR_VOLUMES NR_COMPACTIONS. It prints three lines, in
 * nanoseconds: the lateness of each tick that no compaction touched, of each
 * one that did, and how long each group of mints took.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "edge/loop.h"

#include "engine.h"
#include "minter.h"

#define TIMES_MAX	(1 << 20)
/* What a compaction leaves behind (the old file is given back) is its too. */
#define LINGER_NS	5000000

struct times {
	size_t nr;
	uint64_t ns[TIMES_MAX];
};

struct watch {
	struct loop *loop;
	struct loop_op tick;
	uint64_t due_ms;
	bool stopped;
	int dir_fd;
	ino_t log;		/* the file that was last seen there */
	uint64_t seen_ns;	/* when a compaction was, last */
	uint32_t nr_compactions;
	struct times quiet, busy, groups;
};

/* The clock of the loop's timers. */
static uint64_t boot_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void note(struct times *times, uint64_t ns)
{
	if (times->nr < TIMES_MAX)
		times->ns[times->nr++] = ns;
}

static void print(const struct times *times)
{
	for (size_t i = 0; i < times->nr; i++)
		printf("%" PRIu64 " ", times->ns[i]);
	putchar('\n');
}

/* One is under way, or has ended since the last look. */
static bool sees_compaction(struct watch *w)
{
	struct stat st;
	bool under_way = fstatat(w->dir_fd, "log.new", &st, 0) == 0;

	if (fstatat(w->dir_fd, "log", &st, 0) || st.st_ino == w->log)
		return under_way;
	w->log = st.st_ino;
	w->nr_compactions++;
	return true;
}

static void arm(struct watch *w)
{
	w->due_ms = boot_ns() / 1000000 + 1;
	loop_timer(w->loop, &w->tick, w->due_ms);
}

static void on_tick(struct loop_op *op, int res)
{
	struct watch *w = loop_container(op, struct watch, tick);
	uint64_t due_ns = w->due_ms * 1000000;
	uint64_t now_ns = boot_ns();
	bool lingers = w->seen_ns && due_ns < w->seen_ns + LINGER_NS;

	(void)res;
	if (w->stopped)
		return;
	if (sees_compaction(w))
		w->seen_ns = now_ns;
	note(lingers || w->seen_ns == now_ns ? &w->busy : &w->quiet,
	     now_ns - due_ns);
	arm(w);
}

/* Mints a group after the other until enough compactions were seen. */
static int drive(struct watch *w, struct minter *m, uint32_t nr_volumes,
		 uint32_t nr_compactions)
{
	uint32_t volumes[ENGINE_BATCH] = { 0 };
	uint32_t next = 0;
	int ret = minter_mint(m, volumes, 1);	/* the first one gets ready */

	sees_compaction(w);
	w->nr_compactions = 0;
	arm(w);
	while (ret == 0 && w->nr_compactions < nr_compactions) {
		uint64_t begin = boot_ns();

		for (size_t i = 0; i < ENGINE_BATCH; i++)
			volumes[i] = next++ % nr_volumes;
		ret = minter_mint(m, volumes, ENGINE_BATCH);
		note(&w->groups, boot_ns() - begin);
	}
	w->stopped = true;
	return ret;
}

static int measure(struct watch *w, const char *dir, uint32_t nr_volumes,
		   uint32_t nr_compactions)
{
	struct minter *m;
	size_t nr_found;
	int ret = minter_open(dir, nr_volumes, &m, &nr_found);

	if (ret)
		return ret;
	w->loop = minter_loop(m);
	w->tick.done = on_tick;
	w->dir_fd = open(dir, O_DIRECTORY | O_CLOEXEC);
	ret = w->dir_fd < 0 ? -errno : drive(w, m, nr_volumes, nr_compactions);
	minter_close(m);
	close(w->dir_fd);
	return ret;
}

int main(int argc, char **argv)
{
	struct watch *w = calloc(1, sizeof(*w));
	uint32_t nr_compactions;
	uint32_t nr_volumes;
	int ret = -ENOMEM;

	if (argc != 4 || !engine_number(argv[2], &nr_volumes) ||
	    !engine_number(argv[3], &nr_compactions) ||
	    nr_volumes < ENGINE_BATCH) {
		fprintf(stderr, "usage: %s DIR NR_VOLUMES NR_COMPACTIONS\n",
			argv[0]);
		free(w);
		return 2;
	}
	if (w)
		ret = measure(w, argv[1], nr_volumes, nr_compactions);
	if (ret == 0) {
		print(&w->quiet);
		print(&w->busy);
		print(&w->groups);
	}
	free(w);
	if (ret)
		fprintf(stderr, "%s: %s\n", argv[0], strerror(-ret));
	return ret ? 1 : 0;
}
