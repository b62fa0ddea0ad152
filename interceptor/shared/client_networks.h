/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SHARED_CLIENT_NETWORKS_H
#define INTERCEPTOR_SHARED_CLIENT_NETWORKS_H
/*
 * The networks that a client's address lies in, as hashed buckets: two networks that
 * share a bucket are counted together, which errs to the safe side and, with the key
 * random, cannot be aimed at anybody.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define NETWORK_BUCKETS 16384 /* two of many networks seldom share one */

enum network_scope {
	NETWORK_HOST, /* an address; a subscriber's /64 */
	NETWORK_SITE, /* /24; /56 */
	NETWORK_WIDE, /* /24; /48 */
	NETWORK_SCOPES
};

struct client_networks {
	uint32_t bucket[NETWORK_SCOPES];
	uint64_t site; /* never 0: by which the network is remembered after a login */
};

/* An IPv4 address inside IPv6 ("::ffff:192.0.2.1") is that address. */
struct client_networks client_networks(uint64_t key, const struct sockaddr *client);

#endif
