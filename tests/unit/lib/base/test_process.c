/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a process does about itself; each in a child, since most cannot be undone. */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NO_RIGHT 77 /* the child's word for: not allowed here */

/* Runs it in a child; 0 is well. */
static void in_child(int (*run)(const char *directory), const char *directory)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(run(directory));
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_RIGHT)
		skip();
	if (status != 0)
		fail_msg("the child ended with %d", status);
}

static int setup(void **state)
{
	char *directory = strdup("/tmp/mailferry-process-XXXXXX");

	*state = directory;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_one(
	const char *path, const struct stat *about, int type, struct FTW *place)
{
	(void)about;
	(void)type;
	(void)place;
	return remove(path);
}

static int teardown(void **state)
{
	(void)nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(*state);
	return 0;
}

static void test_sibling(void **state)
{
	char path[PATH_MAX], small[4];
	struct error err = { 0 };

	(void)state;
	assert_int_equal(process_sibling("test_process", path, sizeof(path), &err), 0);
	assert_int_equal(path[0], '/');
	assert_int_equal(access(path, X_OK), 0);
	assert_int_equal(process_sibling("no-such", path, sizeof(path), &err), -ENOENT);
	assert_non_null(strstr(err.text, "no-such"));
	assert_int_equal(process_sibling("test_process", small, sizeof(small), &err),
		-ENAMETOOLONG);
}

static void test_directories(void **state)
{
	char path[PATH_MAX], long_path[2 * PATH_MAX];
	struct error err = { 0 };
	struct stat about;

	(void)snprintf(path, sizeof(path), "%s/a/b/c", (const char *)*state);
	assert_int_equal(process_make_directory(path, 0700, &err), 0);
	assert_int_equal(process_make_directory(path, 0700, &err), 0);
	assert_int_equal(stat(path, &about), 0);
	assert_int_equal(about.st_mode & 07777, 0700);
	(void)snprintf(path, sizeof(path), "%s/a/b", (const char *)*state);
	assert_int_equal(stat(path, &about), 0);
	assert_int_equal(about.st_mode & 0700, 0700);

	(void)snprintf(path, sizeof(path), "%s/file", (const char *)*state);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	assert_int_equal(process_make_directory(path, 0700, &err), -EEXIST);
	(void)strcat(path, "/below");
	assert_int_equal(process_make_directory(path, 0700, &err), -EEXIST);
	assert_non_null(strstr(err.text, "/file"));
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(process_make_directory(long_path, 0700, &err), -ENAMETOOLONG);
}

static int give_up_all(const char *directory)
{
	struct error err = { 0 };

	(void)directory;
	if (geteuid() != 0)
		return NO_RIGHT;
	if (process_keep_capabilities(NULL, 0, &err) < 0)
		return 1;
	/* root by name only */
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 ||
	       prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 0 || setuid(1) == 0 ||
	       chroot("/") == 0;
}

static int keep_one(const char *directory)
{
	const int kept[] = { CAP_SYS_CHROOT };
	struct error err = { 0 };

	if (geteuid() != 0 || prctl(PR_CAPBSET_READ, CAP_SYS_CHROOT, 0, 0, 0) != 1)
		return NO_RIGHT;
	if (process_keep_capabilities(kept, 1, &err) < 0)
		return 1;
	if (process_enter(directory, &err) < 0)
		return 2;
	return access("/inside", F_OK) != 0 || access("/etc/passwd", F_OK) == 0;
}

static void test_capabilities(void **state)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/inside", (const char *)*state);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	in_child(give_up_all, *state);
	in_child(keep_one, *state);
}

static int enter_nowhere(const char *directory)
{
	struct error err = { 0 };
	int code = process_enter("/no/such/place", &err);

	(void)directory;
	return !(code < 0 && strstr(err.text, "/no/such/place"));
}

static int protect(const char *directory)
{
	struct error err = { 0 };
	struct rlimit core;

	(void)directory;
	return process_protect_memory(&err) < 0 || prctl(PR_GET_DUMPABLE) != 0 ||
	       getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0;
}

static void test_protection(void **state)
{
	in_child(enter_nowhere, *state);
	in_child(protect, *state);
}

/* The grandchild writes a byte, and the pipe ends when it does. */
static void parent_that_waits(int to)
{
	int parent = (int)getpid();
	struct error err;

	if (fork() == 0) {
		if (process_end_with_parent(parent, &err) == 0 && write(to, "x", 1) == 1)
			for (;;)
				(void)pause();
		_exit(1);
	}
	for (;;)
		(void)pause();
}

static void test_end_with_parent(void **state)
{
	struct error err = { 0 };
	int pipes[2], status;
	char bytes[2];
	pid_t child;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	child = fork();
	if (child == 0)
		parent_that_waits(pipes[1]);
	assert_int_equal(close(pipes[1]), 0);
	assert_int_equal(read(pipes[0], bytes, sizeof(bytes)), 1);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(read(pipes[0], bytes, sizeof(bytes)), 0);
	assert_int_equal(close(pipes[0]), 0);
	child = fork();
	if (child == 0) /* its parent is not the one it names: gone already */
		_exit(process_end_with_parent((int)getpid(), &err) != -ESRCH);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
#define ROW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = { ROW(test_sibling), ROW(test_directories),
		ROW(test_capabilities), ROW(test_protection), ROW(test_end_with_parent) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
