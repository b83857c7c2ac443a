/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The Unix socket that operators connect to: made, and taken away. Must never
 * know what is said over it.
 */
#ifndef BFENCE_API_SOCKET_H
#define BFENCE_API_SOCKET_H

#include <sys/stat.h>
#include <sys/un.h>

#include "err.h"

struct api_socket {
	int fd;				/* listening; the taker closes it */
	struct sockaddr_un addr;
	struct stat made;		/* so that no other file is removed */
};

/*
 * Gives a listening socket of mode 0600 at path. A socket file that nobody
 * listens on is replaced. -EADDRINUSE when somebody does, -EEXIST when path
 * is something else.
 */
int api_socket_open(const char *path, struct api_socket *ret, struct err *err);

/* Takes the file away, when it is still the one that was made. */
void api_socket_unlink(const struct api_socket *sock);

#endif
