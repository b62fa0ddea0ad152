/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_WAY_BACK_H
#define CONTROL_WAY_BACK_H
/*
 * From here back to the source, as long as nothing is new here.
 *
 * The account's folder is taken out of the mailstore's hands and kept locked until the
 * route is changed, so that nothing can become new between the look and the change.
 */
#include "control/control.h"

/* The name under which the transfer notes store_modseq() at the switch. */
#define SWITCH_MODSEQ "switch-modseq"

/* Pins the account to the source and returns it there. -ENOTEMPTY with the sentence:
   that would lose what is new here. */
int way_back(struct control *c, struct registry *r, const struct account *a);

#endif
