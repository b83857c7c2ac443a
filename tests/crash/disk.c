// SPDX-License-Identifier: GPL-2.0
/*
 * The disk and its page cache. Must never know what the bytes mean, nor which
 * process asks.
 */
#include "disk.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- hashing --------------------------------------------------------------- */

uint64_t hash_mix(uint64_t hash, uint64_t value)
{
	hash ^= value + 0x9e3779b97f4a7c15 + (hash << 6) + (hash >> 2);
	hash ^= hash >> 32;
	hash *= 0xd6e8feb86659fd93;
	hash ^= hash >> 32;
	return hash;
}

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint64_t word;

	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = hash_mix(hash, word);
	}
	word = 0;
	memcpy(&word, at, len);
	return hash_mix(hash, word ^ (uint64_t)len << 56);
}

/* --- the bytes of sectors, each kept once ------------------------------------ */

#define POOL_MAX	(1u << 18)
#define POOL_SLOTS	(1u << 19)

static uint8_t (*pool)[SECTOR_SIZE];
static uint32_t *pool_slots;
static uint32_t pool_nr = 1;		/* 0 is the sector of zeros */

static const uint8_t *bytes_of(sector_bytes id)
{
	static const uint8_t zeros[SECTOR_SIZE];

	return id ? pool[id] : zeros;
}

static bool is_zero(const uint8_t *bytes)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, SECTOR_SIZE - 1) == 0;
}

static sector_bytes keep_bytes(const uint8_t bytes[SECTOR_SIZE])
{
	uint32_t slot;

	if (is_zero(bytes))
		return 0;
	if (!pool) {
		pool = calloc(POOL_MAX, SECTOR_SIZE);
		pool_slots = calloc(POOL_SLOTS, sizeof(*pool_slots));
		assert(pool);
		assert(pool_slots);
	}
	slot = (uint32_t)hash_bytes(1, bytes, SECTOR_SIZE) % POOL_SLOTS;
	while (pool_slots[slot]) {
		if (memcmp(pool[pool_slots[slot]], bytes, SECTOR_SIZE) == 0)
			return pool_slots[slot];
		slot = (slot + 1) % POOL_SLOTS;
	}
	assert(pool_nr < POOL_MAX);
	memcpy(pool[pool_nr], bytes, SECTOR_SIZE);
	pool_slots[slot] = pool_nr;
	return pool_nr++;
}

static sector_bytes tear(sector_bytes old, sector_bytes new, size_t len)
{
	uint8_t bytes[SECTOR_SIZE];

	memcpy(bytes, bytes_of(old), SECTOR_SIZE);
	memcpy(bytes, bytes_of(new), len);
	return keep_bytes(bytes);
}

/* --- life ------------------------------------------------------------------- */

struct disk *disk_new(void)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	assert(disk);
	disk->inodes[DISK_ROOT] = (struct inode){ .used = true,
						  .is_folder = true,
						  .parent = DISK_ROOT };
	return disk;
}

struct disk *disk_clone(const struct disk *disk)
{
	struct disk *clone = malloc(sizeof(*clone));

	assert(clone);
	*clone = *disk;
	for (size_t i = 0; i < DISK_INODES; i++) {
		struct inode *inode = &clone->inodes[i];
		size_t len = inode->nr_sectors * sizeof(*inode->sectors);

		if (!inode->sectors)
			continue;
		inode->sectors = malloc(len);
		assert(inode->sectors);
		memcpy(inode->sectors, disk->inodes[i].sectors, len);
	}
	return clone;
}

void disk_free(struct disk *disk)
{
	if (!disk)
		return;
	for (size_t i = 0; i < DISK_INODES; i++)
		free(disk->inodes[i].sectors);
	free(disk);
}

/* --- folders ---------------------------------------------------------------- */

