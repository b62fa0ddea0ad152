/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_RUNNING_POKE_H
#define CONTROL_RUNNING_POKE_H
/* After a change in the registry: the programs that must look at it at once. */
#include "control/terminal/control.h"

/* Tells the interceptor (held logins go in) and the transfer. Returns whether both run:
   if not, the registry has it all the same and they read it when they start. */
bool poke(const struct control *c, struct str account);

#endif
