/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_LEAVE_H
#define TRANSFER_LEAVE_H
/* Waiting until the user has left the source, or could go on here. */
#include "transfer/account/job.h"

#define LEAVE_NOBODY_MS 500   /* the interceptor is being restarted */
#define LEAVE_ANSWER_MS 10000 /* it answers at once, or is being restarted */

/* 0: the user has left. -ETIMEDOUT: not within `ms`. */
int leave_logoff(struct job *j, unsigned ms);
/* The same; or all their sessions could change sides, and job.is_live says so. */
int leave_await(struct job *j, unsigned ms);
/* Whether sessions may change sides. A source that has one session at a time is no IMAP
   server. */
bool leave_is_live(const struct job *j);

#endif
