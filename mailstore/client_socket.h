/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_CLIENT_SOCKET_H
#define MAILSTORE_CLIENT_SOCKET_H
/* A client's socket, as the interceptor gives it. */

/* A peer that vanished is found out by the kernel; small answers go at once. */
void client_socket_tune(int socket);

#endif
