/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MESSAGES_WATCHED_H
#define MESSAGES_WATCHED_H
/*
 * Whether a child of ours hangs: its loop does not turn any more. The supervisor asks
 * each program (PING, number = how long it waits); one that has children asks them then,
 * too. So nobody is watched where nobody watches us: a debugger may hold a process.
 */
#include "event/channel.h"

#include <stdint.h>

struct watched {
	uint64_t asked_at; /* without a word since then; 0: it owes none */
	uint64_t next;     /* it is not asked before that */
	bool has_spoken;   /* since its start */
};

/* Reads what it has said, and asks it, when `every_ms` have passed since the last time.
   true: it has been silent for limit_ms. now: monotonic, the same clock each time. */
bool watched_ask(struct watched *w, struct channel *c, uint64_t now, uint64_t every_ms,
	uint64_t limit_ms);
/* Whatever it said: it turns its loop. */
void watched_heard(struct watched *w);

#endif
