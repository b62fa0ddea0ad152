/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/state_lock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/mailferry-lock-XXXXXX";
static char state_dir[64], run_dir[64], other_dir[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(root))
		return -1;
	(void)snprintf(state_dir, sizeof(state_dir), "%s/state", root);
	(void)snprintf(run_dir, sizeof(run_dir), "%s/run", root);
	(void)snprintf(other_dir, sizeof(other_dir), "%s/other", root);
	return mkdir(state_dir, 0700) | mkdir(run_dir, 0700) | mkdir(other_dir, 0700);
}

static int teardown(void **state)
{
	const char *const directories[] = { state_dir, run_dir, other_dir };
	char path[96];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s/lock", directories[i]);
		(void)unlink(path);
		(void)rmdir(directories[i]);
	}
	return rmdir(root);
}

/* As another process: record locks are a process's own. */
static int try(char *state, char *run, enum state_lock which, const char *says)
{
	struct settings s = { .state_dir = state, .run_dir = run };
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct error err = { 0 };
		int code = state_lock_take(&s, which, &err);

		if (code < 0 && !strstr(err.text, says)) {
			print_error("%s\n", err.text);
			_exit(99);
		}
		_exit(-code);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return -WEXITSTATUS(status);
}

static void one_of_each(void **state)
{
	struct settings s = { .state_dir = state_dir, .run_dir = run_dir };
	struct error err = { 0 };
	char says[64];

	(void)state;
	assert_int_equal(state_lock_take(&s, STATE_LOCK_MAILSTORE, &err), 0);
	(void)snprintf(says, sizeof(says), "mailferry mailstore (pid %d) runs in",
		(int)getpid());
	assert_int_equal(try(state_dir, run_dir, STATE_LOCK_MAILSTORE, says), -EBUSY);
	assert_int_equal(try(state_dir, other_dir, STATE_LOCK_MAILSTORE, says), -EBUSY);
	assert_int_equal(try(other_dir, run_dir, STATE_LOCK_MAILSTORE, says), -EBUSY);
	assert_int_equal(try(state_dir, run_dir, STATE_LOCK_ALL, says), -EBUSY);
	assert_int_equal(try(state_dir, run_dir, STATE_LOCK_TRANSFER, says), 0);
	assert_int_equal(try(other_dir, other_dir, STATE_LOCK_MAILSTORE, says), 0);
	assert_int_equal(try(other_dir, other_dir, STATE_LOCK_ALL, says), 0);
	assert_int_equal(
		try((char *)(uintptr_t) "/none", run_dir, STATE_LOCK_UP, "/none"),
		-ENOENT);
}

/* One that runs drops it, and whoever follows has opened it before. */
static void handed_on(void **state)
{
	struct settings s = { .state_dir = state_dir, .run_dir = run_dir };
	struct state_lock_files files;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(state_lock_open(&s, &files, &err), 0);
	assert_int_equal(try(state_dir, run_dir, STATE_LOCK_VAULT, ""), 0);
	assert_int_equal(state_lock_set(&files, STATE_LOCK_VAULT, &err), 0);
	assert_int_equal(try(state_dir, run_dir, STATE_LOCK_VAULT, "vault"), -EBUSY);
	assert_int_equal(try(state_dir, run_dir, STATE_LOCK_TRANSFER, ""), 0);
	state_lock_drop(&files, STATE_LOCK_VAULT);
	assert_int_equal(try(state_dir, run_dir, STATE_LOCK_VAULT, ""), 0);
	assert_int_equal(state_lock_set(&files, STATE_LOCK_VAULT, &err), 0);
	state_lock_close(&files);
	state_lock_close(&files);
	assert_int_equal(try(state_dir, run_dir, STATE_LOCK_VAULT, ""), 0);
}

static void by_name(void **state)
{
	enum state_lock which = STATE_LOCK_ALL;

	(void)state;
	assert_int_equal(state_lock_of("transfer", &which), 0);
	assert_int_equal(which, STATE_LOCK_TRANSFER);
	assert_int_equal(state_lock_of("nobody", &which), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handed_on), /* first: closing a file drops all */
		cmocka_unit_test(one_of_each),
		cmocka_unit_test(by_name),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
