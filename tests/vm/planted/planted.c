// SPDX-License-Identifier: GPL-2.0
/*
 * Faults planted on purpose, to prove that a kernel that watches itself sees
 * them: `modprobe planted fault=NAME`. Only ever loaded by the test of the
 * ring. It must never know bfence.
 */
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/delay.h>

static char *fault = "";
module_param(fault, charp, 0);
MODULE_PARM_DESC(fault, "freed, inversion, sleep, leak or race");

static int *volatile freed;

static void use_after_free(void)
{
	freed = kmalloc(64, GFP_KERNEL);
	if (!freed)
		return;
	*freed = 1;
	kfree(freed);
	pr_info("planted: read %d\n", *freed);
}

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

static void lock_inversion(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static DEFINE_SPINLOCK(spin);

static void sleep_in_atomic(void)
{
	spin_lock(&spin);
	msleep(1);
	spin_unlock(&spin);
}

static void leak(void)
{
	for (int i = 0; i < 64; i++)
		memset(kmalloc(777, GFP_KERNEL), i, 777);
}

static unsigned long raced;

static int racer(void *unused)
{
	while (!kthread_should_stop()) {
		for (int i = 0; i < 10000; i++)
			raced++;
		cond_resched();
	}
	return 0;
}

static void race(void)
{
	struct task_struct *a = kthread_run(racer, NULL, "planted-a");
	struct task_struct *b = kthread_run(racer, NULL, "planted-b");

	msleep(3000);
	if (!IS_ERR(a))
		kthread_stop(a);
	if (!IS_ERR(b))
		kthread_stop(b);
}

static int __init planted_init(void)
{
	if (!strcmp(fault, "freed"))
		use_after_free();
	else if (!strcmp(fault, "inversion"))
		lock_inversion();
	else if (!strcmp(fault, "sleep"))
		sleep_in_atomic();
	else if (!strcmp(fault, "leak"))
		leak();
	else if (!strcmp(fault, "race"))
		race();
	else
		return -EINVAL;
	return 0;
}

static void __exit planted_exit(void)
{
}

module_init(planted_init);
module_exit(planted_exit);
MODULE_DESCRIPTION("Faults planted to test the testers");
MODULE_LICENSE("GPL");
