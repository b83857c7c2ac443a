// SPDX-License-Identifier: GPL-2.0
/*
 * The host's incarnation, boot id and lease. It must never know a gate: the
 * work that it queues at the end of a lease belongs to somebody else.
 */
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "host.h"

#define BOOT_ID_PATH	"/proc/sys/kernel/random/boot_id"

static atomic64_t incarnation_seen;
static char boot_id[UUID_STRING_LEN + 1];

static DEFINE_MUTEX(lease_lock);	/* one renewal at a time */
static struct lease __rcu *host_lease;	/* NULL: there never was one */
static struct hrtimer lease_timer;
static struct work_struct *lease_end_work;

static void lease_release(struct kref *ref)
{
	struct lease *lease = container_of(ref, struct lease, ref);

	kfree_rcu(lease, rcu);
}

void bfence_lease_put(struct lease *lease)
{
	if (lease)
		kref_put(&lease->ref, lease_release);
}

struct lease *bfence_lease_get(void)
{
	struct lease *lease;

	rcu_read_lock();
	lease = rcu_dereference(host_lease);
	if (lease &&
	    (bfence_lease_is_over(lease) || !kref_get_unless_zero(&lease->ref)))
		lease = NULL;
	rcu_read_unlock();
	return lease;
}

u64 bfence_lease_deadline_ns(void)
{
	struct lease *lease;
	u64 deadline_ns = 0;

	rcu_read_lock();
	lease = rcu_dereference(host_lease);
	if (lease && !bfence_lease_is_over(lease))
		deadline_ns = atomic64_read(&lease->deadline_ns);
	rcu_read_unlock();
	return deadline_ns;
}

/*
 * One store has ended every leased grant of the host by now, or does so here;
 * the work then walks the gates and drains them.
 */
static enum hrtimer_restart lease_timer_fired(struct hrtimer *timer)
{
	struct lease *lease;

	rcu_read_lock();
	lease = rcu_dereference(host_lease);
	/* False after a renewal, which has started the timer again. */
	if (lease && bfence_lease_is_over(lease))
		queue_work(system_highpri_wq, lease_end_work);
	rcu_read_unlock();
	return HRTIMER_NORESTART;
}

static int lease_start(u64 deadline_ns)
{
	struct lease *lease = kzalloc(sizeof(*lease), GFP_KERNEL);
	struct lease *old;

	lockdep_assert_held(&lease_lock);
	if (!lease)
		return -ENOMEM;
	atomic64_set(&lease->deadline_ns, deadline_ns);
	kref_init(&lease->ref);
	old = rcu_replace_pointer(host_lease, lease,
				  lockdep_is_held(&lease_lock));
	/* The timer is about to serve the new lease: end the old one here. */
	if (old)
		queue_work(system_highpri_wq, lease_end_work);
	bfence_lease_put(old);
	return 0;
}

static void lease_end(struct lease *lease)
{
	atomic64_set(&lease->deadline_ns, 0);
	hrtimer_cancel(&lease_timer);
	queue_work(system_highpri_wq, lease_end_work);
}

/* 0, also where nothing changes, an enum verdict, or a negative errno. */
int bfence_lease_set(u64 deadline_ns)
{
	u64 now_ns = ktime_get_boottime_ns();
	struct lease *lease;
	s64 old_ns = 0;
	int err = 0;

	if (deadline_ns > now_ns + (u64)BFENCE_LEASE_MS_MAX * NSEC_PER_MSEC)
		return VERDICT_LEASE_TOO_LONG;

	mutex_lock(&lease_lock);
	lease = rcu_dereference_protected(host_lease,
					  lockdep_is_held(&lease_lock));
	if (lease && !bfence_lease_is_over(lease))
		old_ns = atomic64_read(&lease->deadline_ns);
	if (!deadline_ns) {
		if (lease)
			lease_end(lease);
		goto unlock;
	}
	if (deadline_ns <= now_ns || deadline_ns <= (u64)old_ns)
		goto unlock;
	/* Lost to an I/O that found it over: then it is over for all. */
	if (!old_ns ||
	    !atomic64_try_cmpxchg(&lease->deadline_ns, &old_ns, deadline_ns))
		err = lease_start(deadline_ns);
	if (!err)
		hrtimer_start(&lease_timer, ns_to_ktime(deadline_ns),
			      HRTIMER_MODE_ABS);
unlock:
	mutex_unlock(&lease_lock);
	return err;
}

struct verdict_host bfence_host_view(void)
{
	return (struct verdict_host){
		.incarnation = atomic64_read(&incarnation_seen),
		.lease_running = bfence_lease_deadline_ns() != 0,
	};
}

/* Never goes down. */
void bfence_host_saw(u64 incarnation)
{
	s64 seen = atomic64_read(&incarnation_seen);

	while ((u64)seen < incarnation &&
	       !atomic64_try_cmpxchg(&incarnation_seen, &seen, incarnation))
		;
}

const char *bfence_host_boot_id(void)
{
	return boot_id;
}

/* The kernel exports this boot's id to userspace alone. */
static int boot_id_read(void)
{
	struct file *file = filp_open(BOOT_ID_PATH, O_RDONLY, 0);
	loff_t pos = 0;
	ssize_t len;

	if (IS_ERR(file)) {
		pr_err("bfence: " BOOT_ID_PATH
		       ": cannot be opened (%ld): is /proc mounted?\n",
		       PTR_ERR(file));
		return PTR_ERR(file);
	}
	len = kernel_read(file, boot_id, UUID_STRING_LEN, &pos);
	filp_close(file, NULL);
	if (len != UUID_STRING_LEN || !uuid_is_valid(boot_id)) {
		pr_err("bfence: " BOOT_ID_PATH ": holds no uuid (%zd)\n", len);
		return len < 0 ? len : -EBADMSG;
	}
	return 0;
}

int bfence_host_init(struct work_struct *on_lease_end)
{
	lease_end_work = on_lease_end;
	/* Not CLOCK_MONOTONIC: a suspended host wakes with its lease over. */
	hrtimer_init(&lease_timer, CLOCK_BOOTTIME, HRTIMER_MODE_ABS);
	lease_timer.function = lease_timer_fired;
	return boot_id_read();
}

void bfence_host_exit(void)
{
	hrtimer_cancel(&lease_timer);
	cancel_work_sync(lease_end_work);
	bfence_lease_put(rcu_replace_pointer(host_lease, NULL, true));
}
