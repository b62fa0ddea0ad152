/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/loopback.h"

#include "base/address.h"
#include "base/fd.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define UNIX_BEGIN "unix:"
#define BACKLOG 64
#define SOCKET_MODE 0660

bool address_is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 ==
		       IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

/* IPv6 stands in brackets, since its colons are its own. */
static int take_address(const char *text, struct sockaddr_storage *ret)
{
	char host[INET6_ADDRSTRLEN];
	bool is_quoted = *text == '[';
	const char *begin = text + is_quoted;
	const char *end = begin + strcspn(begin, is_quoted ? "]" : ":");
	const char *colon = end + (is_quoted && *end == ']');
	uint32_t port;

	if ((size_t)(end - begin) >= sizeof(host) || *colon != ':' ||
		!str_to_u32(str_from(colon + 1), &port) || !port || port > 65535)
		return -EINVAL;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	if (!address_read(host, ret) || (ret->ss_family == AF_INET6) != is_quoted)
		return -EINVAL;
	address_set_port(ret, (uint16_t)port);
	return 0;
}

int listen_parse(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_storage a = { .ss_family = AF_UNSPEC };
	int r = 0;

	if (strncmp(text, UNIX_BEGIN, strlen(UNIX_BEGIN)) == 0)
		r = address_from_path(text + strlen(UNIX_BEGIN), &a) ? 0 : -EINVAL;
	else if (*text)
		r = take_address(text, &a);
	if (r == 0)
		*ret = a;
	return r;
}

int loopback_parse(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_storage a;
	int r = listen_parse(text, &a);

	if (r == 0 && (a.ss_family == AF_INET || a.ss_family == AF_INET6) &&
		!address_is_loopback(&a))
		return -EACCES;
	if (r == 0)
		*ret = a;
	return r;
}

/* ── listening ─────────────────────────────────────────────────────────────────────── */

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

int loopback_listen(const char *where, unsigned group, struct error *err)
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
	return r < 0 ? error_errno(err, r, "cannot listen at %s", where) : fd_steal(&fd);
}
