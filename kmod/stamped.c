// SPDX-License-Identifier: GPL-2.0
/*
 * The character device of a gate: made with it, gone with it, while its
 * descriptors may live on. It must never know what an I/O is.
 */
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "stamped.h"
#include "stamped_io.h"

#define NR_MINORS	(MINORMASK + 1)

struct stamped {
	struct stamped_io_target io;
	struct device dev;		/* whose count is the object's */
	struct cdev cdev;		/* pins dev while somebody has it open */
};

static struct class stamped_class = {
	.name	= "bfence",
};

static DEFINE_IDA(stamped_minors);
static dev_t stamped_base;

/* --- open and close ------------------------------------------------------ */

/* A node may have been kept, or reached by way of /proc, past the detach. */
static int stamped_open(struct inode *inode, struct file *file)
{
	struct stamped *stamped =
		container_of(inode->i_cdev, struct stamped, cdev);

	if (READ_ONCE(stamped->io.gate->detached))
		return -ENODEV;
	file->private_data = &stamped->io;
	return nonseekable_open(inode, file);
}

static const struct file_operations stamped_fops = {
	.owner			= THIS_MODULE,
	.open			= stamped_open,
	.uring_cmd		= bfence_stamped_io,
	.uring_cmd_iopoll	= bfence_stamped_io_poll,
};

/* --- what udev reads ----------------------------------------------------- */

static struct gate *gate_of(struct device *dev)
{
	return container_of(dev, struct stamped, dev)->io.gate;
}

static ssize_t volume_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return sysfs_emit(buf, "%s\n", gate_of(dev)->volume);
}
static DEVICE_ATTR_RO(volume);

static ssize_t replica_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%s\n", gate_of(dev)->replica);
}
static DEVICE_ATTR_RO(replica);

static struct attribute *stamped_attrs[] = {
	&dev_attr_volume.attr,
	&dev_attr_replica.attr,
	NULL,
};
ATTRIBUTE_GROUPS(stamped);

/* --- life ---------------------------------------------------------------- */

static void stamped_release(struct device *dev)
{
	struct stamped *stamped = container_of(dev, struct stamped, dev);
	struct gate *gate = stamped->io.gate;

	ida_free(&stamped_minors, MINOR(dev->devt));
	bioset_exit(&stamped->io.bios);
	kfree(stamped);
	bfence_gate_put(gate);
}

static struct stamped *stamped_alloc(struct gate *gate)
{
	struct stamped *stamped = kzalloc(sizeof(*stamped), GFP_KERNEL);
	int minor;
	int err;

	if (!stamped)
		return ERR_PTR(-ENOMEM);
	err = bioset_init(&stamped->io.bios, BIO_POOL_SIZE, 0,
			  BIOSET_NEED_BVECS | BIOSET_PERCPU_CACHE);
	if (err)
		goto err_free;
	minor = ida_alloc_max(&stamped_minors, NR_MINORS - 1, GFP_KERNEL);
	if (minor < 0) {
		err = minor;
		goto err_exit_bios;
	}
	bfence_gate_get(gate);
	stamped->io.gate = gate;
	cdev_init(&stamped->cdev, &stamped_fops);
	stamped->cdev.owner = THIS_MODULE;
	device_initialize(&stamped->dev);
	stamped->dev.class = &stamped_class;
	stamped->dev.devt = MKDEV(MAJOR(stamped_base), minor);
	stamped->dev.groups = stamped_groups;
	stamped->dev.release = stamped_release;
	return stamped;

err_exit_bios:
	bioset_exit(&stamped->io.bios);
err_free:
	kfree(stamped);
	return ERR_PTR(err);
}

int bfence_stamped_create(struct gate *gate)
{
	struct stamped *stamped = stamped_alloc(gate);
	int err;

	if (IS_ERR(stamped))
		return PTR_ERR(stamped);
	/* The slash makes it /dev/bfence-io/VOLUME, with or without udev. */
	err = dev_set_name(&stamped->dev, "bfence-io/%s", gate->volume);
	if (!err)
		err = cdev_device_add(&stamped->cdev, &stamped->dev);
	if (err)
		put_device(&stamped->dev);
	else
		gate->stamped = stamped;
	return err;
}

void bfence_stamped_remove(struct gate *gate)
{
	struct stamped *stamped = gate->stamped;

	gate->stamped = NULL;
	cdev_device_del(&stamped->cdev, &stamped->dev);
	put_device(&stamped->dev);
}

int bfence_stamped_init(void)
{
	int err = alloc_chrdev_region(&stamped_base, 0, NR_MINORS, "bfence");

	if (err)
		return err;
	err = class_register(&stamped_class);
	if (err)
		unregister_chrdev_region(stamped_base, NR_MINORS);
	return err;
}

void bfence_stamped_exit(void)
{
	class_unregister(&stamped_class);
	unregister_chrdev_region(stamped_base, NR_MINORS);
	ida_destroy(&stamped_minors);
}
