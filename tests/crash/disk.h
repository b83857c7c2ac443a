/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk under a page cache, in memory: folders, files of 512-byte sectors,
 * and of each what is durable and what is not yet. Must never know what the
 * bytes mean, nor which process asks.
 *
 * As bad as a journaling file system may be: what was not synced is lost,
 * kept or torn, each sector for itself; a file's length likewise; a change of
 * a folder waits for the fsync() of that folder, and a new name may be durable
 * before the bytes of its file.
 */
#ifndef BFENCE_CRASH_DISK_H
#define BFENCE_CRASH_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECTOR_SIZE	512
#define DISK_ROOT	1	/* inode of "/" */
#define DISK_INODES	24
#define DISK_NAMES	8	/* of one folder */
#define DISK_CHANGES	16	/* of one folder, not yet durable */
#define DISK_NAME_SIZE	16

/* The bytes of a sector, kept once for ever; 0: zeros. */
typedef uint32_t sector_bytes;

struct sector {
	sector_bytes now;	/* what a reader sees */
	sector_bytes durable;
	sector_bytes between;	/* written since the last sync, and again */
	bool dirty;		/* a sync will write it */
	bool has_between;
};

struct disk_name {
	char name[DISK_NAME_SIZE];
	uint32_t inode;
};

struct disk_names {
	unsigned int nr;
	struct disk_name at[DISK_NAMES];
};

enum change_kind {
	CHANGE_LINK,
	CHANGE_UNLINK,
	CHANGE_RENAME,
};

struct change {
	enum change_kind kind;
	char name[DISK_NAME_SIZE];
	char to[DISK_NAME_SIZE];	/* RENAME */
	uint32_t inode;
};

struct inode {
	bool used;
	bool is_folder;
	uint32_t parent;		/* of a folder */
	/* A file. */
	uint64_t size;
	uint64_t size_durable;
	size_t nr_sectors;
	struct sector *sectors;
	/* A folder. */
	struct disk_names names;
	struct disk_names names_durable;
	unsigned int nr_changes;
	struct change changes[DISK_CHANGES];
};

struct disk {
	struct inode inodes[DISK_INODES];
	uint64_t nr_changed;	/* counts every change of anything */
};

struct disk *disk_new(void);
struct disk *disk_clone(const struct disk *disk);
void disk_free(struct disk *disk);

/* Inode of the name, or 0. */
uint32_t disk_find(const struct disk *disk, uint32_t folder, const char *name);
/* Inode of the new file or folder. */
uint32_t disk_make(struct disk *disk, uint32_t folder, const char *name,
		   bool is_folder);
bool disk_remove(struct disk *disk, uint32_t folder, const char *name);
bool disk_rename(struct disk *disk, uint32_t folder, const char *from,
		 const char *to);

size_t disk_read(const struct disk *disk, uint32_t file, void *to, size_t len,
		 uint64_t offset);
void disk_write(struct disk *disk, uint32_t file, const void *from, size_t len,
		uint64_t offset);
void disk_truncate(struct disk *disk, uint32_t file, uint64_t size);
/* A file or a folder. */
void disk_sync(struct disk *disk, uint32_t inode);
void disk_sync_all(struct disk *disk);
/* Of a file, and what of it is needed to read those bytes again. */
void disk_sync_range(struct disk *disk, uint32_t file, size_t len,
		     uint64_t offset);
/* As Linux does when a write-back fails: what was dirty counts as clean and
 * is not on the disk, but for a part of it that the seed decides. */
void disk_sync_fails(struct disk *disk, uint32_t file, uint64_t seed);

/* --- power loss ------------------------------------------------------------ */

enum unit_kind {
	UNIT_SECTOR,
	UNIT_SIZE,
	UNIT_CHANGE,
};

/* One thing that a power loss may take or leave. */
struct unit {
	enum unit_kind kind;
	uint32_t inode;
	uint32_t at;
	bool has_between;
};

/* What comes of a unit. Above: torn, that many bytes of the new are there. */
enum fate {
	FATE_LOST,
	FATE_KEPT,
	FATE_BETWEEN,
	FATE_TORN,
};

size_t disk_units(const struct disk *disk, struct unit *ret, size_t max);
struct disk *disk_after_power_loss(const struct disk *disk,
				   const struct unit *units, size_t nr,
				   const uint16_t *fates);

/* Of what a power loss now would leave alone (durable), or of everything. The
 * bytes of files named "lock" are left out: nothing may depend on them. */
uint64_t disk_hash(const struct disk *disk, bool with_cache);

uint64_t hash_mix(uint64_t hash, uint64_t value);
uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len);

#endif
