/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_CHECK_DASHBOARD_H
#define CONTROL_CHECK_CHECK_DASHBOARD_H
/* `check` of what listens for programs on this host: can the dashboard and the metrics be
   where they are to be, and is the token's file fit to be one? */
#include "control/check/findings.h"
#include "control/terminal/control.h"

void check_dashboard(struct control *c, struct findings *f);

#endif
