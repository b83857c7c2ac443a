/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The lab's unsafe switches, module parameters of a BFENCE_LAB=1 build alone:
 * a control experiment must be able to show what breaks without the check and
 * without the drain. A product build holds no trace of them.
 */
#ifndef BFENCE_LAB_H
#define BFENCE_LAB_H

#ifdef BFENCE_LAB
extern bool bfence_unsafe_no_check;	/* what is refused goes through */
extern bool bfence_unsafe_no_drain;	/* drained as soon as closed */
#else
#define bfence_unsafe_no_check	false
#define bfence_unsafe_no_drain	false
#endif

#endif /* BFENCE_LAB_H */
