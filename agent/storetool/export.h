/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The document of an export, and the store that it makes. Must never know
 * where the document lies.
 *
 * { "export_version": 1, "store_id": hex, "incarnation": newest,
 *   "records": [ { fields of json.h, "verdict", "frame": base64 } ],
 *   "sha256": of the frames in this order }
 */
#ifndef BFENCE_STORE_TOOL_EXPORT_H
#define BFENCE_STORE_TOOL_EXPORT_H

#include <jansson.h>
#include <openssl/types.h>

#include <stdio.h>

#include "core/record.h"
#include "edge/store_image.h"
#include "err.h"
#include "verbs.h"

#define EXPORT_VERSION		1
#define EXPORT_BASE64_LEN	(4 * ((RECORD_FRAME_SIZE + 2) / 3))
#define EXPORT_SUM_SIZE		65	/* hex and NUL */

/* What the document says of one record; NULL without memory. */
json_t *export_record(const struct record *record, enum record_verdict verdict,
		      const uint8_t frame[RECORD_FRAME_SIZE]);

struct export_sum {
	EVP_MD_CTX *context;
};

int export_sum_init(struct export_sum *sum);
void export_sum_add(struct export_sum *sum,
		    const uint8_t frame[RECORD_FRAME_SIZE]);
void export_sum_end(struct export_sum *sum, char ret[EXPORT_SUM_SIZE]);
void export_sum_exit(struct export_sum *sum);

/* The document of a log that was not refused. */
int export_print(FILE *to, const struct judged *j);

/* Composes the store of the document. -EBADMSG: the sentence names the record
 * and the field that does not agree with its frame. */
int export_to_image(const json_t *document, struct store_image *ret,
		    struct err *err);

#endif
