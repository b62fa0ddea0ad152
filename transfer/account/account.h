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
 * One that a master user copies (registry/masters.h) ends behind "catch-up", since
 * nobody could log in to it here: it goes on when its user has shown a password, with
 * that alone, and first finds out whether the copy is that user's (vouch.h).
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
	ACCOUNT_COPIED = 5, /* by a master user; waits for a password of the user's own */
};

enum account_exit account_run(const struct settings *settings, const char *name);

#endif
