// SPDX-License-Identifier: GPL-2.0
/*
 * Crash points, what may be left after each, and the boot on it. Must never
 * know what the scenario is about.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "explore.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX	2	/* a crash in the boot after a crash */
#define UNITS_MAX	4096
#define SEEN_SLOTS	(1u << 21)
#define ALL_SUBSETS	8	/* units */
#define ALL_SUBSETS_DEEP 4	/* the same, of a crash in a boot */
#define RANDOM_SUBSETS	48
#define RANDOM_DEEP	6
#define EACH_ALONE_DEEP	3

static struct {
	const struct run *run;
	struct findings findings;
	struct expect *expect;	/* of the process that runs */
	unsigned int depth;
	bool is_quiet;
	bool is_torn;		/* the disk that is booted, until it is served */
	uint64_t random;
	/* At the last point, by depth: nothing new, nothing to do. */
	const struct disk *last_disk[DEPTH_MAX + 1];
	uint64_t last_change[DEPTH_MAX + 1];
	const char *fault;	/* that came before */
	char where[2][256];	/* by depth: the image that is booted */
	uint64_t *seen;
	size_t nr_seen;
} e;

/* --- what has been seen ------------------------------------------------------- */

static bool see(uint64_t key)
{
	size_t slot = key % SEEN_SLOTS;

	key |= 1;
	for (; e.seen[slot]; slot = (slot + 1) % SEEN_SLOTS)
		if (e.seen[slot] == key)
			return false;
	assert(++e.nr_seen < SEEN_SLOTS / 2);
	e.seen[slot] = key;
	return true;
}

/* What was looked at from here need not be from a boot. */
static bool is_new(uint64_t key)
{
	for (unsigned int depth = 0; depth < e.depth; depth++) {
		size_t slot = hash_mix(key, depth) % SEEN_SLOTS;

		for (; e.seen[slot]; slot = (slot + 1) % SEEN_SLOTS)
			if (e.seen[slot] == (hash_mix(key, depth) | 1))
				return false;
	}
	return see(hash_mix(key, e.depth));
}

static uint64_t draw(void)
{
	e.random++;
	return hash_mix(e.random, 0x5eed);
}

static void fail_with(const char *what)
{
	if (e.findings.failure[0])
		return;
	snprintf(e.findings.failure, sizeof(e.findings.failure),
		 "%s: point %lu: %s%s%s: %s", e.run->name, e.findings.nr_points,
		 e.where[0], e.depth > 1 ? "; then" : "",
		 e.depth > 1 ? e.where[1] : "", what);
}

/* --- the boot after a crash ----------------------------------------------------- */

static void judge_refusal(struct keeper *k, int code)
{
	char why[700];

	snprintf(why, sizeof(why), "the boot is refused: %d, %s", code,
		 k->err.text);
	fail_with(why);
}

/* A new life of a deleted volume is above all the lives before. */
static int live_again(struct keeper *k, int volume)
{
	int vol = keeper_find(k, volume);
	uint64_t floor = publisher_floor_epoch(k->publisher, (uint32_t)vol);
	int ret = keeper_create(k, volume);

	if (ret == 0)
		ret = keeper_mint(k);
	if (ret == 0)
		ret = keeper_ask(k, volume, ASK_BIND, 0);
	if (ret == 0)
		ret = keeper_mint(k);
	if (ret == 0 &&
	    publisher_line(k->publisher, (uint32_t)vol)->lineage.epoch <= floor)
		fail_with("a new life began at an epoch of an earlier one");
	return ret;
}

/* A further mint of the first volume that can have one, whatever it is. */
static int go_on(struct keeper *k)
{
	int ret = keeper_raise(k);

	for (int i = 1; ret == 0 && i <= KEEPER_VOLUMES; i++) {
		int vol = keeper_find(k, i);

		if (vol < 0)
			continue;
		if (!publisher_exists(k->publisher, (uint32_t)vol) &&
		    !k->registry.volumes[vol].corrupt)
			return live_again(k, i);
		if (keeper_ask(k, i, ASK_REASSIGN, 2) == 0)
			return keeper_mint(k);
	}
	return ret;
}

