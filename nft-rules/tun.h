/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_TUN_H
#define NFT_RULES_TUN_H
/* An interface that is there as long as its descriptor is open. Its addresses are of the
   ranges for benchmarks (RFC 2544, RFC 5180): nobody's. */
#include "base/error.h"

#include "nft-rules/flow_probe.h"

#include <stdbool.h>

struct tun {
	const char *name, *address4, *address6;
	bool is_here; /* the addresses are this host's; else it has routes to them */
};

/* By which we are a client of our own router. */
extern const struct tun tun_client;
/* Whose addresses nobody knows: what is sent from them is answered here only when the way
   back from there leads through this host. */
extern const struct tun tun_foreign;

/* Up; *ret_v6: IPv6 is there, too. The caller closes the descriptor, on which a packet is
   read or written at once. */
int tun_open(const struct tun *t, int *ret_fd, bool *ret_v6, struct error *err);

#endif
