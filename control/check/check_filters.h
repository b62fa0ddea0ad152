/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_CHECK_FILTERS_H
#define CONTROL_CHECK_CHECK_FILTERS_H
/* For `mailferry check`: whether each content filter of `milter` answers as one. */
#include "control/check/findings.h"
#include "control/terminal/control.h"

void check_filters(struct control *c, struct findings *f);
/* Mail for users here passes no filter, neither the source's nor one of ours. */
bool is_mail_unfiltered(const struct settings *s);

#endif
