/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SOURCE_CLIENT_ADDRESS_H
#define SOURCE_CLIENT_ADDRESS_H
/* Sockets that go to the source from a client's address. They take CAP_NET_RAW, until
   they are bound and no longer. */
#include <stdint.h>
#include <sys/socket.h>

#define CLIENT_ADDRESS_TRIES 16 /* with ports of our own choice, then the kernel's */

/* May be bound to, or listen for, addresses of others. */
int client_address_allow(int fd, int family);
/* Binds a TCP socket of the client's family to its address, whose port says where the
   choice begins; nth: the try. From CLIENT_ADDRESS_TRIES on the kernel chooses at
   connect(), where the port need only differ for this source: a client behind NAT may
   have more sessions than there are ports. 0 or -errno. */
int client_address_bind(int fd, const struct sockaddr_storage *client, unsigned nth);

#endif
