/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a refusal reads. It must never decide.
 */
#ifndef BFENCE_REFUSAL_H
#define BFENCE_REFUSAL_H

#include "verdict.h"

struct genl_info;

/*
 * Takes 0, an enum verdict or a negative errno, tells the caller's extack why,
 * and gives the errno: 0 where it was done or was so already.
 */
int bfence_refuse(struct genl_info *info, int ret);

#endif /* BFENCE_REFUSAL_H */
