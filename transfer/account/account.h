/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_ACCOUNT_H
#define TRANSFER_ACCOUNT_H
/*
 * The process that moves one account, from its first copy to the switch.
 *
 *   open ─► copy ─► catch-up ─► await ─► switch ─► prove ─► arrive
 *                      ▲          │▲       │         │
 *             again,   │   parked ◄┘└──────┘         │ fails: route=source, try later
 *             parked ──┘  somebody slipped in        ▼
 *
 * All it has to remember lies in the registry (route and stage) and in the store: it may
 * be killed at any moment and is simply started again.
 */
#include "settings/settings.h"

enum account_exit {
	ACCOUNT_OVER = 0,   /* arrived, failed or cancelled: the registry says which */
	ACCOUNT_BROKEN = 1, /* could not even write that down */
	ACCOUNT_PARKED = 3, /* complete; waits for the user's log-off */
	ACCOUNT_HELD = 4,   /* somebody may read it unseen (held.h) */
};

enum account_exit account_run(const struct settings *settings, const char *name);

#endif
