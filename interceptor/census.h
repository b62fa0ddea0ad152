/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_CENSUS_H
#define INTERCEPTOR_CENSUS_H
/* How many live sessions each account has in one worker. One for each worker, so that
   the sessions of a dead one are gone with it. */
#include "base/str.h"
#include "registry/registry.h"

struct census {
	void *root; /* tsearch(3) */
	uint64_t sessions;
};

/* change: 1 or -1. 0, -ENOMEM, or -ENOENT: one that was never there has ended. */
int census_change(struct census *c, struct str account, enum route route, int change);
uint64_t census_count(const struct census *c, struct str account, enum route route);
void census_clear(struct census *c);

#endif
