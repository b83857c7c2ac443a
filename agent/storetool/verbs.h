/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The verbs of store_tool.c and what they share: a log that was read and
 * judged. For the files of the store tools alone.
 */
#ifndef BFENCE_STORE_TOOL_VERBS_H
#define BFENCE_STORE_TOOL_VERBS_H

#include <jansson.h>

#include "core/reload.h"
#include "edge/store_image.h"
#include "err.h"

struct store_tool {
	const char *dir;
	const char *dest;	/* or NULL, as the verb has it */
	uint64_t number;
	bool json;
};

/* Each prints what it found or did, and gives 0, or a negative errno with its
 * sentence. */
int store_tool_check(const struct store_tool *tool, struct err *err);
int store_tool_dump(const struct store_tool *tool, struct err *err);
int store_tool_backup(const struct store_tool *tool, struct err *err);
int store_tool_export(const struct store_tool *tool, struct err *err);
int store_tool_import(const struct store_tool *tool, struct err *err);
int store_tool_salvage(const struct store_tool *tool, struct err *err);
int store_tool_raise(const struct store_tool *tool, struct err *err);

/* --- judge.c ----------------------------------------------------- */

struct judged {
	struct store_image image;
	size_t nr_used;		/* frames up to the last one that is not zero */
	struct reload reload;
	int refusal;		/* what boot would say, or 0 */
};

/* Judges as the start of an agent does. Takes the image, also when it fails
 * for want of memory; exit is for every *ret. */
int judged_init(struct judged *ret, struct store_image *image);
void judged_exit(struct judged *judged);

/* Reads, then judges. */
int judged_read(struct judged *ret, const char *dir, struct err *err);

/* The refusal as a sentence; 0 when there is none. */
int judged_refuse(const struct judged *judged, const char *dir,
		  struct err *err);

/* What the log holds, as an object; NULL without memory. */
json_t *judged_report(const struct judged *judged);

#endif
