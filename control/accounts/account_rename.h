/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_ACCOUNT_RENAME_H
#define CONTROL_ACCOUNTS_ACCOUNT_RENAME_H
/*
 * `mailferry account rename USER NEW`: another name for an account that lives here
 * (registry/rename.h says what becomes of the old one).
 *
 *   <state_dir>/rename says what is to be
 *    ─► the vault writes the registry: from here on there is no way back
 *        ─► sessions end ─► the folder says whose it is ─► it has the new name
 *            ─► the file goes
 *
 * Whoever is killed in between leaves the file, which only root can write. `up` sees it,
 * at its start and while it runs, and all steps are gone through once more; one that was
 * done does nothing. Until the folder has the new name nobody is served from it: logins
 * and mail are asked to come again. What the vault refuses has changed nothing.
 */
#include "control/terminal/control.h"

enum exit_code account_rename(struct control *c);

/* Whether one was left in the middle, and nobody is at work on it. */
bool rename_is_left(const struct settings *s);
/* Comes to the end of one that was left; 0 when there is none. -EBUSY: somebody does. */
int rename_finish(struct control *c);

#endif
