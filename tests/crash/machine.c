// SPDX-License-Identifier: GPL-2.0
/*
 * System calls on the model's disk. Must never know what the files mean.
 */
#include "machine.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct machine machine;

void process_start(struct process *process, struct disk *disk)
{
	memset(process, 0, sizeof(*process));
	process->disk = disk;
	process->now_ms = 5000;
}

unsigned int process_nr_open(const struct process *process)
{
	unsigned int nr = 0;

	for (size_t i = 0; i < FILES_MAX; i++)
		nr += process->files[i].inode != 0;
	return nr;
}

static struct disk *the_disk(void)
{
	assert(machine.running);
	return machine.running->disk;
}

static void point(void)
{
	if (machine.at_point)
		machine.at_point();
}

static void let_others_run(void)
{
	if (machine.running->is_watched && machine.meanwhile)
		machine.meanwhile();
}

/* --- faults ------------------------------------------------------------------- */

const char *fault_name(enum fault_kind kind)
{
	static const char *const names[NR_FAULTS] = {
		[FAULT_NONE] = "none",
		[FAULT_WRITE_EIO] = "EIO on write",
		[FAULT_WRITE_FULL] = "ENOSPC on write",
		[FAULT_WRITE_SHORT] = "short write",
		[FAULT_WRITE_INTERRUPTED] = "EINTR on write",
		[FAULT_SYNC_LOST] = "EIO on sync, all lost",
		[FAULT_SYNC_PART] = "EIO on sync, a part lost",
		[FAULT_OPEN] = "open fails",
		[FAULT_RENAME] = "rename fails",
		[FAULT_UNLINK] = "unlink fails",
		[FAULT_TRUNCATE] = "truncate fails",
		[FAULT_MKDIR] = "mkdir fails",
		[FAULT_READ_EIO] = "EIO on read",
		[FAULT_READ_SHORT] = "short read",
		[FAULT_READ_INTERRUPTED] = "EINTR on read",
		[FAULT_LOCK] = "flock fails",
		[FAULT_STAT] = "fstat fails",
	};

	return names[kind];
}

/* Whether this call is the one that has to fail in this way. */
static bool fails(enum fault_kind kind)
{
	bool for_ever = kind == FAULT_WRITE_FULL;

	if (machine.fault != kind)
		return false;
	machine.nr_fitting++;
	if (machine.nr_fitting != machine.fault_at &&
	    !(for_ever && machine.fault_fired))
		return false;
	machine.fault_fired = true;
	return true;
}

/* --- descriptors -------------------------------------------------------------- */

static struct open_file *file_of(int fd)
{
	struct open_file *file;

	assert(fd >= FD_FIRST);
	assert(fd < FD_FIRST + FILES_MAX);
	file = &machine.running->files[fd - FD_FIRST];
	assert(file->inode);
	return file;
}

static uint32_t inode_of(int fd)
{
	return file_of(fd)->inode;
}

static uint32_t folder_of(int fd)
{
	return fd == AT_FDCWD ? DISK_ROOT : inode_of(fd);
}

static int new_fd(uint32_t inode)
{
	for (int i = 0; i < FILES_MAX; i++) {
		struct open_file *file = &machine.running->files[i];

		if (file->inode)
			continue;
		*file = (struct open_file){ .inode = inode };
		return FD_FIRST + i;
	}
	return -EMFILE;
}

/* A path is a name, with the root before it or not: folders lie in the root. */
static const char *name_of(const char *path, uint32_t *folder)
{
	if (path[0] == '/') {
		*folder = DISK_ROOT;
		path++;
	}
	assert(!strchr(path, '/'));
	return path;
}

