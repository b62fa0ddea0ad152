/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_POLICY_H
#define NFT_RULES_POLICY_H
/*
 * Policy routing: packets with the divert mark are delivered here, whatever their
 * destination. An `ip rule` sends them to a routing table of ours, in which everything is
 * local on `lo`. While it is closed there is a second wall, which holds when somebody
 * takes away the table of rules, until that is noticed: what comes to the source's mail
 * ports from elsewhere, and was neither diverted nor seen by the forward chain, is
 * prohibited.
 *
 *   p     iif lo (our own)         goto p+4
 *   p+1   fwmark divert            lookup 19782   local default dev lo
 *   p+2   fwmark refused           goto p+4                            (closed)
 *   p+3   ipproto tcp dport 143    lookup 19783   prohibit 192.0.2.10  (closed; one a
 *   p+4   nop                                                           service)
 *
 * Our own come first: others save a diverted packet's mark in its connection and restore
 * it to our answer, which must leave by the main table all the same. And with
 * src_valid_mark the kernel looks for the way back to a client under the packet's mark:
 * that, too, is a question from `lo`, and must not be answered "local".
 *
 * p is `rule_preference` (1000), or less: before the first rule of somebody else, who
 * would take diverted packets for theirs (`from 192.0.2.0/24 lookup 202`). What counts
 * as ours: every rule to one of our tables or of our protocol number, and every route in
 * these tables.
 */
#include "nft-rules/plan.h"

#include <linux/netlink.h>

#define POLICY_PROTOCOL 77 /* who made a rule (FRA_PROTOCOL): 'M', nobody else's */
#define POLICY_WALL_TABLE(table) ((table) + 1)
#define POLICY_PRIORITIES 5U /* p to p+4 */

/* Bytes of an address of that family. */
size_t policy_address_length(int family);

/* Adds to *p the rules and routes that are ours. A kernel without IPv6 has none.
   *priority: where ours are wanted; afterwards where they belong, before the rules of
   others. */
int policy_read(
	struct plan *p, uint32_t route_table, uint32_t *priority, struct error *err);

/* A route in our tables that we would never make: somebody else uses them. */
bool policy_is_foreign(const struct plan_route *route);

/* One rule or route as the kernel would tell it; of another kind: nothing. 0 or -errno.
   For tests with any bytes. */
int policy_read_answer(
	struct plan *p, uint32_t route_table, const struct nlmsghdr *answer);

/* Adds what `wanted` has and `found` has not. On error what was added is taken out again.
 */
int policy_add(const struct plan *wanted, const struct plan *found, struct error *err);

/* Takes out again what policy_add() with the same arguments added. */
int policy_undo(const struct plan *wanted, const struct plan *found, struct error *err);

/* Deletes what `found` has and `wanted` has not; NULL: all of it. */
int policy_delete(const struct plan *wanted, const struct plan *found, struct error *err);

/* Whether the kernel has rules for that address family at all: 0 or -errno. */
int policy_probe(int family);

#endif
