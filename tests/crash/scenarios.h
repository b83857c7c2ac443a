/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a master and a replica do to their stores, and the disks that they
 * find. Must never know a crash.
 */
#ifndef BFENCE_CRASH_SCENARIOS_H
#define BFENCE_CRASH_SCENARIOS_H

#include "explore.h"

struct disk *log_of_64(struct expect *expect);
/* Volumes of all kinds; v2 is damaged, v4 was never bound. */
struct disk *log_nearly_full(struct expect *expect);
struct disk *log_with_room(struct expect *expect);

scenario raise_and_bind;
scenario mint_alone_and_in_groups;
scenario mint_in_large_groups;
scenario raise_twice;
scenario idle_after_each;
scenario raise_floors;
scenario mint_across_a_compaction;
scenario idle_across_a_compaction;
scenario delete_and_create_anew;
scenario recover_the_damaged;

#endif
