// SPDX-License-Identifier: GPL-2.0
/*
 * The table of keys, the arithmetic between them, and how they are shown.
 * Must never know a file.
 */
#include "config_keys.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bfence.h>

#include "core/bridge.h"
#include "core/damper.h"
#include "edge/keys.h"

#define STATE_DIR	"/var/lib/bfence"
#define ETC_DIR		"/etc/bfence"

enum key_form {
	FORM_NUMBER,	/* uint32_t from min to max */
	FORM_PATH,	/* absolute, of CONFIG_PATH_SIZE */
	FORM_ADDR,	/* struct addr, or char of ADDR_SIZE */
	FORM_HOST,
	FORM_LEVEL,
};

struct key_rule {
	const char *name;
	enum key_form form;
	size_t offset;
	uint32_t min;
	uint32_t max;
	const char *preset;	/* NULL: it must be set */
};

#define AT(member)	offsetof(struct config, member)

static const struct key_rule master_rules[] = {
	{ "store", FORM_PATH, AT(master.store), 0, 0, STATE_DIR "/master" },
	{ "listen", FORM_ADDR, AT(master.listen), 0, 0, "0.0.0.0:7420" },
	{ "socket", FORM_PATH, AT(master.socket), 0, 0,
	  "/run/bfence/master.sock" },
	{ "keys", FORM_PATH, AT(master.keys), 0, 0, ETC_DIR "/keys" },
	{ "heartbeat_ms", FORM_NUMBER, AT(master.heartbeat_ms), 10, 60000,
	  "1000" },
	{ "lease_ms", FORM_NUMBER, AT(master.lease_ms), 100,
	  BFENCE_LEASE_MS_MAX, "6000" },
	{ "freshness_ms", FORM_NUMBER, AT(master.freshness_ms), 20, 3600000,
	  "10000" },
	{ "grace_ms", FORM_NUMBER, AT(master.grace_ms), 10, 3600000, "10000" },
	{ "retry_ms", FORM_NUMBER, AT(master.retry_ms), 10, 600000, "5000" },
	{ "drain_ms", FORM_NUMBER, AT(master.drain_ms), 1, BFENCE_DRAIN_MS_MAX,
	  "5000" },
	{ "min_epoch_interval_ms", FORM_NUMBER,
	  AT(master.min_epoch_interval_ms), 0, 3600000, "10000" },
	{ "rebalance_skew", FORM_NUMBER, AT(master.rebalance_skew), 0, 1000000,
	  "0" },
	{ "rebalance_cooldown_ms", FORM_NUMBER,
	  AT(master.rebalance_cooldown_ms), 1000, 86400000, "60000" },
	{ "volumes_max", FORM_NUMBER, AT(master.volumes_max), 1, 1000000,
	  "10000" },
	{ "hosts_max", FORM_NUMBER, AT(master.hosts_max), REPLICA_SLOTS,
	  KEYS_MAX, "1000" },
	{ "log_level", FORM_LEVEL, AT(log_level), 0, 0, "info" },
	{ 0 },
};

static const struct key_rule replica_rules[] = {
	{ "host", FORM_HOST, AT(replica.host), 0, 0, NULL },
	{ "master", FORM_ADDR, AT(replica.master), 0, 0, NULL },
	{ "key", FORM_PATH, AT(replica.key), 0, 0, ETC_DIR "/host.key" },
	{ "store", FORM_PATH, AT(replica.store), 0, 0, STATE_DIR "/replica" },
	{ "data_addr", FORM_ADDR, AT(replica.data_addr), 0, 0, NULL },
	{ "ctrl_addr", FORM_ADDR, AT(replica.ctrl_addr), 0, 0, NULL },
	{ "heartbeat_ms", FORM_NUMBER, AT(replica.heartbeat_ms), 10, 60000,
	  "1000" },
	{ "slots_max", FORM_NUMBER, AT(replica.slots_max), 1, CONFIG_SLOTS_MAX,
	  "1024" },
	{ "log_level", FORM_LEVEL, AT(log_level), 0, 0, "info" },
	{ 0 },
};

