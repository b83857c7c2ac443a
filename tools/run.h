/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every verb: 0 when done, negative errno with a sentence when refused.
 */
#ifndef BFENCE_TOOLS_RUN_H
#define BFENCE_TOOLS_RUN_H

#include "args.h"
#include "refusal.h"

/* Over netlink, on this host. */
int run_show(const struct args *args, struct refusal *refusal);
int run_monitor(const struct args *args, struct refusal *refusal);
int run_attach(const struct args *args, struct refusal *refusal);
int run_detach(const struct args *args, struct refusal *refusal);
int run_fence(const struct args *args, struct refusal *refusal);
int run_open(const struct args *args, struct refusal *refusal);
int run_close(const struct args *args, struct refusal *refusal);
int run_lease(const struct args *args, struct refusal *refusal);

/* Through a gate's device, on this host. */
int run_io_read(const struct args *args, struct refusal *refusal);
int run_io_write(const struct args *args, struct refusal *refusal);
int run_io_flush(const struct args *args, struct refusal *refusal);

/* Over the master's socket. */
int run_cluster_status(const struct args *args, struct refusal *refusal);
int run_volume_list(const struct args *args, struct refusal *refusal);
int run_volume_show(const struct args *args, struct refusal *refusal);
int run_volume_create(const struct args *args, struct refusal *refusal);
int run_volume_delete(const struct args *args, struct refusal *refusal);
int run_volume_recover(const struct args *args, struct refusal *refusal);
int run_volume_reassign(const struct args *args, struct refusal *refusal);
int run_host_list(const struct args *args, struct refusal *refusal);
int run_host_show(const struct args *args, struct refusal *refusal);
int run_host_drain(const struct args *args, struct refusal *refusal);
int run_host_undrain(const struct args *args, struct refusal *refusal);

#endif
