/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef ADMISSION_RATES_H
#define ADMISSION_RATES_H
/*
 * How many new connections a client network begins in a second: a bucket of tokens for
 * each network that was seen lately (IPv4 /24, IPv6 /56). The memory is fixed; when many
 * networks share a place, that which was seen longest ago is forgotten, and begins anew
 * with a full bucket.
 */
#include <stdbool.h>
#include <stdint.h>

#define RATES_BURST_S 2 /* a full bucket: a mail client begins several at once */

struct rates;

/* per_second 0: no limit. NULL without memory. */
struct rates *rates_new(uint32_t per_second);
void rates_free(struct rates *r); /* NULL is fine */
/* From now on each network has half of it, since the kernel gives it the other half
   (nft-rules/room.h); or all of it again. */
void rates_halve(struct rates *r, bool half);

/* One more of that network now; false: it is too many. */
bool rates_take(struct rates *r, uint64_t network, uint64_t now_ms);

/* The network of an address (4 or 16 bytes), never 0. */
uint64_t rates_network(unsigned version, const unsigned char *address);

#endif
