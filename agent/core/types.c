// SPDX-License-Identifier: GPL-2.0
/*
 * Comparisons and parsers of the plain types. Must never know a file, a
 * socket or a clock.
 */
#include "types.h"

#include <errno.h>
#include <string.h>

int lineage_cmp(struct lineage a, struct lineage b)
{
	if (a.epoch != b.epoch)
		return a.epoch < b.epoch ? -1 : 1;
	if (a.endpoint_version != b.endpoint_version)
		return a.endpoint_version < b.endpoint_version ? -1 : 1;
	return 0;
}

bool lineage_is_none(struct lineage l)
{
	return l.epoch == 0;
}

bool volume_id_equal(const struct volume_id *a, const struct volume_id *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool host_id_equal(const struct host_id *a, const struct host_id *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool replica_id_equal(const struct replica_id *a, const struct replica_id *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool store_id_equal(const struct store_id *a, const struct store_id *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool store_id_is_none(const struct store_id *id)
{
	static const struct store_id none;

	return store_id_equal(id, &none);
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

static bool is_name_byte(char c)
{
	return is_alnum(c) || c == '.' || c == '_' || c == '-';
}

static bool is_graphic(char c)
{
	return c > ' ' && c <= '~';
}

/* Copies text, NUL padded, when its length fits and each byte is allowed. */
static int copy_checked(const char *text, char *to, size_t size,
			bool (*allowed)(char))
{
	size_t len = strnlen(text, size);

	if (len == 0 || len >= size)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (!allowed(text[i]))
			return -EINVAL;
	memset(to, 0, size);
	memcpy(to, text, len);
	return 0;
}

static int parse_name(const char *text, char *to, size_t size)
{
	if (!is_alnum(text[0]))
		return -EINVAL;
	return copy_checked(text, to, size, is_name_byte);
}

int volume_id_parse(const char *text, struct volume_id *ret)
{
	return parse_name(text, ret->s, sizeof(ret->s));
}

int host_id_parse(const char *text, struct host_id *ret)
{
	return parse_name(text, ret->s, sizeof(ret->s));
}

int replica_id_parse(const char *text, struct replica_id *ret)
{
	return parse_name(text, ret->s, sizeof(ret->s));
}

int boot_id_parse(const char *text, struct boot_id *ret)
{
	return parse_name(text, ret->s, sizeof(ret->s));
}

int addr_parse(const char *text, struct addr *ret)
{
	return copy_checked(text, ret->s, sizeof(ret->s), is_graphic);
}

int topology_slot_of_replica(const struct topology *t,
			     const struct replica_id *replica)
{
	for (int i = 0; i < REPLICA_SLOTS; i++)
		if (replica_id_equal(&t->slots[i].replica, replica))
			return i;
	return -ENOENT;
}

int topology_slot_of_host(const struct topology *t, const struct host_id *host)
{
	for (int i = 0; i < REPLICA_SLOTS; i++)
		if (host_id_equal(&t->slots[i].host, host))
			return i;
	return -ENOENT;
}

const char *guard_name(enum guard guard)
{
	switch (guard) {
	case GUARD_LEASE:
		return "lease";
	case GUARD_QUORUM:
		return "quorum";
	}
	return "?";
}
