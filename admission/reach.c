/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "admission/reach.h"

static void begin(struct reach *r, uint64_t diverted, uint64_t accepted, uint64_t now_ms)
{
	r->since_ms = now_ms;
	r->diverted = diverted;
	r->accepted = accepted;
}

bool reach_look(struct reach *r, uint64_t diverted, uint64_t accepted, uint64_t now_ms)
{
	/* a worker that was started again counts from 0 */
	if (!r->since_ms || accepted < r->accepted) {
		begin(r, diverted, accepted, now_ms);
		return false;
	}
	if (now_ms - r->since_ms < REACH_WINDOW_MS ||
		diverted - r->diverted < REACH_LEAST)
		return false;
	r->now = diverted - r->diverted;
	r->arrived = accepted - r->accepted;
	r->is_blocked = r->arrived * 10 < r->now;
	begin(r, diverted, accepted, now_ms);
	return true;
}
