/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_LOGIN_TURN_H
#define INTERCEPTOR_LOGIN_TURN_H
/*
 * A maildrop is one session's at a time (RFC 1939, 3), and while its account moves that
 * session may be the transfer's. Then the login waits, and counts as a session, which is
 * what the transfer makes way for; it is tried again every second.
 */
#include "interceptor/session.h"

/* Before the attempt goes to the source, which may let it wait (Dovecot) and not refuse:
   he counts from here on, if the password is the one that we know. Whoever tries others
   shall not stop the transfer. */
void login_asks_for_turn(struct session *s, const struct account_route *route);
/* The source has refused: its answer is in pre->answer. true: he waits, in BUSY. */
bool login_waits_its_turn(struct session *s);

#endif
