/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_ACCOUNT_AGAIN_H
#define TRANSFER_ACCOUNT_AGAIN_H
/*
 * The process that transfers anew what is lost of an account that lives here, while its
 * user goes on.
 *
 *   look through the folder ─► where is it there? ─► log in ─► fetch ─► MEND ─► registry
 *    (store/inspect.h)     (store/source_side.h)  (copy/refetch.h)
 *
 * The mailbox stays as it is: the account's own process takes bytes that have the
 * checksum of what is lost, and no others (store/mend.h). Killed anywhere, the next one
 * finds less that is lost. The password is the one that was proven last, as for a sweep.
 */
#include "transfer/account/account.h"

enum account_exit account_again(const struct settings *settings, const char *name);

#endif
