/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_STORE_IMPORT_H
#define CONTROL_ACCOUNTS_STORE_IMPORT_H
/*
 * mailferry store import USER DIR [--dry-run] [--separator C]: a Maildir++ is added to
 * what an account has that lives here.
 *
 *   root ─┬─ the directory's user opens its files (transfer/read/maildir_files.h)
 *         └─ the account's user reads them, and writes the store
 *
 * It is the copy between two ends (transfer/copy) in one transaction: passes until one
 * finds nothing new, then the commit. A command that is killed has changed nothing.
 */
#include "control/terminal/control.h"

int store_import_command(struct control *c, struct arena *arena);

#endif
