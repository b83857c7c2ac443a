/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The master's status views as JSON objects. A value that is absent is an
 * absent key. Must never know a connection.
 */
#ifndef BFENCE_API_JSON_H
#define BFENCE_API_JSON_H

#include <jansson.h>

#include "core/master.h"
#include "edge/store.h"

/* All give a new object, or NULL without memory. */
json_t *api_json_volume(const struct volume_status *status);
json_t *api_json_host(const struct host_status *status);
json_t *api_json_skips(const struct store_skip *skips, size_t nr);

/* Takes value. A failure frees *object and leaves NULL there, which further
 * calls accept: one look at the end is enough. */
void api_json_set(json_t **object, const char *key, json_t *value);
void api_json_set_u64(json_t **object, const char *key, uint64_t value);

#endif
