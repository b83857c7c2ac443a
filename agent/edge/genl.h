/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module of this host over generic netlink. A command is carried out
 * while the caller waits: its handlers never wait for I/O. Must never decide
 * what an answer means.
 */
#ifndef BFENCE_GENL_H
#define BFENCE_GENL_H

#include "core/replica.h"
#include "edge/loop.h"
#include "err.h"

struct genl;

/* -ENOENT with a sentence when the module is not loaded. */
int genl_new(struct genl **ret, struct err *err);
/* A watch that is in flight ends with its loop: loop_free() comes first. */
void genl_free(struct genl *genl);

int genl_boot_id(struct genl *genl, struct boot_id *ret, struct err *err);

/*
 * Carries the op out. 0 and, but for a lease, the gate as it is then; or the
 * kernel's negative errno and its sentence. `backing` is for an attach, may
 * be NULL otherwise.
 */
int genl_run(struct genl *genl, const struct kernel_op *op, const char *backing,
	     struct gate_info *ret, struct err *err);

/* Every gate there is: gives an array, to be freed. */
int genl_list(struct genl *genl, struct gate_info **ret, size_t *ret_nr,
	      struct err *err);

/* What changes. A notification only says that something did: what is told is
 * the gate as it is at the time of the call, so that no queued news is ever
 * taken for the present. */
struct genl_ops {
	void (*on_gate)(void *arg, const struct gate_info *gate);
	void (*on_gone)(void *arg, const struct volume_id *volume);
	void (*on_lost)(void *arg);	/* news was lost: list again */
};

/* From here on, until loop_free(). Before the first genl_list(). */
int genl_watch(struct genl *genl, struct loop *loop, const struct genl_ops *ops,
	       void *arg, struct err *err);

#endif
