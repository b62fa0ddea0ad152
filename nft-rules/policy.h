/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_POLICY_H
#define NFT_RULES_POLICY_H
/*
 * Policy routing: packets with the divert mark are delivered here, whatever their
 * destination. An `ip rule` sends them to a routing table of ours, in which everything is
 * local on `lo`. What counts as ours: every rule with our mark or to our table, and every
 * route in it.
 */
#include "nft-rules/plan.h"

/* Adds to *p the rules and routes that are ours. A kernel without IPv6 has none. */
int policy_read(struct plan *p, uint32_t mark, uint32_t route_table, struct error *err);

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
