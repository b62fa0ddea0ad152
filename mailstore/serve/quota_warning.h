/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_QUOTA_WARNING_H
#define MAILSTORE_SERVE_QUOTA_WARNING_H
/* A mailbox that is nearly full says so: a message in INBOX, one for each threshold that
   is passed, and no more of them until the account has been clearly below it again
   (store/quota.h). */
#include "mailstore/serve/service.h"

/* At which per cents; those beyond QUOTA_WARNINGS_MAX are left out. */
void quota_warnings_set(struct serve *serve, const uint8_t *percents, size_t n);
/* After something has changed. *ret_percent: which threshold is told now; 0: none. The
   message comes in the transaction that notes that it was told; one that the quota has no
   room for does not come, and the caller's log tells alone. */
int quota_warn(struct serve *serve, unsigned *ret_percent, struct error *err);

#endif
