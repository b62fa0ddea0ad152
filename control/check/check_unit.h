/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_CHECK_UNIT_H
#define CONTROL_CHECK_CHECK_UNIT_H
/* What settings need of the units: a right that few sites need, and as many descriptors
   as `limits` promises. */
#include "control/check/findings.h"
#include "control/terminal/control.h"

void check_units(struct control *c, struct findings *f);

#endif
