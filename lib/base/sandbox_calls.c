/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The system calls of each kind of process: what is not in these tables ends it.
 *
 * What a process does is in its row (sandbox.h), what that takes is here; a call without
 * such a bit is everybody's. Some are there though we never saw them made: glibc makes
 * them on slow paths (a lock that is contended, memory that grows or is given back, a
 * sort of many rows, a clock without vDSO), SQLite where a lock or a disk is slow.
 *
 * Refused without an end is only what a library tries and can do without: "not there" is
 * an answer that it has to expect of an older kernel.
 */
#include "base/sandbox_walls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum short_names {
	ALL = 0,
	ANY_SOCKET = SANDBOX_LOCAL_SOCKETS | SANDBOX_SOCKETS,
	FILES = SANDBOX_DATABASE | SANDBOX_FOLDER,
	FOLDER = SANDBOX_FOLDER,
	BULK = SANDBOX_BULK,
	CHILDREN = SANDBOX_CHILDREN,
};

struct call {
	int number;
	unsigned of; /* of enum sandbox_allows: any of them */
};

// clang-format off
static const struct call calls[] = {
	/* memory (what is mapped is never run: below) */
	{ SCMP_SYS(brk), ALL }, { SCMP_SYS(munmap), ALL }, { SCMP_SYS(mremap), ALL },
	{ SCMP_SYS(madvise), ALL },
	/* clocks */
	{ SCMP_SYS(clock_gettime), ALL }, { SCMP_SYS(clock_getres), ALL },
	{ SCMP_SYS(gettimeofday), ALL }, { SCMP_SYS(time), ALL },
	{ SCMP_SYS(clock_nanosleep), ALL }, { SCMP_SYS(nanosleep), ALL },
	/* who and where it is, what this host has */
	{ SCMP_SYS(getpid), ALL }, { SCMP_SYS(gettid), ALL }, { SCMP_SYS(getppid), ALL },
	{ SCMP_SYS(getuid), ALL }, { SCMP_SYS(geteuid), ALL }, { SCMP_SYS(getgid), ALL },
	{ SCMP_SYS(getegid), ALL }, { SCMP_SYS(getgroups), ALL },
	{ SCMP_SYS(getresuid), ALL }, { SCMP_SYS(getresgid), ALL },
	{ SCMP_SYS(capget), ALL }, { SCMP_SYS(uname), ALL }, { SCMP_SYS(sysinfo), ALL },
	{ SCMP_SYS(getrusage), ALL }, { SCMP_SYS(getrlimit), ALL },
	{ SCMP_SYS(sched_getaffinity), ALL }, { SCMP_SYS(getcpu), ALL },
	{ SCMP_SYS(getrandom), ALL },
	/* locks, and what glibc keeps for each thread */
	{ SCMP_SYS(futex), ALL }, { SCMP_SYS(sched_yield), ALL },
	{ SCMP_SYS(membarrier), ALL }, { SCMP_SYS(rseq), ALL },
	{ SCMP_SYS(set_robust_list), ALL }, { SCMP_SYS(set_tid_address), ALL },
	/* its own signals, its end */
	{ SCMP_SYS(rt_sigprocmask), ALL }, { SCMP_SYS(rt_sigreturn), ALL },
	{ SCMP_SYS(rt_sigpending), ALL }, { SCMP_SYS(sigaltstack), ALL },
	{ SCMP_SYS(signalfd4), ALL }, { SCMP_SYS(restart_syscall), ALL },
	{ SCMP_SYS(exit), ALL }, { SCMP_SYS(exit_group), ALL },
	/* descriptors that it has, and waiting for them */
	{ SCMP_SYS(read), ALL }, { SCMP_SYS(readv), ALL }, { SCMP_SYS(pread64), ALL },
	{ SCMP_SYS(write), ALL }, { SCMP_SYS(writev), ALL }, { SCMP_SYS(pwrite64), ALL },
	{ SCMP_SYS(lseek), ALL }, { SCMP_SYS(close), ALL },
	{ SCMP_SYS(poll), ALL }, { SCMP_SYS(ppoll), ALL },
	{ SCMP_SYS(epoll_create1), ALL }, { SCMP_SYS(epoll_ctl), ALL },
	{ SCMP_SYS(epoll_wait), ALL }, { SCMP_SYS(epoll_pwait), ALL },
	{ SCMP_SYS(epoll_pwait2), ALL }, { SCMP_SYS(eventfd2), ALL },
	{ SCMP_SYS(pipe2), ALL }, { SCMP_SYS(timerfd_create), ALL },
	{ SCMP_SYS(timerfd_settime), ALL },
	/* files: Landlock and their owners say which */
	{ SCMP_SYS(open), ALL }, { SCMP_SYS(openat), ALL },
	{ SCMP_SYS(stat), ALL }, { SCMP_SYS(lstat), ALL }, { SCMP_SYS(fstat), ALL },
	{ SCMP_SYS(newfstatat), ALL }, { SCMP_SYS(statx), ALL },
	{ SCMP_SYS(statfs), ALL }, { SCMP_SYS(fstatfs), ALL },
	{ SCMP_SYS(access), ALL }, { SCMP_SYS(faccessat), ALL },
	{ SCMP_SYS(faccessat2), ALL }, { SCMP_SYS(readlink), ALL },
	{ SCMP_SYS(readlinkat), ALL }, { SCMP_SYS(getcwd), ALL },
	/* sockets that it has been given */
	{ SCMP_SYS(recvfrom), ALL }, { SCMP_SYS(recvmsg), ALL }, { SCMP_SYS(recvmmsg), ALL },
	{ SCMP_SYS(sendto), ALL }, { SCMP_SYS(sendmsg), ALL },
	{ SCMP_SYS(shutdown), ALL }, { SCMP_SYS(getsockopt), ALL },
	{ SCMP_SYS(setsockopt), ALL }, { SCMP_SYS(getsockname), ALL },
	{ SCMP_SYS(getpeername), ALL },
	{ SCMP_SYS(accept), SANDBOX_LISTENS }, { SCMP_SYS(accept4), SANDBOX_LISTENS },
	/* sockets of its own */
	{ SCMP_SYS(connect), ANY_SOCKET }, { SCMP_SYS(bind), SANDBOX_SOCKETS },
	/* a database and its journal; staged mail */
	{ SCMP_SYS(fsync), FILES }, { SCMP_SYS(fdatasync), FILES },
	{ SCMP_SYS(ftruncate), FILES }, { SCMP_SYS(fallocate), FILES },
	{ SCMP_SYS(fchmod), FILES }, { SCMP_SYS(unlink), FILES },
	/* a folder */
	{ SCMP_SYS(getdents64), FOLDER | SANDBOX_QUEUE }, { SCMP_SYS(flock), FOLDER },
	{ SCMP_SYS(mkdir), FOLDER }, { SCMP_SYS(mkdirat), FOLDER },
	{ SCMP_SYS(unlinkat), FOLDER }, { SCMP_SYS(rename), FOLDER },
	{ SCMP_SYS(renameat), FOLDER }, { SCMP_SYS(renameat2), FOLDER },
	{ SCMP_SYS(link), FOLDER }, { SCMP_SYS(linkat), FOLDER | SANDBOX_QUEUE },
	{ SCMP_SYS(sync_file_range), FOLDER }, { SCMP_SYS(fadvise64), FOLDER },
	/* a Maildir */
	{ SCMP_SYS(utimensat), SANDBOX_MAILDIR }, { SCMP_SYS(syncfs), SANDBOX_MAILDIR },
	/* bulk */
	{ SCMP_SYS(splice), BULK }, { SCMP_SYS(sendfile), BULK },
	{ SCMP_SYS(memfd_create), BULK },
	/* children, from fork() to the sandbox that they enter */
	{ SCMP_SYS(fork), CHILDREN }, { SCMP_SYS(vfork), CHILDREN },
	{ SCMP_SYS(execve), CHILDREN }, { SCMP_SYS(wait4), CHILDREN },
	{ SCMP_SYS(pidfd_open), CHILDREN }, { SCMP_SYS(kill), CHILDREN },
	{ SCMP_SYS(tgkill), CHILDREN }, { SCMP_SYS(setpgid), CHILDREN },
	{ SCMP_SYS(dup), CHILDREN }, { SCMP_SYS(dup2), CHILDREN },
	{ SCMP_SYS(dup3), CHILDREN }, { SCMP_SYS(close_range), CHILDREN },
	{ SCMP_SYS(fcntl), CHILDREN }, { SCMP_SYS(ioctl), CHILDREN },
	{ SCMP_SYS(rt_sigaction), CHILDREN }, { SCMP_SYS(mmap), CHILDREN },
	{ SCMP_SYS(mprotect), CHILDREN }, { SCMP_SYS(arch_prctl), CHILDREN },
	{ SCMP_SYS(prlimit64), CHILDREN }, { SCMP_SYS(setrlimit), CHILDREN },
	{ SCMP_SYS(prctl), CHILDREN }, { SCMP_SYS(capset), CHILDREN },
	{ SCMP_SYS(chroot), CHILDREN }, { SCMP_SYS(chdir), CHILDREN },
	{ SCMP_SYS(umask), CHILDREN }, { SCMP_SYS(seccomp), CHILDREN },
	{ SCMP_SYS(landlock_create_ruleset), CHILDREN },
	{ SCMP_SYS(landlock_add_rule), CHILDREN },
	{ SCMP_SYS(landlock_restrict_self), CHILDREN },
	/* which ones: narrow_users() */
	{ SCMP_SYS(setresuid), SANDBOX_USERS }, { SCMP_SYS(setresgid), SANDBOX_USERS },
};