int machine_open(int folder_fd, const char *path, int flags)
{
	uint32_t folder = folder_of(folder_fd);
	const char *name = name_of(path, &folder);
	uint32_t inode;

	point();
	if (fails(FAULT_OPEN))
		return flags & O_CREAT ? -ENOSPC : -EMFILE;
	inode = disk_find(the_disk(), folder, name);
	if (!inode && !(flags & O_CREAT))
		return -ENOENT;
	if (inode && (flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if (inode && (flags & O_DIRECTORY) &&
	    !the_disk()->inodes[inode].is_folder)
		return -ENOTDIR;
	if (!inode)
		inode = disk_make(the_disk(), folder, name, false);
	else if (flags & O_TRUNC)
		disk_truncate(the_disk(), inode, 0);
	return new_fd(inode);
}

int machine_close(int fd)
{
	point();
	*file_of(fd) = (struct open_file){ 0 };
	return 0;
}

/* A crash may come amid a long write. */
static void write_in_steps(uint32_t inode, const uint8_t *from, size_t len,
			   uint64_t offset)
{
	size_t steps[] = { SECTOR_SIZE, len / 2 / SECTOR_SIZE * SECTOR_SIZE,
			   len };
	size_t done = 0;

	if (machine.lies.write)
		return;
	for (size_t i = 0; i < 3; i++) {
		if (steps[i] <= done || steps[i] > len)
			continue;
		disk_write(the_disk(), inode, from + done, steps[i] - done,
			   offset + done);
		done = steps[i];
		if (done < len)
			point();
	}
}

int machine_write(int fd, const void *from, size_t len, uint64_t offset)
{
	uint32_t inode = inode_of(fd);
	/* The page cache takes pages: no aligned sector is cut in two. */
	size_t half = len / 2 / SECTOR_SIZE * SECTOR_SIZE;

	point();
	if (fails(FAULT_WRITE_EIO))
		return -EIO;
	if (fails(FAULT_WRITE_INTERRUPTED))
		return -EINTR;
	if (fails(FAULT_WRITE_SHORT)) {
		write_in_steps(inode, from, half, offset);
		return (int)half;
	}
	if (fails(FAULT_WRITE_FULL)) {
		write_in_steps(inode, from, half, offset);
		return -ENOSPC;
	}
	write_in_steps(inode, from, len, offset);
	return (int)len;
}

int machine_allocate(int fd, uint64_t offset, uint64_t len)
{
	uint32_t inode = inode_of(fd);
	const struct inode *file = &the_disk()->inodes[inode];

	point();
	if (fails(FAULT_WRITE_FULL))
		return -ENOSPC;
	if (offset + len > file->size)
		disk_truncate(the_disk(), inode, offset + len);
	return 0;
}

static int fail_sync(uint32_t inode, uint64_t seed)
{
	machine.running->sync_failed |= 1u << inode;
	if (!the_disk()->inodes[inode].is_folder)
		disk_sync_fails(the_disk(), inode, seed);
	return -EIO;
}

static bool has_name(uint32_t inode, const char *name)
{
	for (uint32_t i = DISK_ROOT; i < DISK_INODES; i++)
		if (the_disk()->inodes[i].is_folder &&
		    disk_find(the_disk(), i, name) == inode)
			return true;
	return false;
}

static int may_sync(uint32_t inode)
{
	point();
	if (machine.running->sync_failed & 1u << inode)
		machine.nr_retried_syncs++;
	if (fails(FAULT_SYNC_LOST))
		return fail_sync(inode, 0);
	if (fails(FAULT_SYNC_PART))
		return fail_sync(inode, machine.fault_at);
	return 0;
}

int machine_sync_range(int fd, size_t len, uint64_t offset)
{
	uint32_t inode = inode_of(fd);
	int ret = may_sync(inode);

	if (ret == 0)
		disk_sync_range(the_disk(), inode, len, offset);
	return ret;
}

int machine_sync(int fd, bool data_only)
{
	uint32_t inode = inode_of(fd);
	bool is_folder = the_disk()->inodes[inode].is_folder;
	int ret = may_sync(inode);

	if (ret)
		return ret;
	if ((data_only && machine.lies.fdatasync) ||
	    (machine.lies.sync_new && has_name(inode, "log.new")) ||
	    (is_folder && machine.lies.fsync_folder))
		return 0;
	disk_sync(the_disk(), inode);
	return 0;
}

int machine_rename(int from_fd, const char *from, int to_fd, const char *to)
{
	uint32_t folder = folder_of(from_fd);

	point();
	assert(folder == folder_of(to_fd));
	if (fails(FAULT_RENAME))
		return -EIO;
	return disk_rename(the_disk(), folder, from, to) ? 0 : -ENOENT;
}

int machine_unlink(int folder_fd, const char *path)
{
	uint32_t folder = folder_of(folder_fd);
	const char *name = name_of(path, &folder);

	point();
	if (fails(FAULT_UNLINK))
		return -EIO;
	return disk_remove(the_disk(), folder, name) ? 0 : -ENOENT;
}

static int make_folder(int folder_fd, const char *path)
{
	uint32_t folder = folder_of(folder_fd);
	const char *name = name_of(path, &folder);

	point();
	if (fails(FAULT_MKDIR))
		return -ENOSPC;
	if (disk_find(the_disk(), folder, name))
		return -EEXIST;
	disk_make(the_disk(), folder, name, true);
	return 0;
}

/* Not at one instant: who writes meanwhile may be read torn. */
static int read_file(int fd, void *to, size_t len, uint64_t offset)
{
	uint32_t inode = inode_of(fd);
	size_t half = len / 2 / SECTOR_SIZE * SECTOR_SIZE;
	size_t n;

	point();
	if (fails(FAULT_READ_EIO))
		return -EIO;
	if (fails(FAULT_READ_INTERRUPTED))
		return -EINTR;
	if (fails(FAULT_READ_SHORT))
		len /= 2;
	if (!machine.running->is_watched || half == 0 || half >= len)
		return (int)disk_read(the_disk(), inode, to, len, offset);
	let_others_run();
	n = disk_read(the_disk(), inode, to, half, offset);
	let_others_run();
	if (n == half)
		n += disk_read(the_disk(), inode, (uint8_t *)to + half,
			       len - half, offset + half);
	return (int)n;
}

static bool is_locked(uint32_t inode)
{
	for (size_t i = 0; i < FILES_MAX; i++)
		if (machine.running->files[i].inode == inode &&
		    machine.running->files[i].locked)
			return true;
	return false;
}

static int lock_file(int fd)
{
	struct open_file *file = file_of(fd);

	point();
	if (fails(FAULT_LOCK))
		return -ENOLCK;
	if (!file->locked && is_locked(file->inode))
		return -EWOULDBLOCK;
	file->locked = true;
	return 0;
}

static int stat_file(uint32_t inode, struct stat *st)
{
	const struct inode *at = &the_disk()->inodes[inode];

	memset(st, 0, sizeof(*st));
	st->st_ino = inode;
	st->st_mode = at->is_folder ? S_IFDIR | 0700 : S_IFREG | 0600;
	st->st_size = (off_t)at->size;
	st->st_nlink = 1;
	return 0;
}

/* --- where the linker sends the calls ------------------------------------------- */

static int answer(int ret)
{
	if (ret >= 0)
		return ret;
	errno = -ret;
	return -1;
}

int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int folder, const char *path, int flags, ...);
int __wrap_close(int fd);
ssize_t __wrap_read(int fd, void *to, size_t len);
ssize_t __wrap_pread(int fd, void *to, size_t len, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *from, size_t len, off_t offset);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_unlinkat(int folder, const char *name, int flags);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_fstatat(int folder, const char *path, struct stat *st, int flags);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_flock(int fd, int how);
int __wrap_faccessat(int folder, const char *path, int mode, int flags);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t len);
int __wrap_posix_fallocate(int fd, off_t offset, off_t len);
int __wrap_poll(struct pollfd *fds, nfds_t nr, int timeout_ms);
pid_t __wrap_getpid(void);

