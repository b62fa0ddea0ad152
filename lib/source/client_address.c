/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "source/client_address.h"

#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#define PORT_FIRST 10000 /* services lie below */
#define PORT_COUNT 22768 /* Linux clients choose from 32768 on, others from 49152 */
#define PORT_STEP 7919   /* a prime: the tries of two clients do not run together */

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

int client_address_allow(int fd, int family)
{
	return family == AF_INET6 ? set_option(fd, SOL_IPV6, IPV6_TRANSPARENT, 1)
	                          : set_option(fd, SOL_IP, IP_TRANSPARENT, 1);
}

static uint16_t port_of(const struct sockaddr_storage *a)
{
	return ntohs(a->ss_family == AF_INET6
			     ? ((const struct sockaddr_in6 *)(const void *)a)->sin6_port
			     : ((const struct sockaddr_in *)(const void *)a)->sin_port);
}

/* The port of the nth try. One that the client uses itself would give two connections
   the same four numbers, and connection tracking would take them for one: where both
   begin at the same instant it drops a SYN, and somebody waits a second. Below the
   ports that clients choose from there is none. A client's next port gives our next
   one, so that one is used again only when the client itself uses one again. */
static uint16_t port_for(uint16_t clients, unsigned nth)
{
	unsigned port = PORT_FIRST + (clients + nth * PORT_STEP) % PORT_COUNT;

	return (uint16_t)(port == clients ? port ^ 1u : port);
}

int client_address_bind(int fd, const struct sockaddr_storage *client, unsigned nth)
{
	struct sockaddr_storage from = *client;
	bool ours = nth < CLIENT_ADDRESS_TRIES;
	int r = client_address_allow(fd, client->ss_family);

	address_set_port(&from, ours ? port_for(port_of(client), nth) : 0);
	if (r == 0)
		r = ours ? set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1)
		         : set_option(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	if (r < 0)
		return r;
	return bind(fd, (const struct sockaddr *)&from, address_length(&from)) < 0
	               ? -errno
	               : 0;
}