#define IS(argument, value) { argument, SCMP_CMP_EQ, value, 0 }
#define IS_NOT(argument, value) { argument, SCMP_CMP_NE, value, 0 }
#define HAS(argument, mask, value) { argument, SCMP_CMP_MASKED_EQ, mask, value }
#define NAMESPACES (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID |          \
	CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

/* Only with such an argument. */
static const struct {
	struct call call;
	struct scmp_arg_cmp first, second;
	unsigned n;
} with_argument[] = {
	/* no memory that can be written and run, and none that is made so */
	{ { SCMP_SYS(mmap), ALL }, HAS(2, PROT_EXEC, 0), { 0 }, 1 },
	{ { SCMP_SYS(mprotect), ALL }, HAS(2, PROT_EXEC, 0), { 0 }, 1 },
	/* nobody takes our word of a refused call */
	{ { SCMP_SYS(rt_sigaction), ALL }, IS_NOT(0, SIGSYS), { 0 }, 1 },
	{ { SCMP_SYS(prlimit64), ALL }, IS(0, 0), { 0 }, 1 },
	{ { SCMP_SYS(prctl), ALL }, IS(0, PR_SET_NAME), { 0 }, 1 },
	/* libuv, stdio */
	{ { SCMP_SYS(ioctl), ALL }, IS(1, FIONBIO), { 0 }, 1 },
	{ { SCMP_SYS(ioctl), ALL }, IS(1, FIONREAD), { 0 }, 1 },
	{ { SCMP_SYS(ioctl), ALL }, IS(1, FIOCLEX), { 0 }, 1 },
	{ { SCMP_SYS(ioctl), ALL }, IS(1, TCGETS), { 0 }, 1 },
	/* not F_SETOWN: the kernel would send signals for us */
	{ { SCMP_SYS(fcntl), ALL }, IS(1, F_DUPFD_CLOEXEC), { 0 }, 1 },
	{ { SCMP_SYS(fcntl), ALL }, IS(1, F_GETFD), { 0 }, 1 },
	{ { SCMP_SYS(fcntl), ALL }, IS(1, F_SETFD), { 0 }, 1 },
	{ { SCMP_SYS(fcntl), ALL }, IS(1, F_GETFL), { 0 }, 1 },
	{ { SCMP_SYS(fcntl), ALL }, IS(1, F_SETFL), { 0 }, 1 },
	{ { SCMP_SYS(fcntl), ALL }, IS(1, F_GETLK), { 0 }, 1 },
	{ { SCMP_SYS(fcntl), ALL }, IS(1, F_SETLK), { 0 }, 1 },
	{ { SCMP_SYS(fcntl), ALL }, IS(1, F_SETLKW), { 0 }, 1 },
	{ { SCMP_SYS(fcntl), ALL }, IS(1, F_OFD_SETLK), { 0 }, 1 },
	{ { SCMP_SYS(fcntl), BULK }, IS(1, F_SETPIPE_SZ), { 0 }, 1 },
	/* no raw one, no packet one, no netlink */
	{ { SCMP_SYS(socket), ANY_SOCKET }, IS(0, AF_UNIX), { 0 }, 1 },
	{ { SCMP_SYS(socketpair), ANY_SOCKET }, IS(0, AF_UNIX), { 0 }, 1 },
	{ { SCMP_SYS(socket), SANDBOX_SOCKETS }, IS(0, AF_INET), HAS(1, 0xf, SOCK_STREAM), 2 },
	{ { SCMP_SYS(socket), SANDBOX_SOCKETS }, IS(0, AF_INET6), HAS(1, 0xf, SOCK_STREAM), 2 },
	/* a thread shares all that we have; a process is no namespace: in one of its own it
	   is root, and with CAP_SETUID it says there which users that root may be */
	{ { SCMP_SYS(clone), SANDBOX_THREADS }, HAS(0, CLONE_THREAD, CLONE_THREAD), { 0 }, 1 },
	{ { SCMP_SYS(clone), CHILDREN }, HAS(0, NAMESPACES, 0), { 0 }, 1 },
};

