/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A child becomes each kind of process, after its drop of rights, and tries what a thief
   in it would. What is refused says so, or is the end of it. */
#include "base/sandbox.h"
#include "base/sandbox_walls.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], own[96], other[96], registry[96], staging[96], staged[128];
static pid_t stranger;   /* a process beside it */
static int its_socket;   /* that it was given */
static int landlock_abi; /* the kernel's, or an older one that it is taken for */

static int result(long r)
{
	return r < 0 ? errno : 0;
}

/* ── attempts: 0 or errno ──────────────────────────────────────────────────────────── */

static int read_shadow(void)
{
	return result(open("/etc/shadow", O_RDONLY));
}

static int read_other(void)
{
	return result(open(other, O_RDONLY));
}

static int cut_other(void) /* Landlock's right to cut is newer than that to write */
{
	return result(open(other, O_RDONLY | O_TRUNC));
}

static int write_other(void)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/new", folder);
	return result(open(path, O_WRONLY | O_CREAT, 0600));
}

static int read_own(void)
{
	return result(open(own, O_RDWR));
}

static int open_registry(void)
{
	return result(open(registry, O_RDWR));
}

static int make_nameless(void)
{
	return result(open(staging, O_TMPFILE | O_RDWR, 0600));
}

/* What is done where a file system has no nameless ones. */
static int make_and_unlink(void)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/x-XXXXXX", staging);
	fd = mkostemp(path, O_CLOEXEC);
	return fd < 0 ? errno : result(unlink(path));
}

/* As mail is put into a queue. */
static int give_a_name(void)
{
	char path[128], self[32];
	int fd = open(staging, O_TMPFILE | O_RDWR, 0600);

	if (fd < 0)
		return errno;
	(void)snprintf(path, sizeof(path), "%s/named", staging);
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0)
		return errno;
	return result(unlink(path));
}

static int count_names(void)
{
	char names[512];
	int fd = open(staging, O_RDONLY | O_DIRECTORY);

	return fd < 0 ? errno : result(syscall(SYS_getdents64, fd, names, sizeof(names)));
}

static int rename_it(void)
{
	return result(rename(staged, staged));
}

#define OWN_PORT 1 /* nobody is there */
#define OTHER_PORT 2

static int connect_to(uint16_t port)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int r = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&to, sizeof(to));

	return errno == ECONNREFUSED ? 0 : result(r);
}

static int connect_to_its_port(void)
{
	return connect_to(OWN_PORT);
}

static int connect_elsewhere(void)
{
	return connect_to(OTHER_PORT);
}

static int attach(void)
{
	return result(ptrace(PTRACE_ATTACH, stranger, NULL, NULL));
}

static int read_memory(void)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { &stranger, 1 };

	return result(process_vm_readv(stranger, &here, 1, &there, 1, 0));
}

static int signal_it(void)
{
	return result(kill(stranger, SIGUSR1));
}

static int make_socket(void)
{
	return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int make_unix_socket(void)
{
	return result(socket(AF_UNIX, SOCK_SEQPACKET, 0));
}

/* Whoever closes it last would wait. The kernel reads no more than an int. */
static int linger(void)
{
	static const struct linger how = { .l_onoff = 1, .l_linger = 3600 };
	long level = SOL_SOCKET | 1L << 32;

	return result(
		syscall(SYS_setsockopt, its_socket, level, SO_LINGER, &how, sizeof(how)));
}

static int run_program(void)
{
	char name[] = "true";
	char *const arguments[] = { name, NULL };

	return result(execve("/bin/true", arguments, NULL));
}

static int leave(void)
{
	return result(unshare(CLONE_NEWNS));
}

static int make_raw_socket(void)
{
	return result(socket(AF_INET, SOCK_RAW, IPPROTO_TCP));
}

static int make_packet_socket(void)
{
	return result(socket(AF_PACKET, SOCK_RAW, 0));
}

static int make_netlink_socket(void)
{
	return result(socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER));
}

static int map_program(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
	               ? errno
	               : 0;
}

