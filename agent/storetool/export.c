// SPDX-License-Identifier: GPL-2.0
/*
 * A store as one JSON document: for each record its readable fields and the
 * frame that they are read from. Must never compose a record of fields; the
 * way back (import.c) believes the frames.
 */
#include "export.h"

#include <errno.h>
#include <string.h>

#include <openssl/evp.h>

#include "json.h"

static void put_base64(json_t **object, const char *key,
		       const uint8_t frame[RECORD_FRAME_SIZE])
{
	unsigned char text[EXPORT_BASE64_LEN + 1];

	EVP_EncodeBlock(text, frame, RECORD_FRAME_SIZE);
	json_put_text(object, key, (const char *)text);
}

json_t *export_record(const struct record *record, enum record_verdict verdict,
		      const uint8_t frame[RECORD_FRAME_SIZE])
{
	json_t *object = json_object();

	json_put_record(&object, record, verdict == RECORD_BAD_BODY);
	json_put_text(&object, "verdict", verdict_name(verdict));
	put_base64(&object, "frame", frame);
	return object;
}

/* --- the sum over all frames ------------------------------------------------ */

int export_sum_init(struct export_sum *sum)
{
	sum->context = EVP_MD_CTX_new();
	if (!sum->context)
		return -ENOMEM;
	return EVP_DigestInit_ex(sum->context, EVP_sha256(), NULL) ? 0 :
								     -ENOMEM;
}

void export_sum_add(struct export_sum *sum,
		    const uint8_t frame[RECORD_FRAME_SIZE])
{
	EVP_DigestUpdate(sum->context, frame, RECORD_FRAME_SIZE);
}

void export_sum_end(struct export_sum *sum, char ret[EXPORT_SUM_SIZE])
{
	unsigned char bytes[EVP_MAX_MD_SIZE] = { 0 };

	EVP_DigestFinal_ex(sum->context, bytes, NULL);
	for (size_t i = 0; i < (EXPORT_SUM_SIZE - 1) / 2; i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	export_sum_exit(sum);
}

void export_sum_exit(struct export_sum *sum)
{
	EVP_MD_CTX_free(sum->context);
	sum->context = NULL;
}

/* --- writing it, record by record ------------------------------------------- */

/* Takes value. */
static int print_member(FILE *to, const char *key, json_t *value)
{
	int ret = -ENOMEM;

	if (value) {
		fprintf(to, "\"%s\": ", key);
		ret = json_dumpf(value, to, JSON_ENCODE_ANY) ? -EIO : 0;
		fputs(",\n", to);
	}
	json_decref(value);
	return ret;
}

static int print_head(FILE *to, const struct judged *j)
{
	const struct record_entry *entry = record_table_at(j->reload.table, 0);
	json_t *head = json_object();
	const char *key;
	json_t *value;
	int ret = head ? 0 : -ENOMEM;

	json_put_u64(&head, "export_version", EXPORT_VERSION);
	json_put_store(&head, "store_id", &j->reload.store);
	if (entry->record.kind == RECORD_INCARNATION)
		json_put_u64(&head, "incarnation",
			     record_incarnation(&entry->record).value);
	fputs("{\n", to);
	json_object_foreach(head, key, value) {
		if (ret == 0)
			ret = print_member(to, key, json_incref(value));
	}
	json_decref(head);
	return ret;
}

/* Takes object. */
static int print_record(FILE *to, json_t *object, const char *separator)
{
	int ret;

	if (!object)
		return -ENOMEM;
	fputs(separator, to);
	ret = json_dumpf(object, to, 0) ? -EIO : 0;
	json_decref(object);
	return ret;
}

static int print_records(FILE *to, const struct judged *j,
			 struct export_sum *sum)
{
	struct record_table *table = j->reload.table;
	const char *separator = "\n";
	int ret = 0;

	fputs("\"records\": [", to);
	for (size_t i = 0; ret == 0 && i < record_table_nr(table); i++) {
		const struct record_entry *entry = record_table_at(table, i);
		const uint8_t *frame;

		if (entry->log_seq == 0)
			continue;
		frame = j->image.bytes +
			(entry->log_seq - j->reload.first_seq) *
				RECORD_FRAME_SIZE;
		export_sum_add(sum, frame);
		ret = print_record(to,
				   export_record(&entry->record,
						 entry->damaged ?
							 RECORD_BAD_BODY :
							 RECORD_OK,
						 frame),
				   separator);
		separator = ",\n";
	}
	fputs("\n],\n", to);
	return ret;
}

int export_print(FILE *to, const struct judged *j)
{
	struct export_sum sum;
	char text[EXPORT_SUM_SIZE];
	int ret = export_sum_init(&sum);

	if (ret == 0)
		ret = print_head(to, j);
	if (ret == 0)
		ret = print_records(to, j, &sum);
	if (ret) {
		export_sum_exit(&sum);
		return ret;
	}
	export_sum_end(&sum, text);
	fprintf(to, "\"sha256\": \"%s\"\n}\n", text);
	return 0;
}

int store_tool_export(const struct store_tool *tool, struct err *err)
{
	struct judged j;
	int ret = judged_read(&j, tool->dir, err);

	if (ret == 0)
		ret = judged_refuse(&j, tool->dir, err);
	if (ret == 0 && export_print(stdout, &j))
		ret = err_set(err, -ENOMEM, "%s: the document is cut short",
			      tool->dir);
	judged_exit(&j);
	return ret;
}
