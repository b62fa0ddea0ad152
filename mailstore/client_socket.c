/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/client_socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* Below what the routers on the way remember; what has no TCP is not asked. */
#define TCP_KEEPALIVE_SECONDS 110

void client_socket_tune(int socket)
{
	int on = 1, idle = TCP_KEEPALIVE_SECONDS, flags = fcntl(socket, F_GETFL);

	if (!(flags & O_NONBLOCK))
		(void)fcntl(socket, F_SETFL, flags | O_NONBLOCK);
	(void)setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}
