// SPDX-License-Identifier: GPL-2.0
/*
 * A whole log composed of records, and written to a folder that has none. Must
 * never know what a record decides, nor change a log that exists.
 */
#include "store_image.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_state.h"

#define SLICE_BYTES	((size_t)1 << 20)	/* of one system call */

/* --- composing ------------------------------------------------------------ */

int store_image_start(struct store_image_new *new, const struct store_id *store,
		      size_t nr)
{
	size_t nr_spare = nr < STORE_SPARE_MIN ? STORE_SPARE_MIN : nr;
	struct record opening;

	new->image = (struct store_image){ .nr_frames = 1 + nr + nr_spare };
	new->at = (struct record_frame){ .store = *store,
					 .log_seq = 1,
					 .durable_through = 1 + nr,
					 .group_last = 1 + nr };
	new->image.bytes = calloc(new->image.nr_frames, RECORD_FRAME_SIZE);
	if (!new->image.bytes)
		return -ENOMEM;
	opening = record_of_marker(new->image.nr_frames);
	store_image_put(new, &opening);
	return 0;
}

static uint8_t *next_frame(struct store_image_new *new)
{
	assert(new->at.log_seq <= new->at.group_last);
	return new->image.bytes + (new->at.log_seq - 1) * RECORD_FRAME_SIZE;
}

void store_image_put(struct store_image_new *new, const struct record *record)
{
	record_encode(record, &new->at, next_frame(new));
	new->at.log_seq++;
}

void store_image_put_damaged(struct store_image_new *new,
			     const struct record *record,
			     const uint8_t frame[RECORD_FRAME_SIZE])
{
	uint8_t *to = next_frame(new);

	memcpy(to, frame, RECORD_FRAME_SIZE);
	record_keep_damaged(record, &new->at, to);
	new->at.log_seq++;
}

struct store_image store_image_end(struct store_image_new *new)
{
	/* What is counted as synced is there. */
	assert(new->at.log_seq == new->at.group_last + 1);
	return new->image;
}

/* --- writing -------------------------------------------------------------- */

static int write_all(int fd, const uint8_t *from, size_t len)
{
	off_t offset = 0;

	while (len) {
		ssize_t n = pwrite(fd, from,
				   len < SLICE_BYTES ? len : SLICE_BYTES,
				   offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		from += n;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

static int fill_new(int dir_fd, const struct store_image *image)
{
	int fd = openat(dir_fd, STORE_LOG_NEW_NAME,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write_all(fd, image->bytes, image->nr_frames * RECORD_FRAME_SIZE);
	if (ret == 0 && fsync(fd))
		ret = -errno;
	if (close(fd) && ret == 0)
		ret = -errno;
	return ret;
}

/* As a compaction does it: whole before it has its name, and the name is
 * durable when the folder is. */
static int make_log(int dir_fd, const struct store_image *image)
{
	int ret = fill_new(dir_fd, image);

	if (ret == 0 &&
	    renameat(dir_fd, STORE_LOG_NEW_NAME, dir_fd, STORE_LOG_NAME))
		ret = -errno;
	if (ret)
		unlinkat(dir_fd, STORE_LOG_NEW_NAME, 0);
	else if (fsync(dir_fd))
		ret = -errno;
	return ret;
}

static bool has_log(int dir_fd)
{
	return faccessat(dir_fd, STORE_LOG_NAME, F_OK, AT_SYMLINK_NOFOLLOW) ==
		       0 ||
	       errno != ENOENT;
}

static int refuse_log(const char *dir, struct err *err)
{
	return err_set(err, -EEXIST, "%s has a log, which is not replaced",
		       dir);
}

/* Before its lock is touched: a folder with a log stays as it is. */
static int refuse_existing(const char *dir, struct err *err)
{
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool has;

	if (dir_fd < 0)
		return 0;	/* store_lock() makes it, or says why not */
	has = has_log(dir_fd);
	close(dir_fd);
	return has ? refuse_log(dir, err) : 0;
}

/* That store's log was lost: it may be put back, and no other one. */
static int refuse_other_id(int dir_fd, const char *dir,
			   const struct store_id *store, struct err *err)
{
	struct store_id named;
	char text[STORE_ID_TEXT_SIZE];
	int ret = store_id_read(dir_fd, &named);

	if (ret == -ENOENT || (ret == 0 && store_id_equal(&named, store)))
		return 0;
	if (ret)
		return err_set(err, ret, "%s/%s: not read: %s", dir,
			       STORE_ID_NAME, strerror(-ret));
	store_id_print(&named, text);
	return err_set(err, -EEXIST, "%s is the folder of another store, %s",
		       dir, text);
}

static int make_store(int dir_fd, const char *dir,
		      const struct store_image *image, struct err *err)
{
	struct record opening;
	struct record_frame at;
	int ret;

	if (has_log(dir_fd))
		return refuse_log(dir, err);
	if (record_decode(image->bytes, &opening, &at) != RECORD_OK)
		return err_set(err, -EBADMSG,
			       "no log is made without its opening frame");
	ret = refuse_other_id(dir_fd, dir, &at.store, err);
	if (ret)
		return ret;
	ret = make_log(dir_fd, image);
	if (ret == 0)
		ret = store_id_write(dir_fd, &at.store);
	return ret ? err_set(err, ret, "%s/%s: not written: %s", dir,
			     STORE_LOG_NAME, strerror(-ret)) :
		     0;
}

int store_image_write(const char *dir, const struct store_image *image,
		      struct err *err)
{
	struct store owner = { .dir_fd = -1, .lock_fd = -1, .log_fd = -1 };
	int ret = refuse_existing(dir, err);

	if (ret)
		return ret;
	ret = store_lock(&owner, dir, err);
	if (ret == 0)
		ret = make_store(owner.dir_fd, dir, image, err);
	if (owner.lock_fd >= 0)
		close(owner.lock_fd);
	if (owner.dir_fd >= 0)
		close(owner.dir_fd);
	return ret;
}
