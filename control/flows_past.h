/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_FLOWS_PAST_H
#define CONTROL_FLOWS_PAST_H
/* Connections that go past us, as the kernel tracks them: those that `admit` lets past,
   and those to ports that are not diverted. */
#include "settings/settings.h"

#include <jansson.h>

/* Appends them to flows, as objects of the operator contract with route "direct" or
   "unseen". Without the right to ask the kernel there are none. 0 or -ENOMEM. */
int flows_add_past(const struct settings *s, json_t *flows);

#endif
