// SPDX-License-Identifier: GPL-2.0
/*
 * Runs worlds, each in a process of its own, so many side by side as there
 * are processors; makes a failure small enough to be read. Must never know
 * what goes on in a world.
 */
#include "sim.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX	64
#define WORLD_S		15 /* of processor time, then it hangs */
#define LARGE_S		240

struct options {
	uint64_t from;
	uint64_t nr;
	int jobs;
	bool trace;
	bool large;
	bool keep_going;
	bool explain;
	bool has_mask;
	uint64_t mask;
	uint64_t twice;		/* each so many-th seed runs a second time */
};

struct job {
	pid_t pid;
	int at;			/* of its result */
	uint64_t seed;
	bool again;
	uint64_t hash;		/* of the first time */
};

static struct sim_result *results;	/* shared with the children */

static struct sim_config config_of(uint64_t seed, const struct options *o)
{
	struct rng r = rng_seeded(seed, 2);
	struct sim_config config = { .seed = seed,
				     .nr_hosts = 3,
				     .nr_volumes = 2,
				     .trace = o->trace,
				     .has_mask = o->has_mask,
				     .mask = o->mask };

	if (o->large) {
		config.nr_hosts = 100;
		config.nr_volumes = 1000;
		config.nr_faults = 40;
	} else if (rng_one_in(&r, 4)) {
		config.nr_hosts = 4 + (int)rng_below(&r, 2);
		config.nr_volumes = 2 + (int)rng_below(&r, 2);
	}
	return config;
}

static pid_t start(const struct sim_config *config, struct sim_result *result,
		   bool quiet)
{
	const rlim_t most = config->nr_hosts > 5 ? LARGE_S : WORLD_S;
	const struct rlimit limit = { most, most + 5 };
	pid_t pid;

	memset(result, 0, sizeof(*result));
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (pid)
		return pid;
	if (quiet && !freopen("/dev/null", "w", stderr))
		_exit(2);
	setrlimit(RLIMIT_CPU, &limit);
	sim_run(config, result);
	fflush(stdout);
	_exit(0);
}

/* A world that ended without a word of its own. */
static void judge_status(int status, struct sim_result *result)
{
	if (result->failed || (WIFEXITED(status) && !WEXITSTATUS(status)))
		return;
	result->failed = true;
	if (WIFSIGNALED(status))
		snprintf(result->text, sizeof(result->text),
			 "%s: the core has ended with signal %d",
			 WTERMSIG(status) == SIGXCPU ? "hang" : "assert",
			 WTERMSIG(status));
	else
		snprintf(result->text, sizeof(result->text), "exit: status %d",
			 WEXITSTATUS(status));
}

static bool fails(struct sim_config *config, struct sim_result *result)
{
	pid_t pid = start(config, result, true);
	int status;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	judge_status(status, result);
	return result->failed;
}

/* --- smaller -------------------------------------------------------------------------- */

/* The same kind of failure: the words up to the colon. */
static bool is_same(const struct sim_result *a, const char *kind)
{
	return !strncmp(a->text, kind, strcspn(kind, ":") + 1);
}

/* Faults go one by one, as long as it still fails without them. */
static void minimise(struct sim_config *config, const char *kind, int nr)
{
	struct sim_result *result = &results[JOBS_MAX];
	bool smaller = true;

	if (!config->has_mask)
		config->mask = nr >= 64 ? UINT64_MAX : (1ULL << nr) - 1;
	config->has_mask = true;
	while (smaller) {
		smaller = false;
		for (int i = nr - 1; i >= 0; i--) {
			uint64_t bit = 1ULL << i;

			if (!(config->mask & bit))
				continue;
			config->mask &= ~bit;
			if (fails(config, result) && is_same(result, kind))
				smaller = true;
			else
				config->mask |= bit;
		}
	}
}

static void explain(uint64_t seed, const struct options *o,
		    const struct sim_result *failure)
{
	struct sim_config config = config_of(seed, o);
	struct sim_result *result = &results[JOBS_MAX];
	char kind[SIM_TEXT];
	int nr = failure->nr_faults;

	memcpy(kind, failure->text, sizeof(kind));
	printf("FAILED seed %" PRIu64 " at %" PRIu64 " ms: %s\n", seed,
	       failure->end_us / MS, kind);
	if (!o->large)
		minimise(&config, kind, nr);
	config.trace = true;
	fails(&config, result);
	printf("%s\nreplay: sim --seed %" PRIu64 " --faults 0x%" PRIx64
	       " --trace%s\n",
	       result->text, seed, config.mask, o->large ? " --large" : "");
	fflush(stdout);
}

/* --- many --------------------------------------------------------------------------------- */

struct sums {
	uint64_t nr;
	uint64_t nr_failed;
	uint64_t nr_twice;
	uint64_t events;
	uint64_t ios;
	uint64_t refused;
	uint64_t minted;
	uint64_t letters;
	uint64_t evidence;
	uint64_t virtual_us;
};

