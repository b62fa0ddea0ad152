/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_UP_RULES_CONFIRM_H
#define CONTROL_UP_RULES_CONFIRM_H
/*
 * Rules that go again by themselves, for an admin who may lock themselves out:
 *
 *   rules install --confirm 60 ──► a process that waits; <run_dir>/rules-unconfirmed
 *   rules confirm              ──► the file goes, and the process ends
 *   nobody confirms            ──► removed; once an account lives here they refuse
 *                                  instead, and let nobody past us
 */
#include "control/terminal/control.h"

/* From 1 second to an hour. */
int rules_confirm_seconds(struct control *c, unsigned *ret_seconds);
/* Starts the wait; replaces one that is under way. */
int rules_confirm_await(struct control *c, unsigned seconds);
/* -ENOENT with the sentence: nothing waits. */
int rules_confirm_now(struct control *c);

#endif
