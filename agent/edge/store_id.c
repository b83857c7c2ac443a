// SPDX-License-Identifier: GPL-2.0
/*
 * Whose folder it is, told beside the log, so that a log that is gone is not
 * taken for one that never was. Must never know what a log holds.
 */
#include "store_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ID_NEW_NAME	"id.new"
#define LINE_SIZE	(STORE_ID_TEXT_SIZE)	/* a newline, no NUL */

void store_id_print(const struct store_id *id, char ret[STORE_ID_TEXT_SIZE])
{
	for (size_t i = 0; i < STORE_ID_SIZE; i++)
		snprintf(ret + 2 * i, 3, "%02x", id->b[i]);
}

static int digit_of(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static int parse(const char line[LINE_SIZE], struct store_id *ret)
{
	struct store_id id;

	for (size_t i = 0; i < STORE_ID_SIZE; i++) {
		int high = digit_of(line[2 * i]);
		int low = digit_of(line[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EBADMSG;
		id.b[i] = (uint8_t)(high << 4 | low);
	}
	if (line[LINE_SIZE - 1] != '\n' || store_id_is_none(&id))
		return -EBADMSG;
	*ret = id;
	return 0;
}

static int read_line(int fd, char ret[LINE_SIZE])
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size != LINE_SIZE)
		return -EBADMSG;
	return store_file_read(fd, ret, LINE_SIZE, 0);
}

int store_id_read(int dir_fd, struct store_id *ret)
{
	char line[LINE_SIZE] = { 0 };
	int fd = openat(dir_fd, STORE_ID_NAME, O_RDONLY | O_CLOEXEC);
	int code;

	if (fd < 0)
		return -errno;
	code = read_line(fd, line);
	store_file_close(&fd);
	return code ? code : parse(line, ret);
}

static int write_new(int dir_fd, const struct store_id *id)
{
	char line[LINE_SIZE + 1];
	int fd = openat(dir_fd, ID_NEW_NAME,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int ret;

	if (fd < 0)
		return -errno;
	store_id_print(id, line);
	line[LINE_SIZE - 1] = '\n';
	ret = store_file_write(fd, line, LINE_SIZE, 0);
	if (ret == 0)
		ret = store_file_sync(fd);
	store_file_close(&fd);
	return ret;
}

int store_id_write(int dir_fd, const struct store_id *id)
{
	int ret = write_new(dir_fd, id);

	if (ret == 0 && renameat(dir_fd, ID_NEW_NAME, dir_fd, STORE_ID_NAME))
		ret = -errno;
	if (ret) {
		store_file_remove(dir_fd, ID_NEW_NAME);
		return ret;
	}
	return store_file_sync(dir_fd);
}
