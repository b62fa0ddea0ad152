/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_WANTED_H
#define NFT_RULES_WANTED_H
/* How a ruleset becomes a plan, in three parts: what the rules look things up in
   (wanted_sets.c), the rules themselves (wanted.c), and the routing (wanted_routing.c).
 */
#include "nft-rules/plan.h"

/* Adds the counters, sets and maps with their elements. 0 or -ENOMEM. */
int wanted_sets(struct plan *p, const struct ruleset *r);
/* Adds ip rules and routes. 0 or -ENOMEM. */
int wanted_routing(struct plan *p, const struct ruleset *r);

bool wanted_has_family(const struct sockaddr_storage *list, size_t n, int family);

#endif