static struct disk_name *find_name(struct disk_names *names, const char *name)
{
	for (unsigned int i = 0; i < names->nr; i++)
		if (strcmp(names->at[i].name, name) == 0)
			return &names->at[i];
	return NULL;
}

static void put_name(struct disk_names *names, const char *name, uint32_t inode)
{
	struct disk_name *at = find_name(names, name);

	if (!at) {
		assert(names->nr < DISK_NAMES);
		at = &names->at[names->nr++];
		snprintf(at->name, sizeof(at->name), "%s", name);
	}
	at->inode = inode;
}

static void drop_name(struct disk_names *names, const char *name)
{
	struct disk_name *at = find_name(names, name);

	if (at)
		*at = names->at[--names->nr];
}

static void apply_change(struct disk_names *names, const struct change *c)
{
	const struct disk_name *from;

	switch (c->kind) {
	case CHANGE_LINK:
		put_name(names, c->name, c->inode);
		return;
	case CHANGE_UNLINK:
		drop_name(names, c->name);
		return;
	case CHANGE_RENAME:
		from = find_name(names, c->name);
		if (from && from->inode == c->inode)
			drop_name(names, c->name);
		put_name(names, c->to, c->inode);
		return;
	}
}

static void change_folder(struct disk *disk, uint32_t folder,
			  const struct change *c)
{
	struct inode *inode = &disk->inodes[folder];

	assert(inode->is_folder);
	assert(inode->nr_changes < DISK_CHANGES);
	apply_change(&inode->names, c);
	inode->changes[inode->nr_changes++] = *c;
	disk->nr_changed++;
}

uint32_t disk_find(const struct disk *disk, uint32_t folder, const char *name)
{
	struct disk_names names = disk->inodes[folder].names;
	const struct disk_name *at;

	if (strcmp(name, "..") == 0)
		return disk->inodes[folder].parent;
	at = find_name(&names, name);
	return at ? at->inode : 0;
}

static bool names_inode(const struct disk *disk, uint32_t at)
{
	for (size_t i = 1; i < DISK_INODES; i++) {
		const struct inode *folder = &disk->inodes[i];

		if (!folder->used || !folder->is_folder)
			continue;
		for (unsigned int n = 0; n < folder->names.nr; n++)
			if (folder->names.at[n].inode == at)
				return true;
		for (unsigned int n = 0; n < folder->names_durable.nr; n++)
			if (folder->names_durable.at[n].inode == at)
				return true;
		for (unsigned int n = 0; n < folder->nr_changes; n++)
			if (folder->changes[n].inode == at)
				return true;
	}
	return false;
}

/* What nobody can reach is given anew when nothing else is left: until then
 * an open file without a name keeps its inode to itself. */
static uint32_t free_inode(struct disk *disk)
{
	for (uint32_t i = DISK_ROOT + 1; i < DISK_INODES; i++)
		if (!disk->inodes[i].used)
			return i;
	for (uint32_t i = DISK_ROOT + 1; i < DISK_INODES; i++) {
		if (names_inode(disk, i))
			continue;
		free(disk->inodes[i].sectors);
		memset(&disk->inodes[i], 0, sizeof(disk->inodes[i]));
		return i;
	}
	assert(!"the model's disk has no inode left");
	return 0;
}

uint32_t disk_make(struct disk *disk, uint32_t folder, const char *name,
		   bool is_folder)
{
	uint32_t at = free_inode(disk);
	struct change c = { .kind = CHANGE_LINK, .inode = at };

	disk->inodes[at] = (struct inode){ .used = true,
					   .is_folder = is_folder,
					   .parent = folder };
	snprintf(c.name, sizeof(c.name), "%s", name);
	change_folder(disk, folder, &c);
	return at;
}

bool disk_remove(struct disk *disk, uint32_t folder, const char *name)
{
	struct change c = { .kind = CHANGE_UNLINK,
			    .inode = disk_find(disk, folder, name) };

	if (!c.inode)
		return false;
	snprintf(c.name, sizeof(c.name), "%s", name);
	change_folder(disk, folder, &c);
	return true;
}

