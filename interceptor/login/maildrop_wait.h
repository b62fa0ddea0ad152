/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_LOGIN_MAILDROP_WAIT_H
#define INTERCEPTOR_LOGIN_MAILDROP_WAIT_H
/*
 * A maildrop is one session's at a time (RFC 1939, 3), and while its account moves that
 * session may be the transfer's. Then the login waits, and counts as a session, which is
 * what the transfer makes way for; it is tried again every second.
 */
#include "interceptor/login/login.h"

/* Before the attempt goes to the source, which may let it wait (Dovecot) and not refuse:
   it counts from here on, if the password is the one that we know. Trying other passwords
   shall not stop the transfer. */
void login_ask_for_maildrop(struct session *s, const struct account_route *route);
/* The source has refused: its answer is in `answer`. true: the login waits, in BUSY. */
bool login_waits_for_maildrop(struct session *s);

#endif
