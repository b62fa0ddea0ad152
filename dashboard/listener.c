/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dashboard/listener.h"

#include "base/address.h"
#include "base/fd.h"
#include "base/log.h"
#include "dashboard/logins.h"
#include "settings/loopback.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64
#define SOCKET_MODE 0660
#define TOKEN_FILE_MAX 256 /* bytes that are read: a token is shorter */
#define TOKEN_BYTES 24     /* of one that we make: 192 bits, 32 characters */

/* ── the socket ────────────────────────────────────────────────────────────────────── */

/* What is left of one that has ended: a socket, and nothing else. */
static void remove_stale(const char *path)
{
	struct stat is;

	if (lstat(path, &is) == 0 && S_ISSOCK(is.st_mode))
		(void)unlink(path);
}

static int bind_file(int fd, const struct sockaddr_storage *where, unsigned group)
{
	const char *path = ((const struct sockaddr_un *)where)->sun_path;
	mode_t before;
	int r;

	remove_stale(path);
	before = umask(0777 & ~SOCKET_MODE);
	r = bind(fd, (const struct sockaddr *)where, address_length(where)) < 0 ? -errno
	                                                                        : 0;
	(void)umask(before);
	if (r == 0 && geteuid() == 0 && lchown(path, 0, group) < 0)
		r = -errno;
	return r;
}

static int bind_port(int fd, const struct sockaddr_storage *where)
{
	int on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, (const struct sockaddr *)where, address_length(where)) < 0
	               ? -errno
	               : 0;
}

int listener_open(const char *where, unsigned group, struct error *err)
{
	CLEANUP(fd_closep) int fd = -1;
	struct sockaddr_storage at;
	int r = loopback_parse(where, &at);

	if (r == 0)
		fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r == 0 && fd < 0)
		r = -errno;
	if (r == 0)
		r = at.ss_family == AF_UNIX ? bind_file(fd, &at, group)
		                            : bind_port(fd, &at);
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, r, "dashboard: cannot listen at %s", where)
	             : fd_steal(&fd);
}

/* ── the token ─────────────────────────────────────────────────────────────────────── */

static int make_token(const char *path, struct error *err)
{
	CLEANUP(fd_closep)
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	uint8_t bytes[TOKEN_BYTES];
	char text[TOKEN_BYTES * 2];
	int r = fd < 0 ? -errno : 0;

	if (r == 0 && sodium_init() < 0)
		r = -EIO;
	if (r == 0) {
		randombytes_buf(bytes, sizeof(bytes));
		(void)sodium_bin2base64(text, sizeof(text), bytes, sizeof(bytes),
			sodium_base64_VARIANT_URLSAFE_NO_PADDING);
		r = fd_write_all(fd, text, strlen(text));
	}
	if (r == 0)
		r = fd_write_all(fd, "\n", 1);
	sodium_memzero(bytes, sizeof(bytes));
	sodium_memzero(text, sizeof(text));
	if (r < 0)
		return error_errno(err, r, "dashboard: cannot make the token %s", path);
	log_info(NULL, "token", "made=%s", path);
	return 0;
}

static int check_token(const char *path, int fd, struct error *err)
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

int token_load(const char *path, struct buf *out, struct str *ret, struct error *err)
{
	CLEANUP(fd_closep) int fd = -1;
	struct str line;
	int r = access(path, F_OK) < 0 && errno == ENOENT ? make_token(path, err) : 0;

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (r = (int)buf_read(out, fd, TOKEN_FILE_MAX)) < 0)
		return error_errno(
			err, fd < 0 ? -errno : r, "dashboard: cannot read %s", path);
	r = check_token(path, fd, err);
	line = buf_view(out);
	line = str_take(line, str_index(line, '\n'));
	if (r == 0 && line.len == TOKEN_FILE_MAX)
		r = error_set(err, -EINVAL,
			"dashboard: the token in %s is longer than %d characters", path,
			TOKEN_FILE_MAX - 1);
	line = str_trim(line);
	if (r == 0 && line.len < TOKEN_LEAST)
		r = error_set(err, -EINVAL,
			"dashboard: the token in %s is shorter than %d characters", path,
			TOKEN_LEAST);
	if (r < 0)
		return r;
	*ret = line;
	return 0;
}
