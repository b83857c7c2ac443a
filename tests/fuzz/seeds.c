// SPDX-License-Identifier: GPL-2.0
/*
 * Writes the first inputs of each target, made by the code that they try:
 *
 *    seeds FOLDER     writes FOLDER/TARGET/seed-NAME
 *
 * What a search found stands beside them under other names and is left alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../unit/log_image.h"
#include "edge/wire.h"

static const char *folder;

static void fail(const char *path)
{
	perror(path);
	exit(1);
}

static void make_folder(const char *path)
{
	if (mkdir(path, 0777) && errno != EEXIST)
		fail(path);
}

static void seed(const char *target, const char *name, const void *bytes,
		 size_t size)
{
	char path[4096];
	FILE *file;

	make_folder(folder);
	snprintf(path, sizeof(path), "%s/%s", folder, target);
	make_folder(path);
	snprintf(path, sizeof(path), "%s/%s/seed-%s", folder, target, name);
	file = fopen(path, "we");
	if (!file || fwrite(bytes, 1, size, file) != size || fclose(file))
		fail(path);
}

static void seed_text(const char *target, const char *name, const char *text)
{
	seed(target, name, text, strlen(text));
}

/* --- record -------------------------------------------------------------------- */

static void seed_record(const char *name, struct record record)
{
	const struct record_frame at = { .store = image_store,
					 .log_seq = 7,
					 .durable_through = 6,
					 .group_last = 9 };
	uint8_t frame[RECORD_FRAME_SIZE];

	record_encode(&record, &at, frame);
	seed("record", name, frame, sizeof(frame));
}

static struct record recovered(void)
{
	struct record r = record_of("v1", 30, 30);
	const struct record_volume state = {
		.topology = record_topology(&r),
		.line = record_line(&r),
		.recovery = { .write_seq = 29,
			      .line = { 7, 2 },
			      .floor = { 28, 3 },
			      .wall_s = 1800000000,
			      .uid = 1000 },
	};

	return record_of_volume(&r.volume, 30, &state);
}

static void seed_records(void)
{
	const struct volume_id volume = volume_of("v1");
	const struct floor floor = { .replica = { "r2" },
				     .lineage = { 7, 2 },
				     .primary = { "r3" },
				     .served = { 6, 1 } };
	struct record doubt = record_of("v1", 3, 3);
	const struct record_frame at = { .store = image_store,
					 .log_seq = 7,
					 .group_last = 7 };
	uint8_t frame[RECORD_FRAME_SIZE];

	seed_record("volume", record_of("vol.a_b-1", 3, 3));
	seed_record("recovered", recovered());
	seed_record("tombstone", record_of_tombstone(&volume, 4, 3));
	seed_record("floor", record_of_floor(&volume, 9, &floor));
	seed_record("incarnation", incarnation_of(12));
	seed_record("marker", record_of_marker(4097));
	record_put_in_doubt(&doubt);
	seed_record("doubt", doubt);
	record_encode(&doubt, &at, frame);
	record_keep_damaged(&doubt, &at, frame);
	seed("record", "kept", frame, sizeof(frame));
	frame[8] = RECORD_FORMAT_OLDEST;
	frame[11] = 0;
	seed("record", "oldest", frame, sizeof(frame));
	frame[8] = RECORD_FORMAT_VERSION + 1;
	seed("record", "later", frame, sizeof(frame));
	memset(frame, 0, sizeof(frame));
	seed("record", "zeros", frame, sizeof(frame));
}

/* --- reload -------------------------------------------------------------------- */

#define SEED(target, name, ...)                                 \
	do {                                                    \
		const uint8_t bytes_[] = { __VA_ARGS__ };       \
                                                            \
		seed(target, name, bytes_, sizeof(bytes_));     \
	} while (0)

/* Three groups of a, b, c; an incarnation; a marker. See target_reload.c. */
#define LOG                                                                \
	7, 0, 2, 0, 0, 1, 0, 2, 0, 2, 0, 1, 0, 0, 1, 1, 0, 2, 0, 4, 1, 2, 2, \
		0, 1

