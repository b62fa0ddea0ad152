/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_TCP_SOCKETS_H
#define NFT_RULES_TCP_SOCKETS_H
/* The sockets of this host that clients of the source are connected to, whichever
   process has them: how far away each client is, and what had to be sent again. Needs
   no right. */
#include "nft-rules/ruleset.h"

struct tcp_socket {
	struct sockaddr_storage client; /* with its port */
	uint16_t port;                  /* of the source, as the client uses it */
	uint32_t rtt_us;
	uint32_t retransmits; /* segments, to the client */
};

typedef int tcp_socket_fn(void *context, const struct tcp_socket *s);

/* Established ones. Stops at the first callback that is not 0. */
int tcp_sockets_each(
	const struct ruleset *r, tcp_socket_fn *each, void *context, struct error *err);

/* Both ends, with their ports, of all that are established at this host: clients' and our
   own connections, to whomever. */
typedef int tcp_end_fn(void *context, const struct sockaddr_storage *end);
int tcp_ends_each(tcp_end_fn *each, void *context, struct error *err);

struct nlmsghdr;
/* One as the kernel tells it; false: it is none of those. Any bytes are fine. */
bool tcp_socket_read(
	const struct ruleset *r, const struct nlmsghdr *message, struct tcp_socket *ret);

#endif
