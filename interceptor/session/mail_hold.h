/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SESSION_MAIL_HOLD_H
#define INTERCEPTOR_SESSION_MAIL_HOLD_H
/*
 * New mail for an account that is about to switch waits at its RCPT until the account
 * is here (or stays). So the source's queue is empty of its mail before nobody is served,
 * and a sender hears 250 a second later instead of 450.
 *
 *   SWITCH_SOON ──► held ──the route is not busy any more──► not held
 *                    └──after `hold` seconds──► as if it had not been
 *
 * Logins of the account are held as long; RFC 5321 lets a client wait five minutes for
 * the answer to RCPT (4.5.3.2.3). It makes a switch shorter and proves nothing: a quiesce
 * looks at what is on its way.
 */
#include "interceptor/session/host.h"

void mail_hold_begin(struct host *h, struct str account);
bool mail_is_held(const struct host *h, struct str account);
/* The account's route may be another one. */
void mail_hold_check(struct host *h, struct str account);
void mail_hold_end_all(struct host *h);

#endif
