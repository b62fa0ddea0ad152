/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_CHECK_FILES_H
#define CONTROL_CHECK_CHECK_FILES_H
/* `check`: whether `up` could write its folders and open registry and key, or make them.
   Nothing is made. */
#include "control/check/findings.h"
#include "control/terminal/control.h"

void check_files(struct control *c, struct findings *f);

#endif
