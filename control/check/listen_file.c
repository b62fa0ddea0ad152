/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/listen_file.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int listen_file_try(const struct settings *s, const char *path)
{
	char folder[PATH_MAX];
	struct stat about;

	if (lstat(path, &about) == 0)
		return S_ISSOCK(about.st_mode) ? 0 : -EEXIST;
	(void)snprintf(folder, sizeof(folder), "%s", path);
	(void)dirname(folder);
	if (stat(folder, &about) < 0)
		return errno == ENOENT && strcmp(folder, s->run_dir) == 0 ? 0 : -errno;
	if (!S_ISDIR(about.st_mode))
		return -ENOTDIR;
	return access(folder, W_OK | X_OK) < 0 ? -errno : 0;
}
