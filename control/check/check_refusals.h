/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_CHECK_REFUSALS_H
#define CONTROL_CHECK_CHECK_REFUSALS_H
/* For `mailferry check`: how the source refuses a recipient that cannot exist, which the
   interceptor has asked and keeps in the registry. It tells an unknown user from a client
   that the source does not want (lib/wire/smtp/refusal.h). */
#include "control/check/findings.h"
#include "control/terminal/control.h"

void check_refusals(struct control *c, struct findings *f);

#endif
