/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_ACCOUNT_HOME_H
#define CONTROL_ACCOUNTS_ACCOUNT_HOME_H
/*
 * mailferry account USER --home URL: the server that the account has moved to has another
 * address now. Nothing is moved: it is for the same mailbox.
 *
 *   registry: home ─► vault: residence ─► mail folder
 *
 * Killed in between, the registry holds; the command says the rest when it is run again.
 */
#include "control/terminal/control.h"

enum exit_code account_home(struct control *c);

#endif
