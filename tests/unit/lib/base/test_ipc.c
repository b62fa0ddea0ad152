/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/ipc.h"

#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static size_t open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(d);
	while (readdir(d))
		count++;
	closedir(d);
	return count;
}

static void test_listen_and_connect(void **state)
{
	char directory[] = "/tmp/mailferry-ipc-XXXXXX", path[64], bytes[16];
	int fds[IPC_FDS_MAX], listener, client, server;
	struct error err = { 0 };
	struct stat about;
	size_t n_fds;

	(void)state;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/s", directory);
	assert_int_equal(ipc_connect(path, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	listener = ipc_listen(path, 0600, &err);
	assert_true(listener >= 0);
	assert_int_equal(stat(path, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0600);
	assert_int_equal(ipc_accept(listener), -EAGAIN);
	client = ipc_connect(path, &err);
	assert_true(client >= 0);
	server = ipc_accept(listener);
	assert_true(server >= 0);
	assert_true(fcntl(server, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(server, F_GETFL) & O_NONBLOCK);
	assert_int_equal(ipc_send(client, STR_LIT("hello"), NULL, 0), 0);
	assert_int_equal(ipc_send(client, STR_LIT("you"), NULL, 0), 0);
	assert_int_equal(ipc_receive(server, bytes, sizeof(bytes), fds, &n_fds), 5);
	assert_int_equal(n_fds, 0);
	assert_int_equal(ipc_receive(server, bytes, sizeof(bytes), fds, &n_fds), 3);
	assert_int_equal(ipc_receive(server, bytes, sizeof(bytes), fds, &n_fds), -EAGAIN);
	fd_closep(&client);
	assert_int_equal(ipc_receive(server, bytes, sizeof(bytes), fds, &n_fds), 0);
	fd_closep(&server);
	fd_closep(&listener);
	/* a crash leaves the file: nobody answers, and the next one may take its place */
	assert_int_equal(ipc_connect(path, &err), -ECONNREFUSED);
	listener = ipc_listen(path, 0600, &err);
	assert_true(listener >= 0);
	fd_closep(&listener);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
}

static void test_long_path(void **state)
{
	char path[200];
	struct error err = { 0 };

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(ipc_listen(path, 0600, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.text, "run_dir"));
}

static void test_descriptors(void **state)
{
	size_t before = open_descriptors(), n_fds;
	int pair[2], sent[IPC_FDS_MAX], got[IPC_FDS_MAX];
	char bytes[8];

	(void)state;
	assert_int_equal(ipc_pair(pair), 0);
	for (int i = 0; i < IPC_FDS_MAX; i++)
		sent[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(ipc_send(pair[0], STR_LIT("x"), sent, IPC_FDS_MAX + 1), -EINVAL);
	assert_int_equal(ipc_send(pair[0], STR_LIT(""), NULL, 0), -EINVAL);
	assert_int_equal(ipc_send(pair[0], STR_LIT("x"), sent, IPC_FDS_MAX), 0);
	assert_int_equal(ipc_receive(pair[1], bytes, sizeof(bytes), got, &n_fds), 1);
	assert_int_equal(n_fds, IPC_FDS_MAX);
	for (size_t i = 0; i < n_fds; i++) {
		assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
		fd_closep(&got[i]);
	}
	/* what did not fit is refused, and its descriptors do not stay open */
	assert_int_equal(ipc_send(pair[0], STR_LIT("123456789"), sent, 2), 0);
	assert_int_equal(
		ipc_receive(pair[1], bytes, sizeof(bytes), got, &n_fds), -EMSGSIZE);
	for (int i = 0; i < IPC_FDS_MAX; i++)
		fd_closep(&sent[i]);
	fd_closep(&pair[0]);
	fd_closep(&pair[1]);
	assert_int_equal(open_descriptors(), before);
}

static void test_largest_and_full(void **state)
{
	char *bytes = calloc(1, IPC_MESSAGE_MAX);
	int pair[2], fds[IPC_FDS_MAX], r, sent = 0;
	size_t n_fds;

	(void)state;
	assert_int_equal(ipc_pair(pair), 0);
	assert_int_equal(ipc_send(pair[0], str_of(bytes, IPC_MESSAGE_MAX), NULL, 0), 0);
	assert_int_equal(ipc_receive(pair[1], bytes, IPC_MESSAGE_MAX, fds, &n_fds),
		IPC_MESSAGE_MAX);
	do {
		r = ipc_send(pair[0], str_of(bytes, 1000), NULL, 0);
		sent += r == 0;
	} while (r == 0);
	assert_int_equal(r, -EAGAIN);
	for (; sent; sent--)
		assert_int_equal(
			ipc_receive(pair[1], bytes, IPC_MESSAGE_MAX, fds, &n_fds), 1000);
	fd_closep(&pair[1]);
	assert_int_equal(ipc_send(pair[0], STR_LIT("x"), NULL, 0), -EPIPE);
	fd_closep(&pair[0]);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listen_and_connect),
		cmocka_unit_test(test_long_path),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_largest_and_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
