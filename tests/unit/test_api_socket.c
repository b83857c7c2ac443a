// SPDX-License-Identifier: GPL-2.0
/*
 * The operators' socket file: whom it lets in, what it replaces and what it
 * leaves alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge/api_socket.h"

struct fixture {
	char dir[64];
	char path[96];
	struct api_socket sock;
	struct err err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	strcpy(f->dir, "/tmp/bfence-api-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/m.sock", f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int dial(const struct fixture *f)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int ret;

	strcpy(addr.sun_path, f->path);
	ret = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
	close(fd);
	return ret;
}

static void only_its_owner_may_connect(void **state)
{
	struct fixture *f = *state;
	mode_t before = umask(0);
	struct stat st;

	assert_int_equal(api_socket_open(f->path, &f->sock, &f->err), 0);
	assert_int_equal(umask(before), 0);
	assert_int_equal(stat(f->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(dial(f), 0);
	close(f->sock.fd);
}

static void live_socket_is_refused_and_stays(void **state)
{
	struct fixture *f = *state;
	struct api_socket second = { .fd = -7 };

	assert_int_equal(api_socket_open(f->path, &f->sock, &f->err), 0);
	assert_int_equal(api_socket_open(f->path, &second, &f->err),
			 -EADDRINUSE);
	assert_int_equal(second.fd, -7);
	assert_non_null(strstr(f->err.text, f->path));
	assert_non_null(strstr(f->err.text, "another master answers"));
	assert_int_equal(dial(f), 0);
	close(f->sock.fd);
}

static void live_socket_with_a_full_backlog_is_refused_too(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct api_socket second;
	int busy = socket(AF_UNIX, SOCK_STREAM, 0), waiting;

	strcpy(addr.sun_path, f->path);
	assert_int_equal(bind(busy, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(busy, 0), 0);
	waiting = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(waiting, (struct sockaddr *)&addr,
				 sizeof(addr)),
			 0);
	assert_int_equal(api_socket_open(f->path, &second, &f->err),
			 -EADDRINUSE);
	close(waiting);
	close(busy);
}

static void socket_that_nobody_listens_on_is_replaced(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(api_socket_open(f->path, &f->sock, &f->err), 0);
	close(f->sock.fd);
	assert_int_equal(dial(f), -ECONNREFUSED);
	assert_int_equal(api_socket_open(f->path, &f->sock, &f->err), 0);
	assert_int_equal(dial(f), 0);
	close(f->sock.fd);
}

static void file_that_is_no_socket_is_left_alone(void **state)
{
	struct fixture *f = *state;
	int fd = open(f->path, O_CREAT | O_WRONLY, 0600);
	struct stat st;

	assert_int_equal(write(fd, "kept", 4), 4);
	close(fd);
	assert_int_equal(api_socket_open(f->path, &f->sock, &f->err), -EEXIST);
	assert_non_null(strstr(f->err.text, "is not a socket"));
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_size, 4);
}

static void path_without_a_folder_is_one_sentence(void **state)
{
	struct fixture *f = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/none/m.sock", f->dir);
	assert_int_equal(api_socket_open(path, &f->sock, &f->err), -ENOENT);
	assert_non_null(strstr(f->err.text, path));
}

static void path_may_have_107_bytes_and_not_one_more(void **state)
{
	struct fixture *f = *state;
	char path[128] = { 0 };
	size_t used = (size_t)snprintf(path, sizeof(path), "%s/", f->dir);

	memset(path + used, 's', 107 - used);
	assert_int_equal(api_socket_open(path, &f->sock, &f->err), 0);
	close(f->sock.fd);
	unlink(path);
	path[107] = 's';
	assert_int_equal(api_socket_open(path, &f->sock, &f->err),
			 -ENAMETOOLONG);
	assert_non_null(strstr(f->err.text, path));
	assert_int_equal(api_socket_open("", &f->sock, &f->err), -ENAMETOOLONG);
}

static void unlink_takes_away_only_the_file_that_was_made(void **state)
{
	struct fixture *f = *state;
	struct api_socket later;

	assert_int_equal(api_socket_open(f->path, &f->sock, &f->err), 0);
	close(f->sock.fd);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(api_socket_open(f->path, &later, &f->err), 0);
	f->sock.made.st_mtim.tv_nsec ^= 1;	/* not of the same instant */
	api_socket_unlink(&f->sock);
	assert_int_equal(access(f->path, F_OK), 0);
	api_socket_unlink(&later);
	assert_int_not_equal(access(f->path, F_OK), 0);
	close(later.fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_its_owner_may_connect),
		TEST(live_socket_is_refused_and_stays),
		TEST(live_socket_with_a_full_backlog_is_refused_too),
		TEST(socket_that_nobody_listens_on_is_replaced),
		TEST(file_that_is_no_socket_is_left_alone),
		TEST(path_without_a_folder_is_one_sentence),
		TEST(path_may_have_107_bytes_and_not_one_more),
		TEST(unlink_takes_away_only_the_file_that_was_made),
	};

	return cmocka_run_group_tests_name("api_socket", tests, NULL, NULL);
}
