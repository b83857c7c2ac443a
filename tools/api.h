/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The objects of the master's API as tables of fields. Data only.
 */
#ifndef BFENCE_TOOLS_API_H
#define BFENCE_TOOLS_API_H

#include "field.h"

extern const struct field api_status_fields[];
extern const struct field api_skip_fields[];
extern const struct field api_volume_fields[];
extern const struct field api_deleted_fields[];
extern const struct field api_slot_fields[];
extern const struct field api_evidence_fields[];
extern const struct field api_host_fields[];

extern const struct column api_skip_columns[];
extern const struct column api_volume_columns[];
extern const struct column api_slot_columns[];
extern const struct column api_evidence_columns[];
extern const struct column api_host_columns[];

#endif
