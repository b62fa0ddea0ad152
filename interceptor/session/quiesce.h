/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SESSION_QUIESCE_H
#define INTERCEPTOR_SESSION_QUIESCE_H
/* An account switches: its sessions here are ended or cross, and it is answered
   (host_ops.quiesced()) when nothing of it is on its way to the source any more, or at
   once when a session was left there. SWITCH_SOON comes before it, and takes out of the
   switch what takes long: new mail waits (mail_hold.h), sessions that will cross find out
   what their clients know, and the answer comes when what was on its way has arrived. */
#include "interceptor/session/host.h"

void quiesce_begin(
	struct host *h, struct str account, enum switch_manner manner, uint64_t request);
/* A session has ended, mail has arrived, time has passed. */
void quiesce_check(struct host *h);
/* Its route is another one: those that wait for it go on. */
void quiesce_route_changed(struct host *h, struct str account);

#endif
