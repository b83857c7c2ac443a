/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an operator configures, checked: every value of a struct config lies
 * within its bounds and suits the others. Must never open what it names.
 */
#ifndef BFENCE_CONFIG_H
#define BFENCE_CONFIG_H

#include <stdio.h>

#include "core/types.h"
#include "err.h"
#include "log.h"

#define CONFIG_PATH_SIZE	256	/* as BFENCE_BACKING_LEN, and the NUL */
#define CONFIG_SLOTS_MAX	16384	/* the most that slots_max may say */

enum config_role {
	CONFIG_UNSPEC,
	CONFIG_MASTER,
	CONFIG_REPLICA,
};

struct config_master {
	char store[CONFIG_PATH_SIZE];	/* folder of the authority log */
	char listen[ADDR_SIZE];
	char socket[CONFIG_PATH_SIZE];
	char keys[CONFIG_PATH_SIZE];
	uint32_t heartbeat_ms;
	uint32_t lease_ms;
	uint32_t freshness_ms;
	uint32_t grace_ms;
	uint32_t retry_ms;
	uint32_t drain_ms;
	uint32_t min_epoch_interval_ms;
	uint32_t rebalance_skew;	/* 0: never */
	uint32_t rebalance_cooldown_ms;
	uint32_t volumes_max;
	uint32_t hosts_max;
};

struct config_volume {
	struct volume_id volume;
	char path[CONFIG_PATH_SIZE];	/* backing device, absolute */
};

struct config_replica {
	struct host_id host;
	char master[ADDR_SIZE];
	char key[CONFIG_PATH_SIZE];
	char store[CONFIG_PATH_SIZE];	/* folder of the floor log */
	struct addr data_addr;
	struct addr ctrl_addr;
	uint32_t heartbeat_ms;
	uint32_t slots_max;
	uint32_t nr_volumes;
	struct config_volume *volumes;	/* sorted by volume */
};

struct config {
	enum config_role role;
	enum log_level log_level;
	struct config_master master;	/* of the role alone */
	struct config_replica replica;
};

/*
 * Reads the file of the role. 0, or -EINVAL (or what opening it gave) with
 * one sentence that begins with `FILE:LINE: ` where a line is at fault. Ended
 * with config_exit(), also after an error.
 */
int config_load(struct config *config, enum config_role role, const char *path,
		struct err *err);
void config_exit(struct config *config);

/* Replaces the store's folder, as --store does. */
int config_set_store(struct config *config, const char *dir, struct err *err);

/* NULL when no backing device is configured for the volume. */
const char *config_backing(const struct config_replica *config,
			   const struct volume_id *volume);

/* Every value, defaults included, and the bounds that they promise. */
void config_print(const struct config *config, FILE *to);

#endif