static int make_program(void)
{
	void *page = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? errno
	                          : result(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

/* The kernel signals for us when something can be read. */
static int signal_by_pipe(void)
{
	int ends[2];

	return pipe2(ends, 0) < 0 ? errno : result(fcntl(ends[0], F_SETOWN, stranger));
}

/* To go on after a call that is refused. */
static int ignore_refusals(void)
{
	return signal(SIGSYS, SIG_IGN) == SIG_ERR ? errno : 0;
}

static int use_ring(void)
{
	return result(syscall(SYS_io_uring_setup, 1, NULL));
}

static int change_user(void)
{
	return result(setuid(getuid()));
}

static int has_no_core(void)
{
	struct rlimit core;

	return getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 ? 0 : EPERM;
}

/* Only a master may ask. Of the others the laboratory reads it (test_intruder.py). */
static int is_protected(void)
{
	return has_no_core() == 0 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 &&
	                       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
	                       prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2
	               ? 0
	               : EPERM;
}

/* Which kinds may do it. */
enum kind { VAULT, WORKER, MOVER, MAILBOX, RUNNER, MASTER, KINDS };
static const char *const kind_names[KINDS] = { "vault", "worker", "process of a transfer",
	"process of a mailbox", "runner of reports", "master" };
#define MAY(kind) (1u << (kind))
#define NOBODY 0u
#define ALL (MAY(KINDS) - 1)
#define WITH_STAGING (MAY(WORKER) | MAY(RUNNER) | MAY(MASTER))
#define WITH_LISTENERS (MAY(VAULT) | MAY(WORKER) | MAY(MASTER))
#define WITH_SOCKETS (MAY(WORKER) | MAY(MOVER) | MAY(RUNNER) | MAY(MASTER))

static const struct attempt {
	const char *name;
	int (*try)(void);
	unsigned who;
	int landlock; /* the version that refuses it to others; 0: something else */
	/* who else may where that is older; 0: it can be refused by owner and mode */
	unsigned before;
} attempts[] = {
	{ "has no core", has_no_core, ALL, 0, 0 },
	{ "is protected", is_protected, MAY(MASTER), 0, 0 },
	{ "read /etc/shadow", read_shadow, MAY(MASTER), 1, 0 },
	{ "read another account's file", read_other, MAY(MASTER), 1, 0 },
	{ "cut another account's file", cut_other, MAY(MASTER), 1, 0 },
	{ "write beside it", write_other, MAY(MASTER), 1, 0 },
	{ "open its own file", read_own, MAY(MOVER) | MAY(MAILBOX) | MAY(MASTER), 1, 0 },
	{ "open the registry", open_registry,
		MAY(VAULT) | MAY(WORKER) | MAY(MOVER) | MAY(MASTER), 1, 0 },
	{ "make a nameless file", make_nameless, WITH_STAGING, 1, 0 },
	{ "make a file and unlink it", make_and_unlink, WITH_STAGING, 1, 0 },
	{ "give it a name", give_a_name, WITH_STAGING, 1, 0 },
	{ "count names", count_names, WITH_STAGING, 1, 0 },
	{ "rename", rename_it, MAY(RUNNER) | MAY(MASTER), 1, 0 },
	{ "ptrace", attach, NOBODY, 0, 0 }, { "read memory", read_memory, NOBODY, 0, 0 },
	{ "signal", signal_it, NOBODY, 6, MAY(MASTER) },
	{ "make an internet socket", make_socket, WITH_SOCKETS, 0, 0 },
	{ "make a UNIX socket", make_unix_socket, WITH_SOCKETS, 0, 0 },
	{ "connect to its port", connect_to_its_port, WITH_SOCKETS, 0, 0 },
	{ "connect to another port", connect_elsewhere, WITH_SOCKETS & ~MAY(RUNNER), 4,
		MAY(RUNNER) },
	{ "make a raw socket", make_raw_socket, NOBODY, 0, 0 },
	{ "make a packet socket", make_packet_socket, NOBODY, 0, 0 },
	{ "make a netlink socket", make_netlink_socket, NOBODY, 0, 0 },
	{ "map memory that is run", map_program, MAY(MASTER), 0, 0 },
	{ "make memory that is run", make_program, MAY(MASTER), 0, 0 },
	{ "let the kernel signal", signal_by_pipe, MAY(MASTER), 0, 0 },
	{ "ignore refusals", ignore_refusals, MAY(MASTER), 0, 0 },
	{ "io_uring", use_ring, NOBODY, 0, 0 }, { "unshare", leave, NOBODY, 0, 0 },
	{ "change the user", change_user, NOBODY, 0, 0 },
	{ "let a socket linger", linger, WITH_LISTENERS, 0, 0 },
	{ "run a program", run_program, MAY(MASTER), 0, 0 }, /* the last one */
};

static const struct sandbox_path with_registry[] = { { registry, false },
	{ "/nonexistent/registry-wal", true } };
static const struct sandbox_path with_staging[] = { { registry, false },
	{ staging, false } };
static const struct sandbox_path with_folder[] = { { own, false } };
static const struct sandbox_path with_both[] = { { registry, false }, { own, false } };
static const struct sandbox sandboxes[KINDS] = {
	[VAULT] = { .allows = SANDBOX_LISTENS | SANDBOX_DATABASE | SANDBOX_THREADS,
		.paths = with_registry,
		.n_paths = 2 },
	[WORKER] = { .allows = SANDBOX_SOCKETS | SANDBOX_LISTENS | SANDBOX_DATABASE |
	                       SANDBOX_BULK | SANDBOX_QUEUE,
		.paths = with_staging,
		.n_paths = 2 },
	[RUNNER] = { .allows = SANDBOX_SOCKETS | SANDBOX_FOLDER,
		.paths = &with_staging[1],
		.n_paths = 1,
		.port = OWN_PORT },
	[MOVER] = { .allows = SANDBOX_SOCKETS | SANDBOX_DATABASE | SANDBOX_FOLDER,
		.paths = with_both,
		.n_paths = 2 },
	[MAILBOX] = { .allows = SANDBOX_OF_ACCOUNT, .paths = with_folder, .n_paths = 1 },
	[MASTER] = { .allows = SANDBOX_SOCKETS | SANDBOX_LISTENS | SANDBOX_DATABASE |
	                       SANDBOX_FOLDER | SANDBOX_BULK | SANDBOX_CHILDREN },
};

/* ── the test ──────────────────────────────────────────────────────────────────────── */

/* In a child of its own. */
static int become(enum kind kind, const struct attempt *a)
{
	struct error err;

	sandbox_assume_landlock(landlock_abi);
	if (sandbox_enter(&sandboxes[kind], &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		return 255;
	}
	return a->try();
}

#define ENDED 254 /* by a call that is refused */

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return ENDED;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int outcome(enum kind kind, const struct attempt *a)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(become(kind, a));
	return end_of(pid);
}

static void try_it(enum kind kind, const struct attempt *a)
{
	bool older = landlock_abi < a->landlock;
	bool may = (a->who | (older ? a->before : 0)) & MAY(kind);
	int code = outcome(kind, a);

	if (older && !a->before && !may)
		return;
	if (code == 255 || (code == 0) != may)
		fail_msg("Landlock %d: %s: %s: %s", landlock_abi, kind_names[kind],
			a->name, code ? strerror(code) : "done");
}

static void test_attempts(void **state) /* and as where Landlock is older */
{
	int newest = landlock_abi, older = newest < 2 ? newest : 2; /* Linux 6.1 */

	(void)state;
	for (size_t i = 0; i < KINDS * sizeof(attempts) / sizeof(attempts[0]); i++) {
		landlock_abi = older;
		try_it((enum kind)(i % KINDS), &attempts[i / KINDS]);
		landlock_abi = newest;
		try_it((enum kind)(i % KINDS), &attempts[i / KINDS]);
	}
}

/* ── users ─────────────────────────────────────────────────────────────────────────── */

#define MASTER_USER 1900000001u
#define FIRST_USER 1900000016u
#define LAST_USER 1900000031u

static int end_in_child(int (*try)(void))
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(try());
	return end_of(pid);
}

static int be(unsigned user)
{
	return result(setresuid(user, user, user));
}

static int be_group(unsigned group)
{
	return result(setresgid(group, group, group));
}

static int make_user_namespace(void)
{
	return result(
		syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
}

static int give_up_groups(void)
{
	return result(setgroups(0, NULL));
}

static bool ends(int (*try)(void))
{
	return end_in_child(try) == ENDED;
}

/* The number of the first thing that a master could do and should not, or could not. */
static int master_of_users(void)
{
	static const int kept[] = { CAP_SETUID, CAP_SETGID };
	const struct process_user user = { .uid = MASTER_USER, .gid = MASTER_USER };
	const struct sandbox master = { .allows = SANDBOX_LOCAL_SOCKETS | SANDBOX_FOLDER |
		                                  SANDBOX_CHILDREN | SANDBOX_USERS,
		.user = &user,
		.user_first = FIRST_USER,
		.user_last = LAST_USER,
		.capabilities = kept,
		.n_capabilities = 2 };
	const bool held[] = { sandbox_enter(&master, NULL) == 0, getuid() == MASTER_USER,
		getgid() == MASTER_USER, getgroups(0, NULL) == 0, is_protected() == 0,
		be(0) == EPERM, be(FIRST_USER - 1) == EPERM, be(LAST_USER + 1) == EPERM,
		be((unsigned)-1) == EPERM, be_group(0) == EPERM, ends(give_up_groups),
		ends(make_user_namespace), ends(make_socket), make_unix_socket() == 0,
		read_shadow() == EACCES, read_other() == EACCES, signal_it() == EPERM,
		ends(attach), be_group(FIRST_USER) == 0, be(FIRST_USER) == 0,
		read_own() == 0, read_other() == EACCES, signal_it() == EPERM,
		be(0) == EPERM };

	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++)
		if (!held[i])
			return (int)i + 1;
	return 0;
}

static void test_users(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(folder, 0711), 0);
	assert_int_equal(chown(own, FIRST_USER, FIRST_USER), 0);
	assert_int_equal(chown(other, FIRST_USER + 1, FIRST_USER + 1), 0);
	assert_int_equal(end_in_child(master_of_users), 0);
}

