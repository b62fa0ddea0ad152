/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A Maildir's writer gives a message its name from one folder to another, on each version
   of Landlock that the kernel can be taken for; and reaches nothing beside that Maildir
   where the kernel can say so. */
#include "base/sandbox.h"
#include "base/sandbox_walls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/sandbox-XXXXXX";
static int newest;

static int result(long r)
{
	return r < 0 ? errno : 0;
}

static int move_a_message(void)
{
	int r = result(renameat2(AT_FDCWD, "tmp/m", AT_FDCWD, "cur/m", RENAME_NOREPLACE));

	return r ? r : result(renameat(AT_FDCWD, "cur/m", AT_FDCWD, "tmp/m"));
}

static int read_beside_it(void)
{
	return result(open("../other", O_RDONLY | O_CLOEXEC));
}

/* In a child, where Landlock is not newer than that. */
static int as_writer(int version, unsigned allows, int (*try)(void))
{
	const struct sandbox_path path = { ".", false };
	const struct sandbox s = {
		.allows = SANDBOX_FOLDER | allows, .paths = &path, .n_paths = 1
	};
	struct error err;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		sandbox_assume_landlock(version);
		_exit(chdir("maildir") < 0 || sandbox_enter(&s, &err) < 0 ? 255 : try());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_it_gives_names(void **state)
{
	(void)state;
	for (int version = 0; version <= newest; version++)
		assert_int_equal(as_writer(version, SANDBOX_MAILDIR, move_a_message), 0);
}

/* Else the case above would show nothing. */
static void test_older_rules_would_refuse_it(void **state)
{
	(void)state;
	if (newest >= 1)
		assert_int_equal(as_writer(1, 0, move_a_message), EXDEV);
}

static void test_nothing_beside_it(void **state)
{
	(void)state;
	for (int version = 2; version <= newest; version++)
		assert_int_equal(
			as_writer(version, SANDBOX_MAILDIR, read_beside_it), EACCES);
}

static void touch(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	(void)close(fd);
}

static int setup(void **state)
{
	(void)state;
	newest = (int)syscall(
		SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (!mkdtemp(folder) || chdir(folder) < 0)
		return -1;
	assert_int_equal(mkdir("maildir", 0700), 0);
	assert_int_equal(mkdir("maildir/tmp", 0700), 0);
	assert_int_equal(mkdir("maildir/cur", 0700), 0);
	touch("maildir/tmp/m");
	touch("other");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink("maildir/tmp/m");
	(void)unlink("other");
	(void)rmdir("maildir/tmp");
	(void)rmdir("maildir/cur");
	(void)rmdir("maildir");
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_gives_names),
		cmocka_unit_test(test_older_rules_would_refuse_it),
		cmocka_unit_test(test_nothing_beside_it),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
