// SPDX-License-Identifier: GPL-2.0
/*
 * switch: the lab's network. Joins guests' "-netdev stream" sockets, learns
 * where an address lives, and drops what it is told to drop.
 *
 *   switch DIR NAME...		one listening socket DIR/NAME a port
 *
 * Orders come on stdin and are answered with "ok": "cut A B" drops all frames
 * from port A to port B, "join A B" lets them pass. A port that does not read,
 * say of a frozen guest, loses frames and never delays another. It must never
 * know what is in a frame but its two addresses.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PORTS_MAX	16
#define ADDRESSES_MAX	64
#define FRAME_BYTES_MAX	65536
#define HEADER_BYTES	4		/* a frame's length, big endian */
#define QUEUE_BYTES	(4 << 20)
#define ADDRESS_BYTES	6

struct port {
	const char	*name;
	int		listen_fd;
	int		fd;		/* -1: no guest is connected */
	uint8_t		in[2 * FRAME_BYTES_MAX];
	size_t		in_len;
	uint8_t		*out;		/* QUEUE_BYTES, a line, not a ring */
	size_t		out_len;
	bool		cut[PORTS_MAX];	/* towards that port */
};

struct address {
	uint8_t		bytes[ADDRESS_BYTES];
	int		port;
};

static struct port ports[PORTS_MAX];
static int nr_ports;
static struct address addresses[ADDRESSES_MAX];
static int nr_addresses;

static struct address *address_find(const uint8_t *bytes)
{
	for (int i = 0; i < nr_addresses; i++)
		if (!memcmp(addresses[i].bytes, bytes, ADDRESS_BYTES))
			return &addresses[i];
	return NULL;
}

static void address_learn(const uint8_t *bytes, int port)
{
	struct address *address = address_find(bytes);

	if (!address) {
		if (nr_addresses == ADDRESSES_MAX)
			return;
		address = &addresses[nr_addresses++];
		memcpy(address->bytes, bytes, ADDRESS_BYTES);
	}
	address->port = port;
}

static void port_close(struct port *p)
{
	close(p->fd);
	p->fd = -1;
	p->in_len = 0;
	p->out_len = 0;
}

static void port_flush(struct port *p)
{
	ssize_t n =
		send(p->fd, p->out, p->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0) {
		if (errno != EAGAIN)
			port_close(p);
		return;
	}
	p->out_len -= (size_t)n;
	memmove(p->out, p->out + n, p->out_len);
}

static void port_send(struct port *p, const uint8_t *frame, size_t len)
{
	if (p->fd < 0 || p->out_len + len > QUEUE_BYTES)
		return;
	memcpy(p->out + p->out_len, frame, len);
	p->out_len += len;
	if (p->out_len == len)
		port_flush(p);
}

/* frame: with its header. */
static void forward(int from, const uint8_t *frame, size_t len)
{
	const uint8_t *to = frame + HEADER_BYTES;
	const struct address *known = address_find(to);

	address_learn(to + ADDRESS_BYTES, from);
	for (int i = 0; i < nr_ports; i++) {
		if (i == from || ports[from].cut[i])
			continue;
		if (!known || known->port == i)
			port_send(&ports[i], frame, len);
	}
}

static void port_receive(int number)
{
	struct port *p = &ports[number];
	size_t used = 0, len;
	uint32_t header;
	ssize_t n;

	n = recv(p->fd, p->in + p->in_len, sizeof(p->in) - p->in_len,
		 MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		port_close(p);
		return;
	}
	p->in_len += (size_t)n;
	while (p->in_len - used >= HEADER_BYTES) {
		memcpy(&header, p->in + used, sizeof(header));
		len = HEADER_BYTES + ntohl(header);
		if (len > FRAME_BYTES_MAX || len < HEADER_BYTES + 14) {
			fprintf(stderr, "switch: %s: a frame of %zu bytes\n",
				p->name, len);
			port_close(p);
			return;
		}
		if (p->in_len - used < len)
			break;
		forward(number, p->in + used, len);
		used += len;
	}
	p->in_len -= used;
	memmove(p->in, p->in + used, p->in_len);
}

static int port_find(const char *name)
{
	for (int i = 0; i < nr_ports; i++)
		if (!strcmp(ports[i].name, name))
			return i;
	return -1;
}

static void obey(const char *line)
{
	char verb[8], from[32], to[32];
	int a, b;

	if (sscanf(line, "%7s %31s %31s", verb, from, to) != 3 ||
	    (a = port_find(from)) < 0 || (b = port_find(to)) < 0) {
		printf("not understood: %s", line);
	} else {
		ports[a].cut[b] = !strcmp(verb, "cut");
		printf("ok\n");
	}
	fflush(stdout);
}

/* One short line at a time: each waits for its answer. False: end of file. */
static bool receive_orders(void)
{
	char line[128];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (n <= 0)
		return false;
	line[n] = '\0';
	obey(line);
	return true;
}

static int port_open(struct port *p, const char *dir, const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	p->name = name;
	p->fd = -1;
	p->out = malloc(QUEUE_BYTES);
	p->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!p->out || p->listen_fd < 0)
		return -1;
	if ((size_t)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s", dir,
			     name) >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (bind(p->listen_fd, (struct sockaddr *)&sun, sizeof(sun)) ||
	    listen(p->listen_fd, 1))
		return -1;
	return 0;
}

static void serve(struct pollfd *fds)
{
	for (int i = 0; i < nr_ports; i++) {
		struct port *p = &ports[i];

		/* A guest that comes back takes its port over. */
		if (fds[2 * i].revents & POLLIN) {
			if (p->fd >= 0)
				port_close(p);
			p->fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC);
			continue;
		}
		if (p->fd >= 0 && fds[2 * i + 1].revents & POLLOUT)
			port_flush(p);
		if (p->fd >= 0 && fds[2 * i + 1].revents & ~POLLOUT)
			port_receive(i);
	}
}

int main(int argc, char **argv)
{
	struct pollfd fds[2 * PORTS_MAX + 1];

	if (argc < 3 || argc - 2 > PORTS_MAX) {
		fprintf(stderr, "usage: switch DIR NAME... (%d at most)\n",
			PORTS_MAX);
		return 2;
	}
	for (; nr_ports < argc - 2; nr_ports++) {
		if (port_open(&ports[nr_ports], argv[1], argv[nr_ports + 2])) {
			perror(argv[nr_ports + 2]);
			return 1;
		}
	}
	for (;;) {
		for (int i = 0; i < nr_ports; i++) {
			const struct port *p = &ports[i];

			fds[2 * i] = (struct pollfd){ p->listen_fd, POLLIN, 0 };
			fds[2 * i + 1] = (struct pollfd){
				p->fd, POLLIN | (p->out_len ? POLLOUT : 0), 0
			};
		}
		fds[2 * nr_ports] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
		if (poll(fds, 2 * nr_ports + 1, -1) < 0)
			return 1;
		serve(fds);
		if (fds[2 * nr_ports].revents && !receive_orders())
			return 0;
	}
}
