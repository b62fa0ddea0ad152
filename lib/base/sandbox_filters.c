/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How the lists of sandbox_calls.c come into the kernel, and what a refused call is. */
#include "base/log.h"
#include "base/sandbox_walls.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/sandbox_ready.inc"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#ifndef SYS_SECCOMP /* <asm-generic/siginfo.h>, which <signal.h> cannot stand */
#define SYS_SECCOMP 1
#endif

/* ── the filters ───────────────────────────────────────────────────────────────────── */

static int load(scmp_filter_ctx filter, int r)
{
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

static int list_calls(const struct sandbox *s)
{
	scmp_filter_ctx filter = NULL;
	int r = sandbox_list_calls(s, getpid(), &filter);

	return load(filter, r);
}

/* By prctl(): seccomp(2) is in no list of Debian 12's systemd, so that a unit's
   SystemCallFilter refuses it. */
static int load_code(struct sock_filter *code, unsigned short n)
{
	const struct sock_fprog program = { .len = n, .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return -errno;
	return 0;
}

/* As list_calls() and refuse_lingering() would make it. */
static int load_ready(void)
{
	struct sock_filter code[COUNT(ready)];

	memcpy(code, ready, sizeof(code));
	code[READY_PID_AT].k = (uint32_t)getpid();
	return load_code(code, COUNT(code));
}

/* Real, effective and saved one. A filter of its own, since a list of what is allowed
   cannot say "between"; EPERM, since child.c tells it. */
static int narrow_users(const struct sandbox *s)
{
	static const int of_users[] = { SCMP_SYS(setresuid), SCMP_SYS(setresgid) };
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < COUNT(of_users); i++)
		for (unsigned argument = 0; r == 0 && argument < 3; argument++) {
			r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), of_users[i],
				1, SCMP_CMP(argument, SCMP_CMP_LT, s->user_first));
			if (r == 0)
				r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
					of_users[i], 1,
					SCMP_CMP(argument, SCMP_CMP_GT, s->user_last));
		}
	return load(filter, r);
}

static int refuse_lingering(void)
{
	struct sock_filter code[SANDBOX_NO_LINGERING + 1] = {
		[SANDBOX_NO_LINGERING] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	};

	memcpy(code, sandbox_no_lingering, sizeof(sandbox_no_lingering));
	return load_code(code, COUNT(code));
}

static int load_filters(const struct sandbox *s)
{
	int r = 0;

	if (s->allows == SANDBOX_OF_ACCOUNT)
		return load_ready();
	if (s->allows & SANDBOX_USERS)
		r = narrow_users(s);
	if (r == 0 && !(s->allows & SANDBOX_LISTENS))
		r = refuse_lingering();
	return r == 0 ? list_calls(s) : r;
}

/* ── what is refused ───────────────────────────────────────────────────────────────── */

static const char *call_name(int number)
{
	static const char *const names[] = {
#include "base/syscall_names.inc"
	};

	return number >= 0 && (size_t)number < COUNT(names) && names[number]
	               ? names[number]
	               : "unknown";
}

/* The call was not made. It comes in the middle of whatever makes calls, but of nothing
   that the log needs: all that it calls is allowed. */
static void on_refused(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_code == SYS_SECCOMP)
		log_error(NULL, "refused-call",
			"call=%s number=%d: this process must not make it and is "
			"ended; please report this line",
			call_name(info->si_syscall), info->si_syscall);
	(void)raise(
		number); /* pending until we return, and then our end (SA_RESETHAND) */
}

void sandbox_tell_refused_calls(void)
{
	struct sigaction action = { .sa_sigaction = on_refused,
		.sa_flags = SA_SIGINFO | (int)SA_RESETHAND };

	(void)sigaction(SIGSYS, &action, NULL);
}

int sandbox_enter_calls(const struct sandbox *s, struct error *err)
{
	int r;

	sandbox_tell_refused_calls();
	r = load_filters(s);
	return r < 0 ? error_errno(err, r, "cannot restrict system calls") : 0;
}
