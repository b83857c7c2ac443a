/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel that the code under test runs on: its system calls, its file
 * descriptors and locks, its loop, over the disk of disk.h. The linker sends
 * the calls here (--wrap), so that the code under test is as it ships. Must
 * never know what the files mean.
 */
#ifndef BFENCE_CRASH_MACHINE_H
#define BFENCE_CRASH_MACHINE_H

#include "disk.h"

#define FILES_MAX	32	/* open in one process */
#define FD_FIRST	1000	/* none of the real ones */

struct open_file {
	uint32_t inode;		/* 0: not open */
	bool locked;
};

/* What dies in a crash, but for the disk. */
struct process {
	struct disk *disk;	/* borrowed */
	struct open_file files[FILES_MAX];
	uint64_t now_ms;
	uint32_t sync_failed;	/* bit: a sync of that inode has failed */
	uint64_t order;		/* seeds the order of what the loop does; 0:
				 * in turn */
	bool is_slow;		/* who reads meanwhile sees half of a write */
	bool is_watched;	/* others run while it reads or waits */
};

enum fault_kind {
	FAULT_NONE,
	FAULT_WRITE_EIO,
	FAULT_WRITE_FULL,	/* half of it, then -ENOSPC for ever */
	FAULT_WRITE_SHORT,
	FAULT_WRITE_INTERRUPTED,
	FAULT_SYNC_LOST,	/* -EIO; nothing has reached the disk */
	FAULT_SYNC_PART,	/* -EIO; a part of it has */
	FAULT_OPEN,
	FAULT_RENAME,
	FAULT_UNLINK,
	FAULT_TRUNCATE,
	FAULT_MKDIR,
	FAULT_READ_EIO,
	FAULT_READ_SHORT,
	FAULT_READ_INTERRUPTED,
	FAULT_LOCK,
	FAULT_STAT,
	NR_FAULTS,
};

/* A kernel or a disk that does not do what it says; to show that the ring
 * notices. */
struct lies {
	bool fdatasync;		/* the system call does nothing */
	bool sync_new;		/* of a log without its name does nothing */
	bool fsync_folder;
	bool ring_sync;		/* nothing that the ring does is synced */
	bool ring_early;	/* it answers first and works later */
	bool links;		/* linked ops are started at once, last first */
	bool write;		/* it answers and is lost */
};

struct machine {
	struct process *running;
	/* Called before each call and amid a write: the power may fail. */
	void (*at_point)(void);
	/* Called while a watched process reads or waits. */
	void (*meanwhile)(void);
	enum fault_kind fault;
	unsigned long fault_at;		/* the so-many-th that it fits, from 1 */
	unsigned long nr_fitting;
	bool fault_fired;
	unsigned long nr_retried_syncs;
	struct lies lies;
};

extern struct machine machine;

void process_start(struct process *process, struct disk *disk);
unsigned int process_nr_open(const struct process *process);
const char *fault_name(enum fault_kind kind);

/* The calls, as the loop makes them: a result or a negative errno. */
int machine_open(int folder_fd, const char *path, int flags);
int machine_close(int fd);
int machine_write(int fd, const void *from, size_t len, uint64_t offset);
int machine_sync(int fd, bool data_only);
/* What a write with RWF_DSYNC does once its bytes are in the cache. */
int machine_sync_range(int fd, size_t len, uint64_t offset);
int machine_rename(int from_fd, const char *from, int to_fd, const char *to);
int machine_unlink(int folder_fd, const char *name);
int machine_allocate(int fd, uint64_t offset, uint64_t len);

/* --- ring.c ----------------------------------------------------------------- */

struct loop;

/* One thing that the loop has to do; false: it has none but timers. */
bool ring_step(struct loop *loop);

#endif
