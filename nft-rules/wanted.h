/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_WANTED_H
#define NFT_RULES_WANTED_H
/* How a ruleset becomes a plan, in two halves: what the rules look things up in
   (wanted_sets.c), and the rules themselves (wanted.c). */
#include "nft-rules/plan.h"

/* Adds the counters, sets and maps with their elements. 0 or -ENOMEM. */
int wanted_sets(struct plan *p, const struct ruleset *r);

bool wanted_has_family(const struct sockaddr_storage *list, size_t n, int family);

#endif
