/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_HELD_H
#define TRANSFER_HELD_H
/* Whether an account must not switch now: somebody may read it at the source without
   being seen by us (registry/unseen.h). */
#include "transfer/account/job/job.h"

/* 1: it is held, and the log says by whom; 0: it is not; -errno with the sentence. */
int held(struct job *j);
/* Its mailbox is whole here, as the result says: it lives here from now on, unless it is
   held by now. 0; 1: it is, and nothing has changed; -errno. */
int held_or_arrived(struct job *j, const struct account_result *result);
/* The same as held() for whoever has no process for it: the log says nothing. */
bool held_still(struct registry *r, const struct settings *s, int64_t account);

#endif
