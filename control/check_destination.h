/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_DESTINATION_H
#define CONTROL_CHECK_DESTINATION_H
/* Where mail moves to: whether it can. */
#include "control/findings.h"
#include "settings/settings.h"

void check_destination(const struct settings *s, struct findings *f);
/* 0, or with the sentence: accounts cannot move there. */
int destination_refuse(const struct settings *s, struct error *err);

#endif
