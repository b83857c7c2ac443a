/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One slot of this host: its floor, its gate, and the commands of the master
 * that are not answered yet. Driven by level: from these follows which kernel
 * op, which record and which answer are due. Must never know the other slots,
 * a session, or a clock.
 *
 * A fence at L is acknowledged as done only when the kernel has drained at L
 * and the floor L is durable.
 */
#ifndef BFENCE_ADAPTER_H
#define BFENCE_ADAPTER_H

#include "replica.h"

/* What a slot has to know of its host, now. */
struct adapter_host {
	const struct replica_config *config;
	struct mono_ms now;
	uint64_t incarnation;	/* highest that is durable, 0 = none */
	int store_error;	/* of the floor log, after which it is closed */
};

/* A command on its way. A newer one of its kind replaces it. */
struct adapter_wait {
	bool active;
	bool carried_out;	/* the kernel has done it */
	bool told_closed;
	bool told_quarantined;
	int error;		/* it will be refused with this */
	struct mono_ms since;
	struct command command;
	char reason[MESSAGE_REASON_SIZE];
};

struct adapter {
	struct volume_id volume;
	bool configured;	/* a backing device is */
	bool attached;		/* gate is valid */
	bool op_in_flight;	/* the kernel has not answered yet */
	bool op_failed;		/* not tried again until adapter_retry() */
	bool attach_failed;	/* the last one did */
	bool released;		/* the master names it no more: it ends closed,
				 * and keeps its floor */
	bool recorded;		/* the log holds `durable` */
	bool writing;		/* `in_flight` is in the group in flight */
	struct floor floor;	/* what must become durable */
	struct floor in_flight;
	struct floor durable;
	uint64_t write_seq;
	struct lineage faulty;	/* I/O failed at it: no evidence of data */
	struct gate_info gate;
	struct adapter_wait waits[COMMAND_CLOSE + 1];
	struct {
		enum gate_state state;
		enum role role;
		struct lineage lineage;
		int refusal;
		int op_error;
	} noted;
};

void adapter_init(struct adapter *a, const struct volume_id *volume);

/* --- what becomes known -------------------------------------------------- */

/* Before anything else: what the floor log holds of the slot. */
void adapter_load(struct adapter *a, const struct record *record);
/* A gate's present state. It may only raise the floor. */
void adapter_take_gate(struct adapter *a, const struct gate_info *gate);
void adapter_lose_gate(struct adapter *a);
/* The master's name for the slot: 0, or -EEXIST when it has another; one that
 * was released may come back under a new name. */
int adapter_name(struct adapter *a, const struct replica_id *replica);
/* The master has left it out of its list. True when that is new. */
bool adapter_release(struct adapter *a);
void adapter_retry(struct adapter *a);
/* Whoever asked is gone: nothing is answered any more. What was promised to
 * the floor still reaches the gate. */
void adapter_forget_commands(struct adapter *a);

/* 0: taken, answers follow. A negative errno: refused, nothing changed. */
int adapter_command(struct adapter *a, const struct adapter_host *host,
		    const struct command *command,
		    char reason[MESSAGE_REASON_SIZE]);
/* Why the slot cannot be opened so, now; 0: it can. */
int adapter_check_open(const struct adapter *a, const struct adapter_host *host,
		       const struct command *command,
		       char reason[MESSAGE_REASON_SIZE]);
/* A slot that joins late lacks writes: the log must have forgotten that it
 * served the lineage before it takes the first one. */
bool adapter_must_forget(const struct command *c, const struct floor *floor);
/* The answer to an op of adapter_next_op(). */
void adapter_done(struct adapter *a, const struct replica_event *event);

/* --- what is due --------------------------------------------------------- */

bool adapter_next_op(struct adapter *a, const struct adapter_host *host,
		     struct kernel_op *ret);
bool adapter_next_ack(struct adapter *a, const struct adapter_host *host,
		      struct ack *ret);
/* The refusal of a command that was not taken, but for error and reason. */
void adapter_refuse(const struct adapter *a, const struct adapter_host *host,
		    const struct command *command, struct ack *ack);

/* The log lacks something. Not while it is being written. */
bool adapter_is_dirty(const struct adapter *a);
void adapter_write(struct adapter *a, struct record *ret);
void adapter_written(struct adapter *a, int error);

/* --- what it is ---------------------------------------------------------- */

/* It is the master's slot of that name, as far as this host knows. */
bool adapter_is_named(const struct adapter *a);
/* The gate refuses everything below `lineage` and nothing below it is in
 * flight. */
bool adapter_proves(const struct adapter *a, struct lineage lineage);
void adapter_fact(const struct adapter *a, const struct replica_config *config,
		  struct slot_fact *ret);
void adapter_proof(const struct adapter *a, const struct adapter_host *host,
		   struct proof *ret);
/* One line for the log when the gate is not what it was when last noted. */
bool adapter_note(struct adapter *a, struct replica_note *ret);

#endif
