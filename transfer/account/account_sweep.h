/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_ACCOUNT_SWEEP_H
#define TRANSFER_ACCOUNT_SWEEP_H
/*
 * The process that looks once at the old mailbox of an account that lives here
 * (copy/sweep.h), and hands what still came there to the mailstore, as other mail comes.
 *
 *   certificate, last round ─► log in ─► round ─► MESSAGE_SWEEP, one by one ─► registry
 *
 * Where it is killed, the next one begins at the last round that the registry knows; the
 * account's own index knows which messages are here (mailstore/serve/swept.h).
 */
#include "transfer/account/account.h"

enum account_exit account_sweep(const struct settings *settings, const char *name);

#endif
