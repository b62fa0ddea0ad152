/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NFT_RULES_COLLISIONS_H
#define NFT_RULES_COLLISIONS_H
/* Others on this host who use our bits of marks: their ip rules that ask for one of them,
   and their rules that overwrite a connection's whole mark. Those that restore a
   connection's mark to the packet are none: they come before us, and our bits are set
   afterwards. */
#include "base/error.h"

enum collision {
	COLLISION_IP_RULE,         /* takes packets of our sockets for theirs */
	COLLISION_CONNECTION_MARK, /* forgets what was admitted to the source */
};

/* A sentence that names it. */
typedef void collision_fn(void *context, enum collision kind, const char *sentence);

int collisions_find(collision_fn *found, void *context, struct error *err);

#endif
