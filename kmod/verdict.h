/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's decisions as pure functions: what a command may do to a gate,
 * and why an I/O is refused. It must never know locks, devices, netlink or
 * clocks: the kernel, the unit tests and a simulator ask the same code.
 */
#ifndef BFENCE_VERDICT_H
#define BFENCE_VERDICT_H

#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/types.h>
#else
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#endif
#include <linux/bfence.h>

struct lineage {
	__u64 epoch;			/* 0: no lineage at all */
	__u64 endpoint_version;
};

/* What a gate knows of itself. */
struct verdict_gate {
	struct lineage authority;
	char primary[BFENCE_REPLICA_LEN + 1];	/* "": nobody named it yet */
	__u32 access;			/* F_LEASED, F_READ_ONLY */
	bool access_known;		/* was opened at this authority */
	bool managed;
	bool read_only;			/* the backing device is */
	enum bfence_state state;
};

/* What a command asks for. */
struct verdict_ask {
	struct lineage lineage;
	const char *primary;		/* NULL: not named */
	__u64 incarnation;		/* 0: a bare change, of no master */
	__u32 flags;			/* BFENCE_F_* */
};

/* What is common to all gates of the host. */
struct verdict_host {
	__u64 incarnation;		/* highest seen, 0: none */
	bool lease_running;
};

enum verdict {
	VERDICT_APPLY,			/* do it */
	VERDICT_SAME,			/* it is so already: same proof again */
	VERDICT_STALE,
	VERDICT_NEWER,
	VERDICT_CONFLICT_PRIMARY,
	VERDICT_CONFLICT_ACCESS,
	VERDICT_OLD_INCARNATION,
	VERDICT_MANAGED,
	VERDICT_KEEP_DISK,
	VERDICT_UNDRAINED,
	VERDICT_NO_LEASE,
	VERDICT_READ_ONLY,
	VERDICT_BUSY_OPEN,
	VERDICT_BUSY_INFLIGHT,
	VERDICT_BUSY_DISK,
	VERDICT_BAD_VOLUME,
	VERDICT_BAD_REPLICA,
	VERDICT_BAD_BACKING,
	VERDICT_BAD_PRIMARY,
	VERDICT_HALF_LINEAGE,
	VERDICT_PRIMARY_ALONE,
	VERDICT_VOLUME_ATTACHED,
	VERDICT_BACKING_ATTACHED,
	VERDICT_BACKING_MISSING,
	VERDICT_BACKING_NOT_BLOCK,
	VERDICT_BACKING_BUSY,
	VERDICT_BACKING_ZONED,
	VERDICT_BACKING_EMPTY,
	VERDICT_LEASE_TOO_LONG,

	NR_VERDICTS,
};

/* Why an I/O is refused. 0: it is not. */
enum verdict_reject {
	REJECT_NONE,
	REJECT_STALE,
	REJECT_CLOSED,
	REJECT_LEASE,
	REJECT_READ_ONLY,
	REJECT_NEWER,			/* a stamp above the authority */

	NR_REJECTS,
};

#define VERDICT_ACCESS_FLAGS	(BFENCE_F_LEASED | BFENCE_F_READ_ONLY)

static inline int lineage_cmp(const struct lineage *a, const struct lineage *b)
{
	if (a->epoch != b->epoch)
		return a->epoch < b->epoch ? -1 : 1;
	if (a->endpoint_version != b->endpoint_version)
		return a->endpoint_version < b->endpoint_version ? -1 : 1;
	return 0;
}

static inline bool lineage_is_set(const struct lineage *lineage)
{
	return lineage->epoch != 0;
}

/* One or more of [A-Za-z0-9._-], the first one alphanumeric. */
static inline bool verdict_name_is_sound(const char *name)
{
	const char *c;

	for (c = name; *c; c++) {
		bool alnum = (*c >= '0' && *c <= '9') ||
			     (*c >= 'A' && *c <= 'Z') ||
			     (*c >= 'a' && *c <= 'z');

		if (!alnum && (c == name || !strchr("._-", *c)))
			return false;
	}
	return c != name;
}

/*
 * Who may change something: a master that is not older than the newest one
 * seen, or, where no master manages it, anybody with the capability.
 */
