/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef REGISTRY_TRANSITION_H
#define REGISTRY_TRANSITION_H
/* The table of all changes of route and stage; pure, no database. */
#include "registry/registry.h"

struct account_state {
	enum route route;
	enum stage stage;
};

/* false: that event is not allowed in that state. */
bool transition_next(struct account_state now, enum account_event event,
	struct account_state *ret_next);

#endif