bool disk_rename(struct disk *disk, uint32_t folder, const char *from,
		 const char *to)
{
	struct change c = { .kind = CHANGE_RENAME,
			    .inode = disk_find(disk, folder, from) };

	if (!c.inode)
		return false;
	snprintf(c.name, sizeof(c.name), "%s", from);
	snprintf(c.to, sizeof(c.to), "%s", to);
	change_folder(disk, folder, &c);
	return true;
}

/* --- files ------------------------------------------------------------------ */

static struct inode *file_at(struct disk *disk, uint32_t file)
{
	struct inode *inode = &disk->inodes[file];

	assert(inode->used);
	assert(!inode->is_folder);
	return inode;
}

static void need_sectors(struct inode *inode, uint64_t size)
{
	size_t nr = (size + SECTOR_SIZE - 1) / SECTOR_SIZE;

	if (nr <= inode->nr_sectors)
		return;
	inode->sectors = realloc(inode->sectors, nr * sizeof(*inode->sectors));
	assert(inode->sectors);
	memset(inode->sectors + inode->nr_sectors, 0,
	       (nr - inode->nr_sectors) * sizeof(*inode->sectors));
	inode->nr_sectors = nr;
}

static void put_sector(struct sector *s, sector_bytes bytes)
{
	if (s->dirty && s->now != bytes && s->now != s->durable) {
		s->between = s->now;
		s->has_between = true;
	}
	s->now = bytes;
	s->dirty = true;
}

size_t disk_read(const struct disk *disk, uint32_t file, void *to, size_t len,
		 uint64_t offset)
{
	const struct inode *inode = &disk->inodes[file];
	uint8_t *at = to;
	size_t left;

	if (offset >= inode->size)
		return 0;
	if (len > inode->size - offset)
		len = inode->size - offset;
	for (left = len; left;) {
		size_t from = offset % SECTOR_SIZE;
		size_t n = SECTOR_SIZE - from < left ? SECTOR_SIZE - from :
						       left;
		const struct sector *s = &inode->sectors[offset / SECTOR_SIZE];

		memcpy(at, bytes_of(s->now) + from, n);
		at += n;
		offset += n;
		left -= n;
	}
	return len;
}

void disk_write(struct disk *disk, uint32_t file, const void *from, size_t len,
		uint64_t offset)
{
	struct inode *inode = file_at(disk, file);
	const uint8_t *at = from;

	need_sectors(inode, offset + len);
	if (offset + len > inode->size)
		inode->size = offset + len;
	while (len) {
		size_t to = offset % SECTOR_SIZE;
		size_t n = SECTOR_SIZE - to < len ? SECTOR_SIZE - to : len;
		struct sector *s = &inode->sectors[offset / SECTOR_SIZE];
		uint8_t bytes[SECTOR_SIZE];

		memcpy(bytes, bytes_of(s->now), SECTOR_SIZE);
		memcpy(bytes + to, at, n);
		put_sector(s, keep_bytes(bytes));
		at += n;
		offset += n;
		len -= n;
	}
	disk->nr_changed++;
}

void disk_truncate(struct disk *disk, uint32_t file, uint64_t size)
{
	struct inode *inode = file_at(disk, file);
	size_t first = (size + SECTOR_SIZE - 1) / SECTOR_SIZE;

	need_sectors(inode, size);
	for (size_t i = first; i < inode->nr_sectors; i++)
		if (inode->sectors[i].now)
			put_sector(&inode->sectors[i], 0);
	if (size % SECTOR_SIZE && size < inode->size) {
		struct sector *s = &inode->sectors[size / SECTOR_SIZE];

		put_sector(s, tear(0, s->now, size % SECTOR_SIZE));
	}
	inode->size = size;
	disk->nr_changed++;
}

