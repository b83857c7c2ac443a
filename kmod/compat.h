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

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0) || \
	LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#error "bfence supports Linux 6.1"
#endif

/* Renamed in 6.5, with the same number and the same errno, EBADE. */
#ifndef BLK_STS_RESV_CONFLICT
#define BLK_STS_RESV_CONFLICT	BLK_STS_NEXUS
#endif

struct backing {
	struct block_device *bdev;
	fmode_t mode;
};

/* Exclusive until backing_close(). @holder must be the caller's alone. */
static inline int backing_open(struct backing *backing, const char *path,
			       void *holder)
{
	backing->mode = FMODE_READ | FMODE_WRITE | FMODE_EXCL;
	backing->bdev = blkdev_get_by_path(path, backing->mode, holder);
	if (PTR_ERR_OR_ZERO(backing->bdev) == -EACCES ||
	    PTR_ERR_OR_ZERO(backing->bdev) == -EROFS) {
		backing->mode = FMODE_READ | FMODE_EXCL;
		backing->bdev = blkdev_get_by_path(path, backing->mode, holder);
	}
	return PTR_ERR_OR_ZERO(backing->bdev);
}

static inline bool backing_is_read_only(const struct backing *backing)
{
	return !(backing->mode & FMODE_WRITE);
}

static inline void backing_close(struct backing *backing)
{
	blkdev_put(backing->bdev, backing->mode);
}

/*
 * A bio-based disk with the limits and features of @bdev below it. Up to 6.10
 * the features are not stacked with the limits: without the write cache flags
 * flushes would be dropped above the disk, without NOWAIT io_uring would hand
 * every I/O to a worker thread.
 */
static inline struct gendisk *compat_disk_alloc(struct block_device *bdev)
{
	struct request_queue *lower = bdev_get_queue(bdev);
	struct gendisk *gd = blk_alloc_disk(NUMA_NO_NODE);

	if (!gd)
		return NULL;
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

#endif /* BFENCE_COMPAT_H */
