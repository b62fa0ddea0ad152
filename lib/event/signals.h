/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef EVENT_SIGNALS_H
#define EVENT_SIGNALS_H
/*
 * Signals as a descriptor in the loop. libuv's own handlers are not used: they write to
 * a pipe that a forked child would share with its parent.
 */
#include "event/loop.h"

struct signals {
	struct watch *watch; /* NULL: closed */
	void (*came)(void *context, int number);
	void *context;
};

/* Blocks these signals for the process and has them told by came(); SIGPIPE is ignored.
   0 or -errno. */
int signals_open(struct signals *s, struct loop *loop, const int *numbers, size_t n,
	void (*came)(void *context, int number), void *context);
/* They stay blocked. May be called twice. */
void signals_close(struct signals *s);

#endif
