/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SESSION_QUIESCE_H
#define INTERCEPTOR_SESSION_QUIESCE_H
/* An account switches: its sessions here are ended or cross, and it is answered
   (host_ops.quiesced()) when nothing of it is on its way to the source any more, or at
   once when a session was left there. */
#include "interceptor/session/host.h"

void quiesce_begin(
	struct host *h, struct str account, enum switch_manner manner, uint64_t request);
/* A session has ended, mail has arrived, time has passed. */
void quiesce_check(struct host *h);

#endif
