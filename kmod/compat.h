/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs from kernel to kernel, and the only place that may ask for a
 * version. The sources are written against these wrappers. It must never know
 * gates or grants.
 */
#ifndef BFENCE_COMPAT_H
#define BFENCE_COMPAT_H

#include <linux/blkdev.h>
#include <linux/version.h>
#include <net/genetlink.h>

#define BFENCE_ON_6_1                                     \
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0) && \
	 LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0))
#define BFENCE_ON_6_12                                     \
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0) && \
	 LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0))

#if !BFENCE_ON_6_1 && !BFENCE_ON_6_12
#error "bfence supports Linux 6.1 and 6.12"
#endif

#if BFENCE_ON_6_1
#include <linux/io_uring.h>
#else
#include <linux/io_uring/cmd.h>
#endif

/* Renamed in 6.5, with the same number and the same errno, EBADE. */
#ifndef BLK_STS_RESV_CONFLICT
#define BLK_STS_RESV_CONFLICT	BLK_STS_NEXUS
#endif

/* --- netlink and tracepoints --------------------------------------------- */

#if BFENCE_ON_6_1

/* What ->pre_doit() and ->post_doit() are given. */
typedef struct genl_ops compat_genl_ops;

static inline struct nlattr **compat_dump_attrs(struct netlink_callback *cb)
{
	return genl_dumpit_info(cb)->attrs;
}

/* A __string() that has the name of its source, as 6.10 wants it. */
#define compat_assign_str(name)	__assign_str(name, name)

#else

typedef struct genl_split_ops compat_genl_ops;

static inline struct nlattr **compat_dump_attrs(struct netlink_callback *cb)
{
	return genl_dumpit_info(cb)->info.attrs;
}

#define compat_assign_str(name)	__assign_str(name)

#endif

/* --- the device below ---------------------------------------------------- */

struct backing {
	struct block_device *bdev;
#if BFENCE_ON_6_1
	fmode_t mode;
#else
	struct file *file;
#endif
	bool read_only;
};

#if BFENCE_ON_6_1

static inline int backing_try(struct backing *backing, const char *path,
			      void *holder)
{
	backing->mode = FMODE_READ | FMODE_EXCL;
	if (!backing->read_only)
		backing->mode |= FMODE_WRITE;
	backing->bdev = blkdev_get_by_path(path, backing->mode, holder);
	return PTR_ERR_OR_ZERO(backing->bdev);
}

static inline void backing_close(struct backing *backing)
{
	blkdev_put(backing->bdev, backing->mode);
}

#else

static inline int backing_try(struct backing *backing, const char *path,
			      void *holder)
{
	blk_mode_t mode = BLK_OPEN_READ;

	if (!backing->read_only)
		mode |= BLK_OPEN_WRITE;
	backing->file = bdev_file_open_by_path(path, mode, holder, NULL);
	if (IS_ERR(backing->file))
		return PTR_ERR(backing->file);
	backing->bdev = file_bdev(backing->file);
	return 0;
}

/* Others may claim the device as soon as this returns. */
static inline void backing_close(struct backing *backing)
{
	bdev_fput(backing->file);
}

#endif

/* Exclusive until backing_close(). @holder must be the caller's alone. */
static inline int backing_open(struct backing *backing, const char *path,
			       void *holder)
{
	int err;

	backing->read_only = false;
	err = backing_try(backing, path, holder);
	if (err == -EACCES || err == -EROFS) {
		backing->read_only = true;
		err = backing_try(backing, path, holder);
	}
	return err;
}

static inline bool backing_is_read_only(const struct backing *backing)
{
	return backing->read_only;
}

/* --- a command of io_uring ----------------------------------------------- */

#if BFENCE_ON_6_1

static inline const void *compat_uring_payload(const struct io_uring_cmd *cmd)
{
	return cmd->cmd;
}

/* From any context: @done is called in the task that submitted. */
static inline void compat_uring_complete(struct io_uring_cmd *cmd,
					 void (*done)(struct io_uring_cmd *,
						      unsigned int))
{
	io_uring_cmd_complete_in_task(cmd, done);
}

/* What to return so that a worker issues the command again. */
static inline int compat_uring_again(struct io_uring_cmd *cmd)
{
	return -EAGAIN;
}

static inline bool compat_bdev_polls(struct block_device *bdev)
{
	return test_bit(QUEUE_FLAG_POLL, &bdev_get_queue(bdev)->queue_flags);
}

/* Only polled bios come back to the cache here. */
#define COMPAT_BIO_CACHE	0

#else

static inline const void *compat_uring_payload(const struct io_uring_cmd *cmd)
{
	return io_uring_sqe_cmd(cmd->sqe);
}

/* One completion each and no order among them: lazy wake-ups are enough. */
static inline void compat_uring_complete(struct io_uring_cmd *cmd,
					 void (*done)(struct io_uring_cmd *,
						      unsigned int))
{
	io_uring_cmd_do_in_task_lazy(cmd, done);
}

/*
 * io_uring keeps a copy of the SQE for the worker and yet shows it the ring's
 * slot, which may belong to a later command by then: point at the copy. SQE128.
 */
