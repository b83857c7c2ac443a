// SPDX-License-Identifier: GPL-2.0
/*
 * The system calls of the store's files, waiting: whole reads and writes, 0
 * or a negative errno. Must never know what the bytes are.
 */
#include "store_state.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int store_file_read(int fd, void *to, size_t len, uint64_t offset)
{
	uint8_t *at = to;

	while (len) {
		ssize_t n = pread(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		at += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int store_file_write(int fd, const void *from, size_t len, uint64_t offset)
{
	const uint8_t *at = from;

	while (len) {
		ssize_t n = pwrite(fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		at += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int store_file_sync(int fd)
{
	return fsync(fd) ? -errno : 0;
}

int store_file_sync_data(int fd)
{
	return fdatasync(fd) ? -errno : 0;
}

void store_file_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int store_file_remove(int dir_fd, const char *name)
{
	if (unlinkat(dir_fd, name, 0) && errno != ENOENT)
		return -errno;
	return 0;
}
