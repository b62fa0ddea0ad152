/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_CHECK_SOURCE_H
#define CONTROL_CHECK_CHECK_SOURCE_H
/* `check`: what the source shows before a login, on each service. */
#include "control/check/findings.h"
#include "control/terminal/control.h"

void check_source(struct control *c, struct findings *f);
/* From whose address it is reached; with the pins and what `up` has found out, when there
   is a registry. */
void check_leg(struct control *c, struct findings *f);

#endif
