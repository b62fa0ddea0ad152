/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "settings/milter.h"

#include "base/address.h"
#include "base/fd.h"
#include "settings/smart_host.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define TCP_PREFIX "inet:"
#define UNIX_PREFIX "unix:/"
#define TEXT_MAX 160 /* longer than any socket's path */

/* A port is a must: there is none that is known. */
static bool has_port(const char *text)
{
	const char *colon = strrchr(text, ':');

	return colon && colon > text && (colon[-1] == ']' || strchr(text, ':') == colon);
}

/* The grammar of addresses is that of `smart_host`. */
int milter_address_parse(const char *text, struct sockaddr_storage *ret)
{
	char other[TEXT_MAX];
	struct smart_host h;
	int n;

	if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
		n = snprintf(other, sizeof(other), "lmtp:%s", text + strlen("unix:"));
	else if (strncmp(text, TCP_PREFIX, strlen(TCP_PREFIX)) == 0 &&
		 has_port(text + strlen(TCP_PREFIX)))
		n = snprintf(
			other, sizeof(other), "smtp://%s", text + strlen(TCP_PREFIX));
	else
		return -EINVAL;
	if (n >= (int)sizeof(other) || smart_host_parse(other, &h) < 0)
		return -EINVAL;
	*ret = h.address;
	return 0;
}

int milter_connect(const char *text)
{
	struct sockaddr_storage to;
	const int on = 1;
	CLEANUP(fd_closep) int fd = -1;

	if (milter_address_parse(text, &to) < 0)
		return -EINVAL;
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (to.ss_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&to, address_length(&to)) < 0 &&
		errno != EINPROGRESS)
		return -errno;
	return fd_steal(&fd);
}
