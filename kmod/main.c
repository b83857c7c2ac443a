// SPDX-License-Identifier: GPL-2.0
/*
 * bfence.ko: init in order, exit in reverse, and who hears of a gate's events.
 * It must never hold logic of its own.
 */
#include <linux/module.h>
#include <net/genetlink.h>

#include "attach.h"
#include "lab.h"
#include "netlink.h"
#include "proof.h"
#include "stamped.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

#ifdef BFENCE_LAB
bool bfence_unsafe_no_check;
module_param_named(unsafe_no_check, bfence_unsafe_no_check, bool, 0644);
MODULE_PARM_DESC(unsafe_no_check, "lab only: let refused I/O through");
bool bfence_unsafe_no_drain;
module_param_named(unsafe_no_drain, bfence_unsafe_no_drain, bool, 0644);
MODULE_PARM_DESC(unsafe_no_drain, "lab only: do not wait for I/O in flight");
MODULE_INFO(lab, "unsafe");
#endif

static DECLARE_WORK(lease_ended, bfence_attach_kick_all);

/* The disks first: the proof names the one that is left. */
static void on_gate_event(struct gate *gate, enum bfence_event event)
{
	bfence_disks_on_event(gate, event);
	bfence_proof_log(gate, event);
	bfence_netlink_notify(gate, event);
}

static int __init bfence_init(void)
{
	int err;

	bfence_fence_set_event(on_gate_event);
	err = bfence_gate_init();
	if (err)
		return err;
	err = bfence_host_init(&lease_ended);
	if (err)
		goto err_gate;
	err = bfence_stamped_init();
	if (err)
		goto err_host;
	err = bfence_netlink_init();
	if (err)
		goto err_stamped;
	return 0;

err_stamped:
	bfence_stamped_exit();
err_host:
	bfence_host_exit();
err_gate:
	bfence_gate_exit();
	return err;
}

static void __exit bfence_exit(void)
{
	bfence_netlink_exit();
	bfence_stamped_exit();
	bfence_host_exit();
	bfence_gate_exit();
}

module_init(bfence_init);
module_exit(bfence_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("bfence: refuses the I/O of stale writers");
MODULE_ALIAS_GENL_FAMILY(BFENCE_GENL_NAME);