/* What was acknowledged after the boot outlives a power loss, too. */
static void live_on(struct keeper *k)
{
	struct disk *disk = machine.running->disk, *image;
	struct process *before = machine.running, process;
	struct expect expect;
	struct keeper next;
	struct unit units[UNITS_MAX];
	uint16_t fates[UNITS_MAX] = { 0 };
	char why[700];
	int ret = go_on(k);

	if (ret) {
		snprintf(why, sizeof(why), "no mint after the boot: %d", ret);
		fail_with(why);
		return;
	}
	image = disk_after_power_loss(disk, units,
				      disk_units(disk, units, UNITS_MAX),
				      fates);
	expect = *k->expect;
	process_start(&process, image);
	machine.running = &process;
	ret = keeper_boot(&next, &expect);
	if (ret) {
		snprintf(why, sizeof(why), "not booted a second time: %d, %s",
			 ret, next.err.text);
		fail_with(why);
	} else if (!keeper_judge(&next, why, sizeof(why))) {
		fail_with(why);
	}
	keeper_shut(&next);
	machine.running = before;
	disk_free(image);
}

static void judge_boot(struct keeper *k)
{
	char why[700];
	bool was_quiet = e.is_quiet;

	if (!keeper_judge(k, why, sizeof(why))) {
		fail_with(why);
		return;
	}
	/* Its state is served now: a crash here must give the same. */
	e.is_torn = false;
	if (machine.at_point)
		machine.at_point();
	e.is_quiet = true;
	if (e.depth == 1 && !e.findings.failure[0])
		live_on(k);
	e.is_quiet = was_quiet;
}

static void boot(struct disk *image, bool torn)
{
	struct process *before = machine.running, process;
	struct expect *expect_before = e.expect, expect = *e.expect;
	bool was_torn = e.is_torn;
	struct keeper k;
	int ret;

	process_start(&process, image);
	machine.running = &process;
	e.expect = &expect;
	e.is_torn = torn;
	e.depth++;
	e.last_disk[e.depth] = NULL;
	ret = keeper_boot(&k, &expect);
	if (ret)
		judge_refusal(&k, ret);
	else
		judge_boot(&k);
	e.is_quiet = true;
	keeper_shut(&k);
	e.is_quiet = false;
	e.depth--;
	e.is_torn = was_torn;
	e.expect = expect_before;
	machine.running = before;
}

/* Takes the image. */
static void try_image(struct disk *image, bool torn, const char *what)
{
	uint64_t key = disk_hash(image, true);

	torn |= e.is_torn;
	snprintf(e.where[e.depth], sizeof(e.where[0]), " %s", what);
	key = hash_mix(hash_mix(key, expect_hash(e.expect)), torn);
	if (is_new(key)) {
		e.findings.nr_images++;
		e.findings.nr_torn += torn;
		boot(image, torn);
	} else {
		e.findings.nr_same++;
	}
	disk_free(image);
}

/* --- the power fails -------------------------------------------------------------- */

struct loss {
	const struct disk *disk;
	size_t nr;
	struct unit units[UNITS_MAX];
	uint16_t fates[UNITS_MAX];
};

static void describe(const struct loss *loss, char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size,
				       "power loss of %zu units:", loss->nr);

	for (size_t i = 0; i < loss->nr && used + 24 < size; i++) {
		static const char kinds[] = "bsn";	/* bytes size name */
		uint16_t fate = loss->fates[i];

		used += (size_t)snprintf(text + used, size - used, " %c%u",
					 kinds[loss->units[i].kind],
					 loss->units[i].at);
		used += (size_t)snprintf(text + used, size - used,
					 fate >= FATE_TORN ? "t%d" : "%c",
					 fate >= FATE_TORN ? fate - FATE_TORN :
							     "-+~"[fate]);
	}
}

static void lose(struct loss *loss)
{
	char text[256];
	bool torn = false;

	if (e.findings.failure[0])
		return;
	for (size_t i = 0; i < loss->nr; i++)
		torn |= loss->fates[i] >= FATE_TORN;
	describe(loss, text, sizeof(text));
	try_image(disk_after_power_loss(loss->disk, loss->units, loss->nr,
					loss->fates),
		  torn, text);
}

static void fill(struct loss *loss, uint16_t fate)
{
	for (size_t i = 0; i < loss->nr; i++)
		loss->fates[i] = fate;
}

static uint16_t draw_tear(void)
{
	/* Between words, as the store takes a sector to break. */
	static const uint16_t lens[] = { 4,   8,   40,	64,  124, 128,
					 132, 136, 256, 500, 504, 508 };

	return FATE_TORN + lens[draw() % (sizeof(lens) / sizeof(lens[0]))];
}

