/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_MASTER_LIVE_SESSIONS_H
#define INTERCEPTOR_MASTER_LIVE_SESSIONS_H
/* How many live sessions each account has in one worker. One for each worker, so that
   the sessions of a dead one are gone with it. */
#include "base/str.h"
#include "registry/registry.h"

struct live_sessions {
	void *root; /* tsearch(3) */
	uint64_t sessions;
};

/* change: 1 or -1. 0, -ENOMEM, or -ENOENT: one that was never there has ended. */
int live_sessions_change(
	struct live_sessions *c, struct str account, enum route route, int change);
uint64_t live_sessions_count(
	const struct live_sessions *c, struct str account, enum route route);
/* For each account and route that has some. */
void live_sessions_each(const struct live_sessions *c,
	void (*each)(void *context, struct str account, enum route route, uint64_t count),
	void *context);
void live_sessions_clear(struct live_sessions *c);

#endif
