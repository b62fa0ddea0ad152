/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_ACCOUNT_RETURN_H
#define TRANSFER_ACCOUNT_RETURN_H
/*
 * The process that takes an account back to the source, with all that is new here
 * (transfer/back/carry.h).
 *
 *   local ─logins─leave─► busy ─► interceptor: QUIESCE ─► mailstore: RELEASE ─► lock
 *     ▲                     │                                                    │
 *     └────────────stay─────┴──── the source does not take it, or anything fails ┤
 *                                                                           carry, prove
 *                                       source ◄─return──────────────────────────┘
 *
 * Busy comes first, so that nobody is let in and no message is taken any more; then what
 * is under way ends, and what was acknowledged is in the folder. That stays locked until
 * the route is changed, and is marked as left: a late message finds it closed. While it
 * is busy, nothing is lost by letting the account stay.
 *
 * It belongs to the scheduler, or to a command when that does not run; whoever asked may
 * be killed. A process that was killed itself is started again and goes on; when it has
 * been away for long, the scheduler lets the account stay: its user waits for an answer.
 */
#include "settings/settings.h"
#include "transfer/account/account.h"

enum account_exit account_return(const struct settings *settings, const char *name);
/* What would be carried, and what could not be kept: noted in the registry (carries.h),
   and nothing is changed here or there. */
enum account_exit account_foretell(const struct settings *settings, const char *name);

#endif
