/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_COLLISIONS_H
#define NFT_RULES_COLLISIONS_H
/* Others on this host who use what is ours: bits of marks (their ip rules that ask for
   one, their rules that overwrite a whole mark) and the routing tables. Those that
   restore a connection's mark to the packet before us are none: our bits are set
   afterwards. Each sentence ends with the cure, and names four bits that nobody uses. */
#include "nft-rules/ruleset.h"

enum collision {
	COLLISION_IP_RULE,         /* takes packets of our sockets for theirs */
	COLLISION_ROUTE_TABLE,     /* it is in use */
	COLLISION_PACKET_MARK,     /* forgets what we divert */
	COLLISION_CONNECTION_MARK, /* forgets what was admitted to the source */
};

/* A sentence that names it. */
typedef void collision_fn(void *context, enum collision kind, const char *sentence);

int collisions_find(
	const struct ruleset *r, collision_fn *found, void *context, struct error *err);

#endif
