/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_MASTER_H
#define MAILSTORE_MASTER_H
/*
 * Owns mailstore.sock and opens no mail: one process for each account in use, started
 * when a session comes, ended a moment after the last one.
 *
 *   peer (interceptor worker, transfer) ──SERVE(fd)──► master ──SERVE(fd)──► process
 *                                       ◄─SERVE_END──        ◄─SERVE_END──
 *                                       ──STAGE(fd), DELIVER──►  the same way
 *                                       ◄─STAGED, DELIVERED──
 *                                       ──RELEASE──►         ──RELEASE──►
 *                                       ◄─RELEASED──         (exit)
 */
#include "settings/settings.h"

/* Returns the exit status. */
int master_run(const struct settings *settings);

#endif
