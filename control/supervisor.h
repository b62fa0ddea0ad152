/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_SUPERVISOR_H
#define CONTROL_SUPERVISOR_H
/*
 * The loop of `mailferry up`.
 *
 *   starting ── the interceptor answers, rules in ──► serving ── signal ──► stopping
 *       └───────────── a program cannot start at all ─────────────────────────▲  │
 *                                              programs gone, rules out ─► done ◄┘
 *
 * Rules go in only when somebody listens, and out only when nobody does any more: no
 * connection is diverted to nothing. When an interceptor dies in between, the rules stay
 * and their fail mode holds.
 */
#include "control/control.h"

/* Runs until a signal ends it. 0, or -errno with the sentence. */
int supervisor_run(struct control *c, struct registry *r);

#endif