/* What a library tries before it does it another way. */
static const struct {
	int number, answer;
} tried[] = {
	{ SCMP_SYS(clone3), ENOSYS }, /* glibc then takes clone(), whose flags we see */
	{ SCMP_SYS(io_uring_setup), ENOSYS }, /* libuv from 1.45 on then takes epoll */
#ifdef __SANITIZE_ADDRESS__
	/* a report of a fault is made without the programs that would make it prettier */
	{ SCMP_SYS(fork), EPERM }, { SCMP_SYS(execve), EPERM }, { SCMP_SYS(pipe), EPERM },
	{ SCMP_SYS(prctl), EPERM },
#endif
};
// clang-format on

/* ── the filter ────────────────────────────────────────────────────────────────────── */

static bool is_allowed(const struct sandbox *s, const struct call *call)
{
	return call->of == ALL || s->allows & call->of;
}

static int allow_calls(scmp_filter_ctx filter, const struct sandbox *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT(calls); i++)
		if (is_allowed(s, &calls[i]))
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i].number, 0);
	for (size_t i = 0; r == 0 && i < COUNT(with_argument); i++)
		if (is_allowed(s, &with_argument[i].call))
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW,
				with_argument[i].call.number, with_argument[i].n,
				with_argument[i].first, with_argument[i].second);
	return r;
}