static void seed_reloads(void)
{
	SEED("reload", "log", LOG);
	SEED("reload", "full", 1, 0, 2, 0, 0, 1, 0, 2, 0);
	SEED("reload", "lines", LOG, 0, 5, 0, 0, 1, 3, 2, 2, 3, 1, 4, 0, 5, 0);
	SEED("reload", "flip-body", LOG, 3, 2, 8, 3);
	SEED("reload", "flip-header", LOG, 3, 2, 0, 99);
	SEED("reload", "set", LOG, 4, 3, 1, 40, 255);
	SEED("reload", "zero", LOG, 5, 3);
	SEED("reload", "unwritten", LOG, 0, 2, 0, 0, 1, 0, 2, 0, 5, 11);
	SEED("reload", "copy", LOG, 6, 1, 5);
	SEED("reload", "swap", LOG, 7, 1, 5);
	SEED("reload", "foreign", LOG, 8, 3);
	SEED("reload", "kept", LOG, 9, 1, 9, 7);
	SEED("reload", "kept-and-healed", LOG, 9, 3, 0, 0, 2, 0);
	SEED("reload", "cut", LOG, 10, 20);
	SEED("reload", "version", LOG, 11, 2, 0, 8, 3);
	SEED("reload", "oldest", LOG, 11, 2, 0, 8, 1);
	SEED("reload", "kind", LOG, 11, 2, 0, 10, 3);
	SEED("reload", "write-seq", LOG, 0, 0, 2, 3, 12, 11, 3, 255);
	SEED("reload", "synced", LOG, 12, 6, 1, 3);
	SEED("reload", "promised", LOG, 12, 9, 2, 5);
}

/* --- wire ---------------------------------------------------------------------- */

static void seed_message(const char *name, const struct message *message)
{
	static uint8_t bytes[WIRE_FRAME_BYTES_MAX];
	char framed[32];
	int size = wire_frame_put(message, bytes);

	if (size < 0) {
		errno = -size;
		fail(name);
	}
	seed("wire", name, bytes + WIRE_HEADER_BYTES,
	     (size_t)size - WIRE_HEADER_BYTES);
	snprintf(framed, sizeof(framed), "framed-%s", name);
	seed("wire", framed, bytes, (size_t)size);
}

static const struct slot_fact fact = {
	.volume = { "v1" },
	.replica = { "r1" },
	.data_addr = { "192.0.2.2:4000" },
	.ctrl_addr = { "[2001:db8::2]:4001" },
	.state = GATE_OPEN,
	.role = ROLE_PRIMARY,
	.authority = { 7, 2 },
	.floor = { 7, 2 },
	.applied = { 7, 2 },
	.served = { 7, 1 },
	.backing_ok = true,
	.io_errors = 3,
};

static void seed_from_replica(void)
{
	static struct message m;

	m = (struct message){ .kind = MESSAGE_HELLO };
	m.hello = (struct hello){ .version_min = 1,
				  .version_max = 1,
				  .host = { "host-1" },
				  .boot = { "5e0cf04e-5a3d" },
				  .master_store = image_store,
				  .incarnation = 4 };
	seed_message("hello", &m);
	m = (struct message){ .kind = MESSAGE_REPORT };
	m.report = (struct report){ .seq = 9, .full = true, .last = true };
	m.report.nr_slots = 2;
	m.report.slots[0] = fact;
	m.report.slots[1] = fact;
	m.report.slots[1].withdrawn = true;
	seed_message("report", &m);
	m = (struct message){ .kind = MESSAGE_ACK };
	m.ack = (struct ack){ .kind = COMMAND_FENCE, .asked = { 7, 2 } };
	m.ack.proof = (struct proof){ .volume = { "v1" },
				      .replica = { "r1" },
				      .lineage = { 7, 2 },
				      .boot = { "5e0cf04e-5a3d" },
				      .state = GATE_CLOSED,
				      .drained = true,
				      .floor_durable = true,
				      .incarnation = 4,
				      .admitted = 1000,
				      .close_ns = 90000 };
	seed_message("ack", &m);
	m.ack.error = -ESTALE;
	snprintf(m.ack.reason, sizeof(m.ack.reason), "older than 8.1");
	seed_message("ack-refused", &m);
}

