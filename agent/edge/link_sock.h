/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sockets under the link, and their addresses. Must never ask a name
 * server (that would block the loop, and fencing must not depend on one),
 * nor know what is said through a socket.
 */
#ifndef BFENCE_LINK_SOCK_H
#define BFENCE_LINK_SOCK_H

#include <stdint.h>
#include <sys/socket.h>

#include "err.h"

#define LINK_ADDR_TEXT_SIZE	72	/* [address%scope]:port */

struct link_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};

/* 192.0.2.1:7000 or [2001:db8::1]:7000. 0 or -EINVAL. */
int link_addr_parse(const char *text, struct link_addr *ret, struct err *err);

void link_addr_text(const struct link_addr *addr,
		    char text[LINK_ADDR_TEXT_SIZE]);

/* A listening socket that does not block, and the port it got; or a negative
 * errno. */
int link_sock_listen(const struct link_addr *addr, uint16_t *ret_port);

/* A socket that does not block and is on its way to addr; or a negative
 * errno. */
int link_sock_dial(const struct link_addr *addr);

/* Options of a connection: small messages leave at once, and a peer that has
 * vanished without a word is noticed by the kernel. */
void link_sock_setup(int fd);

#endif
