/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/accounts/account_use.h"

#include "base/arena.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 512 /* st_blocks counts such */

/* Of the files in it, not below. */
static uint64_t sum_blocks(const char *path)
{
	DIR *d = opendir(path);
	uint64_t sum = 0;
	struct stat about;

	for (struct dirent *e; d && (e = readdir(d));)
		if (fstatat(dirfd(d), e->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISREG(about.st_mode))
			sum += (uint64_t)about.st_blocks * BLOCK;
	if (d)
		(void)closedir(d);
	return sum;
}

static uint64_t disk_of(const char *folder)
{
	char bodies[PATH_MAX];

	(void)snprintf(bodies, sizeof(bodies), "%s/bodies", folder);
	return sum_blocks(folder) + sum_blocks(bodies);
}

static int look_as_user(struct control *c, const struct store_folder *f)
{
	const struct quota usual = { c->settings.quota.bytes,
		c->settings.quota.messages };
	struct account_use use = { .disk = disk_of(f->path) };
	int code = quota_look(f->path, &usual, &use.mail, &c->err);

	use.percent = quota_percent(&use.mail);
	if (code == 0 && pwrite(f->to, &use, sizeof(use), 0) != (ssize_t)sizeof(use))
		code = error_errno(&c->err, -errno, "cannot hand it on");
	return code;
}

int account_use(
	struct control *c, const struct store_folder *folder, struct account_use *ret)
{
	CLEANUP(fd_closep) int fd = memfd_create("use", MFD_CLOEXEC);
	struct store_folder f = *folder;
	int code;

	if (fd < 0)
		return error_errno(&c->err, -errno, "cannot ask for its use");
	f.to = fd;
	code = store_folder_run(c, &f, look_as_user);
	if (code < 0)
		return code;
	if (pread(fd, ret, sizeof(*ret), 0) != (ssize_t)sizeof(*ret))
		return error_set(&c->err, -EIO, "its use was not told");
	return 0;
}

int account_has_quota(struct control *c, struct str account, bool *ret)
{
	struct store_folder folder;
	struct account_use use;
	struct arena arena;
	int code;

	arena_init(&arena);
	code = store_folder_named(c, account, &arena, &folder);
	if (code == 0)
		code = account_use(c, &folder, &use);
	arena_fini(&arena);
	if (code == 0)
		*ret = use.mail.is_own;
	return code;
}
