/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/token_file.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_FILE_MAX 256 /* bytes that are read: a token is shorter */

static int check_mode(const char *path, int fd, struct error *err)
{
	struct stat about;

	if (fstat(fd, &about) < 0)
		return error_errno(err, -errno, "dashboard: cannot read %s", path);
	if (!S_ISREG(about.st_mode) || about.st_mode & 077)
		return error_set(err, -EPERM,
			"dashboard: others than its owner can read the token %s; chmod 600",
			path);
	return 0;
}

static int take_line(
	const char *path, struct str line, struct str *ret, struct error *err)
{
	line = str_take(line, str_index(line, '\n'));
	if (line.len == TOKEN_FILE_MAX)
		return error_set(err, -EINVAL,
			"dashboard: the token in %s is longer than %d characters", path,
			TOKEN_FILE_MAX - 1);
	line = str_trim(line);
	if (line.len < TOKEN_LEAST)
		return error_set(err, -EINVAL,
			"dashboard: the token in %s is shorter than %d characters", path,
			TOKEN_LEAST);
	*ret = line;
	return 0;
}

int token_file_read(const char *path, struct buf *out, struct str *ret, struct error *err)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int r = fd < 0 ? -errno : (int)buf_read(out, fd, TOKEN_FILE_MAX);

	if (r < 0)
		return error_errno(err, r, "dashboard: cannot read %s", path);
	r = check_mode(path, fd, err);
	return r < 0 ? r : take_line(path, buf_view(out), ret, err);
}