static void seed_from_master(void)
{
	static struct message m;

	m = (struct message){ .kind = MESSAGE_WELCOME };
	m.welcome = (struct welcome){ 1, image_store, 4, 1000, 6000 };
	seed_message("welcome", &m);
	m = (struct message){ .kind = MESSAGE_REFUSE };
	snprintf(m.refuse.reason, sizeof(m.refuse.reason), "no such host");
	seed_message("refuse", &m);
	m = (struct message){ .kind = MESSAGE_SYNC };
	m.sync = (struct sync){ .first = true, .last = true, .incarnation = 4 };
	m.sync.nr_slots = 1;
	m.sync.slots[0].volume = fact.volume;
	m.sync.slots[0].replica = fact.replica;
	seed_message("sync", &m);
	m = (struct message){ .kind = MESSAGE_COMMAND };
	m.command = (struct command){ .kind = COMMAND_OPEN,
				      .volume = { "v1" },
				      .replica = { "r1" },
				      .lineage = { 7, 2 },
				      .primary = { "r1" },
				      .incarnation = 4,
				      .leased = true };
	seed_message("command", &m);
	m = (struct message){ .kind = MESSAGE_LEASE };
	m.lease = (struct lease){ 9, 6000, 4 };
	seed_message("lease", &m);
}

/* --- text ---------------------------------------------------------------------- */

static void seed_texts(void)
{
	seed_text("ask", "create",
		  "{\"volume\": \"v1\", \"hosts\": [\"a\", \"b\", \"c\"], "
		  "\"guard\": \"quorum\"}");
	seed_text("ask", "least",
		  "{\"volume\":\"v\",\"hosts\":[\"a\",\"b\","
		  "\"c\"]}");
	seed_text("ask", "guard",
		  "{\"hosts\":[\"a\",\"b\",\"c\"],\"guard\":\"none\"}");
	seed_text("ask", "twice", "{\"volume\":\"v\",\"volume\":\"w\"}");
	seed_text("ask", "unknown", "{\"epoch\":7}");
	seed_text("ask", "array", "[\"\\u0000\",1e9,null,true,{}]");
	seed_text("ask", "empty", "");
	seed_text("config", "master",
		  "[master]\nstore = /s\nlisten = 0.0.0.0:7420\n"
		  "socket = /run/m.sock\nkeys = /k\nheartbeat_ms = 1000\n"
		  "lease_ms = 6000\nfreshness_ms = 10000\ngrace_ms = 10000\n"
		  "retry_ms = 5000\ndrain_ms = 5000\nvolumes_max = 100\n"
		  "hosts_max = 10\nlog_level = info\n");
	seed_text("config", "replica",
		  "; a comment\n[replica]\nhost = h1\nmaster = m:7420\n"
		  "data_addr = a:1\nctrl_addr = a:2\nkey = /k\nstore = /s\n"
		  "slots_max = 4\n[volumes]\nv1 = /dev/vdb\nv2 = /dev/vdc\n");
	seed_text("config", "lease",
		  "[master]\nheartbeat_ms = 2001\nlease_ms = 6000\n");
	seed_text("config", "twice",
		  "[master]\ngrace_ms = 10\n"
		  "grace_ms = 10\n");
	seed_text("config", "section", "[nobody]\n");
	seed_text("config", "garbage", "[master\n= \n  x\n\xef\xbb\xbf");
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seeds FOLDER\n");
		return 2;
	}
	folder = argv[1];
	seed_records();
	seed_reloads();
	seed_from_replica();
	seed_from_master();
	seed_texts();
	return 0;
}