static const struct {
	const char *name;
	enum log_level level;
} levels[] = {
	{ "error", LOG_LEVEL_ERROR },
	{ "warning", LOG_LEVEL_WARNING },
	{ "info", LOG_LEVEL_INFO },
};

int config_say(char what[CONFIG_WHAT_SIZE], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(what, CONFIG_WHAT_SIZE, format, args);
	va_end(args);
	return -EINVAL;
}

static const struct key_rule *rules_of(enum config_role role)
{
	return role == CONFIG_MASTER ? master_rules : replica_rules;
}

int config_key_find(enum config_role role, const char *name)
{
	const struct key_rule *rules = rules_of(role);

	for (int i = 0; rules[i].name; i++)
		if (strcmp(rules[i].name, name) == 0)
			return i;
	return -ENOENT;
}

const char *config_key_name(enum config_role role, int at)
{
	return rules_of(role)[at].name;
}

int config_key_missing(enum config_role role, uint32_t seen)
{
	const struct key_rule *rules = rules_of(role);

	for (int i = 0; rules[i].name; i++)
		if (!rules[i].preset && !(seen & (1u << i)))
			return i;
	return -ENOENT;
}

/* --- values ---------------------------------------------------------------- */

static int set_number(const struct key_rule *rule, void *to, const char *value,
		      char *what)
{
	unsigned long number;
	char *end;

	/* Too many digits give the largest number there is. */
	number = strtoul(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end || number < rule->min ||
	    number > rule->max)
		return config_say(what,
				  "%s = \"%s\" is no number from %u to %u",
				  rule->name, value, rule->min, rule->max);
	*(uint32_t *)to = (uint32_t)number;
	return 0;
}

static int set_path(const struct key_rule *rule, char *to, const char *value,
		    char *what)
{
	if (value[0] != '/' || strlen(value) >= CONFIG_PATH_SIZE)
		return config_say(
			what,
			"%s = \"%s\" is no absolute path of at most %d bytes",
			rule->name, value, CONFIG_PATH_SIZE - 1);
	memset(to, 0, CONFIG_PATH_SIZE);
	memcpy(to, value, strlen(value));
	return 0;
}

/* Only the form; whether it can be dialled is the link's affair. */
static int set_addr(const struct key_rule *rule, void *to, const char *value,
		    char *what)
{
	const char *colon = strrchr(value, ':');
	struct addr addr;

	if (addr_parse(value, &addr) || !colon || colon == value ||
	    colon[1] < '0' || colon[1] > '9')
		return config_say(what,
				  "%s = \"%s\" is no HOST:PORT of at most %d bytes",
				  rule->name, value, ADDR_SIZE - 1);
	memcpy(to, &addr, sizeof(addr));
	return 0;
}

static int set_level(void *to, const char *value, char *what)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(levels[i].name, value) != 0)
			continue;
		*(enum log_level *)to = levels[i].level;
		return 0;
	}
	return config_say(what,
			  "log_level = \"%s\" is none of error, warning, info",
			  value);
}

int config_key_set(struct config *config, int at, const char *value,
		   char what[CONFIG_WHAT_SIZE])
{
	const struct key_rule *rule = &rules_of(config->role)[at];
	void *to = (char *)config + rule->offset;

	switch (rule->form) {
	case FORM_NUMBER:
		return set_number(rule, to, value, what);
	case FORM_PATH:
		return set_path(rule, to, value, what);
	case FORM_ADDR:
		return set_addr(rule, to, value, what);
	case FORM_LEVEL:
		return set_level(to, value, what);
	case FORM_HOST:
		if (host_id_parse(value, to) == 0)
			return 0;
		return config_say(
			what,
			"%s = \"%s\" is no host: 1..%d bytes of [A-Za-z0-9._-], the first one alphanumeric",
			rule->name, value, HOST_ID_SIZE - 1);
	}
	return -EINVAL;
}

void config_key_defaults(struct config *config)
{
	const struct key_rule *rules = rules_of(config->role);
	char what[CONFIG_WHAT_SIZE];

	for (int i = 0; rules[i].name; i++) {
		int error = rules[i].preset ?
				    config_key_set(config, i, rules[i].preset,
						   what) :
				    0;

		assert(error == 0);
	}
}

