/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_CROSSING_CROSSING_H
#define INTERCEPTOR_CROSSING_CROSSING_H
/*
 * An IMAP session that is at the source goes on here when its account switches, and its
 * client does not notice.
 *
 *   follower.c   while it is relayed: reads along (wire/imap/follow.h)
 *   handler.c    from the switch on: brings the source to a quiet point
 *                (wire/imap/cross.h), waits for the route, and hands the session over
 *
 *   relayed ──QUIESCE──► ASKING ─► WAITING ──route=local──► VERIFYING ─► the mailstore
 *      ▲                   │          │
 *      └──── RETURNING ◄───┴──────────┘ the switch failed, or this session cannot
 *
 * Some seconds before the switch (SWITCH_SOON) each session goes to ASKING and back:
 * which message has which number takes long to list, and is known then
 * (wire/imap/numbers.h).
 *
 * What opens the mailbox is what the client showed when it logged in at the source: its
 * password, in a box that only the vault opens, for this session alone. The vault finds
 * it right, as it does for a login, or the session ends.
 */
#include "interceptor/session/session.h"
#include "wire/imap/cross.h"

enum crossing_step {
	CROSSING_IN_ASKING,
	CROSSING_IN_WAITING, /* the source is quiet */
	CROSSING_IN_VERIFYING,
	CROSSING_IN_RETURNING,
	CROSSING_STEP_COUNT
};

/* For login_protocol.follow. Where it cannot, the session is not read along. */
void crossing_follow(struct session *s, struct str password);

/* What a session that is read along has. */
struct crossing_follower {
	struct follower follower; /* first */
	struct imap_follow imap;
	struct str box; /* the password, closed; owned */
};

static inline struct crossing_follower *crossing_of(const struct session *s)
{
	return (struct crossing_follower *)s->follower;
}

extern const struct handler crossing_handler;

#endif
