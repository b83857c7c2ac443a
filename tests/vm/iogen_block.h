/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The block that iogen writes: what is in it and how it is checked. For
 * iogen.c and stamped.c; it must never know why a block is written or sought.
 */
#ifndef IOGEN_BLOCK_H
#define IOGEN_BLOCK_H

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_BYTES	4096
#define NS_PER_S	1000000000ULL

static const char block_magic[8] = "IOGEN-01";

struct block {
	char		magic[8];
	uint64_t	sequence;
	uint64_t	issued_ns;	/* CLOCK_BOOTTIME of the writer */
	char		run_id[32];
	char		lineage[32];
	uint8_t		fill[BLOCK_BYTES - 8 - 16 - 64 - 8];
	uint32_t	pad;
	uint32_t	crc;		/* of all bytes before it */
};
_Static_assert(sizeof(struct block) == BLOCK_BYTES, "a block is a block");

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static uint32_t crc32c(const void *data, size_t len)
{
	const uint8_t *byte = data;
	static uint32_t table[256];
	uint32_t crc = ~0U;

	for (uint32_t i = 0; !table[255] && i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78U : c >> 1;
		table[i] = c;
	}
	while (len--)
		crc = table[(crc ^ *byte++) & 0xff] ^ crc >> 8;
	return ~crc;
}

static void block_fill(struct block *b, const char *run_id, const char *lineage,
		       uint64_t seq)
{
	memset(b, 0, sizeof(*b));
	memcpy(b->magic, block_magic, sizeof(b->magic));
	b->sequence = seq;
	b->issued_ns = now_ns();
	snprintf(b->run_id, sizeof(b->run_id), "%s", run_id);
	snprintf(b->lineage, sizeof(b->lineage), "%s", lineage);
	memset(b->fill, (int)(seq % 251) + 1, sizeof(b->fill));
	b->crc = crc32c(b, offsetof(struct block, crc));
}

static inline bool block_is_ours(const struct block *b)
{
	return !memcmp(b->magic, block_magic, sizeof(b->magic));
}

static inline bool block_is_sound(const struct block *b, uint64_t seq)
{
	return b->sequence == seq &&
	       b->crc == crc32c(b, offsetof(struct block, crc));
}

static int device_fail(const char *path)
{
	int error = -errno;

	fprintf(stderr, "iogen: %s: %s\n", path, strerror(-error));
	return error;
}

/* A block device is read past the page cache, a file through it. */
static inline int device_open(const char *path, int flags, uint64_t *ret_blocks)
{
	uint64_t bytes;
	struct stat st;
	int fd;

	if (stat(path, &st))
		return device_fail(path);
	fd = open(path,
		  flags | O_CLOEXEC | (S_ISBLK(st.st_mode) ? O_DIRECT : 0));
	if (fd < 0)
		return device_fail(path);
	bytes = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, &bytes))
		return device_fail(path);
	*ret_blocks = bytes / BLOCK_BYTES;
	return fd;
}

#endif /* IOGEN_BLOCK_H */
