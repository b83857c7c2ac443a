/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: fence, drained, open, close, reject. It must never know more of
 * a gate than its name and its lineage.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM bfence

#if !defined(BFENCE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define BFENCE_TRACE_H

#include <linux/tracepoint.h>

#include "verdict.h"

/* clang-format off */

TRACE_EVENT(bfence_fence,
	TP_PROTO(const char *volume, const struct lineage *from,
		 const struct lineage *to),
	TP_ARGS(volume, from, to),
	TP_STRUCT__entry(
		__string(volume, volume)
		__field(u64, from_epoch)
		__field(u64, from_version)
		__field(u64, epoch)
		__field(u64, version)
	),
	TP_fast_assign(
		compat_assign_str(volume);
		__entry->from_epoch = from->epoch;
		__entry->from_version = from->endpoint_version;
		__entry->epoch = to->epoch;
		__entry->version = to->endpoint_version;
	),
	TP_printk("volume=%s lineage=%llu.%llu->%llu.%llu", __get_str(volume),
		  __entry->from_epoch, __entry->from_version,
		  __entry->epoch, __entry->version)
);

TRACE_EVENT(bfence_drained,
	TP_PROTO(const char *volume, const struct lineage *lineage,
		 u64 drained, u64 drain_ns),
	TP_ARGS(volume, lineage, drained, drain_ns),
	TP_STRUCT__entry(
		__string(volume, volume)
		__field(u64, epoch)
		__field(u64, version)
		__field(u64, drained)
		__field(u64, drain_ns)
	),
	TP_fast_assign(
		compat_assign_str(volume);
		__entry->epoch = lineage->epoch;
		__entry->version = lineage->endpoint_version;
		__entry->drained = drained;
		__entry->drain_ns = drain_ns;
	),
	TP_printk("volume=%s lineage=%llu.%llu drained=%llu drain_ns=%llu",
		  __get_str(volume), __entry->epoch, __entry->version,
		  __entry->drained, __entry->drain_ns)
);

TRACE_EVENT(bfence_open,
	TP_PROTO(const char *volume, const struct lineage *lineage,
		 u32 access),
	TP_ARGS(volume, lineage, access),
	TP_STRUCT__entry(
		__string(volume, volume)
		__field(u64, epoch)
		__field(u64, version)
		__field(u32, access)
	),
	TP_fast_assign(
		compat_assign_str(volume);
		__entry->epoch = lineage->epoch;
		__entry->version = lineage->endpoint_version;
		__entry->access = access;
	),
	TP_printk("volume=%s lineage=%llu.%llu access=%s", __get_str(volume),
		  __entry->epoch, __entry->version,
		  __print_flags(__entry->access, "|",
				{ BFENCE_F_LEASED, "leased" },
				{ BFENCE_F_READ_ONLY, "read_only" }))
);

TRACE_EVENT(bfence_close,
	TP_PROTO(const char *volume, const struct lineage *lineage,
		 u32 reason),
	TP_ARGS(volume, lineage, reason),
	TP_STRUCT__entry(
		__string(volume, volume)
		__field(u64, epoch)
		__field(u64, version)
		__field(u32, reason)
	),
	TP_fast_assign(
		compat_assign_str(volume);
		__entry->epoch = lineage->epoch;
		__entry->version = lineage->endpoint_version;
		__entry->reason = reason;
	),
	TP_printk("volume=%s lineage=%llu.%llu reason=%s", __get_str(volume),
		  __entry->epoch, __entry->version,
		  __print_symbolic(__entry->reason,
				   { BFENCE_REASON_COMMAND, "command" },
				   { BFENCE_REASON_LEASE, "lease" }))
);

/* The lineage is the one that the I/O was stamped with, by its disk or itself. */
TRACE_EVENT(bfence_reject,
	TP_PROTO(const char *volume, const struct lineage *lineage, u32 why),
	TP_ARGS(volume, lineage, why),
	TP_STRUCT__entry(
		__string(volume, volume)
		__field(u64, epoch)
		__field(u64, version)
		__field(u32, why)
	),
	TP_fast_assign(
		compat_assign_str(volume);
		__entry->epoch = lineage->epoch;
		__entry->version = lineage->endpoint_version;
		__entry->why = why;
	),
	TP_printk("volume=%s lineage=%llu.%llu why=%s", __get_str(volume),
		  __entry->epoch, __entry->version,
		  __print_symbolic(__entry->why,
				   { REJECT_STALE, "stale" },
				   { REJECT_CLOSED, "closed" },
				   { REJECT_LEASE, "lease" },
				   { REJECT_READ_ONLY, "read_only" },
				   { REJECT_NEWER, "newer" }))
);

/* clang-format on */
#endif /* BFENCE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