/* --- durable ---------------------------------------------------------------- */

static void sync_sectors(struct inode *inode, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		struct sector *s = &inode->sectors[i];

		if (!s->dirty)
			continue;
		s->durable = s->now;
		s->dirty = false;
		s->has_between = false;
	}
}

static void sync_file(struct inode *inode)
{
	sync_sectors(inode, 0, inode->nr_sectors);
	inode->size_durable = inode->size;
}

void disk_sync_range(struct disk *disk, uint32_t file, size_t len,
		     uint64_t offset)
{
	struct inode *inode = file_at(disk, file);

	sync_sectors(inode, offset / SECTOR_SIZE,
		     (offset + len + SECTOR_SIZE - 1) / SECTOR_SIZE);
	if (inode->size_durable < offset + len)
		inode->size_durable = offset + len;
	disk->nr_changed++;
}

void disk_sync(struct disk *disk, uint32_t at)
{
	struct inode *inode = &disk->inodes[at];

	assert(inode->used);
	disk->nr_changed++;
	if (!inode->is_folder) {
		sync_file(inode);
		return;
	}
	inode->names_durable = inode->names;
	inode->nr_changes = 0;
}

void disk_sync_all(struct disk *disk)
{
	for (uint32_t i = DISK_ROOT; i < DISK_INODES; i++)
		if (disk->inodes[i].used)
			disk_sync(disk, i);
}

void disk_sync_fails(struct disk *disk, uint32_t file, uint64_t seed)
{
	struct inode *inode = file_at(disk, file);

	for (size_t i = 0; i < inode->nr_sectors; i++) {
		struct sector *s = &inode->sectors[i];

		if (!s->dirty)
			continue;
		if (seed && hash_mix(seed, i) & 1)
			s->durable = s->now;
		s->dirty = false;
		s->has_between = false;
	}
	disk->nr_changed++;
}

/* --- power loss --------------------------------------------------------------- */

static bool sector_is_open(const struct sector *s)
{
	return s->dirty && (s->now != s->durable || s->has_between);
}

static size_t units_of(const struct disk *disk, uint32_t at, struct unit *ret,
		       size_t max)
{
	const struct inode *inode = &disk->inodes[at];
	size_t nr = 0;

	for (unsigned int i = 0; i < inode->nr_changes && nr < max; i++)
		ret[nr++] = (struct unit){ UNIT_CHANGE, at, i, false };
	if (!inode->is_folder && inode->size != inode->size_durable && nr < max)
		ret[nr++] = (struct unit){ UNIT_SIZE, at, 0, false };
	for (size_t i = 0; i < inode->nr_sectors && nr < max; i++) {
		const struct sector *s = &inode->sectors[i];

		if (sector_is_open(s))
			ret[nr++] = (struct unit){ UNIT_SECTOR, at, (uint32_t)i,
						   s->has_between };
	}
	assert(nr < max);
	return nr;
}

/* Nothing may depend on the bytes of a lock: they are always lost. */
static bool is_lock(const struct disk *disk, uint32_t at)
{
	for (size_t i = DISK_ROOT; i < DISK_INODES; i++) {
		const struct inode *folder = &disk->inodes[i];

		for (unsigned int n = 0; n < folder->names.nr; n++)
			if (folder->names.at[n].inode == at &&
			    strcmp(folder->names.at[n].name, "lock") == 0)
				return true;
	}
	return false;
}

size_t disk_units(const struct disk *disk, struct unit *ret, size_t max)
{
	size_t nr = 0;

	for (uint32_t i = DISK_ROOT; i < DISK_INODES; i++)
		if (disk->inodes[i].used && !is_lock(disk, i) &&
		    (i == DISK_ROOT || names_inode(disk, i)))
			nr += units_of(disk, i, ret + nr, max - nr);
	return nr;
}

