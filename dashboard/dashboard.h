/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef DASHBOARD_DASHBOARD_H
#define DASHBOARD_DASHBOARD_H
/*
 * The dashboard is two processes.
 *
 *   browser ──HTTP──► web process ──RUN──► dashboard ──► mailferry status --json, …
 *                     owns nothing ◄─RAN──  root, reads no byte of a browser
 *
 * The web process (web.h) becomes a user that owns nothing before it takes the first
 * connection. All it can do is to name one of the questions in questions.h. The dashboard
 * itself runs them as commands and hands their output on unread.
 *
 * Where each part of `mailferry up` is alone (control/running/part.h), it does not run
 * them itself: some of them ask the kernel, and its unit, which speaks with browsers, has
 * no right to. The link of its web process goes to `--worker questions` then, which the
 * watch over the rules starts (control/watch/questions_door.h).
 */
#include "settings/program.h"

#define DASHBOARD_LINK_FD 3 /* of a worker: its end of the socket to the other */
#define DASHBOARD_ANSWERER "questions" /* --worker; else it is the web process */

/* Until SIGTERM. Returns the exit status. */
int dashboard_run(const struct program_start *start);
/* Runs commands for whoever has the other end of the link, until that is closed. */
int dashboard_answer(const struct program_start *start);

#endif
