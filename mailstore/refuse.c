/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/refuse.h"

#include "mailstore/serve/services.h"

#include <sys/socket.h>
#include <unistd.h>

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
