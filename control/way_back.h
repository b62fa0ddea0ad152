/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_WAY_BACK_H
#define CONTROL_WAY_BACK_H
/*
 * From here back to the source, as long as nothing is new here.
 *
 *   local ─leave─► busy ─► interceptor: QUIESCE ─► mailstore: RELEASE ─► lock, look
 *     ▲              └──────────────── something is new, or anything fails ───┤
 *     └────────────────────────────stay───────────────────────────────────────┤
 *                                       source ◄─return───────────────────────┘
 *
 * Busy comes first, so that nobody is let in and no message is taken any more; then what
 * is under way ends, and what was acknowledged is in the folder. That stays locked until
 * the route is changed, and is marked as left: a straggler finds it closed. While it is
 * busy, nothing is lost by letting the account stay; who runs the command again goes on
 * where it was left, and else the transfer lets it stay (transfer/scheduler.c).
 */
#include "control/control.h"

/* Whether it is on its way back: what a killed command leaves behind. */
bool is_on_way_back(const struct account *a);

/* Pins the account to the source and returns it there. -ENOTEMPTY with the sentence:
   that would lose what is new here. -EPERM: somebody else settled it, look again. */
int way_back(struct control *c, struct registry *r, const struct account *a);

#endif
