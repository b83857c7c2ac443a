// SPDX-License-Identifier: GPL-2.0
/*
 * Making the operators' Unix socket. Must never know what is said over it.
 */
#include "api_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG		64

static int socket_new(const char *path, struct err *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_set(err, -errno, "%s: socket: %m", path);
	return fd;
}

/* 0 when nobody listens. Not blocking: a full backlog is a live master. */
static int probe(const struct sockaddr_un *addr, struct err *err)
{
	int fd = socket_new(addr->sun_path, err);
	int ret = 0;

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ||
	    errno == EAGAIN)
		ret = err_set(err, -EADDRINUSE,
			      "%s: another master answers on this socket",
			      addr->sun_path);
	else if (errno != ECONNREFUSED)
		ret = err_set(err, -errno, "%s: connect: %m", addr->sun_path);
	close(fd);
	return ret;
}

static int remove_stale(const struct sockaddr_un *addr, struct err *err)
{
	struct stat st;
	int ret;

	if (lstat(addr->sun_path, &st))
		return errno == ENOENT ? 0 :
					 err_set(err, -errno, "%s: lstat: %m",
						 addr->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, -EEXIST, "%s: exists and is not a socket",
			       addr->sun_path);
	ret = probe(addr, err);
	if (ret)
		return ret;
	if (unlink(addr->sun_path))
		return err_set(err, -errno, "%s: unlink: %m", addr->sun_path);
	return 0;
}

/* The umask, since a chmod after bind() would come too late for somebody. */
static int bind_private(int fd, const struct sockaddr_un *addr, struct err *err)
{
	mode_t before = umask(0177);
	int ret = 0;

	if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		ret = err_set(err, -errno, "%s: bind: %m", addr->sun_path);
	umask(before);
	return ret;
}

static int publish(struct api_socket *sock, struct err *err)
{
	const char *path = sock->addr.sun_path;
	int ret;

	ret = bind_private(sock->fd, &sock->addr, err);
	if (ret)
		return ret;
	if (lstat(path, &sock->made))
		return err_set(err, -errno, "%s: lstat: %m", path);
	if (listen(sock->fd, BACKLOG)) {
		ret = err_set(err, -errno, "%s: listen: %m", path);
		api_socket_unlink(sock);
	}
	return ret;
}

int api_socket_open(const char *path, struct api_socket *ret, struct err *err)
{
	struct api_socket sock = { .addr.sun_family = AF_UNIX };
	size_t len = strlen(path);
	int error;

	if (len == 0 || len >= sizeof(sock.addr.sun_path))
		return err_set(
			err, -ENAMETOOLONG,
			"socket path \"%s\": a Unix socket's path has 1 to %zu bytes",
			path, sizeof(sock.addr.sun_path) - 1);
	memcpy(sock.addr.sun_path, path, len);
	error = remove_stale(&sock.addr, err);
	if (error)
		return error;
	sock.fd = socket_new(path, err);
	if (sock.fd < 0)
		return sock.fd;
	error = publish(&sock, err);
	if (error)
		close(sock.fd);
	else
		*ret = sock;
	return error;
}

void api_socket_unlink(const struct api_socket *sock)
{
	const struct stat *made = &sock->made;
	struct stat st;

	/* An inode's number may be given out again, at another time. */
	if (lstat(sock->addr.sun_path, &st) == 0 && st.st_dev == made->st_dev &&
	    st.st_ino == made->st_ino &&
	    st.st_mtim.tv_sec == made->st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == made->st_mtim.tv_nsec)
		unlink(sock->addr.sun_path);
}
