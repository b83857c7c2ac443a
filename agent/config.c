// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration files, read strictly: what is not understood is an error
 * with its line. Must never open what a value names.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "config_keys.h"

struct reading {
	struct config *config;
	const char *path;
	FILE *file;
	struct err *err;
	unsigned int line;
	uint32_t seen;			/* bit i: key i of the role was set */
	bool failed;			/* err holds the first fault */
};

static const char *role_section(enum config_role role)
{
	return role == CONFIG_MASTER ? "master" : "replica";
}

/* Composes `FILE:LINE: what`; the first fault is the one that is told. */
static int fault(struct reading *r, const char *what)
{
	if (!r->failed)
		err_set(r->err, -EINVAL, "%s:%u: %s", r->path, r->line, what);
	r->failed = true;
	return 0;	/* inih's word for an error */
}

/* --- volumes --------------------------------------------------------------- */

static int compare_volumes(const void *a, const void *b)
{
	const struct config_volume *va = a, *vb = b;

	return strcmp(va->volume.s, vb->volume.s);
}

static bool is_path(const char *text)
{
	return text[0] == '/' && strlen(text) < CONFIG_PATH_SIZE;
}

static int check_volume(const struct config_replica *c, const char *name,
			const char *path, char what[CONFIG_WHAT_SIZE])
{
	struct volume_id id;

	if (volume_id_parse(name, &id))
		return config_say(
			what,
			"\"%s\" is no volume: 1..63 bytes of [A-Za-z0-9._-], the first one alphanumeric",
			name);
	if (!is_path(path))
		return config_say(
			what,
			"the backing device \"%s\" of volume %s is no absolute path of at most %d bytes",
			path, name, CONFIG_PATH_SIZE - 1);
	for (uint32_t i = 0; i < c->nr_volumes; i++) {
		const struct config_volume *other = &c->volumes[i];

		if (volume_id_equal(&other->volume, &id))
			return config_say(what,
					  "volume %s is set a second time",
					  name);
		if (strcmp(other->path, path) == 0)
			return config_say(
				what,
				"%s is the backing device of volume %s already, volume %s needs its own",
				path, other->volume.s, name);
	}
	if (c->nr_volumes == CONFIG_SLOTS_MAX)
		return config_say(what, "more than %d volumes",
				  CONFIG_SLOTS_MAX);
	return 0;
}

static int add_volume(struct reading *r, const char *name, const char *path)
{
	struct config_replica *c = &r->config->replica;
	char what[CONFIG_WHAT_SIZE];
	struct config_volume *volumes;

	if (check_volume(c, name, path, what))
		return fault(r, what);
	volumes = reallocarray(c->volumes, c->nr_volumes + 1, sizeof(*volumes));
	if (!volumes)
		return fault(r, "out of memory");
	c->volumes = volumes;
	memset(&volumes[c->nr_volumes], 0, sizeof(*volumes));
	volume_id_parse(name, &volumes[c->nr_volumes].volume);
	memcpy(volumes[c->nr_volumes].path, path, strlen(path));
	c->nr_volumes++;
	return 1;
}

const char *config_backing(const struct config_replica *config,
			   const struct volume_id *volume)
{
	const struct config_volume key = { .volume = *volume };
	const struct config_volume *found =
		config->nr_volumes ?
			bsearch(&key, config->volumes, config->nr_volumes,
				sizeof(key), compare_volumes) :
			NULL;

	return found ? found->path : NULL;
}

/* --- reading --------------------------------------------------------------- */

static bool section_is_known(const struct reading *r, const char *section)
{
	return strcmp(section, role_section(r->config->role)) == 0 ||
	       (r->config->role == CONFIG_REPLICA &&
		strcmp(section, "volumes") == 0);
}

