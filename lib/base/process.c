/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/process.h"

#include <cap-ng.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
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

int process_keep_capabilities(const int *capabilities, size_t count, struct error *err)
{
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < count; i++)
		if (capng_update(CAPNG_ADD,
			    (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED |
					   CAPNG_BOUNDING_SET),
			    (unsigned)capabilities[i]) < 0)
			return error_set(err, -EINVAL, "capability %d is unknown here",
				capabilities[i]);
	if (capng_apply(CAPNG_SELECT_BOTH) < 0)
		return error_set(err, -EPERM, "cannot give up capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(err, -errno, "cannot set no_new_privs");
	return 0;
}

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

static int make_one(const char *path, unsigned mode, struct error *err)
{
	struct stat there;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno == EEXIST && stat(path, &there) == 0 && S_ISDIR(there.st_mode))
		return 0;
	return error_errno(err, -errno, "cannot make the directory %s", path);
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
