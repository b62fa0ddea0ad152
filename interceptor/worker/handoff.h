/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_WORKER_HANDOFF_H
#define INTERCEPTOR_WORKER_HANDOFF_H
/* Sessions that the mailstore serves: it gets the socket, the account and the unread
   bytes, and says when they end. */
#include "interceptor/session/session.h"

struct worker;

/* The worker's connection to the mailstore, made when there is none. 0 or -errno. */
int handoff_connect(struct worker *w);
/* host_ops.hand_off() */
int handoff(struct host *h, struct session *s, struct str tag, struct str ticket,
	const struct resumption *resumed);

#endif
