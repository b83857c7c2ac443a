// SPDX-License-Identifier: GPL-2.0
/*
 * A configuration file, read for either role: what is taken lies within its
 * bounds and can be shown, what is refused is refused in a sentence that
 * begins with the file. Must never know what the values do.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "fuzz.h"

static void check_master(const struct config_master *c)
{
	assert(c->store[0] == '/' && c->socket[0] == '/' && c->keys[0] == '/');
	assert(memchr(c->listen, 0, sizeof(c->listen)));
	/* One renewal may be lost, and one report come late. */
	assert(c->lease_ms >= 3 * c->heartbeat_ms);
	assert(c->freshness_ms >= 2 * c->heartbeat_ms);
	assert(c->volumes_max >= 1 && c->hosts_max >= REPLICA_SLOTS);
}

static void check_replica(const struct config_replica *c)
{
	struct host_id host;

	assert(host_id_parse(c->host.s, &host) == 0);
	assert(c->key[0] == '/' && c->store[0] == '/');
	assert(c->nr_volumes <= c->slots_max);
	for (uint32_t i = 0; i < c->nr_volumes; i++) {
		const struct config_volume *v = &c->volumes[i];

		assert(config_backing(c, &v->volume) == v->path);
		assert(v->path[0] == '/');
		assert(memchr(v->path, 0, sizeof(v->path)));
		assert(i == 0 || strcmp(v[-1].volume.s, v->volume.s) < 0);
	}
}

static void check_config(const struct config *config)
{
	FILE *to = fopen("/dev/null", "we");

	assert(to);
	config_print(config, to);
	fclose(to);
	if (config->role == CONFIG_MASTER)
		check_master(&config->master);
	else
		check_replica(&config->replica);
}

static void judge(enum config_role role, const char *path)
{
	struct config config;
	struct err err = { 0 };
	int ret = config_load(&config, role, path, &err);

	if (ret == 0) {
		check_config(&config);
	} else {
		assert(ret == -EINVAL && err.code == ret);
		assert(strncmp(err.text, path, strlen(path)) == 0);
		assert(err.text[strlen(path)] == ':');
		assert(memchr(err.text, 0, sizeof(err.text)));
	}
	config_exit(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[40];
	int fd = memfd_create("config", MFD_CLOEXEC);

	assert(fd >= 0);
	assert(write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	judge(CONFIG_MASTER, path);
	judge(CONFIG_REPLICA, path);
	close(fd);
	return 0;
}