static void add(struct sums *sums, const struct sim_result *r)
{
	sums->nr++;
	sums->events += r->nr_events;
	sums->ios += r->nr_ios;
	sums->refused += r->nr_refused;
	sums->minted += r->nr_minted;
	sums->letters += r->nr_letters;
	sums->evidence += r->nr_evidence;
	sums->virtual_us += r->end_us;
}

/* True when there is a failure to explain. */
static bool finish(struct job *job, struct sim_result *result, int status,
		   struct sums *sums)
{
	judge_status(status, result);
	if (!result->failed && job->again && result->hash != job->hash) {
		result->failed = true;
		snprintf(result->text, sizeof(result->text),
			 "twice: the same seed went another way");
	}
	sums->nr_twice += job->again;
	if (!job->again)
		add(sums, result);
	sums->nr_failed += result->failed;
	return result->failed;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void launch(struct job *job, const struct options *o)
{
	struct sim_config config = config_of(job->seed, o);

	job->pid = start(&config, &results[job->at], !o->trace);
}

static struct job *find(struct job *jobs, int nr, pid_t pid)
{
	for (int i = 0; i < nr; i++)
		if (jobs[i].pid == pid)
			return &jobs[i];
	return NULL;
}

/* Seeds in order until all have run, or one has failed. */
static void run_all(const struct options *o, struct sums *sums)
{
	struct job jobs[JOBS_MAX] = { 0 };
	uint64_t next = o->from, end = o->from + o->nr;
	int running = 0;
	bool stop = false;

	while (true) {
		struct job *job;
		int status;
		pid_t pid;

		while (running < o->jobs && next < end && !stop) {
			job = find(jobs, o->jobs, 0);
			*job = (struct job){ .seed = next++,
					     .at = (int)(job - jobs) };
			launch(job, o);
			running++;
		}
		if (!running)
			return;
		pid = wait(&status);
		job = find(jobs, o->jobs, pid);
		if (!job)
			continue;
		job->pid = 0;
		running--;
		if (finish(job, &results[job->at], status, sums)) {
			stop = !o->keep_going;
			if (o->explain)
				explain(job->seed, o, &results[job->at]);
			else
				printf("seed %" PRIu64 ": %s\n", job->seed,
				       results[job->at].text);
		} else if (!job->again && o->twice &&
			   job->seed % o->twice == 0) {
			job->again = true;
			job->hash = results[job->at].hash;
			launch(job, o);
			running++;
		}
	}
}

static void tell(const struct sums *sums, double took)
{
	printf("sim: %" PRIu64 " worlds, %" PRIu64 " failed, %" PRIu64
	       " run twice alike, in %.1f s (%.0f a minute)\n",
	       sums->nr, sums->nr_failed, sums->nr_twice, took,
	       (double)sums->nr / took * 60);
	printf("sim: %.0f s of their time, %" PRIu64 " events, %" PRIu64
	       " messages, %" PRIu64 " lines minted, %" PRIu64 " I/Os (%" PRIu64
	       " refused), %" PRIu64 " looks at a silence\n",
	       (double)sums->virtual_us / 1e6, sums->events, sums->letters,
	       sums->minted, sums->ios, sums->refused, sums->evidence);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: sim [--seed N] [--seeds COUNT] [--jobs N] [--large]\n"
		"           [--faults MASK] [--trace] [--keep-going] [--brief]\n"
		"           [--twice EACH]\n");
	return 2;
}

static bool number(char **argv, int *at, const char *name, uint64_t *ret)
{
	char *end;

	if (strcmp(argv[*at], name) || !argv[*at + 1])
		return false;
	*ret = strtoull(argv[++*at], &end, 0);
	return *end == '\0';
}

static bool parse(char **argv, struct options *o)
{
	uint64_t jobs = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);

	for (int i = 1; argv[i]; i++) {
		if (number(argv, &i, "--seed", &o->from) ||
		    number(argv, &i, "--seeds", &o->nr) ||
		    number(argv, &i, "--jobs", &jobs) ||
		    number(argv, &i, "--twice", &o->twice))
			continue;
		if (number(argv, &i, "--faults", &o->mask))
			o->has_mask = true;
		else if (!strcmp(argv[i], "--large"))
			o->large = true;
		else if (!strcmp(argv[i], "--trace"))
			o->trace = true;
		else if (!strcmp(argv[i], "--keep-going"))
			o->keep_going = true;
		else if (!strcmp(argv[i], "--brief"))
			o->explain = false;
		else
			return false;
	}
	o->jobs = jobs < 1 ? 1 : jobs > JOBS_MAX ? JOBS_MAX : (int)jobs;
	return true;
}

int main(int argc, char **argv)
{
	struct options o = { .from = 1, .nr = 1, .explain = true };
	struct sums sums = { 0 };
	double begin = seconds();

	(void)argc;
	if (!parse(argv, &o))
		return usage();
	results = mmap(NULL, (JOBS_MAX + 1) * sizeof(*results),
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		       0);
	assert(results != MAP_FAILED);
	if (o.trace)
		o.explain = false;
	run_all(&o, &sums);
	tell(&sums, seconds() - begin);
	return sums.nr_failed ? 1 : 0;
}
