/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/login_file.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOGIN_FILE_MAX 1024 /* bytes that are read */

int login_file_open(const char *path, struct error *err)
{
	CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat about;

	if (fd < 0 && errno == EACCES) /* root, but without CAP_DAC_OVERRIDE */
		return error_set(err, -EACCES,
			"cannot read %s: it, or a folder on the way, is another user's; "
			"chown root",
			path);
	if (fd < 0 || fstat(fd, &about) < 0)
		return error_errno(err, -errno, "cannot read %s", path);
	if (!S_ISREG(about.st_mode))
		return error_set(err, -EINVAL, "%s is no file", path);
	if (about.st_mode & 077)
		return error_set(err, -EPERM,
			"others than its owner can read the password in %s; chmod 600",
			path);
	if (about.st_uid != 0 && about.st_uid != geteuid())
		return error_set(err, -EPERM,
			"%s, which holds a password, is another user's; chown root",
			path);
	return fd_steal(&fd);
}

static bool is_printable(struct str line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.ptr[i] < ' ' || line.ptr[i] == 0x7f)
			return false;
	return line.len > 0;
}

/* A line ends in LF or CRLF; blanks are the password's. */
static struct str take_line(struct str *rest)
{
	struct str line = str_split(rest, '\n');

	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	return line;
}

int login_file_read(
	int fd, const char *path, struct buf *out, struct login *ret, struct error *err)
{
	ssize_t n = lseek(fd, 0, SEEK_SET) < 0 ? -errno : 1;
	struct str rest;

	while (n > 0 && buf_len(out) < LOGIN_FILE_MAX)
		n = buf_read(out, fd, LOGIN_FILE_MAX - buf_len(out));
	if (n < 0)
		return error_errno(err, (int)n, "cannot read %s", path);
	rest = buf_view(out);
	if (rest.len == LOGIN_FILE_MAX)
		return error_set(err, -EINVAL, "%s is longer than %d bytes", path,
			LOGIN_FILE_MAX - 1);
	ret->user = take_line(&rest);
	ret->password = take_line(&rest);
	if (!is_printable(ret->user) || !is_printable(ret->password) || rest.len)
		return error_set(err, -EINVAL,
			"%s is not two lines, the user and the password", path);
	return 0;
}
