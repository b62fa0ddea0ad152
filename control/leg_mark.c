/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/leg_mark.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#define LEG_MARK "source-leg"

static int path_of(const struct settings *s, char path[static PATH_MAX])
{
	return settings_run_path(s, LEG_MARK, path, PATH_MAX);
}

void leg_mark_set(const struct settings *s)
{
	char path[PATH_MAX];
	int fd = path_of(s, path) < 0
	                 ? -1
	                 : open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		log_error(NULL, "source-leg", "mark=" LEG_MARK " error=%d", errno);
	else
		(void)close(fd);
}

void leg_mark_unset(const struct settings *s)
{
	char path[PATH_MAX];

	if (path_of(s, path) == 0)
		(void)unlink(path);
}

bool leg_mark_is_set(const struct settings *s)
{
	char path[PATH_MAX];

	return path_of(s, path) == 0 && access(path, F_OK) == 0;
}
