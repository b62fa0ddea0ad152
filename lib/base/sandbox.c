/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/sandbox.h"

#include "base/fd.h"
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#ifdef __SANITIZE_ADDRESS__
/* LeakSanitizer looks at its own process with ptrace at the end: refused here. */
static bool is_entered;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return is_entered;
}
#endif

/* ── seccomp ───────────────────────────────────────────────────────────────────────── */

/* Nothing of ours calls these, whatever the row says. */
static const int never[] = {
	/* other processes' memory and descriptors */
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(move_pages),
	SCMP_SYS(migrate_pages),
	/* the file system as a whole */
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsmount),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fspick),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(quotactl),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(name_to_handle_at),
	SCMP_SYS(acct),
	/* the kernel */
	SCMP_SYS(bpf),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(syslog),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
	SCMP_SYS(vhangup),
	SCMP_SYS(lookup_dcookie),
	/* namespaces and other identities */
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(setuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setreuid),
	SCMP_SYS(setregid),
	SCMP_SYS(setgroups),
	SCMP_SYS(setfsuid),
	SCMP_SYS(setfsgid),
	SCMP_SYS(personality),
};
/* A program that starts others does these. */
static const int of_children[] = { SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork),
	SCMP_SYS(vfork), SCMP_SYS(chroot), SCMP_SYS(setpgid), SCMP_SYS(kill),
	SCMP_SYS(tkill), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo),
	SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_send_signal) };
/* A program that starts others as other users does these. */
static const int of_users[] = { SCMP_SYS(setresuid), SCMP_SYS(setresgid) };
static const int of_sockets[] = { SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind),
	SCMP_SYS(listen), SCMP_SYS(socketpair) };

static int refuse(scmp_filter_ctx filter, const int *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
	return r;
}

/* abort() and raise() signal the process itself. */
static int refuse_signals(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1,
		SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getpid()));
}

/* In a namespace of its own a process is root, and with CAP_SETUID it says there which
   users that root may be. clone3() hides its flags from us; without it libc uses
   clone(). */
static int refuse_namespaces(scmp_filter_ctx filter)
{
	static const scmp_datum_t flags[] = { CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET,
		CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP };
	int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	for (size_t i = 0; r == 0 && i < COUNT(flags); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
			SCMP_A0(SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
	return r;
}

/* Real, effective and saved one. */
static int refuse_other_users(scmp_filter_ctx filter, const struct sandbox *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT(of_users); i++)
		for (unsigned argument = 0; r == 0 && argument < 3; argument++) {
			r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), of_users[i],
				1, SCMP_CMP(argument, SCMP_CMP_LT, s->user_first));
			if (r == 0)
				r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
					of_users[i], 1,
					SCMP_CMP(argument, SCMP_CMP_GT, s->user_last));
		}
	return r;
}

static int refuse_sockets(scmp_filter_ctx filter, unsigned allows)
{
	if (allows & SANDBOX_SOCKETS)
		return 0;
	if (allows & SANDBOX_LOCAL_SOCKETS)
		return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket),
			1, SCMP_A0(SCMP_CMP_NE, AF_UNIX));
	return refuse(filter, of_sockets, COUNT(of_sockets));
}

static int add_rules(scmp_filter_ctx filter, const struct sandbox *s)
{
	int r = refuse(filter, never, COUNT(never));

	if (r == 0)
		r = refuse_namespaces(filter);
	if (r == 0 && !(s->allows & SANDBOX_CHILDREN))
		r = refuse(filter, of_children, COUNT(of_children));
	if (r == 0 && !(s->allows & SANDBOX_CHILDREN))
		r = refuse_signals(filter);
	if (r == 0)
		r = s->allows & SANDBOX_USERS ? refuse_other_users(filter, s)
		                              : refuse(filter, of_users, COUNT(of_users));
	return r == 0 ? refuse_sockets(filter, s->allows) : r;
}

static int enter_seccomp(const struct sandbox *s, struct error *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter ? add_rules(filter, s) : -ENOMEM;

	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r < 0 ? error_errno(err, r, "cannot restrict system calls") : 0;
}

