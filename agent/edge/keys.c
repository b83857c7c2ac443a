// SPDX-License-Identifier: GPL-2.0
/*
 * Key files become keys here. Must never know TLS, and never puts a byte of
 * a secret into a sentence.
 */
#include "keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLANKS	" \t"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int secret_parse(const char *text, uint8_t secret[KEY_SIZE])
{
	if (strlen(text) != 2 * KEY_SIZE)
		return -EINVAL;
	for (size_t i = 0; i < KEY_SIZE; i++) {
		int high = hex_digit(text[2 * i]);
		int low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		secret[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static bool secret_is_zero(const uint8_t secret[KEY_SIZE])
{
	static const uint8_t zero[KEY_SIZE];

	return memcmp(secret, zero, KEY_SIZE) == 0;
}

/* Cuts line into words. 1: *ret is a key; 0: nothing there; or -EINVAL. */
static int line_parse(char *line, struct key *ret, const char **why)
{
	char *save = NULL, *host, *secret;

	line[strcspn(line, "#")] = '\0';
	host = strtok_r(line, BLANKS, &save);
	if (!host)
		return 0;
	secret = strtok_r(NULL, BLANKS, &save);
	if (!secret || strtok_r(NULL, BLANKS, &save)) {
		*why = "not `HOST KEY`";
		return -EINVAL;
	}
	if (host_id_parse(host, &ret->host)) {
		*why = "not a host id (1 to 31 of A-Z a-z 0-9 . _ -, the first one a letter or digit)";
		return -EINVAL;
	}
	if (secret_parse(secret, ret->secret)) {
		*why = "the key is not 64 hex digits";
		return -EINVAL;
	}
	if (secret_is_zero(ret->secret)) {
		*why = "a key of zeros is no secret";
		return -EINVAL;
	}
	return 1;
}

static int keys_add(struct keys *keys, const struct key *key, const char **why)
{
	if (keys_find(keys, &key->host)) {
		*why = "this host was named before";
		return -EINVAL;
	}
	if (keys->nr == KEYS_MAX) {
		*why = "more keys than one file may hold";
		return -ENOSPC;
	}
	keys->keys[keys->nr++] = *key;
	return 0;
}

/* text is NUL-terminated, and is cut into pieces. */
static int text_parse(char *text, const char *path, struct keys *keys,
		      struct err *err)
{
	size_t line_nr = 0;
	struct key key;
	const char *why = "";
	char *line;
	int ret = 0;

	while (ret >= 0 && (line = strsep(&text, "\n"))) {
		line_nr++;
		ret = line_parse(line, &key, &why);
		if (ret > 0)
			ret = keys_add(keys, &key, &why);
	}
	explicit_bzero(&key, sizeof(key));
	if (ret < 0)
		return err_set(err, ret, "%s: line %zu: %s", path, line_nr,
			       why);
	if (!keys->nr)
		return err_set(err, -EINVAL, "%s: no key in it", path);
	return 0;
}

static int file_check(int fd, const char *path, size_t *ret_len,
		      struct err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_set(err, -errno, "%s: fstat: %m", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s: not a regular file", path);
	if (st.st_mode & 077)
		return err_set(
			err, -EPERM,
			"%s: mode %04o is open to group or others; it must be 0600 or 0400",
			path, (unsigned int)st.st_mode & 07777);
	if (st.st_size > KEYS_BYTES_MAX)
		return err_set(err, -EFBIG,
			       "%s: %lld bytes; a key file has at most %d",
			       path, (long long)st.st_size, KEYS_BYTES_MAX);
	*ret_len = (size_t)st.st_size;
	return 0;
}

static int file_read(int fd, const char *path, char *text, size_t len,
		     struct err *err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, text + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, -errno, "%s: read: %m", path);
		if (n == 0)
			return err_set(err, -EIO, "%s: shrank during the read",
				       path);
		done += (size_t)n;
	}
	if (memchr(text, '\0', len))
		return err_set(err, -EINVAL, "%s: a NUL byte in it", path);
	text[len] = '\0';
	return 0;
}

/* Room for a key a line: growing later would leave secrets behind. */
static struct key *keys_alloc(const char *text)
{
	size_t nr_lines = 1;

	for (; *text; text++)
		nr_lines += *text == '\n';
	return calloc(nr_lines < KEYS_MAX ? nr_lines : KEYS_MAX,
		      sizeof(struct key));
}

static int load(int fd, const char *path, struct keys *ret, struct err *err)
{
	struct keys keys = { 0 };
	size_t len = 0;
	char *text;
	int r;

	r = file_check(fd, path, &len, err);
	if (r)
		return r;
	text = calloc(1, len + 1);
	if (!text)
		return err_set(err, -ENOMEM, "%s: out of memory", path);
	r = file_read(fd, path, text, len, err);
	if (!r) {
		keys.keys = keys_alloc(text);
		if (keys.keys)
			r = text_parse(text, path, &keys, err);
		else
			r = err_set(err, -ENOMEM, "%s: out of memory", path);
	}
	explicit_bzero(text, len);
	free(text);
	if (r)
		keys_exit(&keys);
	else
		*ret = keys;
	return r;
}

int keys_load(const char *path, struct keys *ret, struct err *err)
{
	int fd, r;

	/* Not blocking: the path may turn out to be a pipe. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_set(err, -errno, "%s: open: %m", path);
	r = load(fd, path, ret, err);
	close(fd);
	return r;
}

void keys_exit(struct keys *keys)
{
	if (keys->keys)
		explicit_bzero(keys->keys, keys->nr * sizeof(*keys->keys));
	free(keys->keys);
	*keys = (struct keys){ 0 };
}

const struct key *keys_find(const struct keys *keys, const struct host_id *host)
{
	for (size_t i = 0; i < keys->nr; i++)
		if (host_id_equal(&keys->keys[i].host, host))
			return &keys->keys[i];
	return NULL;
}
