// SPDX-License-Identifier: GPL-2.0
/*
 * The body of an operator's ask: what is taken is well formed and means the
 * same when it is asked again; what is refused is refused in a sentence. Must
 * never know whether it can be granted.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "edge/api_ask.h"
#include "fuzz.h"

static void check_ask(const struct api_ask *ask)
{
	struct volume_id volume;
	struct host_id host;
	struct api_ask again;
	char text[512];
	int len;

	assert(volume_id_parse(ask->volume.s, &volume) == 0);
	assert(volume_id_equal(&volume, &ask->volume));
	for (int i = 0; i < REPLICA_SLOTS; i++) {
		assert(host_id_parse(ask->hosts[i].s, &host) == 0);
		assert(host_id_equal(&host, &ask->hosts[i]));
	}
	len = snprintf(text, sizeof(text),
		       "{\"guard\":\"%s\",\"hosts\":[\"%s\",\"%s\",\"%s\"],"
		       "\"volume\":\"%s\"}",
		       guard_name(ask->guard), ask->hosts[0].s, ask->hosts[1].s,
		       ask->hosts[2].s, ask->volume.s);
	assert(api_ask_parse(text, (size_t)len, &again, NULL) == 0);
	assert(again.guard == ask->guard);
	assert(volume_id_equal(&again.volume, &ask->volume));
	assert(memcmp(again.hosts, ask->hosts, sizeof(again.hosts)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct api_ask ask;
	struct err err = { 0 };
	int ret = api_ask_parse((const char *)data, size, &ask, &err);

	if (ret == 0) {
		check_ask(&ask);
		return 0;
	}
	assert(ret == -EINVAL && err.code == ret);
	assert(err.text[0] != '\0');
	assert(memchr(err.text, 0, sizeof(err.text)));
	return 0;
}
