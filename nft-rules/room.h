/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_ROOM_H
#define NFT_RULES_ROOM_H
/*
 * What the kernel decides by itself, so that a new connection need not travel to the
 * program behind the queue and back: as long as the set "room" has its one element, a SYN
 * of a network that begins few is diverted at once.
 *
 *   verdict "divert, and so the next ones" ──► update @room, for ROOM_MS
 *   a SYN, @room has it, within its network's rate ──► divert, counted
 *   a SYN else ──► the queue
 *
 * The element is renewed by a packet that carries that verdict, so it costs nothing while
 * nobody comes, and runs out when nobody judges any more. A network has half of its rate
 * in the kernel; the other half is that of the program, which then judges the rest.
 */
#include "nft-rules/ruleset.h"

#include <libmnl/libmnl.h>

#define ROOM_SET "room"
#define ROOM_MS 2000            /* that long a verdict is good for those who come next */
#define ROOM_PLACES 2           /* one that has run out keeps its own for a second */
#define ROOM_NETWORKS 16384     /* of each family; others are judged by the program */
#define ROOM_NETWORK_MS 4000    /* after two its bucket is full again anyway */
#define ROOM_COUNTER "admitted" /* connections that it has let in */

/* How many that were since the rules went in; -ENOENT: the rules know of no such thing,
   and of no such verdict. */
int room_admitted(struct mnl_socket *netfilter, uint64_t *ret);

/* From now on each is judged by the program again. Fine when there is nothing to end. */
int room_end(struct mnl_socket *netfilter, struct error *err);

#endif
