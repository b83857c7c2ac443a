/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which gates there are: attach, detach, look up, walk. It must never know
 * disks or netlink.
 */
#ifndef BFENCE_ATTACH_H
#define BFENCE_ATTACH_H

#include "fence.h"

struct attach_ask {
	const char *volume;
	const char *replica;
	const char *path;
	struct gate_ask gate;
};

/* 0: *@ret is attached, locked and holds a reference; else as in fence.h. */
int bfence_attach(const struct attach_ask *ask, struct gate **ret);

/* Under gate->lock, after a verdict: nobody finds the gate any more. */
void bfence_detach(struct gate *gate, const struct gate_ask *ask);

/* Locked, settled, with a reference; NULL: there is none. */
struct gate *bfence_attach_find(const char *volume);
/* The first one from *@id on; *@id becomes its id. */
struct gate *bfence_attach_next(unsigned long *id);
void bfence_attach_release(struct gate *gate);

unsigned int bfence_attach_nr(void);
/* Changes when a gate comes or goes. */
unsigned int bfence_attach_generation(void);

/* For the end of the host's lease: each gate looks at its own grant. */
void bfence_attach_kick_all(struct work_struct *work);

#endif /* BFENCE_ATTACH_H */
