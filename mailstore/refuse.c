/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/refuse.h"

#include "mailstore/serve/service.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS                                                                      \
	1000 /* our own programs read at once, unless a disk holds them up               \
	      */

void refuse(const struct message *serve, int socket, const char *why)
{
	const struct service_ops *ops = service_find(serve->service);
	struct buf answer;

	if (socket < 0)
		return;
	buf_init(&answer, 0);
	if (ops && ops->refuse(&answer, serve->tag, why) == 0) /* fits any buffer */
		(void)!send(socket, buf_view(&answer).ptr, buf_len(&answer),
			MSG_NOSIGNAL | MSG_DONTWAIT);
	buf_fini(&answer);
	(void)shutdown(socket, SHUT_RDWR);
	(void)close(socket);
}

int message_send_patiently(int socket, const struct message *m, int fd_to_pass)
{
	struct pollfd wait = { .fd = socket, .events = POLLOUT };
	int r = message_send(socket, m, fd_to_pass);

	if (r == -EAGAIN && poll(&wait, 1, PATIENCE_MS) == 1)
		r = message_send(socket, m, fd_to_pass);
	return r;
}
