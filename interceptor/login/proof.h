/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_LOGIN_PROOF_H
#define INTERCEPTOR_LOGIN_PROOF_H
/* What a login that the source accepted teaches the registry, and sets in motion. */
#include "interceptor/login/login.h"

/* Where the account of the attempt lives; false: it shows no password, or the registry
   is away. */
bool login_foresee(const struct session *s, struct account_route *ret);
/* Captures the password of the attempt, or notes why it cannot be; makes the account due.
 *ret: the account of the name as it was typed, read afterwards. 0 or -errno, logged. */
int login_learn(struct session *s, struct account_route *ret);

/* Its move has begun and is not over: a held client may yet go in here. */
bool login_is_moving(const struct account_route *route);
/* Strategy immediate: whether this client shall wait for the move. */
bool login_should_hold(const struct session *s, const struct account_route *route);

#endif
