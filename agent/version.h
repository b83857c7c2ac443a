/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The version of bfenced. Nothing else.
 */
#ifndef BFENCE_VERSION_H
#define BFENCE_VERSION_H

#define BFENCE_VERSION	"0.1.0"

#endif
