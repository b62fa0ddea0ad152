/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_ACCOUNT_CHANGE_H
#define CONTROL_ACCOUNTS_ACCOUNT_CHANGE_H
/* `mailferry account add|disable|enable|remove USER`: accounts as a mail server's admin
   keeps them. */
#include "control/terminal/control.h"

/* A mailbox for a user who never was at the source; the password is asked for. */
enum exit_code account_add(struct control *c);
/* Nobody may log in to it any more: its sessions end, mail for it is kept. */
enum exit_code account_disable(struct control *c);
enum exit_code account_enable(struct control *c);
/* Its sessions end, its rows go; its mail lies in the trash for `trash_days`. */
enum exit_code account_remove(struct control *c);

#endif
