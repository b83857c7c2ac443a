/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Why the kernel refused a request, as a sentence for the operator. Pure.
 */
#ifndef BFENCE_TOOLS_EXTACK_H
#define BFENCE_TOOLS_EXTACK_H

#include <libmnl/libmnl.h>

#include "refusal.h"

/*
 * reply is the NLMSG_ERROR that answers request. 0 for an acknowledgement,
 * otherwise the kernel's negative errno with its sentence and the name of the
 * attribute at fault.
 */
int extack_error(const struct nlmsghdr *reply, const struct nlmsghdr *request,
		 struct refusal *refusal);

#endif