/* --- bounds ---------------------------------------------------------------- */

int config_check_bounds(const struct config *config,
			char what[CONFIG_WHAT_SIZE])
{
	const struct config_master *m = &config->master;

	if (config->role != CONFIG_MASTER)
		return 0;
	if (m->lease_ms < 3 * m->heartbeat_ms)
		return config_say(
			what,
			"lease_ms = %u is less than 3 * heartbeat_ms = 3 * %u = %u: a single lost renewal would close the primaries",
			m->lease_ms, m->heartbeat_ms, 3 * m->heartbeat_ms);
	if (m->freshness_ms < 2 * m->heartbeat_ms)
		return config_say(
			what,
			"freshness_ms = %u is less than 2 * heartbeat_ms = 2 * %u = %u: a single late report would make a host stale",
			m->freshness_ms, m->heartbeat_ms, 2 * m->heartbeat_ms);
	return 0;
}

static void print_value(const struct config *config,
			const struct key_rule *rule, FILE *to)
{
	const void *value = (const char *)config + rule->offset;

	switch (rule->form) {
	case FORM_NUMBER:
		fprintf(to, "%s = %u\n", rule->name, *(const uint32_t *)value);
		return;
	case FORM_PATH:
	case FORM_ADDR:
	case FORM_HOST:
		fprintf(to, "%s = %s\n", rule->name, (const char *)value);
		return;
	case FORM_LEVEL:
		break;
	}
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (levels[i].level == *(const enum log_level *)value)
			fprintf(to, "%s = %s\n", rule->name, levels[i].name);
}

/* What an operator may rely on, and from what it follows. */
static void print_master_bounds(const struct config_master *m, FILE *to)
{
	uint32_t margin = bridge_margin_ms(m->lease_ms);
	uint32_t lease = m->lease_ms + margin;
	uint32_t wait = m->freshness_ms > lease ? m->freshness_ms : lease;

	fprintf(to,
		"\n# Bounds, in ms. An answer, a mint and an open come on top: some milliseconds.\n");
	fprintf(to, "# clock margin               %u = lease_ms / 8 + 1\n",
		margin);
	fprintf(to,
		"# renewals that may be lost  %u = lease_ms / heartbeat_ms - 2\n",
		m->lease_ms / m->heartbeat_ms - 2);
	fprintf(to,
		"# a primary without master   closed %u after the last report that was answered = lease_ms\n",
		m->lease_ms);
	fprintf(to, "# silence is evidence after  %u = freshness_ms\n",
		m->freshness_ms);
	fprintf(to,
		"# fail over, guard lease     %u = max(freshness_ms, lease_ms + margin) + drain_ms = max(%u, %u + %u) + %u\n",
		wait + m->drain_ms, m->freshness_ms, m->lease_ms, margin,
		m->drain_ms);
	fprintf(to,
		"# fail over, guard quorum    %u = freshness_ms + drain_ms = %u + %u\n",
		m->freshness_ms + m->drain_ms, m->freshness_ms, m->drain_ms);
	fprintf(to,
		"# failovers of one volume    %u apart at least = min_epoch_interval_ms; up to %u when one follows the other\n",
		m->min_epoch_interval_ms,
		m->min_epoch_interval_ms << DAMPER_DOUBLINGS_MAX);
	fprintf(to,
		"# a fence is answered within %u = drain_ms: drained, or quarantined\n",
		m->drain_ms);
}

void config_print(const struct config *config, FILE *to)
{
	const struct key_rule *rules = rules_of(config->role);

	fprintf(to, "[%s]\n",
		config->role == CONFIG_MASTER ? "master" : "replica");
	for (int i = 0; rules[i].name; i++)
		print_value(config, &rules[i], to);
	if (config->role == CONFIG_MASTER) {
		print_master_bounds(&config->master, to);
		return;
	}
	fprintf(to, "\n[volumes]\n");
	for (uint32_t i = 0; i < config->replica.nr_volumes; i++)
		fprintf(to, "%s = %s\n", config->replica.volumes[i].volume.s,
			config->replica.volumes[i].path);
}