static inline int compat_uring_again(struct io_uring_cmd *cmd)
{
	void *copy = cmd_to_io_kiocb(cmd)->async_data;

	if (cmd->sqe != copy) {
		memcpy(copy, cmd->sqe, 2 * sizeof(*cmd->sqe));
		cmd->sqe = copy;
	}
	return -EAGAIN;
}

static inline bool compat_bdev_polls(struct block_device *bdev)
{
	return bdev_get_queue(bdev)->limits.features & BLK_FEAT_POLL;
}

#define COMPAT_BIO_CACHE	REQ_ALLOC_CACHE

#endif

/* --- a disk above it ----------------------------------------------------- */

#if BFENCE_ON_6_1

/*
 * A bio-based disk with the limits and features of @bdev below it, or an
 * ERR_PTR. Here the features are not stacked with the limits: without the
 * write cache flags flushes would be dropped above the disk, without NOWAIT
 * io_uring would hand every I/O to a worker thread.
 */
static inline struct gendisk *compat_disk_alloc(struct block_device *bdev)
{
	struct request_queue *lower = bdev_get_queue(bdev);
	struct gendisk *gd = blk_alloc_disk(NUMA_NO_NODE);

	if (!gd)
		return ERR_PTR(-ENOMEM);
	blk_set_stacking_limits(&gd->queue->limits);
	disk_stack_limits(gd, bdev, 0);
	blk_queue_write_cache(gd->queue, bdev_write_cache(bdev),
			      bdev_fua(bdev));
	blk_queue_flag_set(QUEUE_FLAG_IO_STAT, gd->queue);
	blk_queue_flag_clear(QUEUE_FLAG_ADD_RANDOM, gd->queue);
	if (bdev_nowait(bdev))
		blk_queue_flag_set(QUEUE_FLAG_NOWAIT, gd->queue);
	if (blk_queue_nonrot(lower))
		blk_queue_flag_set(QUEUE_FLAG_NONROT, gd->queue);
	if (blk_queue_stable_writes(lower))
		blk_queue_flag_set(QUEUE_FLAG_STABLE_WRITES, gd->queue);
	return gd;
}

/*
 * The holder link can be made before the add, when nobody has the disk open
 * yet and no lock in here is contended.
 */
static inline int compat_disk_add(struct gendisk *gd, struct block_device *bdev,
				  const struct attribute_group **groups,
				  bool *linked)
{
	int err = bd_link_disk_holder(bdev, gd);

	if (err)
		return err;
	err = device_add_disk(NULL, gd, groups);
	if (err)
		bd_unlink_disk_holder(bdev, gd);
	else
		*linked = true;
	return err;
}

/* What sits on top is told by nobody here: it meets the error of its I/O. */
static inline void compat_disk_mark_dead(struct gendisk *gd)
{
	blk_mark_disk_dead(gd);
}

/*
 * ->open() and ->release() of a disk, from int @open(gd, bool write) and
 * void @release(gd).
 */
/* clang-format off */
#define COMPAT_DISK_OPEN(op, open)					\
static int op(struct block_device *bdev, fmode_t mode)			\
{									\
	return open(bdev->bd_disk, mode & FMODE_WRITE);			\
}

#define COMPAT_DISK_RELEASE(op, release)				\
static void op(struct gendisk *gd, fmode_t mode)			\
{									\
	release(gd);							\
}

/* clang-format on */

#else

/*
 * A bio-based disk with the limits and features of @bdev below it, or an
 * ERR_PTR. Write cache, FUA, stable writes and rotation are stacked with the
 * limits; NOWAIT must be there first and is lost if @bdev has it not. Polling
 * is not offered: polled I/O is refused by the block layer.
 */
static inline struct gendisk *compat_disk_alloc(struct block_device *bdev)
{
	struct queue_limits lim;

	blk_set_stacking_limits(&lim);
	lim.features |= BLK_FEAT_IO_STAT | BLK_FEAT_NOWAIT;
	queue_limits_stack_bdev(&lim, bdev, 0, "bfence");
	return blk_alloc_disk(&lim, NUMA_NO_NODE);
}

/*
 * The holder link can only be made after the add. By then the disk is there
 * for everybody, and a link that fails (it serves lsblk alone) does not take
 * it away again.
 */
static inline int compat_disk_add(struct gendisk *gd, struct block_device *bdev,
				  const struct attribute_group **groups,
				  bool *linked)
{
	int err = device_add_disk(NULL, gd, groups);

	if (!err)
		*linked = !bd_link_disk_holder(bdev, gd);
	return err;
}

/*
 * Tells what sits on top, a file system shuts down in here, and takes the
 * capacity away: every read would be the end of the file and not an error.
 * Given back, a read is an error again; del_gendisk() needs no zero.
 */
static inline void compat_disk_mark_dead(struct gendisk *gd)
{
	sector_t capacity = get_capacity(gd);

	blk_mark_disk_dead(gd);
	set_capacity(gd, capacity);
}

/* clang-format off */
#define COMPAT_DISK_OPEN(op, open)					\
static int op(struct gendisk *gd, blk_mode_t mode)			\
{									\
	return open(gd, mode & BLK_OPEN_WRITE);				\
}

#define COMPAT_DISK_RELEASE(op, release)				\
static void op(struct gendisk *gd)					\
{									\
	release(gd);							\
}

/* clang-format on */

#endif

#endif /* BFENCE_COMPAT_H */
