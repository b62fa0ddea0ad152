/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_COPIES_H
#define CONTROL_ACCOUNTS_COPIES_H
/*
 * Copies of the registry in <state_dir>/copies: hour.sqlite, day.sqlite, week.sqlite.
 * `up` makes one at its start and once an hour, of a registry that it has looked through;
 * one that is a day old stays as the day's, and so on. They hold what the registry holds,
 * sealed passwords included.
 */
#include "control/terminal/control.h"

/* Looks the registry through and copies it. -EUCLEAN: it is damaged, and no copy is made.
 */
int copies_make(struct control *c, struct registry *r);

/* The path of the newest copy that is sound, into path[size]. -ENOENT: none. */
int copies_newest(struct control *c, char *path, size_t size);

/* When passwords are erased, they are erased here, too. */
int copies_remove(struct control *c);

#endif
