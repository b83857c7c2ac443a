// SPDX-License-Identifier: GPL-2.0
/*
 * SQLite as an engine: WAL, synchronous=FULL, one transaction a mint. Its
 * other settings are its own. Must never know the other engines.
 */
#include "engine.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SETUP                           \
	"PRAGMA journal_mode=WAL;"      \
	"PRAGMA synchronous=FULL;"      \
	"CREATE TABLE IF NOT EXISTS v " \
	"(id TEXT PRIMARY KEY, frame BLOB) WITHOUT ROWID;"
#define UPSERT                                 \
	"INSERT INTO v VALUES (?1, ?2) "       \
	"ON CONFLICT(id) DO UPDATE SET frame=?2"

struct base {
	sqlite3 *db;
	sqlite3_stmt *upsert;
	uint8_t frame[ENGINE_FRAME];
};

static int fail(struct base *b)
{
	fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(b->db));
	return -EIO;
}

static int run(struct base *b, const char *sql)
{
	return sqlite3_exec(b->db, sql, NULL, NULL, NULL) ? fail(b) : 0;
}

static int mint_one(struct base *b, uint32_t volume)
{
	char id[ENGINE_ID_SIZE];

	engine_id(volume, id);
	b->frame[volume % ENGINE_FRAME]++;
	sqlite3_bind_text(b->upsert, 1, id, -1, SQLITE_STATIC);
	sqlite3_bind_blob(b->upsert, 2, b->frame, ENGINE_FRAME, SQLITE_STATIC);
	if (sqlite3_step(b->upsert) != SQLITE_DONE)
		return fail(b);
	return sqlite3_reset(b->upsert) ? fail(b) : 0;
}

static int mint(void *store, const uint32_t *volumes, size_t nr)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < nr; i++)
		ret = mint_one(store, volumes[i]);
	return ret;
}

/* Only to have the volumes there: one transaction for many. */
static int fill(void *store, const uint32_t *volumes, size_t nr)
{
	int ret = run(store, "BEGIN");

	if (ret == 0)
		ret = mint(store, volumes, nr);
	return ret ? ret : run(store, "COMMIT");
}

static int read_all(struct base *b, size_t *ret_found)
{
	sqlite3_stmt *all;
	size_t nr = 0;
	int step;

	if (sqlite3_prepare_v2(b->db, "SELECT id, frame FROM v", -1, &all,
			       NULL))
		return fail(b);
	while ((step = sqlite3_step(all)) == SQLITE_ROW) {
		const uint8_t *frame = sqlite3_column_blob(all, 1);

		memcpy(b->frame, frame, ENGINE_FRAME);
		nr += sqlite3_column_text(all, 0) != NULL;
	}
	sqlite3_finalize(all);
	*ret_found = nr;
	return step == SQLITE_DONE ? 0 : fail(b);
}

static void close_it(void *store)
{
	struct base *b = store;

	sqlite3_finalize(b->upsert);
	sqlite3_close(b->db);
	free(b);
}

static int open_it(const char *place, uint32_t nr_volumes, void **ret,
		   size_t *ret_found)
{
	struct base *b = calloc(1, sizeof(*b));
	char path[4096];
	int code;

	(void)nr_volumes;
	if (!b)
		return -ENOMEM;
	code = mkdir(place, 0700) && errno != EEXIST ? -errno : 0;
	snprintf(path, sizeof(path), "%s/db", place);
	if (code == 0 && sqlite3_open(path, &b->db))
		code = fail(b);
	if (code == 0)
		code = run(b, SETUP);
	if (code == 0 &&
	    sqlite3_prepare_v2(b->db, UPSERT, -1, &b->upsert, NULL))
		code = fail(b);
	if (code == 0)
		code = read_all(b, ret_found);
	if (code) {
		close_it(b);
		return code;
	}
	*ret = b;
	return 0;
}

const struct engine engine = {
	.open = open_it,
	.mint = mint,
	.fill = fill,
	.close = close_it,
};
