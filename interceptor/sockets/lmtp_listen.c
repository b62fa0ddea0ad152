/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/sockets/lmtp_listen.h"

#include "base/address.h"
#include "base/fd.h"
#include "settings/lmtp.h"

#include <errno.h>
#include <grp.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128
#define GROUP_MASK 0117 /* of the file's mode: 0660 */
#define ROOT_MASK 0177

static const char *path_of(const struct sockaddr_storage *at)
{
	return ((const struct sockaddr_un *)at)->sun_path;
}

/* *ret: (gid_t)-1 for none. */
static int find_group(const char *name, gid_t *ret)
{
	const struct group *found;

	*ret = (gid_t)-1;
	if (!*name)
		return 0;
	errno = 0;
	found = getgrnam(name);
	if (!found)
		return errno ? -errno : -ENOENT;
	*ret = found->gr_gid;
	return 0;
}

/* The file has its owner, group and mode from the beginning: to change them afterwards
   would be to follow whatever the owner of the folder puts there meanwhile. */
static int bind_file(int fd, const struct sockaddr_storage *at, gid_t group)
{
	gid_t before = getegid();
	mode_t mask;
	int r = 0;

	if (group != (gid_t)-1 && setegid(group) < 0)
		return -errno;
	mask = umask(group == (gid_t)-1 ? ROOT_MASK : GROUP_MASK);
	if (bind(fd, (const struct sockaddr *)at, address_length(at)) < 0)
		r = -errno;
	(void)umask(mask);
	if (setegid(before) < 0 && r == 0)
		r = -errno;
	return r;
}

static int listen_at_file(const struct settings *s, int fd,
	const struct sockaddr_storage *at, struct error *err)
{
	struct stat old;
	gid_t group;
	int r = find_group(s->lmtp_group, &group);

	if (r == -ENOENT)
		return error_set(err, r,
			"`lmtp_group`: there is no group \"%s\" on this host",
			s->lmtp_group);
	if (r == 0 && lstat(path_of(at), &old) == 0) {
		if (!S_ISSOCK(old.st_mode))
			return error_set(err, -EEXIST,
				"`lmtp`: %s exists and is no socket", path_of(at));
		r = unlink(path_of(at)) < 0 ? -errno : 0;
	}
	return r < 0 ? r : bind_file(fd, at, group);
}

static int listen_at_address(int fd, const struct sockaddr_storage *at)
{
	const int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		return -errno;
	if (at->ss_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return -errno;
	return bind(fd, (const struct sockaddr *)at, address_length(at)) < 0 ? -errno : 0;
}

int lmtp_listen(const struct settings *s, const char *place, struct error *err)
{
	struct sockaddr_storage at;
	CLEANUP(fd_closep) int fd = -1;
	int r = lmtp_address_parse(place, &at);

	if (r == 0)
		fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r == 0 && fd < 0)
		r = -errno;
	if (r == 0)
		r = at.ss_family == AF_UNIX ? listen_at_file(s, fd, &at, err)
		                            : listen_at_address(fd, &at);
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0)
		return err->code ? r
		                 : error_errno(
					   err, r, "`lmtp`: cannot listen on %s", place);
	return fd_steal(&fd);
}

/* ---- one that is there ---- */

static bool has_file(const struct settings *s, const char *path)
{
	gid_t group;
	struct stat file;

	if (find_group(s->lmtp_group, &group) < 0 || lstat(path, &file) < 0 ||
		!S_ISSOCK(file.st_mode))
		return false;
	return group == (gid_t)-1 ? !(file.st_mode & S_IWGRP)
	                          : file.st_gid == group && file.st_mode & S_IWGRP;
}

static bool is_at(int fd, const char *place, struct sockaddr_storage *ret)
{
	struct sockaddr_storage is = { 0 };
	socklen_t len = sizeof(is);

	*ret = (struct sockaddr_storage){ 0 };
	if (lmtp_address_parse(place, ret) < 0 ||
		getsockname(fd, (struct sockaddr *)&is, &len) < 0)
		return false;
	/* the kernel gives the path back without what is behind it */
	if (is.ss_family == AF_UNIX)
		return ret->ss_family == AF_UNIX &&
		       strcmp(path_of(&is), path_of(ret)) == 0;
	return memcmp(&is, ret, sizeof(is)) == 0;
}

bool lmtp_listens(const struct settings *s, const char *place, int fd)
{
	struct sockaddr_storage at;

	return is_at(fd, place, &at) &&
	       (at.ss_family != AF_UNIX || has_file(s, path_of(&at)));
}

bool lmtp_is_listener(const struct settings *s, int fd)
{
	struct sockaddr_storage at;

	for (size_t i = 0; i < s->lmtp.n; i++)
		if (is_at(fd, s->lmtp.paths[i], &at))
			return true;
	return false;
}