int __wrap_open(const char *path, int flags, ...)
{
	return answer(machine_open(AT_FDCWD, path, flags));
}

int __wrap_openat(int folder, const char *path, int flags, ...)
{
	return answer(machine_open(folder, path, flags));
}

int __wrap_close(int fd)
{
	return answer(machine_close(fd));
}

/* From the start: the code under test reads a small file once. */
ssize_t __wrap_read(int fd, void *to, size_t len)
{
	return answer(read_file(fd, to, len, 0));
}

ssize_t __wrap_pread(int fd, void *to, size_t len, off_t offset)
{
	return answer(read_file(fd, to, len, (uint64_t)offset));
}

ssize_t __wrap_pwrite(int fd, const void *from, size_t len, off_t offset)
{
	return answer(machine_write(fd, from, len, (uint64_t)offset));
}

int __wrap_fsync(int fd)
{
	return answer(machine_sync(fd, false));
}

int __wrap_fdatasync(int fd)
{
	return answer(machine_sync(fd, true));
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return answer(machine_rename(from_fd, from, to_fd, to));
}

int __wrap_unlinkat(int folder, const char *name, int flags)
{
	assert(flags == 0);
	return answer(machine_unlink(folder, name));
}

int __wrap_ftruncate(int fd, off_t size)
{
	point();
	if (fails(FAULT_TRUNCATE))
		return answer(-EIO);
	disk_truncate(the_disk(), inode_of(fd), (uint64_t)size);
	return 0;
}

int __wrap_fstat(int fd, struct stat *st)
{
	point();
	if (fails(FAULT_STAT))
		return answer(-EIO);
	return stat_file(inode_of(fd), st);
}

int __wrap_fstatat(int folder_fd, const char *path, struct stat *st, int flags)
{
	uint32_t folder = folder_of(folder_fd);
	uint32_t inode = disk_find(the_disk(), folder, name_of(path, &folder));

	(void)flags;
	point();
	if (fails(FAULT_STAT))
		return answer(-EIO);
	return inode ? stat_file(inode, st) : answer(-ENOENT);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	assert(mode == 0700);
	return answer(make_folder(AT_FDCWD, path));
}

int __wrap_flock(int fd, int how)
{
	assert(how == (LOCK_EX | LOCK_NB));
	return answer(lock_file(fd));
}

int __wrap_faccessat(int folder_fd, const char *path, int mode, int flags)
{
	uint32_t folder = folder_of(folder_fd);
	uint32_t inode = disk_find(the_disk(), folder, name_of(path, &folder));

	assert(mode == F_OK);
	(void)flags;
	point();
	return inode ? 0 : answer(-ENOENT);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t len)
{
	assert(mode == 0);
	return answer(machine_allocate(fd, (uint64_t)offset, (uint64_t)len));
}

int __wrap_posix_fallocate(int fd, off_t offset, off_t len)
{
	return -machine_allocate(fd, (uint64_t)offset, (uint64_t)len);
}

/* Nobody waits for a descriptor here: it is how one sleeps. */
int __wrap_poll(struct pollfd *fds, nfds_t nr, int timeout_ms)
{
	assert(!fds);
	assert(nr == 0);
	machine.running->now_ms += (uint64_t)timeout_ms;
	let_others_run();
	return 0;
}

pid_t __wrap_getpid(void)
{
	return 4242;
}
