// SPDX-License-Identifier: GPL-2.0
/*
 * The sockets under the link, and their addresses. Must never ask a name
 * server, nor know what is said through a socket.
 */
#include "link_sock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NO_LOOKUP	"names are not looked up, because that would block"
#define BACKLOG		512
#define SILENCE_MS	10000	/* no answer so long: the peer is gone */
#define TAKE_PAUSE_MS	20
#define TAKE_TRIES	50	/* a second in all */

/* Splits HOST:PORT or [HOST]:PORT; both parts must be there. */
static int split(const char *text, char host[LINK_ADDR_TEXT_SIZE],
		 const char **ret_port)
{
	const char *colon = strrchr(text, ':');
	size_t len;

	if (!colon || colon == text || !colon[1])
		return -EINVAL;
	len = (size_t)(colon - text);
	if (len >= LINK_ADDR_TEXT_SIZE)
		return -EINVAL;
	if (text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	} else if (memchr(text, ':', len)) {
		return -EINVAL;	/* 2001:db8::1:7000 could mean two things */
	}
	memcpy(host, text, len);
	host[len] = '\0';
	*ret_port = colon + 1;
	return len ? 0 : -EINVAL;
}

int link_addr_parse(const char *text, struct link_addr *ret, struct err *err)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	char host[LINK_ADDR_TEXT_SIZE];
	struct addrinfo *info;
	const char *port;
	int r;

	if (split(text, host, &port))
		return err_set(
			err, -EINVAL,
			"%s: not an address like 192.0.2.1:7000 or [::1]:7000",
			text);
	r = getaddrinfo(host, port, &hints, &info);
	if (r)
		return err_set(err, -EINVAL,
			       "%s: not a numeric address: %s; " NO_LOOKUP,
			       text, gai_strerror(r));
	memset(ret, 0, sizeof(*ret));
	memcpy(&ret->sa, info->ai_addr, info->ai_addrlen);
	ret->len = info->ai_addrlen;
	freeaddrinfo(info);
	return 0;
}

void link_addr_text(const struct link_addr *addr,
		    char text[LINK_ADDR_TEXT_SIZE])
{
	const bool v6 = addr->sa.ss_family == AF_INET6;
	char host[56], port[8];

	if (getnameinfo((const struct sockaddr *)&addr->sa, addr->len, host,
			sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(text, LINK_ADDR_TEXT_SIZE, "?");
	else
		snprintf(text, LINK_ADDR_TEXT_SIZE, v6 ? "[%s]:%s" : "%s:%s",
			 host, port);
}

static int port_of(int fd, uint16_t *ret)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} sa = { 0 };
	socklen_t len = sizeof(sa);

	if (getsockname(fd, &sa.any, &len))
		return -errno;
	*ret = ntohs(sa.any.sa_family == AF_INET6 ? sa.v6.sin6_port :
						    sa.v4.sin_port);
	return 0;
}

static int sock_new(const struct link_addr *addr)
{
	const int fd = socket(addr->sa.ss_family,
			      SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static int bind_and_listen(int fd, const struct link_addr *addr)
{
	if (bind(fd, (const struct sockaddr *)&addr->sa, addr->len) ||
	    listen(fd, BACKLOG))
		return -errno;
	return 0;
}

/* A killed process is gone before the kernel has taken down its ring, and with
 * it the socket that the ring still accepts on: some milliseconds. */
static int take_address(int fd, const struct link_addr *addr)
{
	const struct timespec pause = { .tv_nsec = TAKE_PAUSE_MS * 1000000L };
	int r = bind_and_listen(fd, addr);

	for (int i = 0; r == -EADDRINUSE && i < TAKE_TRIES; i++) {
		nanosleep(&pause, NULL);
		r = bind_and_listen(fd, addr);
	}
	return r;
}

int link_sock_listen(const struct link_addr *addr, uint16_t *ret_port)
{
	const int on = 1;
	int fd = sock_new(addr), r;

	if (fd < 0)
		return fd;
	/* Or a restart would wait for connections of its former life. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	r = take_address(fd, addr);
	if (!r)
		r = port_of(fd, ret_port);
	if (!r)
		return fd;
	close(fd);
	return r;
}

int link_sock_dial(const struct link_addr *addr)
{
	int fd = sock_new(addr), r;

	if (fd < 0)
		return fd;
	if (!connect(fd, (const struct sockaddr *)&addr->sa, addr->len) ||
	    errno == EINPROGRESS)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

void link_sock_setup(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 4 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 2 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 3 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, SILENCE_MS },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		setsockopt(fd, options[i].level, options[i].name,
			   &options[i].value, sizeof(options[i].value));
}
