/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/dial.h"

#include "base/address.h"
#include "base/fd.h"

#include <errno.h>

void dial_set_port(
	struct sockaddr_storage *a, const struct settings *s, enum service_id service)
{
	address_set_port(a, s->services[service].upstream_port);
}

int dial(const struct sockaddr_storage *to, int *ret_fd)
{
	CLEANUP(fd_closep)
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r = 0;

	*ret_fd = -1;
	if (fd < 0 || connect(fd, (const struct sockaddr *)to, address_length(to)) < 0)
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
