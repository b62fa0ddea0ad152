/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_TUN_H
#define NFT_RULES_TUN_H
/* An interface by which we are a client of our own router, as long as the descriptor is
   open. Its addresses are of the ranges for benchmarks (RFC 2544, RFC 5180): nobody's. */
#include "base/error.h"

#include "nft-rules/flow_probe.h"

#include <stdbool.h>

#define TUN_NAME "mailferry-probe"
#define TUN_CLIENT4 FLOW_PROBE_CLIENT4
#define TUN_CLIENT6 FLOW_PROBE_CLIENT6

/* Up, with a route to both addresses; *ret_v6: IPv6 is there, too. The caller closes the
   descriptor, on which a packet is read or written at once. */
int tun_open(int *ret_fd, bool *ret_v6, struct error *err);

#endif
