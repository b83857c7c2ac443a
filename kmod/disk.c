// SPDX-License-Identifier: GPL-2.0
/*
 * One disk: its I/O, its openers, its life. When its grant ends it stays, with
 * its capacity, and refuses every I/O until its last close, and only then is
 * deleted (to a reader of a deleted disk every read is the end of the file,
 * not an error). It must never know netlink or when a grant ends (disks.c).
 */
#include <linux/bio.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "disk.h"
#include "lab.h"

struct disk_io {
	struct bio *bio;
	struct grant *grant;		/* in flight under it */
	unsigned long start;
	struct bio clone;		/* last: its vectors follow */
};

DEFINE_SPINLOCK(bfence_disks_lock);
static DEFINE_IDA(disk_indexes);

/* --- I/O ----------------------------------------------------------------- */

static void clone_end_io(struct bio *clone)
{
	struct disk_io *io = container_of(clone, struct disk_io, clone);
	struct grant *grant = io->grant;
	unsigned long start = io->start;
	struct bio *bio = io->bio;

	bio->bi_status = clone->bi_status;
	/* A busy device asked without waiting is not an error. */
	if (unlikely(bio->bi_status && bio->bi_status != BLK_STS_AGAIN))
		this_cpu_inc(grant->gate->stats->io_errors);
	bio_put(clone);
	bio_end_io_acct(bio, start);
	bio_endio(bio);
	/*
	 * Last: a proof must not come before whoever sent the I/O knows its
	 * end. The bio and its disk may be gone by now, the grant may not.
	 */
	bfence_gate_leave(grant);
}

static bool bio_changes_data(const struct bio *bio)
{
	return op_is_write(bio_op(bio)) &&
	       !(op_is_flush(bio->bi_opf) && !bio_sectors(bio));
}

static void disk_refuse(struct disk *disk, struct bio *bio)
{
	if (bfence_unsafe_no_check) {
		bio_set_dev(bio, disk->gate->backing.bdev);
		submit_bio_noacct(bio);
		return;
	}
	bio->bi_status = BLK_STS_RESV_CONFLICT;
	bio_endio(bio);
}

static void disk_submit_bio(struct bio *bio)
{
	struct disk *disk = bio->bi_bdev->bd_disk->private_data;
	gfp_t gfp = bio->bi_opf & REQ_NOWAIT ? GFP_NOWAIT : GFP_NOIO;
	enum verdict_reject why;
	struct grant *grant;
	struct disk_io *io;
	struct bio *clone;

	grant = bfence_gate_enter(disk->gate, &disk->grant,
				  bio_changes_data(bio), &why);
	if (unlikely(!grant)) {
		disk_refuse(disk, bio);
		return;
	}
	/* One clone a bio, and the device below splits it: no rescuer needed */
	clone = bio_alloc_clone(disk->gate->backing.bdev, bio, gfp,
				&disk->clones);
	if (unlikely(!clone)) {
		bio->bi_status = BLK_STS_RESOURCE;
		if (bio->bi_opf & REQ_NOWAIT)
			bio->bi_status = BLK_STS_AGAIN;
		bio_endio(bio);
		bfence_gate_leave(grant);
		return;
	}
	io = container_of(clone, struct disk_io, clone);
	io->bio = bio;
	io->grant = grant;
	io->start = bio_start_io_acct(bio);
	clone->bi_end_io = clone_end_io;
	submit_bio_noacct(clone);
}

/* --- open and close ------------------------------------------------------ */

static int disk_open(struct gendisk *gd, bool write)
{
	struct disk *disk = gd->private_data;
	int err = 0;

	if (write && disk->read_only)
		return -EROFS;
	spin_lock(&bfence_disks_lock);
	if (disk->dead)
		err = -ENXIO;	/* else a patient opener keeps it for ever */
	else
		disk->nr_openers++;
	spin_unlock(&bfence_disks_lock);
	return err;
}

COMPAT_DISK_OPEN(disk_open_op, disk_open)

bool bfence_disk_may_go(const struct disk *disk)
{
	const struct grant *grant;

	grant = rcu_dereference_protected(disk->grant,
					  lockdep_is_held(&bfence_disks_lock));
	return disk->dead && !disk->deleted && !disk->nr_openers &&
	       READ_ONCE(grant->drained);
}

/* Under open_mutex, which del_gendisk() takes: leave that to the work. */
static void disk_release(struct gendisk *gd)
{
	struct disk *disk = gd->private_data;

	spin_lock(&bfence_disks_lock);
	disk->nr_openers--;
	if (bfence_disk_may_go(disk))
		queue_work(bfence_wq, &disk->work);
	spin_unlock(&bfence_disks_lock);
}

COMPAT_DISK_RELEASE(disk_release_op, disk_release)

static void disk_free(struct gendisk *gd)
{
	struct disk *disk = gd->private_data;
	struct gate *gate = disk->gate;

	bioset_exit(&disk->clones);
	ida_free(&disk_indexes, disk->index);
	bfence_grant_put(rcu_dereference_protected(disk->grant, true));
	kfree(disk);
	bfence_gate_put(gate);
}

static const struct block_device_operations disk_ops = {
	.owner		= THIS_MODULE,
	.submit_bio	= disk_submit_bio,
	.open		= disk_open_op,
	.release	= disk_release_op,
	.free_disk	= disk_free,
};

