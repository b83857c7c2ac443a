// SPDX-License-Identifier: GPL-2.0
/*
 * The gates of this host and their backing devices: attach, detach, look up,
 * walk. It must never know disks or netlink.
 */
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/stringhash.h>
#include <linux/xarray.h>

#include "attach.h"
#include "stamped.h"

/* Taken inside a gate's lock, never around one; held for a moment. */
static DEFINE_MUTEX(attach_lock);
static DEFINE_HASHTABLE(gates_by_volume, 8);	/* under attach_lock */
static DEFINE_XARRAY_ALLOC1(gates_by_id);	/* written under attach_lock */
static u32 id_next;				/* under attach_lock */
static unsigned int nr_gates;			/* written under attach_lock */
static unsigned int generation = 1;		/* written under attach_lock */

static u32 volume_hash(const char *volume)
{
	return full_name_hash(NULL, volume, strlen(volume));
}

static struct gate *attach_lookup(const char *volume)
{
	struct gate *gate;

	lockdep_assert_held(&attach_lock);
	hash_for_each_possible(gates_by_volume, gate, node, volume_hash(volume))
		if (!strcmp(gate->volume, volume))
			return gate;
	return NULL;
}

static bool backing_is_attached(dev_t dev)
{
	struct gate *gate;
	unsigned long id;

	lockdep_assert_held(&attach_lock);
	xa_for_each(&gates_by_id, id, gate)
		if (gate->backing.bdev->bd_dev == dev)
			return true;
	return false;
}

/* What can be said before the device is touched. */
static int attach_check(const struct attach_ask *ask)
{
	dev_t dev;
	int ret;

	ret = lookup_bdev(ask->path, &dev);
	if (ret == -ENOENT)
		return VERDICT_BACKING_MISSING;
	if (ret == -ENOTBLK)
		return VERDICT_BACKING_NOT_BLOCK;
	if (ret)
		return ret;

	mutex_lock(&attach_lock);
	if (attach_lookup(ask->volume))
		ret = VERDICT_VOLUME_ATTACHED;
	else if (backing_is_attached(dev))
		ret = VERDICT_BACKING_ATTACHED;
	mutex_unlock(&attach_lock);
	return ret;
}

static int attach_open(struct gate *gate)
{
	struct backing *backing = &gate->backing;
	int ret = backing_open(backing, gate->path, gate);

	if (ret == -EBUSY)
		return VERDICT_BACKING_BUSY;
	if (ret)
		return ret;
	if (bdev_is_zoned(backing->bdev))
		ret = VERDICT_BACKING_ZONED;
	else if (!bdev_nr_sectors(backing->bdev))
		ret = VERDICT_BACKING_EMPTY;
	if (ret)
		backing_close(backing);
	return ret;
}

/* Under gate->lock, which nobody else can hold yet. */
static int attach_insert(struct gate *gate)
{
	int ret;

	mutex_lock(&attach_lock);
	/* Two may have come past attach_check() at once. */
	if (attach_lookup(gate->volume)) {
		ret = VERDICT_VOLUME_ATTACHED;
		goto unlock;
	}
	ret = xa_alloc_cyclic(&gates_by_id, &gate->id, gate, xa_limit_31b,
			      &id_next, GFP_KERNEL);
	if (ret < 0)
		goto unlock;
	ret = 0;
	hash_add(gates_by_volume, &gate->node, volume_hash(gate->volume));
	nr_gates++;
	generation++;
unlock:
	mutex_unlock(&attach_lock);
	return ret;
}

/* Under gate->lock. */
static void attach_remove(struct gate *gate)
{
	mutex_lock(&attach_lock);
	hash_del(&gate->node);
	xa_erase(&gates_by_id, gate->id);
	nr_gates--;
	generation++;
	mutex_unlock(&attach_lock);
}

int bfence_attach(const struct attach_ask *ask, struct gate **ret_gate)
{
	const struct verdict_host host = bfence_host_view();
	struct gate *gate;
	int ret;

	ret = verdict_attach(ask->volume, ask->replica, ask->path,
			     &ask->gate.verdict, &host);
	if (!ret)
		ret = attach_check(ask);
	if (ret)
		return ret;
	/* Gates keep the module loaded. */
	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	gate = bfence_gate_new(ask->volume, ask->replica, ask->path);
	if (!gate) {
		ret = -ENOMEM;
		goto err_put_module;
	}
	bfence_fence_init(gate);
	ret = attach_open(gate);
	if (ret)
		goto err_put_gate;
	mutex_lock(&gate->lock);
	ret = attach_insert(gate);
	if (ret)
		goto err_close;
	/* Only now: its name is that of the volume, whose gate this is. */
	ret = bfence_stamped_create(gate);
	if (ret)
		goto err_remove;
	bfence_gate_attached(gate, &ask->gate);
	/* One reference is the list's, the other the caller's. */
	bfence_gate_get(gate);
	*ret_gate = gate;
	return 0;

err_remove:
	attach_remove(gate);
	WRITE_ONCE(gate->detached, true);	/* to who has found it */
err_close:
	mutex_unlock(&gate->lock);
	backing_close(&gate->backing);
err_put_gate:
	bfence_gate_put(gate);
err_put_module:
	module_put(THIS_MODULE);
	return ret;
}

void bfence_detach(struct gate *gate, const struct gate_ask *ask)
{
	lockdep_assert_held(&gate->lock);
	bfence_stamped_remove(gate);	/* before its name may come again */
	attach_remove(gate);
	bfence_gate_detached(gate, ask);
	backing_close(&gate->backing);
	bfence_gate_put(gate);
	module_put(THIS_MODULE);
}

struct gate *bfence_attach_find(const char *volume)
{
	struct gate *gate;

	mutex_lock(&attach_lock);
	gate = attach_lookup(volume);
	if (gate)
		bfence_gate_get(gate);	/* the list holds one */
	mutex_unlock(&attach_lock);
	if (!gate)
		return NULL;

	mutex_lock(&gate->lock);
	if (gate->detached) {
		bfence_attach_release(gate);
		return NULL;
	}
	bfence_gate_settle(gate);
	return gate;
}

struct gate *bfence_attach_next(unsigned long *id)
{
	struct gate *gate;

	for (;; ++*id) {
		mutex_lock(&attach_lock);
		gate = xa_find(&gates_by_id, id, ULONG_MAX, XA_PRESENT);
		if (gate)
			bfence_gate_get(gate);
		mutex_unlock(&attach_lock);
		if (!gate)
			return NULL;

		mutex_lock(&gate->lock);
		if (!gate->detached)
			break;
		bfence_attach_release(gate);
	}
	bfence_gate_settle(gate);
	return gate;
}

void bfence_attach_release(struct gate *gate)
{
	mutex_unlock(&gate->lock);
	bfence_gate_put(gate);
}

unsigned int bfence_attach_nr(void)
{
	return READ_ONCE(nr_gates);
}

unsigned int bfence_attach_generation(void)
{
	return READ_ONCE(generation);
}

void bfence_attach_kick_all(struct work_struct *work)
{
	struct gate *gate;
	unsigned long id;

	/* Each in its own work: no gate's drain waits for another's lock. */
	mutex_lock(&attach_lock);
	xa_for_each(&gates_by_id, id, gate)
		bfence_gate_kick(gate);
	mutex_unlock(&attach_lock);
}
