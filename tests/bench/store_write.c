// SPDX-License-Identifier: GPL-2.0
/*
 * The floor of every durable store: one pwrite() and one fdatasync() into
 * space that was zeroed and synced before. Must never know what it writes.
 */
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRAMES_MAX	65536

struct file {
	int fd;
	size_t next;			/* frame */
	uint8_t frames[ENGINE_BATCH * ENGINE_FRAME];
};

static int write_whole(struct file *f, size_t nr, size_t at)
{
	size_t len = nr * ENGINE_FRAME;
	ssize_t n = pwrite(f->fd, f->frames, len, (off_t)(at * ENGINE_FRAME));

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static int zero(struct file *f)
{
	int ret = 0;

	for (size_t at = 0; ret == 0 && at < FRAMES_MAX; at += 512)
		ret = write_whole(f, 512, at);
	if (ret == 0 && fsync(f->fd))
		ret = -errno;
	return ret;
}

static int mint(void *store, const uint32_t *volumes, size_t nr)
{
	struct file *f = store;
	int ret;

	if (nr > ENGINE_BATCH)
		return -EINVAL;
	if (f->next + nr > FRAMES_MAX)
		f->next = 0;
	memset(f->frames, (int)(volumes[0] | 1), nr * ENGINE_FRAME);
	ret = write_whole(f, nr, f->next);
	if (ret)
		return ret;
	f->next += nr;
	return fdatasync(f->fd) ? -errno : 0;
}

static void close_it(void *store)
{
	struct file *f = store;

	close(f->fd);
	free(f);
}

static int open_it(const char *place, uint32_t nr_volumes, void **ret,
		   size_t *ret_found)
{
	struct file *f = calloc(1, sizeof(*f));
	int dir_fd, code;

	(void)nr_volumes;
	if (!f)
		return -ENOMEM;
	f->fd = -1;
	code = mkdir(place, 0700) && errno != EEXIST ? -errno : 0;
	dir_fd = open(place, O_DIRECTORY | O_CLOEXEC);
	if (code == 0 && dir_fd >= 0)
		f->fd = openat(dir_fd, "frames", O_RDWR | O_CREAT | O_CLOEXEC,
			       0600);
	if (code == 0 && f->fd < 0)
		code = -errno;
	if (dir_fd >= 0)
		close(dir_fd);
	if (code == 0)
		code = zero(f);
	if (code) {
		close_it(f);
		return code;
	}
	*ret_found = 0;
	*ret = f;
	return 0;
}

const struct engine engine = {
	.open = open_it,
	.mint = mint,
	.close = close_it,
};