/* ── Landlock ──────────────────────────────────────────────────────────────────────── */

/* Rights that a header may not know yet: of ABI 3, 5 and 6. */
#define FS_TRUNCATE (UINT64_C(1) << 14)
#define FS_IOCTL_DEV (UINT64_C(1) << 15)
#define SCOPE_ABSTRACT_SOCKET (UINT64_C(1) << 0)
#define SCOPE_SIGNAL (UINT64_C(1) << 1)
#define FS_OF_ABI_1 ((UINT64_C(1) << 13) - 1)
#define FS_REFER (UINT64_C(1) << 13)
#define FS_OF_FILES                                                                      \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)
/* Nothing below a row's folder is run, and no device or socket made there. */
#define FS_OF_FOLDERS                                                                    \
	(FS_OF_FILES | FS_REFER | LANDLOCK_ACCESS_FS_READ_DIR |                          \
		LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |         \
		LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG)

struct ruleset_attributes {
	uint64_t fs, net, scoped;
};

static int abi(void)
{
	return (int)syscall(
		SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

bool sandbox_has_landlock(void)
{
	return abi() > 0;
}

static uint64_t handled(int version)
{
	return FS_OF_ABI_1 | (version >= 2 ? FS_REFER : 0) |
	       (version >= 3 ? FS_TRUNCATE : 0) | (version >= 5 ? FS_IOCTL_DEV : 0);
}

static int add_path(int rules, uint64_t all, const struct sandbox_path *p)
{
	CLEANUP(fd_closep) int fd = open(p->path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = { .parent_fd = fd };
	struct stat about;

	if (fd < 0)
		return errno == ENOENT && p->may_be_absent ? 0 : -errno;
	if (fstat(fd, &about) < 0)
		return -errno;
	rule.allowed_access =
		all & (S_ISDIR(about.st_mode) ? FS_OF_FOLDERS : FS_OF_FILES);
	return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule,
		       0) < 0
	               ? -errno
	               : 0;
}

/* *ret_rules stays -1 where the kernel has none. */
static int open_landlock(const struct sandbox *s, int *ret_rules, struct error *err)
{
	int version = abi(), r = 0;
	struct ruleset_attributes attributes = { .fs = handled(version) };
	CLEANUP(fd_closep) int rules = -1;

	if (version <= 0)
		return 0;
	if (version >= 6)
		attributes.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
	rules = (int)syscall(SYS_landlock_create_ruleset, &attributes,
		version >= 6   ? sizeof(attributes)
		: version >= 4 ? 2 * sizeof(uint64_t)
			       : sizeof(uint64_t),
		0);
	if (rules < 0)
		return error_errno(err, -errno, "cannot restrict files");
	for (size_t i = 0; r == 0 && i < s->n_paths; i++) {
		r = add_path(rules, attributes.fs, &s->paths[i]);
		if (r < 0)
			return error_errno(err, r, "cannot keep %s", s->paths[i].path);
	}
	*ret_rules = fd_steal(&rules);
	return 0;
}

static int enter_landlock(int rules, struct error *err)
{
	if (rules >= 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return error_errno(err, -errno, "cannot restrict files");
	return 0;
}

/* ── all of it ─────────────────────────────────────────────────────────────────────── */

int sandbox_enter(const struct sandbox *s, struct error *err)
{
	CLEANUP(fd_closep) int rules = -1;
	int r = 0;

	/* as who it was: the last time that it may look at every folder on the way */
	if (!(s->allows & SANDBOX_CHILDREN))
		r = open_landlock(s, &rules, err);
	if (r == 0 && s->user)
		r = process_become(s->user, err);
	if (r == 0)
		r = process_keep_capabilities(s->capabilities, s->n_capabilities, err);
	if (r == 0)
		r = process_pass_capabilities(s->passed, s->n_passed, err);
	if (r == 0)
		r = process_protect_memory(err);
	if (r == 0)
		r = enter_landlock(rules, err);
	if (r == 0)
		r = enter_seccomp(s, err);
#ifdef __SANITIZE_ADDRESS__
	is_entered = r == 0;
#endif
	return r;
}
