// SPDX-License-Identifier: GPL-2.0
/*
 * One line of text, "EPOCH.VERSION PRIMARY". Must never know a log.
 */
#include "restart_smoke_note.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME		"smoke"
#define NAME_NEW	"smoke.new"
#define TEXT_SIZE	80
#define NO_PRIMARY	"-"

/* Or a negative errno, with its sentence. */
static int open_dir(const char *dir, struct err *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, -errno, "%s: %s", dir, strerror(errno));
	return fd;
}

/* --- reading ---------------------------------------------------------------- */

static bool parse_number(const char **at, char end, uint64_t *ret)
{
	char *rest;

	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	*ret = strtoull(*at, &rest, 10);
	if (errno || *rest != end)
		return false;
	*at = rest + 1;
	return true;
}

static bool parse(char *text, struct smoke_note *ret)
{
	struct smoke_note note = { 0 };
	const char *at = text;
	char *end = strchr(text, '\n');

	if (!end || end[1] != '\0')
		return false;
	*end = '\0';
	if (!parse_number(&at, '.', &note.parts[0]) ||
	    !parse_number(&at, ' ', &note.parts[1]))
		return false;
	if (strcmp(at, NO_PRIMARY) != 0 && replica_id_parse(at, &note.primary))
		return false;
	*ret = note;
	return true;
}

static int read_text(int dir_fd, char text[TEXT_SIZE])
{
	int fd = openat(dir_fd, NAME, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int ret;

	if (fd < 0)
		return -errno;
	n = read(fd, text, TEXT_SIZE - 1);
	ret = n < 0 ? -errno : 0;
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return ret;
}

int smoke_note_read(const char *dir, struct smoke_note *ret, struct err *err)
{
	char text[TEXT_SIZE] = "";
	int dir_fd = open_dir(dir, err);
	int error;

	if (dir_fd < 0)
		return dir_fd;
	error = read_text(dir_fd, text);
	close(dir_fd);
	memset(ret, 0, sizeof(*ret));
	if (error == -ENOENT)
		return 0;
	if (error)
		return err_set(err, error, "%s/%s: %s", dir, NAME,
			       strerror(-error));
	if (!parse(text, ret))
		return err_set(err, -EBADMSG,
			       "%s/%s: is not \"EPOCH.VERSION PRIMARY\"", dir,
			       NAME);
	return 0;
}

/* --- writing ---------------------------------------------------------------- */

static int fill(int dir_fd, const struct smoke_note *note)
{
	const char *primary = note->primary.s[0] ? note->primary.s : NO_PRIMARY;
	int fd = openat(dir_fd, NAME_NEW,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (dprintf(fd, "%" PRIu64 ".%" PRIu64 " %s\n", note->parts[0],
		    note->parts[1], primary) < 0 ||
	    fsync(fd))
		ret = -errno;
	if (close(fd) && ret == 0)
		ret = -errno;
	return ret;
}

int smoke_note_write(const char *dir, const struct smoke_note *note,
		     struct err *err)
{
	int dir_fd = open_dir(dir, err);
	int error;

	if (dir_fd < 0)
		return dir_fd;
	/* Whole before it has its name, and the name durable. */
	error = fill(dir_fd, note);
	if (error == 0 && renameat(dir_fd, NAME_NEW, dir_fd, NAME))
		error = -errno;
	if (error == 0 && fsync(dir_fd))
		error = -errno;
	close(dir_fd);
	return error ? err_set(err, error, "%s/%s: %s", dir, NAME,
			       strerror(-error)) :
		       0;
}
