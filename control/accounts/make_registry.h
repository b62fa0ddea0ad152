/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_MAKE_REGISTRY_H
#define CONTROL_ACCOUNTS_MAKE_REGISTRY_H
#include "control/terminal/control.h"

/* Opens the registry, which the vault makes together with the key when there is none, so
   that what is wrong with them is said once and here. None is made beside mailboxes that
   live here. */
int make_registry(struct control *c, struct registry **ret);

#endif
