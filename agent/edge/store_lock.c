// SPDX-License-Identifier: GPL-2.0
/*
 * One owner a folder: flock for the life of the process, which the kernel
 * drops with it, so that a left-over file means nothing. Must never know
 * what the folder holds.
 */
#include "store_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME	"lock"

/* A folder that was just made is durable when its parent is. */
static int sync_parent(int dir_fd)
{
	int fd = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd))
		ret = -errno;
	close(fd);
	return ret;
}

static int open_dir(struct store *store, const char *dir, struct err *err)
{
	bool made;
	int ret;

	if (dir[0] == '\0')
		return err_set(err, -EINVAL, "the store has no folder name");
	made = mkdir(dir, 0700) == 0;
	if (!made && errno != EEXIST)
		return err_set(err, -errno, "%s: not made: %s", dir,
			       strerror(errno));
	store->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->dir_fd < 0)
		return err_set(err, -errno, "%s: not opened: %s", dir,
			       strerror(errno));
	/* Also a folder that is there already: who made it may have died
	 * before it could say so to the disk. But for one in a folder that is
	 * not ours to open: then it was made for us. */
	ret = sync_parent(store->dir_fd);
	if (ret && (made || ret != -EACCES))
		return err_set(err, ret, "%s: its parent is not synced: %s",
			       dir, strerror(-ret));
	return 0;
}

static int refuse_second_owner(const struct store *store, const char *dir,
			       struct err *err)
{
	char pid[16] = "";
	int fd = openat(store->dir_fd, LOCK_NAME, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, pid, sizeof(pid) - 1);

	if (fd >= 0)
		close(fd);
	pid[len < 0 ? 0 : len] = '\0';
	pid[strcspn(pid, "\n")] = '\0';
	if (pid[0] == '\0')
		return err_set(err, -EBUSY,
			       "%s is owned by another process, "
			       "which has not told its pid",
			       dir);
	return err_set(err, -EBUSY, "%s is owned by process %s", dir, pid);
}

static int write_pid(int fd)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	ssize_t done;

	if (ftruncate(fd, 0))
		return -errno;
	done = pwrite(fd, text, (size_t)len, 0);
	if (done < 0)
		return -errno;
	return done == len ? 0 : -EIO;
}

/* The folder first: its lock holds also where the file was removed. */
static int take_locks(struct store *store)
{
	if (flock(store->dir_fd, LOCK_EX | LOCK_NB))
		return -errno;
	store->lock_fd = openat(store->dir_fd, LOCK_NAME,
				O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (store->lock_fd < 0)
		return -errno;
	if (flock(store->lock_fd, LOCK_EX | LOCK_NB))
		return -errno;
	return write_pid(store->lock_fd);
}

int store_lock(struct store *store, const char *dir, struct err *err)
{
	int ret = open_dir(store, dir, err);

	if (ret)
		return ret;
	ret = take_locks(store);
	if (ret == -EWOULDBLOCK)
		return refuse_second_owner(store, dir, err);
	if (ret)
		return err_set(err, ret, "%s/%s: %s", dir, LOCK_NAME,
			       strerror(-ret));
	return 0;
}
