/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/dial.h"

#include "base/fd.h"

#include <errno.h>
#include <netinet/in.h>

socklen_t dial_length(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET ? sizeof(struct sockaddr_in)
	                               : sizeof(struct sockaddr_in6);
}

void dial_set_port(
	struct sockaddr_storage *a, const struct settings *s, enum service_id service)
{
	in_port_t port = htons(s->services[service].upstream_port);

	if (a->ss_family == AF_INET)
		((struct sockaddr_in *)a)->sin_port = port;
	else
		((struct sockaddr_in6 *)a)->sin6_port = port;
}

int dial(const struct sockaddr_storage *to, int *ret_fd)
{
	CLEANUP(fd_closep)
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r = 0;

	*ret_fd = -1;
	if (fd < 0 || connect(fd, (const struct sockaddr *)to, dial_length(to)) < 0)
		r = -errno;
	if (r == 0 || r == -EINPROGRESS)
		*ret_fd = fd_steal(&fd);
	return r;
}

int dial_outcome(int fd)
{
	int failed = 0;
	socklen_t size = sizeof(failed);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) < 0 ? -errno
	                                                                : -failed;
}