/* --- what udev reads ----------------------------------------------------- */

static ssize_t volume_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct disk *disk = dev_to_disk(dev)->private_data;

	return sysfs_emit(buf, "%s\n", disk->gate->volume);
}
static DEVICE_ATTR_RO(volume);

static ssize_t replica_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	struct disk *disk = dev_to_disk(dev)->private_data;

	return sysfs_emit(buf, "%s\n", disk->gate->replica);
}
static DEVICE_ATTR_RO(replica);

static ssize_t lineage_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	struct disk *disk = dev_to_disk(dev)->private_data;
	struct lineage lineage;

	rcu_read_lock();
	lineage = rcu_dereference(disk->grant)->lineage;
	rcu_read_unlock();
	return sysfs_emit(buf, "%llu.%llu\n", lineage.epoch,
			  lineage.endpoint_version);
}
static DEVICE_ATTR_RO(lineage);

static struct attribute *disk_attrs[] = {
	&dev_attr_volume.attr,
	&dev_attr_replica.attr,
	&dev_attr_lineage.attr,
	NULL,
};

static const struct attribute_group disk_group = {
	.name	= "bfence",
	.attrs	= disk_attrs,
};

static const struct attribute_group *disk_groups[] = { &disk_group, NULL };

/* --- life ---------------------------------------------------------------- */

static void disk_delete(struct disk *disk)
{
	/* Queued once more before ->deleted was set; never after. */
	cancel_work(&disk->work);
	if (disk->linked)
		bd_unlink_disk_holder(disk->gate->backing.bdev, disk->gd);
	del_gendisk(disk->gd);

	spin_lock(&bfence_disks_lock);
	list_del_init(&disk->node);
	spin_unlock(&bfence_disks_lock);
	wake_up_var(&disk->gate->disks);
	put_disk(disk->gd);
}

static void disk_work(struct work_struct *work)
{
	struct disk *disk = container_of(work, struct disk, work);
	bool mark, go;

	spin_lock(&bfence_disks_lock);
	mark = disk->mark && !disk->deleted;
	disk->mark = false;
	go = bfence_disk_may_go(disk);
	disk->deleted |= go;
	spin_unlock(&bfence_disks_lock);

	if (mark)
		compat_disk_mark_dead(disk->gd);
	if (go)
		disk_delete(disk);
}

static struct disk *disk_alloc(struct gate *gate)
{
	struct disk *disk = kzalloc(sizeof(*disk), GFP_KERNEL);
	int err;

	if (!disk)
		return ERR_PTR(-ENOMEM);
	err = bioset_init(&disk->clones, BIO_POOL_SIZE,
			  offsetof(struct disk_io, clone), 0);
	if (err)
		goto err_free_disk;
	disk->index = ida_alloc(&disk_indexes, GFP_KERNEL);
	if (disk->index < 0) {
		err = disk->index;
		goto err_exit_clones;
	}
	disk->gd = compat_disk_alloc(gate->backing.bdev);
	if (IS_ERR(disk->gd)) {
		err = PTR_ERR(disk->gd);
		goto err_free_index;
	}
	INIT_WORK(&disk->work, disk_work);
	INIT_LIST_HEAD(&disk->node);
	disk->gate = gate;
	return disk;

err_free_index:
	ida_free(&disk_indexes, disk->index);
err_exit_clones:
	bioset_exit(&disk->clones);
err_free_disk:
	kfree(disk);
	return ERR_PTR(err);
}

static void disk_describe(struct disk *disk)
{
	struct gendisk *gd = disk->gd;

	disk->read_only = disk->gate->v.access & BFENCE_F_READ_ONLY;
	snprintf(gd->disk_name, DISK_NAME_LEN, "bfence%d", disk->index);
	gd->fops = &disk_ops;
	gd->private_data = disk;
	/* A volume is one thing, and a scan would wait for its I/O. */
	gd->flags |= GENHD_FL_NO_PART;
	set_capacity(gd, bdev_nr_sectors(disk->gate->backing.bdev));
	set_disk_ro(gd, disk->read_only);
}

int bfence_disk_create(struct gate *gate)
{
	struct disk *disk = disk_alloc(gate);
	int err;

	if (IS_ERR(disk))
		return PTR_ERR(disk);
	disk_describe(disk);
	bfence_gate_get(gate);
	bfence_grant_get(gate->grant);
	rcu_assign_pointer(disk->grant, gate->grant);

	spin_lock(&bfence_disks_lock);
	list_add_tail(&disk->node, &gate->disks);
	spin_unlock(&bfence_disks_lock);
	err = compat_disk_add(disk->gd, gate->backing.bdev, disk_groups,
			      &disk->linked);
	if (!err)
		return 0;

	spin_lock(&bfence_disks_lock);
	list_del_init(&disk->node);
	spin_unlock(&bfence_disks_lock);
	bfence_grant_put(gate->grant);
	bfence_gate_put(gate);
	/* A disk that was never added is not given to ->free_disk. */
	put_disk(disk->gd);
	ida_free(&disk_indexes, disk->index);
	bioset_exit(&disk->clones);
	kfree(disk);
	return err;
}