static inline enum verdict verdict_caller(bool managed,
					  const struct verdict_ask *ask,
					  const struct verdict_host *host)
{
	if (ask->incarnation && ask->incarnation < host->incarnation)
		return VERDICT_OLD_INCARNATION;
	if (!ask->incarnation && managed && !(ask->flags & BFENCE_F_FORCE))
		return VERDICT_MANAGED;
	return VERDICT_APPLY;
}

/* An override shows in the proof until a master changes the gate again. */
static inline bool verdict_is_forced(const struct verdict_gate *gate,
				     const struct verdict_ask *ask)
{
	return gate->managed && !ask->incarnation;
}

/* A name that is still missing on either side contradicts nothing. */
static inline bool verdict_same_primary(const struct verdict_gate *gate,
					const struct verdict_ask *ask)
{
	return !ask->primary || !gate->primary[0] ||
	       !strcmp(ask->primary, gate->primary);
}

static inline enum verdict verdict_attach(const char *volume,
					  const char *replica, const char *path,
					  const struct verdict_ask *ask,
					  const struct verdict_host *host)
{
	const struct lineage *floor = &ask->lineage;

	if (!verdict_name_is_sound(volume))
		return VERDICT_BAD_VOLUME;
	if (!verdict_name_is_sound(replica))
		return VERDICT_BAD_REPLICA;
	if (path[0] != '/')
		return VERDICT_BAD_BACKING;
	if (ask->primary && !verdict_name_is_sound(ask->primary))
		return VERDICT_BAD_PRIMARY;
	if (!floor->epoch != !floor->endpoint_version)
		return VERDICT_HALF_LINEAGE;
	if (ask->primary && !lineage_is_set(floor))
		return VERDICT_PRIMARY_ALONE;
	return verdict_caller(false, ask, host);
}

static inline enum verdict verdict_fence(const struct verdict_gate *gate,
					 const struct verdict_ask *ask,
					 const struct verdict_host *host)
{
	enum verdict caller = verdict_caller(gate->managed, ask, host);
	int order = lineage_cmp(&ask->lineage, &gate->authority);

	if (caller != VERDICT_APPLY)
		return caller;
	if (ask->primary && !verdict_name_is_sound(ask->primary))
		return VERDICT_BAD_PRIMARY;
	if (order < 0)
		return VERDICT_STALE;
	if (order == 0)
		return verdict_same_primary(gate, ask) ?
			       VERDICT_SAME :
			       VERDICT_CONFLICT_PRIMARY;
	/* A disk never goes over to another epoch or to another primary's. */
	if ((ask->flags & BFENCE_F_KEEP_DISK) &&
	    (ask->lineage.epoch != gate->authority.epoch || !ask->primary ||
	     strcmp(ask->primary, gate->primary)))
		return VERDICT_KEEP_DISK;
	return VERDICT_APPLY;
}

static inline enum verdict verdict_open(const struct verdict_gate *gate,
					const struct verdict_ask *ask,
					const struct verdict_host *host)
{
	enum verdict caller = verdict_caller(gate->managed, ask, host);
	int order = lineage_cmp(&ask->lineage, &gate->authority);
	__u32 access = ask->flags & VERDICT_ACCESS_FLAGS;

	if (caller != VERDICT_APPLY)
		return caller;
	if (ask->primary && !verdict_name_is_sound(ask->primary))
		return VERDICT_BAD_PRIMARY;
	if (order)
		return order < 0 ? VERDICT_STALE : VERDICT_NEWER;
	if (!verdict_same_primary(gate, ask))
		return VERDICT_CONFLICT_PRIMARY;
	if (gate->access_known && gate->access != access)
		return VERDICT_CONFLICT_ACCESS;
	if (gate->state == BFENCE_STATE_OPEN)
		return VERDICT_SAME;
	if (gate->state != BFENCE_STATE_CLOSED)
		return VERDICT_UNDRAINED;
	if (gate->read_only && !(access & BFENCE_F_READ_ONLY))
		return VERDICT_READ_ONLY;
	if ((access & BFENCE_F_LEASED) && !host->lease_running)
		return VERDICT_NO_LEASE;
	return VERDICT_APPLY;
}