static void decide_sector(struct sector *s, uint16_t fate)
{
	switch (fate) {
	case FATE_LOST:
		return;
	case FATE_KEPT:
		s->durable = s->now;
		return;
	case FATE_BETWEEN:
		s->durable = s->between;
		return;
	default:
		s->durable = tear(s->durable, s->now, fate - FATE_TORN);
		return;
	}
}

static void decide(struct disk *disk, const struct unit *unit, uint16_t fate)
{
	struct inode *inode = &disk->inodes[unit->inode];

	switch (unit->kind) {
	case UNIT_SECTOR:
		decide_sector(&inode->sectors[unit->at], fate);
		return;
	case UNIT_SIZE:
		if (fate == FATE_BETWEEN)
			inode->size_durable =
				(inode->size + inode->size_durable) / 2;
		else if (fate != FATE_LOST)
			inode->size_durable = inode->size;
		return;
	case UNIT_CHANGE:
		if (fate != FATE_LOST)
			apply_change(&inode->names_durable,
				     &inode->changes[unit->at]);
		return;
	}
}

/* After a boot the cache holds what the disk does. */
static void drop_cache(struct inode *inode)
{
	inode->names = inode->names_durable;
	inode->nr_changes = 0;
	inode->size = inode->size_durable;
	for (size_t i = 0; i < inode->nr_sectors; i++) {
		struct sector *s = &inode->sectors[i];

		if ((uint64_t)i * SECTOR_SIZE >= inode->size)
			s->durable = 0;
		s->now = s->durable;
		s->dirty = false;
		s->has_between = false;
	}
	if (!inode->is_folder)
		need_sectors(inode, inode->size);
}

struct disk *disk_after_power_loss(const struct disk *disk,
				   const struct unit *units, size_t nr,
				   const uint16_t *fates)
{
	struct disk *image = disk_clone(disk);

	for (size_t i = 0; i < nr; i++)
		decide(image, &units[i], fates[i]);
	for (size_t i = DISK_ROOT; i < DISK_INODES; i++)
		if (image->inodes[i].used)
			drop_cache(&image->inodes[i]);
	return image;
}

/* --- the same or not ------------------------------------------------------------ */

static uint64_t hash_file(const struct inode *inode, uint64_t hash,
			  bool with_cache)
{
	hash = hash_mix(hash, inode->size_durable);
	if (with_cache)
		hash = hash_mix(hash, inode->size);
	for (size_t i = 0; i < inode->nr_sectors; i++) {
		const struct sector *s = &inode->sectors[i];

		if (s->durable)
			hash = hash_mix(hash, i << 32 | s->durable);
		if (with_cache && (s->now || s->dirty))
			hash = hash_mix(hash, i << 33 | s->now | s->dirty);
		if (with_cache && s->has_between)
			hash = hash_mix(hash, s->between);
	}
	return hash;
}

static uint64_t hash_folder(const struct disk *disk, uint32_t at, uint64_t hash,
			    bool with_cache)
{
	const struct inode *inode = &disk->inodes[at];
	const struct disk_names *names = with_cache ? &inode->names :
						      &inode->names_durable;

	for (unsigned int i = 0; with_cache && i < inode->nr_changes; i++)
		hash = hash_bytes(hash, &inode->changes[i],
				  sizeof(inode->changes[i]));
	for (unsigned int i = 0; i < names->nr; i++) {
		const struct disk_name *name = &names->at[i];
		const struct inode *child = &disk->inodes[name->inode];

		hash = hash_bytes(hash, name->name, strlen(name->name));
		if (child->is_folder)
			hash = hash_folder(disk, name->inode, hash, with_cache);
		else if (strcmp(name->name, "lock") != 0)
			hash = hash_file(child, hash, with_cache);
	}
	return hash;
}

uint64_t disk_hash(const struct disk *disk, bool with_cache)
{
	return hash_folder(disk, DISK_ROOT, with_cache ? 2 : 1, with_cache);
}
