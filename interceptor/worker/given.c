/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the master gave a worker. */
#include "interceptor/sockets/lmtp_listen.h"
#include "interceptor/worker/worker.h"

#include <errno.h>
#include <sys/socket.h>

static int find_service(const struct settings *s, int fd, enum service_id *ret)
{
	union endpoint at = { 0 };
	socklen_t len = sizeof(at);
	unsigned port;

	if (getsockname(fd, &at.any, &len) < 0)
		return -errno;
	if (lmtp_is_listener(s, fd)) {
		*ret = SERVICE_LMTP;
		return 0;
	}
	port = endpoint_port(&at);
	for (size_t i = 0; i < SERVICE_COUNT; i++) {
		if (!s->services[i].enabled ||
			settings_listen_port(s, (enum service_id)i) != port)
			continue;
		*ret = (enum service_id)i;
		return 0;
	}
	return -ENOENT;
}

static bool is_listener(int fd)
{
	int listens = 0;
	socklen_t len = sizeof(listens);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens;
}

/* The master passes nothing after them, but what this process has opened itself may
   follow: the journal's socket. */
int worker_find_listeners(const struct settings *s,
	struct listener listeners[static LISTENERS_MAX], size_t *ret_n)
{
	size_t n = 0;
	int r = 0;

	for (int fd = WORKER_FD_LISTENERS; n < LISTENERS_MAX && is_listener(fd);
		fd++, n++) {
		r = find_service(s, fd, &listeners[n].service);
		listeners[n].fd = fd;
		if (r < 0)
			break;
	}
	*ret_n = n;
	return r == 0 && !n ? -EBADF : r;
}