static inline enum verdict verdict_close(const struct verdict_gate *gate,
					 const struct verdict_ask *ask,
					 const struct verdict_host *host)
{
	enum verdict caller = verdict_caller(gate->managed, ask, host);

	if (caller != VERDICT_APPLY)
		return caller;
	return gate->state == BFENCE_STATE_OPEN ? VERDICT_APPLY : VERDICT_SAME;
}

static inline enum verdict verdict_detach(const struct verdict_gate *gate,
					  const struct verdict_ask *ask,
					  const struct verdict_host *host,
					  bool disk_is_open)
{
	enum verdict caller = verdict_caller(gate->managed, ask, host);

	if (caller != VERDICT_APPLY)
		return caller;
	if (gate->state == BFENCE_STATE_OPEN)
		return VERDICT_BUSY_OPEN;
	if (gate->state != BFENCE_STATE_CLOSED)
		return VERDICT_BUSY_INFLIGHT;
	if (disk_is_open)
		return VERDICT_BUSY_DISK;
	return VERDICT_APPLY;
}

/* A host that a master speaks to has its lease changed by a master alone. */
static inline enum verdict verdict_lease(const struct verdict_ask *ask,
					 const struct verdict_host *host)
{
	return verdict_caller(host->incarnation != 0, ask, host);
}

/*
 * Why an I/O of this lineage, that of its disk's grant or of its own stamp, is
 * refused where no grant admits it.
 */
static inline enum verdict_reject
verdict_reject(const struct lineage *stamp, const struct lineage *authority,
	       bool lease_is_over)
{
	int order = lineage_cmp(stamp, authority);

	if (order)
		return order < 0 ? REJECT_STALE : REJECT_NEWER;
	return lease_is_over ? REJECT_LEASE : REJECT_CLOSED;
}

/* What is told to who sent an I/O that can carry it: a stamped one. */
static inline int verdict_reject_errno(enum verdict_reject why)
{
	switch (why) {
	case REJECT_NONE:
		return 0;
	case REJECT_STALE:
		return -ESTALE;
	case REJECT_NEWER:
		return -EAGAIN;
	case REJECT_CLOSED:
		return -ENOLINK;
	case REJECT_LEASE:
		return -EKEYEXPIRED;
	case REJECT_READ_ONLY:
		return -EROFS;
	case NR_REJECTS:
		break;
	}
	return -EINVAL;
}

/* 0 where the command is answered with a gate. */
static inline int verdict_errno(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_APPLY:
	case VERDICT_SAME:
		return 0;
	case VERDICT_STALE:
	case VERDICT_OLD_INCARNATION:
		return -ESTALE;
	case VERDICT_CONFLICT_PRIMARY:
	case VERDICT_CONFLICT_ACCESS:
	case VERDICT_VOLUME_ATTACHED:
	case VERDICT_BACKING_ATTACHED:
		return -EEXIST;
	case VERDICT_MANAGED:
		return -EPERM;
	case VERDICT_UNDRAINED:
		return -EAGAIN;
	case VERDICT_NO_LEASE:
		return -EKEYEXPIRED;
	case VERDICT_READ_ONLY:
		return -EROFS;
	case VERDICT_BUSY_OPEN:
	case VERDICT_BUSY_INFLIGHT:
	case VERDICT_BUSY_DISK:
	case VERDICT_BACKING_BUSY:
		return -EBUSY;
	case VERDICT_BACKING_MISSING:
		return -ENOENT;
	case VERDICT_BACKING_NOT_BLOCK:
		return -ENOTBLK;
	case VERDICT_BACKING_ZONED:
		return -EOPNOTSUPP;
	case VERDICT_BACKING_EMPTY:
		return -ENXIO;
	case VERDICT_LEASE_TOO_LONG:
		return -ERANGE;
	case VERDICT_NEWER:
	case VERDICT_KEEP_DISK:
	case VERDICT_BAD_VOLUME:
	case VERDICT_BAD_REPLICA:
	case VERDICT_BAD_BACKING:
	case VERDICT_BAD_PRIMARY:
	case VERDICT_HALF_LINEAGE:
	case VERDICT_PRIMARY_ALONE:
	case NR_VERDICTS:
		break;
	}
	return -EINVAL;
}

#endif /* BFENCE_VERDICT_H */
