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
 */
#include "settings/program.h"

#define DASHBOARD_LINK_FD 3 /* of the web process: its end of the socket to us */

/* Until SIGTERM. Returns the exit status. */
int dashboard_run(const struct program_start *start);

#endif
