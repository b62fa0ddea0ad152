/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_ACCOUNT_RETURN_H
#define CONTROL_ACCOUNTS_ACCOUNT_RETURN_H
/*
 * `mailferry route USER source` of an account that lives here: the transfer does it
 * (transfer/account/account_return.h), the command asks and waits. When the transfer does
 * not run, the command starts that one process itself, in a session of its own. Either
 * way a command that is interrupted or killed changes nothing of what was begun.
 */
#include "control/terminal/control.h"

/* Whether it is on its way back. */
bool is_returning(const struct account *a);

/* 0: it is served by the source, and pinned to it. -EREMOTEIO with the sentence: it stays
   here. -EPERM: somebody else settled it, look again. */
int account_return(struct control *c, struct registry *r, const struct account *a);

/* What would be carried back: the transfer looks, which must run. */
int account_foretell(struct control *c, const struct account *a);

#endif
