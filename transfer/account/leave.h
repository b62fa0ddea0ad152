/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_LEAVE_H
#define TRANSFER_LEAVE_H
/* What the interceptor is asked: whether the user has left the source, or could go on
   here, and to bring their sessions and mail out of the way of a switch. */
#include "transfer/account/job/job.h"

#define LEAVE_NOBODY_MS 500   /* the interceptor is being restarted */
#define LEAVE_ANSWER_MS 10000 /* it answers at once, or is being restarted */

/* 0: the user has left. -ETIMEDOUT: not within `ms`. */
int leave_logoff(struct job *j, unsigned ms);
/* The same; or all their sessions could change sides, and job.is_live says so. */
int leave_await(struct job *j, unsigned ms);
/* Whether sessions may change sides. A source that has one session at a time is no IMAP
   server; and other UIDs are other messages to a client. */
bool leave_is_live(const struct job *j);
/* The account will switch within seconds: new mail for it waits (mail_hold.h), and what
   the source has just taken reaches the mailbox while the user is served. Nothing depends
   on it: without an answer the switch takes longer. -ECANCELED, -EINTR: job_tick(). */
int leave_announce(struct job *j, bool *ret_had_to_wait);
/* With route=busy. *ret_quiet: 0 when somebody is there after all. */
int leave_quiesce(struct job *j, uint64_t *ret_quiet);

#endif
