/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_ADOPT_H
#define CONTROL_ACCOUNTS_ADOPT_H
/*
 * mailferry registry rebuild: accounts that the registry does not know to be in service,
 * as their mail folders say it.
 *
 * That one lives here is believed of the folder that has its name. That it lives at
 * another server, what the source calls it and which other names it has are believed when
 * the vault has bound them (registry/residence.h). An account's own name goes before
 * another's former one.
 */
#include "control/terminal/control.h"

/* Says of each what it did. -EPERM with the sentence when some were left, since nothing
   proves where they live; c->yes: those that name `destination` are believed. */
int adopt_all(struct control *c, struct registry *r);

#endif