/* An admin can report it. */
static void test_refused_call(void **state)
{
	char line[512] = "";
	int ends[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(ends[1], STDERR_FILENO);
		if (sandbox_enter(&sandboxes[MAILBOX], NULL) == 0)
			(void)kill(stranger, SIGUSR1);
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(end_of(pid), ENDED);
	assert_true(read(ends[0], line, sizeof(line) - 1) > 0);
	close(ends[0]);
	assert_non_null(strstr(line, " error - refused-call call=kill number="));
	assert_ptr_equal(strchr(line, '\n'), strrchr(line, '\n'));
}

/* raise() and abort() go on working, so that a bug ends the process. */
static void test_abort(void **state)
{
	int status;

	(void)state;
	for (enum kind kind = 0; kind < MASTER; kind++) {
		pid_t pid = fork();

		if (pid == 0) {
			if (sandbox_enter(&sandboxes[kind], NULL) < 0)
				_exit(0);
			(void)signal(SIGABRT, SIG_DFL);
			_exit(raise(SIGABRT));
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/mailferry-sandbox-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(own, sizeof(own), "%s/own", folder);
	(void)snprintf(other, sizeof(other), "%s/other", folder);
	(void)snprintf(registry, sizeof(registry), "%s/registry", folder);
	(void)snprintf(staging, sizeof(staging), "%s/staging", folder);
	assert_int_equal(mkdir(staging, 0700), 0);
	(void)snprintf(staged, sizeof(staged), "%s/mail", staging);
	touch(staged);
	touch(own);
	touch(other);
	touch(registry);
	(void)signal(SIGUSR1, SIG_IGN);
	landlock_abi = (int)syscall(
		SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	its_socket = socket(AF_INET, SOCK_STREAM, 0);
	stranger = fork();
	if (stranger == 0) {
		(void)signal(SIGUSR1, SIG_IGN);
		for (;;)
			(void)pause();
	}
	return stranger < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)kill(stranger, SIGKILL);
	(void)waitpid(stranger, NULL, 0);
	(void)unlink(own);
	(void)unlink(other);
	(void)unlink(registry);
	(void)unlink(staged);
	(void)rmdir(staging);
	(void)snprintf(own, sizeof(own), "%s/new", folder);
	(void)unlink(own);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attempts),
		cmocka_unit_test(test_refused_call),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_users),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
