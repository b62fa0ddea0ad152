/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SOCKETS_ENDPOINT_H
#define INTERCEPTOR_SOCKETS_ENDPOINT_H
/* An address and a port; or AF_UNIX: this host, nobody in particular. */
#include "settings/settings.h"

#include <netinet/in.h>
#include <sys/socket.h>

union endpoint {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

socklen_t endpoint_length(const union endpoint *e);
uint16_t endpoint_port(const union endpoint *e);
void endpoint_text(const union endpoint *e, char text[static ADDRESS_TEXT_MAX]);
/* Without the port. */
void endpoint_address_text(const union endpoint *e, char text[static ADDRESS_TEXT_MAX]);

#endif
