/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sockets of `lmtp`: whose they are, and what they may replace. */
#include "interceptor/sockets/lmtp_listen.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct test {
	struct settings settings;
	char folder[64], path[96], place[128];
};

static int setup(void **state)
{
	struct test *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	(void)snprintf(t->folder, sizeof(t->folder), "/tmp/mailferry-lmtp-XXXXXX");
	assert_non_null(mkdtemp(t->folder));
	(void)snprintf(t->path, sizeof(t->path), "%s/socket", t->folder);
	(void)snprintf(t->place, sizeof(t->place), "unix:%s", t->path);
	t->settings.lmtp.n = 1;
	t->settings.lmtp.paths[0] = t->place;
	t->settings.lmtp_group = (char *)(uintptr_t) "";
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct test *t = *state;

	(void)unlink(t->path);
	assert_int_equal(rmdir(t->folder), 0);
	free(t);
	return 0;
}

static mode_t mode_of(const struct test *t)
{
	struct stat found;

	assert_int_equal(lstat(t->path, &found), 0);
	assert_true(S_ISSOCK(found.st_mode));
	return found.st_mode & 07777;
}

static void test_owner_alone(void **state)
{
	struct test *t = *state;
	struct error err = { 0 };
	mode_t mask = umask(022);
	int fd = lmtp_listen(&t->settings, t->place, &err);

	assert_true(fd >= 0);
	assert_int_equal(mode_of(t), 0600);
	assert_int_equal(umask(mask), 022); /* as it was */
	assert_true(lmtp_listens(&t->settings, t->place, fd));
	assert_true(lmtp_is_listener(&t->settings, fd));
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	fd_closep(&fd);
}

/* Our own group is the only one that everybody may give. */
static void test_group(void **state)
{
	struct test *t = *state;
	struct error err = { 0 };
	const struct group *own = getgrgid(getegid());
	struct stat found;
	int fd;

	if (!own)
		skip();
	t->settings.lmtp_group = own->gr_name;
	fd = lmtp_listen(&t->settings, t->place, &err);
	assert_true(fd >= 0);
	assert_int_equal(mode_of(t), 0660);
	assert_int_equal(lstat(t->path, &found), 0);
	assert_int_equal(found.st_gid, getegid());
	assert_true(lmtp_listens(&t->settings, t->place, fd));
	/* as it is to be for root alone, it is another one */
	t->settings.lmtp_group = (char *)(uintptr_t) "";
	assert_false(lmtp_listens(&t->settings, t->place, fd));
	fd_closep(&fd);
}

static void test_unknown_group(void **state)
{
	struct test *t = *state;
	struct error err = { 0 };

	t->settings.lmtp_group = (char *)(uintptr_t) "no-such-group";
	assert_int_equal(lmtp_listen(&t->settings, t->place, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no group \"no-such-group\""));
	assert_int_equal(access(t->path, F_OK), -1);
}

static void test_one_that_was_left(void **state)
{
	struct test *t = *state;
	struct error err = { 0 };
	int old = lmtp_listen(&t->settings, t->place, &err), fd;

	fd_closep(&old);
	fd = lmtp_listen(&t->settings, t->place, &err);
	assert_true(fd >= 0);
	assert_int_equal(unlink(t->path), 0);
	assert_false(lmtp_listens(&t->settings, t->place, fd)); /* nobody reaches it */
	fd_closep(&fd);
}

static void test_what_is_no_socket(void **state)
{
	struct test *t = *state;
	struct error err = { 0 };
	int file = open(t->path, O_CREAT | O_WRONLY, 0600);

	assert_true(file >= 0);
	assert_int_equal(lmtp_listen(&t->settings, t->place, &err), -EEXIST);
	assert_non_null(strstr(err.text, "exists and is no socket"));
	assert_int_equal(access(t->path, F_OK), 0);
	fd_closep(&file);
	assert_int_equal(unlink(t->path), 0);
	assert_int_equal(symlink("/dev/null", t->path), 0);
	err = (struct error){ 0 };
	assert_int_equal(lmtp_listen(&t->settings, t->place, &err), -EEXIST);
}

static void test_no_folder(void **state)
{
	struct test *t = *state;
	struct error err = { 0 };

	assert_int_equal(
		lmtp_listen(&t->settings, "unix:/no/such/folder", &err), -ENOENT);
	assert_non_null(strstr(err.text, "unix:/no/such/folder"));
}

static void test_tcp(void **state)
{
	struct test *t = *state;
	struct error err = { 0 };
	char place[32];
	struct sockaddr_storage at = { 0 };
	socklen_t len = sizeof(at);
	int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	struct sockaddr_in free_port = { .sin_family = AF_INET };

	free_port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(
		bind(probe, (struct sockaddr *)&free_port, sizeof(free_port)), 0);
	assert_int_equal(getsockname(probe, (struct sockaddr *)&at, &len), 0);
	fd_closep(&probe);
	(void)snprintf(place, sizeof(place), "inet:127.0.0.1:%u",
		ntohs(((struct sockaddr_in *)&at)->sin_port));
	fd = lmtp_listen(&t->settings, place, &err);
	assert_true(fd >= 0);
	assert_true(lmtp_listens(&t->settings, place, fd));
	assert_false(lmtp_listens(&t->settings, "inet:127.0.0.1:1", fd));
	assert_false(lmtp_is_listener(&t->settings, fd)); /* it is not in `lmtp` */
	assert_false(lmtp_is_listener(&t->settings, -1));
	assert_int_equal(lmtp_listen(&t->settings, place, &err), -EADDRINUSE);
	fd_closep(&fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_owner_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_group, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_group, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_that_was_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tcp, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
