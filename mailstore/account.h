/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_ACCOUNT_H
#define MAILSTORE_ACCOUNT_H
/* The process of one account: chrooted into its folder, no capability, one loop, all
   sessions of that account. It lives as long as the master keeps its socket open. */
#include "settings/settings.h"

#define ACCOUNT_SOCKET 3 /* SEQPACKET to the master, there at start */

/* Returns the exit status. */
int account_run(const struct settings *settings, const char *name);

#endif
