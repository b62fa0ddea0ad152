/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_CHECK_SMART_HOST_H
#define CONTROL_CHECK_CHECK_SMART_HOST_H
/* For `mailferry check`: whether `smart_host` answers, and takes our login. */
#include "control/check/findings.h"
#include "control/terminal/control.h"

void check_smart_host(struct control *c, struct findings *f);

#endif
