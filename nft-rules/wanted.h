/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_WANTED_H
#define NFT_RULES_WANTED_H
/* How a ruleset becomes a plan, in four parts: what the rules look things up in
   (wanted_sets.c), the rules themselves (wanted.c), who judges new flows
   (wanted_admission.c, wanted_room.c), and the routing (wanted_routing.c).
 */
#include "nft-rules/plan.h"

/* Adds the counters, sets and maps with their elements. 0 or -ENOMEM. */
int wanted_sets(struct plan *p, const struct ruleset *r);
/* Adds the sets, chains and rules by which new flows get a verdict. 0 or -ENOMEM. */
int wanted_admission_sets(struct plan *p, const struct ruleset *r);
int wanted_admission_chains(struct plan *p, const struct ruleset *r);
int wanted_admission_rules(struct plan *p, const struct ruleset *r);
/* What the kernel lets in by itself, if it does so. 0 or -ENOMEM. */
bool wanted_room(const struct ruleset *r);
int wanted_room_sets(struct plan *p, const struct ruleset *r);
int wanted_room_rules(struct plan *p, const struct ruleset *r, const char *chain);
int wanted_room_renewal(struct plan *p, const struct ruleset *r, const char *chain);
/* Adds ip rules and routes. 0 or -ENOMEM. */
int wanted_routing(struct plan *p, const struct ruleset *r);

/* Parts of a plan that more than one of these adds; 0 or -ENOMEM. */
int wanted_chain(struct plan *p, const char *name);
int wanted_base_chain(struct plan *p, const char *name, uint32_t hook, int32_t priority);
int wanted_set(struct plan *p, const char *name, uint32_t key_type, uint32_t key_len,
	uint32_t flags);
/* Neither of the two SYNs that there are. */
void wanted_no_syn(struct plan_rule *rule);

bool wanted_has_family(const struct sockaddr_storage *list, size_t n, int family);

#endif
