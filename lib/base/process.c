/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/process.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int process_sibling(const char *name, char *path, size_t size, struct error *err)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;
	int len;

	if (n < 0)
		return error_errno(err, -errno, "cannot tell where this program lies");
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return error_set(err, -ENOENT, "cannot tell where this program lies");
	*slash = '\0';
	len = snprintf(path, size, "%s/%s", self, name);
	if (len < 0 || (size_t)len >= size)
		return error_set(
			err, -ENAMETOOLONG, "%s/%s: the path is too long", self, name);
	if (access(path, X_OK) < 0)
		return error_errno(err, -errno, "cannot run %s", path);
	return 0;
}

/* ── the user ──────────────────────────────────────────────────────────────────────── */

/* A change of user leaves them permitted, but not in effect. */
static int raise_permitted(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, sets) < 0)
		return -errno;
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		sets[i].effective = sets[i].permitted;
	return syscall(SYS_capset, &head, sets) < 0 ? -errno : 0;
}

/* The kernel forgets with a change of user that we asked for our parent's end. */
static int ask_again(int end_signal, pid_t parent)
{
	if (!end_signal)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, end_signal, 0, 0, 0) < 0)
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

int process_become(const struct process_user *user, struct error *err)
{
	gid_t groups[PROCESS_GROUPS_MAX];
	pid_t parent = getppid();
	int r = 0, end_signal = 0;

	if (geteuid() != 0)
		return 0;
	(void)prctl(PR_GET_PDEATHSIG, &end_signal, 0, 0, 0);
	for (size_t i = 0; i < user->n_groups; i++)
		groups[i] = user->groups[i];
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
		setgroups(user->n_groups, groups) < 0 ||
		setresgid(user->gid, user->gid, user->gid) < 0 ||
		setresuid(user->uid, user->uid, user->uid) < 0)
		r = -errno;
	if (r == 0)
		r = raise_permitted();
	if (r == 0)
		r = ask_again(end_signal, parent);
	if (r == 0 && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, r, "cannot become user %u, group %u", user->uid,
			       user->gid)
	             : 0;
}

static _Noreturn void run_as(unsigned uid, int (*run)(void *context), void *context)
{
	int r = setresuid(uid, uid, uid) < 0 ? -errno : run(context);

	_exit(r < 0 ? -r : 0);
}

int process_run_as(unsigned uid, int (*run)(void *context), void *context)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		run_as(uid, run, context);
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

/* ── capabilities ──────────────────────────────────────────────────────────────────── */

static int add(
	capng_type_t sets, const int *capabilities, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++)
		if (capng_update(CAPNG_ADD, sets, (unsigned)capabilities[i]) < 0)
			return error_set(err, -EINVAL, "capability %d is unknown here",
				capabilities[i]);
	return 0;
}

/* What could come back with another program. Whoever may not has no_new_privs, or had it
   done by its parent. */
static void bound(const int *capabilities, size_t count)
{
	uint64_t kept = 0;

	for (size_t i = 0; i < count; i++)
		kept |= UINT64_C(1) << capabilities[i];
	for (unsigned c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
		if (!(kept >> c & 1) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0 &&
			errno == EPERM)
			return; /* as it would be of each */
}

int process_keep_capabilities(const int *capabilities, size_t count, struct error *err)
{
	int r;

	capng_clear(CAPNG_SELECT_BOTH);
	r = add((capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED), capabilities, count,
		err);
	if (r < 0)
		return r;
	bound(capabilities, count);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return error_set(err, -EPERM, "cannot give up capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, -errno, "cannot set no_new_privs");
	return 0;
}

int process_pass_capabilities(const int *capabilities, size_t count, struct error *err)
{
	int r = add(CAPNG_INHERITABLE, capabilities, count, err);

	if (r == 0 && count && capng_apply(CAPNG_SELECT_CAPS) < 0)
		r = error_set(err, -EPERM, "cannot pass capabilities on");
	for (size_t i = 0; r == 0 && i < count; i++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capabilities[i], 0, 0) <
			0)
			r = error_errno(err, -errno, "cannot pass capabilities on");
	return r;
}

/* ── walls ─────────────────────────────────────────────────────────────────────────── */

int process_enter(const char *directory, struct error *err)
{
	if (chroot(directory) < 0 || chdir("/") < 0)
		return error_errno(err, -errno, "cannot enter %s", directory);
	return 0;
}

int process_protect_memory(struct error *err)
{
	struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_errno(err, -errno, "cannot forbid core files");
	return 0;
}

int process_end_with_parent(int parent, struct error *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
		return error_errno(err, -errno, "cannot ask for the parent's end");
	if (getppid() != parent)
		return error_set(err, -ESRCH, "the parent process is gone");
	return 0;
}

int process_end_with_pipe(int pipe, struct error *err)
{
	struct pollfd end = { .fd = pipe, .events = POLLIN };

	if (fcntl(pipe, F_SETOWN, getpid()) < 0 || fcntl(pipe, F_SETSIG, SIGTERM) < 0 ||
		fcntl(pipe, F_SETFL, O_ASYNC) < 0)
		return error_errno(err, -errno, "cannot ask for the parent's end");
	if (poll(&end, 1, 0) != 0)
		return error_set(err, -ESRCH, "the parent process is gone");
	return 0;
}

/* ── files ─────────────────────────────────────────────────────────────────────────── */

static int make_one(const char *path, unsigned mode, struct error *err)
{
	struct stat there;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno == EEXIST && stat(path, &there) == 0 && S_ISDIR(there.st_mode))
		return 0;
	return error_errno(err, -errno, "cannot make the directory %s", path);
}

uint64_t process_allow_descriptors(uint64_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return wanted;
	limit = (struct rlimit){ wanted,
		limit.rlim_max > wanted ? limit.rlim_max : wanted };
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return wanted;
	/* without CAP_SYS_RESOURCE: what there is */
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}

int process_make_directory(const char *path, unsigned mode, struct error *err)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	int r;

	if (len >= sizeof(part))
		return error_set(err, -ENAMETOOLONG, "%s: the path is too long", path);
	memcpy(part, path, len + 1);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		r = make_one(part, 0755, err);
		if (r < 0)
			return r;
		*slash = '/';
	}
	return make_one(path, mode, err);
}
