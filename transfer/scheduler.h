/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_SCHEDULER_H
#define TRANSFER_SCHEDULER_H
/*
 * Which account is moved when. It opens no mail and knows no password: each account is
 * the work of a process of its own (account.h), at most limits.transfers at a time.
 *
 * It looks into the registry when somebody says so (transfer.sock), when a process has
 * ended, when a failed account's next try comes, and every few seconds in any case.
 * Accounts that wait for their user's log-off are parked: they hold no place, the
 * interceptor says when they go on.
 */
#include "settings/settings.h"
#include "settings/state_lock.h"

/* Until SIGTERM or SIGINT. Returns the exit code. */
int scheduler_run(const struct settings *settings, const struct state_lock_files *lock);

#endif
