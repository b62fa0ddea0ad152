/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each kind of process enters its sandbox inside a systemd unit, too: the
   SystemCallFilter of Debian 12's systemd refuses seccomp(2), and Landlock. */
#include "base/sandbox.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const unsigned kinds[] = { 0, SANDBOX_OF_ACCOUNT, SANDBOX_DATABASE,
	SANDBOX_SOCKETS, SANDBOX_CHILDREN | SANDBOX_LISTENS };
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

#define IF(number, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##number, (skip), 0)

/* Not by libseccomp, which would then know the call and try it again. */
static int enter_unit(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		IF(seccomp, 4),
		IF(landlock_create_ruleset, 3),
		IF(landlock_add_rule, 2),
		IF(landlock_restrict_self, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	const struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]),
		.filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
	               ? -1
	               : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* 0, and then a call that none of them makes is its end. */
static void become(unsigned allows)
{
	const struct sandbox s = { .allows = allows };
	struct error err = { 0 };

	if (enter_unit() < 0)
		_exit(100);
	if (sandbox_enter(&s, &err) < 0) {
		(void)fprintf(stderr, "allows %u: %s\n", allows, err.text);
		_exit(101);
	}
	(void)acct(NULL);
	_exit(0);
}

static void test_each_enters(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_KINDS; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			become(kinds[i]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_each_enters) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
