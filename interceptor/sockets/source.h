/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SOCKETS_SOURCE_H
#define INTERCEPTOR_SOCKETS_SOURCE_H
/* Sockets towards clients and the source, with the addresses of both. */
#include "base/error.h"
#include "interceptor/sockets/endpoint.h"

/* A transparent listener on all addresses of that family; port in host order; mark: what
   it and its accepted sockets carry. Returns the descriptor or -errno with the sentence.
   */
int source_listen(int family, uint16_t port, uint32_t mark, struct error *err);

/* The address to connect to for a client that wanted to go to `destination`. */
int source_address(const struct settings *settings, enum service_id service,
	const union endpoint *destination, union endpoint *ret);
/* Whether that is one of the source's addresses as clients use them. */
bool source_is(const struct settings *settings, const union endpoint *destination);

/* Begins to connect; from the client's own address, which is of the same family, or from
   ours (NULL). Returns the descriptor or -errno. */
int source_connect(const union endpoint *source, const union endpoint *client);

#endif
