/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SIGNALS_H
#define INTERCEPTOR_SIGNALS_H
/*
 * Signals as a descriptor. libuv's own handlers are not used: they write to a pipe that a
 * forked child would share with its parent.
 */

/* Blocks SIGTERM, SIGINT and SIGCHLD, ignores SIGPIPE, and returns a signalfd for the
   three, or -errno. A child inherits the blocking and calls it again. */
int signals_open(void);
/* The next one that came, or 0. */
int signals_next(int fd);

#endif
