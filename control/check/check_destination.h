/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_CHECK_DESTINATION_H
#define CONTROL_CHECK_CHECK_DESTINATION_H
/* Where mail moves to: whether it can. */
#include "control/check/findings.h"
#include "control/terminal/control.h"

/* Asks its ports, too, and looks who lives at another server than that. */
void check_destination(struct control *c, struct findings *f);
/* 0, or with the sentence: accounts cannot move there. */
int destination_refuse(const struct settings *s, struct error *err);

#endif
