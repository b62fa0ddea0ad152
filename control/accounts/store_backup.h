/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_STORE_BACKUP_H
#define CONTROL_ACCOUNTS_STORE_BACKUP_H
/* mailferry store backup DIR [USER]: DIR/mail/ACCOUNT for each, DIR/registry.sqlite. */
#include "control/terminal/control.h"

int store_backup_command(struct control *c, struct arena *arena);

#endif
