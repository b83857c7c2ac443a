// SPDX-License-Identifier: GPL-2.0
/*
 * bfence's own authority log as an engine. Must never know its peers.
 */
#include "engine.h"
#include "minter.h"

static int open_it(const char *place, uint32_t nr_volumes, void **ret,
		   size_t *ret_found)
{
	struct minter *m;
	int code = minter_open(place, nr_volumes, &m, ret_found);

	if (code == 0)
		*ret = m;
	return code;
}

static int mint(void *store, const uint32_t *volumes, size_t nr)
{
	return minter_mint(store, volumes, nr);
}

static int fill(void *store, const uint32_t *volumes, size_t nr)
{
	return minter_fill(store, volumes, nr);
}

static void close_it(void *store)
{
	minter_close(store);
}

const struct engine engine = {
	.open = open_it,
	.mint = mint,
	.fill = fill,
	.close = close_it,
};