/* abort() and raise() signal the process itself. */
static int allow_own_signals(scmp_filter_ctx filter, const struct sandbox *s, int pid)
{
	if (s->allows & SANDBOX_CHILDREN)
		return 0;
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
		SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)pid));
}

/* One that is allowed stays so. */
static int answer_tries(scmp_filter_ctx filter, const struct sandbox *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT(tried); i++) {
		bool allowed = false;

		for (size_t k = 0; k < COUNT(calls); k++)
			allowed |= calls[k].number == tried[i].number &&
			           is_allowed(s, &calls[k]);
		if (!allowed)
			r = seccomp_rule_add(filter,
				SCMP_ACT_ERRNO((uint32_t)tried[i].answer),
				tried[i].number, 0);
	}
	return r;
}

int sandbox_list_calls(const struct sandbox *s, int pid, void **ret)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int r = filter ? allow_calls(filter, s) : -ENOMEM;

	if (r == 0)
		r = allow_own_signals(filter, s, pid);
	if (r == 0)
		r = answer_tries(filter, s);
	/* a tree, not a list: what has arguments is looked at each time */
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	*ret = filter;
	return r;
}

/* ── what a list cannot say: it has no "but" ───────────────────────────────────────── */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW 0
#else
#define LOW 4
#endif
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
/* The kernel reads 32 bits of it. */
#define LOAD_LOW(argument)                                                               \
	LOAD((unsigned)offsetof(struct seccomp_data, args) + 8 * (argument) + LOW)
#define ELSE_SKIP(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (n))

const struct sock_filter sandbox_no_lingering[] = {
	LOAD(offsetof(struct seccomp_data, nr)),
	ELSE_SKIP(SYS_setsockopt, 5),
	LOAD_LOW(1),
	ELSE_SKIP(SOL_SOCKET, 3),
	LOAD_LOW(2),
	ELSE_SKIP(SO_LINGER, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
};