/* Another fate than lost and kept, if the unit can have one. */
static bool spoil(struct loss *loss, size_t i)
{
	const struct unit *unit = &loss->units[i];

	if (unit->kind == UNIT_CHANGE)
		return false;
	if (unit->kind == UNIT_SIZE || (unit->has_between && draw() & 1))
		loss->fates[i] = FATE_BETWEEN;
	else
		loss->fates[i] = draw_tear();
	return true;
}

/* All others lost, kept, or either. */
static void spoil_each(struct loss *loss, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		for (int others = 0; others < 3; others++) {
			fill(loss, others == 0 ? FATE_LOST : FATE_KEPT);
			for (size_t j = 0; others == 2 && j < loss->nr; j++)
				loss->fates[j] = draw() & 1;
			if (spoil(loss, i))
				lose(loss);
		}
	}
}

static void lose_all_subsets(struct loss *loss)
{
	for (unsigned int mask = 0; mask < 1u << loss->nr; mask++) {
		for (size_t i = 0; i < loss->nr; i++)
			loss->fates[i] = mask >> i & 1;
		lose(loss);
	}
}

static void lose_each_alone(struct loss *loss, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		fill(loss, FATE_KEPT);
		loss->fates[i] = FATE_LOST;
		lose(loss);
		fill(loss, FATE_LOST);
		loss->fates[i] = FATE_KEPT;
		lose(loss);
		fill(loss, FATE_LOST);
		for (size_t j = 0; j < i; j++)
			loss->fates[j] = FATE_KEPT;
		lose(loss);
	}
}

static void lose_at_random(struct loss *loss, unsigned int times)
{
	while (times--) {
		for (size_t i = 0; i < loss->nr; i++) {
			loss->fates[i] = draw() & 1;
			if (draw() % 8 == 0)
				spoil(loss, i);
		}
		e.findings.nr_random++;
		lose(loss);
	}
}

static void power_fails(void)
{
	static struct loss losses[DEPTH_MAX];
	struct loss *loss = &losses[e.depth];
	bool deep = e.depth > 0;
	size_t each;

	loss->disk = machine.running->disk;
	loss->nr = disk_units(loss->disk, loss->units, UNITS_MAX);
	each = deep && loss->nr > EACH_ALONE_DEEP ? EACH_ALONE_DEEP : loss->nr;
	if (loss->nr <= (deep ? ALL_SUBSETS_DEEP : ALL_SUBSETS)) {
		lose_all_subsets(loss);
	} else {
		fill(loss, FATE_LOST);
		lose(loss);
		fill(loss, FATE_KEPT);
		lose(loss);
		lose_each_alone(loss, each);
		lose_at_random(loss, deep ? RANDOM_DEEP : RANDOM_SUBSETS);
	}
	spoil_each(loss, each);
}

static void at_point(void)
{
	struct disk *disk = machine.running->disk;
	uint64_t change = disk->nr_changed + e.expect->nr_changed;

	if (e.is_quiet || e.depth >= DEPTH_MAX || e.findings.failure[0])
		return;
	if (e.depth == 0)
		e.findings.nr_points++;
	else
		e.findings.nr_boot_points++;
	if (e.last_disk[e.depth] == disk && e.last_change[e.depth] == change)
		return;
	e.last_disk[e.depth] = disk;
	e.last_change[e.depth] = change;
	if (!is_new(hash_mix(hash_mix(disk_hash(disk, true),
				      expect_hash(e.expect)),
			     2 + e.is_torn)))
		return;
	e.findings.nr_states++;
	try_image(disk_clone(disk), false, "killed");
	power_fails();
}

/* --- a run ---------------------------------------------------------------------- */

static void start(const struct run *run)
{
	uint64_t *seen = e.seen;

	memset(&e, 0, sizeof(e));
	e.seen = seen ? seen : malloc(SEEN_SLOTS * sizeof(*e.seen));
	assert(e.seen);
	memset(e.seen, 0, SEEN_SLOTS * sizeof(*e.seen));
	e.run = run;
	e.fault = "";
	memset(&machine, 0, sizeof(machine));
	machine.lies = run->lies;
}

static struct disk *start_disk(const struct run *run, struct expect *expect)
{
	struct disk *disk;

	memset(expect, 0, sizeof(*expect));
	disk = run->disk ? run->disk(expect) : disk_new();
	return disk;
}

static void expect_nothing_open(const struct process *process)
{
	if (process_nr_open(process))
		fail_with("a descriptor is left open");
}

/* What failed once fails for good. */
static void expect_closed(struct keeper *k)
{
	char why[128];
	int ret = keeper_raise(k);

	if (ret == -EROFS) {
		e.findings.nr_closed++;
		return;
	}
	snprintf(why, sizeof(why), "after %s the store answers %d",
		 fault_name(machine.fault), ret);
	fail_with(why);
}

