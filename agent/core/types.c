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

/* --- text ------------------------------------------------------------------ */

static inline bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

static inline bool is_name_byte(char c)
{
	return is_alnum(c) || c == '.' || c == '_' || c == '-';
}

static inline bool is_graphic(char c)
{
	return c > ' ' && c <= '~';
}

/* How many bytes are a name or an address, or 0 when the text is none. */
static size_t name_len(const char *text, size_t size)
{
	size_t len = 0;

	if (!is_alnum(text[0]))
		return 0;
	while (len < size && is_name_byte(text[len]))
		len++;
	return len < size && text[len] == '\0' ? len : 0;
}

static size_t addr_len(const char *text, size_t size)
{
	size_t len = 0;

	while (len < size && is_graphic(text[len]))
		len++;
	return len < size && text[len] == '\0' ? len : 0;
}

/* Copies text of this length, NUL padded; none of length 0. */
static int copy_text(const char *text, char *to, size_t len, size_t size)
{
	if (len == 0)
		return -EINVAL;
	memset(to, 0, size);
	memcpy(to, text, len);
	return 0;
}

static bool is_padded(const char *text, size_t len, size_t size)
{
	static const char zeros[VOLUME_ID_SIZE];

	return len != 0 && memcmp(text + len, zeros, size - len) == 0;
}

bool volume_id_is_sound(const struct volume_id *id)
{
	return is_padded(id->s, name_len(id->s, sizeof(id->s)), sizeof(id->s));
}

bool host_id_is_sound(const struct host_id *id)
{
	return is_padded(id->s, name_len(id->s, sizeof(id->s)), sizeof(id->s));
}

bool replica_id_is_sound(const struct replica_id *id)
{
	return is_padded(id->s, name_len(id->s, sizeof(id->s)), sizeof(id->s));
}

bool addr_is_sound(const struct addr *addr)
{
	return is_padded(addr->s, addr_len(addr->s, sizeof(addr->s)),
			 sizeof(addr->s));
}

static int parse_name(const char *text, char *to, size_t size)
{
	return copy_text(text, to, name_len(text, size), size);
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
	return copy_text(text, ret->s, addr_len(text, sizeof(ret->s)),
			 sizeof(ret->s));
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
