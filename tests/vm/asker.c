// SPDX-License-Identifier: GPL-2.0
/*
 * asker: operators of one master, side by side, who put each of its answers
 * into the write log of the disk below it.
 *
 *   asker SOCKET DM-NAME PREFIX CLIENTS CHANGES
 *
 * Each client creates and deletes its own few volumes over HTTP, one ask at a
 * time. A mark of dm-log-writes follows each answer before the next ask:
 * "up:STORE-ID:INCARNATION" once, then "has:VOLUME:WRITE_SEQ" or
 * "gone:VOLUME". Ends with 0 after that many changes or when the master is
 * gone, with 1 when it refuses. It must never know what lies on the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX	16
#define VOLUMES_EACH	3
#define ANSWER_BYTES	8192
#define NAME_BYTES	64
#define MARK_BYTES	160

struct client {
	int	fd;
	int	number;
	int	turn;			/* which volume is next */
	bool	exists[VOLUMES_EACH];
	char	volume[NAME_BYTES];	/* of the open ask */
	char	answer[ANSWER_BYTES];
	size_t	len;
};

static int control_fd;
static const char *dm_name;

static void fail(const char *what)
{
	fprintf(stderr, "asker: %s\n", what);
	exit(1);
}

/* The master died; whatever was open stays open. */
static void finish(int nr_changes)
{
	printf("%d\n", nr_changes);
	exit(0);
}

static void mark(const char *text)
{
	struct {
		struct dm_ioctl		head;
		struct dm_target_msg	message;
		char			text[MARK_BYTES];	/* the message's */
	} order = { .head = { .version = { DM_VERSION_MAJOR, 0, 0 },
			      .data_size = sizeof(order),
			      .data_start = sizeof(order.head) } };

	snprintf(order.head.name, sizeof(order.head.name), "%s", dm_name);
	snprintf(order.text, sizeof(order.text), "mark %s", text);
	if (ioctl(control_fd, DM_TARGET_MSG, &order))
		fail("the write log takes no mark");
}

/* --- HTTP ----------------------------------------------------------------- */

static int dial(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		fail("the master does not answer");
	return fd;
}

static bool ask(struct client *c, const char *method, const char *path,
		const char *body)
{
	char text[512];
	int len = snprintf(text, sizeof(text),
			   "%s %s HTTP/1.1\r\nHost: m\r\n"
			   "Content-Length: %zu\r\n\r\n%s",
			   method, path, strlen(body), body);

	c->len = 0;
	c->answer[0] = 0;
	return send(c->fd, text, (size_t)len, MSG_NOSIGNAL) == len;
}

static bool is_whole(const struct client *c)
{
	const char *body = strstr(c->answer, "\r\n\r\n");
	const char *size = strcasestr(c->answer, "\r\nContent-Length:");

	if (!body)
		return false;
	if (!size || size > body)
		fail("an answer without a length");
	return strlen(body + 4) >= strtoul(size + 17, NULL, 10);
}

static bool hear(struct client *c)
{
	ssize_t len = recv(c->fd, c->answer + c->len,
			   sizeof(c->answer) - c->len - 1, 0);

	if (len <= 0)
		return false;
	c->len += (size_t)len;
	c->answer[c->len] = 0;
	return true;
}

/* Its value, behind the key's quotes and colon; NULL if there is none. */
static const char *value_of(const struct client *c, const char *key)
{
	const char *at = strstr(c->answer, key);

	return at ? at + strlen(key) + strspn(at + strlen(key), "\": ") : NULL;
}

/* --- changes -------------------------------------------------------------- */

static bool change(struct client *c, const char *prefix)
{
	char text[256];

	snprintf(c->volume, sizeof(c->volume), "%s-%d-%d", prefix, c->number,
		 c->turn);
	if (c->exists[c->turn]) {
		snprintf(text, sizeof(text), "/v1/volumes/%s", c->volume);
		return ask(c, "DELETE", text, "");
	}
	snprintf(text, sizeof(text),
		 "{\"volume\":\"%s\",\"hosts\":[\"h1\",\"h2\",\"h3\"]}",
		 c->volume);
	return ask(c, "POST", "/v1/volumes", text);
}

static void take_answer(struct client *c)
{
	char text[MARK_BYTES];
	const char *seq = value_of(c, "\"write_seq\"");

	if (strncmp(c->answer, "HTTP/1.1 20", 11))
		fail(c->answer);
	if (c->exists[c->turn])
		snprintf(text, sizeof(text), "gone:%s", c->volume);
	else if (seq)
		snprintf(text, sizeof(text), "has:%s:%llu", c->volume,
			 strtoull(seq, NULL, 10));
	else
		fail(c->answer);
	mark(text);
	c->exists[c->turn] = !c->exists[c->turn];
	c->turn = (c->turn + 1) % VOLUMES_EACH;
}

static void greet(struct client *c)
{
	char text[MARK_BYTES];
	const char *store, *incarnation;

	if (!ask(c, "GET", "/v1/status", ""))
		finish(0);
	while (!is_whole(c))
		if (!hear(c))
			finish(0);
	store = value_of(c, "\"store_id\"");
	incarnation = value_of(c, "\"incarnation\"");
	if (!store || !incarnation)
		fail(c->answer);
	snprintf(text, sizeof(text), "up:%.32s:%llu", store,
		 strtoull(incarnation, NULL, 10));
	mark(text);
}

static void run(struct client *clients, int nr, const char *prefix,
		int nr_wanted)
{
	struct pollfd fds[CLIENTS_MAX];
	int nr_changes = 0;

	for (int i = 0; i < nr; i++) {
		fds[i] = (struct pollfd){ .fd = clients[i].fd,
					  .events = POLLIN };
		if (!change(&clients[i], prefix))
			finish(0);
	}
	while (nr_changes < nr_wanted) {
		if (poll(fds, (nfds_t)nr, -1) < 0)
			fail(strerror(errno));
		for (int i = 0; i < nr; i++) {
			if (!fds[i].revents)
				continue;
			if (!hear(&clients[i]))
				finish(nr_changes);
			if (!is_whole(&clients[i]))
				continue;
			take_answer(&clients[i]);
			nr_changes++;
			if (!change(&clients[i], prefix))
				finish(nr_changes);
		}
	}
	finish(nr_changes);
}

int main(int argc, char **argv)
{
	static struct client clients[CLIENTS_MAX];
	int nr = argc == 6 ? (int)strtol(argv[4], NULL, 10) : 0;

	if (nr < 1 || nr > CLIENTS_MAX) {
		fprintf(stderr,
			"usage: asker SOCKET DM-NAME PREFIX CLIENTS CHANGES\n");
		return 2;
	}
	dm_name = argv[2];
	control_fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (control_fd < 0)
		fail("no device mapper");
	for (int i = 0; i < nr; i++) {
		clients[i].fd = dial(argv[1]);
		clients[i].number = i;
	}
	greet(&clients[0]);
	run(clients, nr, argv[3], (int)strtol(argv[5], NULL, 10));
}
