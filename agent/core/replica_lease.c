// SPDX-License-Identifier: GPL-2.0
/*
 * From the master's answer to a report to an instant on this host's clock.
 * Must never know which gates end with it.
 */
#include "replica_state.h"

static const char *lease_fault_name(enum lease_fault fault)
{
	switch (fault) {
	case LEASE_TAKEN:
		return "taken";
	case LEASE_OLD_INCARNATION:
		return "it is of another incarnation";
	case LEASE_UNKNOWN_REPORT:
		return "it answers no report that is remembered";
	case LEASE_PAST:
		return "it is over already";
	case LEASE_KERNEL:
		return "the kernel refused it";
	}
	return "?";
}

static void lease_refused(struct replica *r, enum lease_fault fault,
			  const char *detail, struct replica_update *update)
{
	if (r->lease_fault == fault)
		return;
	r->lease_fault = fault;
	replica_note(update, "lease-ignored reason=\"%s\"%s%s%s",
		     lease_fault_name(fault), *detail ? " detail=\"" : "",
		     detail, *detail ? "\"" : "");
}

void replica_lease_failed(struct replica *r, const char *reason,
			  struct replica_update *update)
{
	lease_refused(r, LEASE_KERNEL, reason, update);
}

static enum lease_fault lease_check(const struct replica *r,
				    const struct lease *lease,
				    struct mono_ms *ret_deadline)
{
	const struct session *s = &r->session;

	if (lease->incarnation != s->incarnation)
		return LEASE_OLD_INCARNATION;
	if (lease->seq == 0 || lease->seq > s->seq ||
	    s->seq - lease->seq >= REPORTS_REMEMBERED)
		return LEASE_UNKNOWN_REPORT;
	ret_deadline->v =
		s->sent_at[lease->seq % REPORTS_REMEMBERED].v + lease->lease_ms;
	return ret_deadline->v <= r->host.now.v ? LEASE_PAST : LEASE_TAKEN;
}

/* It runs from the moment the report was sent, which the master cannot have
 * answered before. */
void replica_on_lease(struct replica *r, const struct lease *lease,
		      struct replica_update *update)
{
	struct kernel_op op = { .kind = KERNEL_LEASE,
				.incarnation = lease->incarnation };
	enum lease_fault fault = lease_check(r, lease, &op.lease_deadline);

	if (fault != LEASE_TAKEN) {
		lease_refused(r, fault, "", update);
		return;
	}
	if (r->lease_fault != LEASE_KERNEL)
		r->lease_fault = LEASE_TAKEN;
	replica_push_op(r, &op, update);
}