static int on_value(void *user, const char *section, const char *name,
		    const char *value)
{
	struct reading *r = user;
	char what[CONFIG_WHAT_SIZE];
	int at;

	if (r->failed)
		return 0;
	if (!section_is_known(r, section)) {
		config_say(what, "%s stands in section [%s], not in [%s]", name,
			   section, role_section(r->config->role));
		return fault(r, what);
	}
	if (strcmp(section, "volumes") == 0)
		return add_volume(r, name, value);
	at = config_key_find(r->config->role, name);
	if (at < 0) {
		config_say(what, "unknown key \"%s\" in [%s]", name, section);
		return fault(r, what);
	}
	if (r->seen & (1u << at)) {
		config_say(what,
			   "%s is set a second time (an indented line continues the one above it)",
			   name);
		return fault(r, what);
	}
	r->seen |= 1u << at;
	if (config_key_set(r->config, at, value, what))
		return fault(r, what);
	return 1;
}

/* inih tells of a section by its keys alone; an empty one is a mistake too. */
static void check_header(struct reading *r, const char *text)
{
	char section[64], what[CONFIG_WHAT_SIZE];

	if (sscanf(text, " [%63[^]\n]]", section) != 1 ||
	    section_is_known(r, section))
		return;
	config_say(what, "unknown section [%s]", section);
	fault(r, what);
}

/* As fgets(); counts the lines, and refuses one that inih would cut. */
static char *read_line(char *text, int size, void *user)
{
	struct reading *r = user;
	size_t len;

	if (r->failed || !fgets(text, size, r->file))
		return NULL;
	r->line++;
	len = strlen(text);
	if (len + 1 == (size_t)size && text[len - 1] != '\n') {
		char what[CONFIG_WHAT_SIZE];

		config_say(what, "the line is longer than %d bytes", size - 2);
		fault(r, what);
		return NULL;
	}
	check_header(r, text);
	return r->failed ? NULL : text;
}

static int read_file(struct reading *r)
{
	int bad_line;

	r->file = fopen(r->path, "re");
	if (!r->file) {
		r->failed = true;
		return err_set(r->err, -errno, "%s: %s", r->path,
			       strerror(errno));
	}
	bad_line = ini_parse_stream(read_line, r, on_value, r);
	if (!r->failed && ferror(r->file)) {
		r->failed = true;
		err_set(r->err, -EIO, "%s: it cannot be read", r->path);
	}
	fclose(r->file);
	if (!r->failed && bad_line) {
		r->line = (unsigned int)bad_line;
		fault(r, "neither a [section] nor KEY = VALUE");
	}
	return r->failed ? -EINVAL : 0;
}

/* --- whole ----------------------------------------------------------------- */

static int check_whole(struct reading *r)
{
	struct config *config = r->config;
	char what[CONFIG_WHAT_SIZE];
	int missing = config_key_missing(config->role, r->seen);

	if (missing >= 0)
		return err_set(r->err, -EINVAL, "%s: %s is missing in [%s]",
			       r->path, config_key_name(config->role, missing),
			       role_section(config->role));
	if (config_check_bounds(config, what))
		return err_set(r->err, -EINVAL, "%s: %s", r->path, what);
	if (config->replica.nr_volumes > config->replica.slots_max &&
	    config->role == CONFIG_REPLICA)
		return err_set(r->err, -EINVAL,
			       "%s: %u volumes are more than slots_max = %u",
			       r->path, config->replica.nr_volumes,
			       config->replica.slots_max);
	return 0;
}

int config_load(struct config *config, enum config_role role, const char *path,
		struct err *err)
{
	struct reading reading = { .config = config, .path = path, .err = err };
	int error;

	memset(config, 0, sizeof(*config));
	config->role = role;
	config_key_defaults(config);
	error = read_file(&reading);
	if (error)
		return error;
	if (config->replica.nr_volumes)
		qsort(config->replica.volumes, config->replica.nr_volumes,
		      sizeof(*config->replica.volumes), compare_volumes);
	return check_whole(&reading);
}

void config_exit(struct config *config)
{
	free(config->replica.volumes);
	config->replica.volumes = NULL;
	config->replica.nr_volumes = 0;
}

int config_set_store(struct config *config, const char *dir, struct err *err)
{
	char *store = config->role == CONFIG_MASTER ? config->master.store :
						      config->replica.store;

	if (!is_path(dir))
		return err_set(
			err, -EINVAL,
			"--store: \"%s\" is no absolute path of at most %d bytes",
			dir, CONFIG_PATH_SIZE - 1);
	memset(store, 0, CONFIG_PATH_SIZE);
	memcpy(store, dir, strlen(dir));
	return 0;
}
