/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void test_close_and_steal(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), kept = fd, taken;

	(void)state;
	errno = EDOM;
	fd_closep(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, EDOM);
	assert_false(is_open(kept));
	errno = EDOM;
	fd_closep(&fd); /* an empty one is fine */
	assert_int_equal(errno, EDOM);
	{
		CLEANUP(fd_closep) int in_scope = open("/dev/null", O_RDONLY | O_CLOEXEC);

		kept = in_scope;
		assert_true(is_open(kept));
	}
	assert_false(is_open(kept));
	{
		CLEANUP(fd_closep) int given = open("/dev/null", O_RDONLY | O_CLOEXEC);

		taken = fd_steal(&given);
	}
	assert_true(is_open(taken));
	fd_closep(&taken);
}

#define MUCH 300000 /* more than a pipe holds: write(2) is short */

/* What a slow reader gets of a fast writer is whole. */
static void test_all_of_it(void **state)
{
	static char out[MUCH], in[MUCH];
	int pipes[2], status;
	pid_t child;

	(void)state;
	for (size_t i = 0; i < MUCH; i++)
		out[i] = (char)(i * 7 % 251);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	child = fork();
	if (child == 0)
		_exit(fd_write_all(pipes[1], out, MUCH) != 0);
	fd_closep(&pipes[1]);
	assert_int_equal(fd_read_all(pipes[0], in, MUCH), 0);
	assert_memory_equal(in, out, MUCH);
	assert_int_equal(fd_read_all(pipes[0], in, 1), -ENODATA);
	assert_int_equal(fd_read_all(pipes[0], in, 0), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	fd_closep(&pipes[0]);
}

static void test_errors(void **state)
{
	int pipes[2];
	char byte = 'x';

	(void)state;
	assert_int_equal(fd_write_all(-1, &byte, 1), -EBADF);
	assert_int_equal(fd_read_all(-1, &byte, 1), -EBADF);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	fd_closep(&pipes[0]);
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(fd_write_all(pipes[1], &byte, 1), -EPIPE);
	fd_closep(&pipes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_close_and_steal),
		cmocka_unit_test(test_all_of_it), cmocka_unit_test(test_errors) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
