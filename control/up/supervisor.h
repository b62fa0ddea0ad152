/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_UP_SUPERVISOR_H
#define CONTROL_UP_SUPERVISOR_H
/*
 * The loop of `mailferry up`.
 *
 *   starting ── the interceptor answers, rules in ──► serving ── signal ──► draining
 *       └───────────── a program cannot start at all ─────────────────────────▲  │
 *                                                       interceptor gone ─► stopping
 *                                              programs gone, rules out ─► done ◄┘
 *
 * Rules go in only when somebody listens, and out only when nobody does any more: no
 * connection is diverted to nothing. When an interceptor dies in between, the rules stay
 * and their fail mode holds.
 *
 * When systemd restarts the service, the sockets that clients wait in are kept (kept.h),
 * and the rules stay as they are: whoever connects meanwhile waits for the next start.
 *
 * One that looks after a part (part.h) does the same with what that part has: it serves
 * once its programs answer, and leaves the rules as they are.
 *
 * Once there is a new mailferry, the same process becomes it by exec() and goes on where
 * it was (upgrade.h).
 */
#include "control/terminal/control.h"

/* Runs until a signal ends it. 0, or -errno with the sentence. resumed: the file that the
   mailferry before this one has left, or -1. *ret_state: the file for the one after it,
   or -1. */
int supervisor_run(struct control *c, struct registry *r, int resumed, int *ret_state);

#endif
