// SPDX-License-Identifier: GPL-2.0
/*
 * The disks of a gate: which one the present grant has, when the others are
 * over. It must never know netlink or how gates are found.
 */
#include "disks.h"

/* The one disk, if any, that is not dead. */
static struct disk *disk_alive(struct gate *gate)
{
	struct disk *disk;

	lockdep_assert_held(&bfence_disks_lock);
	list_for_each_entry(disk, &gate->disks, node)
		if (!disk->dead)
			return disk;
	return NULL;
}

/* All that is not dead ends here; nothing makes a dead disk live again. */
static void disk_retire(struct gate *gate)
{
	struct disk *disk;

	spin_lock(&bfence_disks_lock);
	list_for_each_entry(disk, &gate->disks, node) {
		if (!disk->dead)
			disk->mark = gate->mark_dead;
		disk->dead = true;
	}
	spin_unlock(&bfence_disks_lock);
}

static void disk_kick(struct gate *gate)
{
	struct disk *disk;

	spin_lock(&bfence_disks_lock);
	list_for_each_entry(disk, &gate->disks, node)
		if ((disk->mark && !disk->deleted) || bfence_disk_may_go(disk))
			queue_work(bfence_wq, &disk->work);
	spin_unlock(&bfence_disks_lock);
}

/*
 * An endpoint refresh: same epoch, same primary, and the older I/O has
 * drained. The opener's next I/O goes out under the new grant.
 */
static bool disk_carry_over(struct gate *gate)
{
	bool read_only = gate->v.access & BFENCE_F_READ_ONLY;
	struct grant *old = NULL;
	struct disk *disk;

	if (!gate->keep_disk)
		return false;
	spin_lock(&bfence_disks_lock);
	disk = disk_alive(gate);
	if (disk && disk->read_only == read_only) {
		bfence_grant_get(gate->grant);
		old = rcu_replace_pointer(disk->grant, gate->grant,
					  lockdep_is_held(&bfence_disks_lock));
	}
	spin_unlock(&bfence_disks_lock);
	bfence_grant_put(old);
	return old;
}

/* --- what the gate's commands need --------------------------------------- */

int bfence_disks_open_gate(struct gate *gate, const struct gate_ask *ask)
{
	int ret = bfence_gate_open(gate, ask);

	if (ret)
		return ret;
	if (!disk_carry_over(gate)) {
		disk_retire(gate);
		disk_kick(gate);
		ret = bfence_disk_create(gate);
	}
	if (ret)
		bfence_gate_open_failed(gate);
	else
		bfence_gate_opened(gate);
	return ret;
}

void bfence_disks_on_event(struct gate *gate, enum bfence_event event)
{
	switch (event) {
	case BFENCE_EVENT_FENCED:
		if (!gate->keep_disk)
			disk_retire(gate);
		break;
	case BFENCE_EVENT_CLOSED:
		disk_retire(gate);
		break;
	case BFENCE_EVENT_DRAINED:
	case BFENCE_EVENT_QUARANTINED:
		/* Here and not before: out of the fence's timed part. */
		disk_kick(gate);
		break;
	case BFENCE_EVENT_UNSPEC:
	case BFENCE_EVENT_ATTACHED:
	case BFENCE_EVENT_DETACHED:
	case BFENCE_EVENT_OPENED:
	case __BFENCE_EVENT_MAX:
		break;
	}
}

bool bfence_disks_has_openers(struct gate *gate)
{
	struct disk *disk;
	bool has = false;

	spin_lock(&bfence_disks_lock);
	list_for_each_entry(disk, &gate->disks, node)
		has |= disk->nr_openers;
	spin_unlock(&bfence_disks_lock);
	return has;
}

static bool disks_are_gone(struct gate *gate)
{
	bool gone;

	spin_lock(&bfence_disks_lock);
	gone = list_empty(&gate->disks);
	spin_unlock(&bfence_disks_lock);
	return gone;
}

bool bfence_disks_remove_all(struct gate *gate)
{
	struct disk *disk;

	lockdep_assert_held(&gate->lock);
	spin_lock(&bfence_disks_lock);
	list_for_each_entry(disk, &gate->disks, node)
		if (disk->nr_openers) {
			spin_unlock(&bfence_disks_lock);
			return false;
		}
	list_for_each_entry(disk, &gate->disks, node)
		disk->dead = true;	/* nobody can open one any more */
	spin_unlock(&bfence_disks_lock);
	disk_kick(gate);
	/* No opener, nothing in flight: a deletion waits for no I/O. */
	wait_var_event(&gate->disks, disks_are_gone(gate));
	return true;
}

bool bfence_disks_name(struct gate *gate, char name[DISK_NAME_LEN])
{
	struct disk *disk;

	spin_lock(&bfence_disks_lock);
	disk = disk_alive(gate);
	if (disk)
		strscpy(name, disk->gd->disk_name, DISK_NAME_LEN);
	spin_unlock(&bfence_disks_lock);
	return disk;
}
