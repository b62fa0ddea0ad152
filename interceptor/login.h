/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_LOGIN_H
#define INTERCEPTOR_LOGIN_H
/*
 * From an attempt to its answer: who is served where, and what is learnt on the way. The
 * same for all protocols in which a user logs in to his mailbox.
 */
#include "interceptor/session.h"

/* The front has filled pre->attempt. */
void login_attempt(struct session *s);

/* For a mechanism that only passes: before the next answer of the client goes to the
   source, the front says what it knows of the user by now. false: it was refused. */
bool login_exchange_may_go_on(struct session *s);

/* The source has answered; its whole answer is in pre->answer. */
void login_answered(struct session *s, bool ok);
/* The upstream connection failed or ended in the middle. */
void login_upstream_lost(struct session *s, int code);

enum verdict {
	VERDICT_RIGHT,
	VERDICT_WRONG,
	VERDICT_NO_PASSWORD, /* a digest, and nothing here to make one of */
	VERDICT_UNKNOWN
};
void login_verified(struct session *s, enum verdict verdict);

/* Held sessions (BUSY, PROVED): look at the route again. expired: the hold is over. */
void login_recheck(struct session *s, bool expired);
/* The account switches now: what the source is being told of this login is void. */
void login_hold(struct session *s);
/* Says why, and lets the client try again. */
void login_refuse(struct session *s, enum refusal why);

#endif
