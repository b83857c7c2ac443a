// SPDX-License-Identifier: GPL-2.0
/*
 * LMDB as an engine, with its own settings: one commit for all that wait.
 * Must never know the other engines.
 */
#include "engine.h"

#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAP_SIZE	((size_t)4 << 30)

struct env {
	MDB_env *env;
	MDB_dbi dbi;
	uint8_t frame[ENGINE_FRAME];
};

/* Its own errors are negative too, but no errno. */
static int told(int ret)
{
	if (ret == 0)
		return 0;
	fprintf(stderr, "lmdb: %s\n", mdb_strerror(ret));
	return ret > 0 ? -ret : -EIO;
}

static int put(struct env *e, MDB_txn *txn, uint32_t volume)
{
	char id[ENGINE_ID_SIZE];
	MDB_val key = { .mv_data = id };
	MDB_val value = { .mv_size = ENGINE_FRAME, .mv_data = e->frame };

	engine_id(volume, id);
	key.mv_size = strlen(id);
	e->frame[volume % ENGINE_FRAME]++;
	return mdb_put(txn, e->dbi, &key, &value, 0);
}

static int mint(void *store, const uint32_t *volumes, size_t nr)
{
	struct env *e = store;
	MDB_txn *txn;
	int ret = mdb_txn_begin(e->env, NULL, 0, &txn);

	if (ret)
		return told(ret);
	for (size_t i = 0; ret == 0 && i < nr; i++)
		ret = put(e, txn, volumes[i]);
	if (ret) {
		mdb_txn_abort(txn);
		return told(ret);
	}
	return told(mdb_txn_commit(txn));
}

/* Leaves the table open for the mints to come. */
static int read_all(struct env *e, size_t *ret_found)
{
	MDB_cursor *cursor = NULL;
	MDB_val key, value;
	MDB_txn *txn;
	size_t nr = 0;
	int ret = mdb_txn_begin(e->env, NULL, 0, &txn);

	if (ret)
		return ret;
	ret = mdb_dbi_open(txn, NULL, 0, &e->dbi);
	if (ret == 0)
		ret = mdb_cursor_open(txn, e->dbi, &cursor);
	while (ret == 0) {
		ret = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
		if (ret)
			break;
		memcpy(e->frame, value.mv_data, ENGINE_FRAME);
		nr++;
	}
	if (cursor)
		mdb_cursor_close(cursor);
	*ret_found = nr;
	if (ret == MDB_NOTFOUND)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return ret;
}

static void close_it(void *store)
{
	struct env *e = store;

	mdb_env_close(e->env);
	free(e);
}

static int open_it(const char *place, uint32_t nr_volumes, void **ret,
		   size_t *ret_found)
{
	struct env *e = calloc(1, sizeof(*e));
	int code;

	(void)nr_volumes;
	if (!e)
		return -ENOMEM;
	code = mkdir(place, 0700) && errno != EEXIST ? errno : 0;
	if (code == 0)
		code = mdb_env_create(&e->env);
	if (code == 0)
		code = mdb_env_set_mapsize(e->env, MAP_SIZE);
	if (code == 0)
		code = mdb_env_open(e->env, place, 0, 0600);
	if (code == 0)
		code = read_all(e, ret_found);
	if (code) {
		close_it(e);
		return told(code);
	}
	*ret = e;
	return 0;
}

const struct engine engine = {
	.open = open_it,
	.mint = mint,
	.close = close_it,
};