static int live(const struct run *run, struct expect *expect)
{
	struct keeper k;
	char why[512];
	int ret;

	if (run->tool)
		return run->tool(expect);
	ret = keeper_boot(&k, expect);
	if (ret == 0) {
		if (keeper_judge(&k, why, sizeof(why)))
			run->steps(&k);
		else
			fail_with(why);
		ret = k.error;
		if (ret)
			expect_closed(&k);
	} else if (machine.fault == FAULT_NONE) {
		fail_with(k.err.text);
	}
	keeper_shut(&k);
	return ret;
}

struct findings explore(const struct run *run)
{
	struct process process;
	struct expect expect;
	struct disk *disk;
	int ret;

	start(run);
	disk = start_disk(run, &expect);
	process_start(&process, disk);
	process.order = run->order;
	machine.running = &process;
	e.expect = &expect;
	machine.at_point = at_point;
	ret = live(run, &expect);
	if (ret)
		fail_with("a step of the scenario has failed");
	at_point();
	machine.at_point = NULL;
	expect_nothing_open(&process);
	disk_free(disk);
	return e.findings;
}

/* False: the scenario has no such call any more. */
static bool run_with_fault(const struct run *run, const struct disk *base,
			   struct expect expect)
{
	struct disk *disk = disk_clone(base);
	struct process process;
	bool fired;

	process_start(&process, disk);
	process.order = run->order;
	machine.running = &process;
	machine.fault_fired = false;
	machine.nr_fitting = 0;
	machine.nr_retried_syncs = 0;
	e.expect = &expect;
	e.last_disk[0] = NULL;
	e.findings.nr_points = machine.fault_at;
	e.fault = fault_name(machine.fault);
	snprintf(e.where[0], sizeof(e.where[0]), " and no crash");
	live(run, &expect);
	expect_nothing_open(&process);
	if (machine.nr_retried_syncs)
		fail_with("a sync that failed is tried again");
	fired = machine.fault_fired;
	machine.fault = FAULT_NONE;
	machine.at_point = at_point;
	if (fired)
		at_point();
	machine.at_point = NULL;
	disk_free(disk);
	return fired;
}

struct findings explore_faults(const struct run *run)
{
	struct expect expect;
	struct disk *base;

	start(run);
	base = start_disk(run, &expect);
	for (enum fault_kind kind = FAULT_NONE + 1; kind < NR_FAULTS; kind++) {
		bool fired = true;

		for (unsigned long at = 1; fired && !e.findings.failure[0];
		     at++) {
			machine.fault = kind;
			machine.fault_at = at;
			fired = run_with_fault(run, base, expect);
			e.findings.nr_faults += fired;
		}
	}
	disk_free(base);
	return e.findings;
}

void report(const struct run *run, const struct findings *f)
{
	printf("%s: %lu points, %lu more in boots, %lu states, %lu images "
	       "booted (%lu seen before, %lu drawn, %lu torn)",
	       run->name, f->nr_points, f->nr_boot_points, f->nr_states,
	       f->nr_images, f->nr_same, f->nr_random, f->nr_torn);
	if (f->nr_faults)
		printf(", %lu faults, %lu closed the store", f->nr_faults,
		       f->nr_closed);
	printf("\n");
	fflush(stdout);
	if (f->failure[0])
		fail_msg("%s", f->failure);
}

/* --- disks -------------------------------------------------------------------------- */

static const char id_line[] = "0b0f0100000000000000000000000000\n";

struct disk *small_log(size_t nr_frames)
{
	const struct record opening = record_of_marker(nr_frames);
	const struct record_frame at = { .store = { .b = { 0xb, 0xf, 1 } },
					 .log_seq = 1,
					 .durable_through = 1,
					 .group_last = 1 };
	struct disk *disk = disk_new();
	uint32_t folder = disk_make(disk, DISK_ROOT, "store", true);
	uint32_t file = disk_make(disk, folder, "log", false);
	uint32_t id = disk_make(disk, folder, "id", false);
	uint8_t frame[RECORD_FRAME_SIZE];

	record_encode(&opening, &at, frame);
	disk_truncate(disk, file, nr_frames * RECORD_FRAME_SIZE);
	disk_write(disk, file, frame, sizeof(frame), 0);
	disk_write(disk, id, id_line, strlen(id_line), 0);
	disk_sync_all(disk);
	return disk;
}
