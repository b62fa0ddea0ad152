/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_HANDOFF_H
#define INTERCEPTOR_HANDOFF_H
/* Sessions that the mailstore serves: it gets the socket, the account and the unread
   bytes, and says when they end. */
#include "interceptor/session.h"

/* 0: the client is the mailstore's now. Else -errno, and s is as it was. */
int handoff(struct session *s);

#endif
