/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_LOAN_H
#define TRANSFER_LOAN_H
/*
 * The passwords of one account, which its process is lent by the vault. The scheduler
 * never sees them: it gives the vault one end of a socketpair and the process the other.
 */
#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "settings/settings.h"

#define LOAN_SOCKET 5 /* descriptor of that process */

/* For the scheduler: *ret_end is the process's. 0 or -errno. */
int loan_order(
	const struct settings *s, int64_t account, int *ret_end, struct error *err);

/* ---- for the process ---- */

struct loan {
	int64_t id; /* the registry's; 0: the master user's, which comes once */
	struct str login, password;
	struct str user; /* id 0: whom to act as; "": that is in the login */
};
/* A process that a command has started, or without a vault, has none. */
bool loan_is_there(void);
/* The vault has ended, and with it what this process was lent. */
bool loan_is_lost(void);
/* Those that it was not lent yet; views until each() returns, whose value other than 0
   ends it. */
int loan_take(int (*each)(void *context, const struct loan *loan), void *context,
	struct error *err);
/* The vault makes its verifier, so that loan_prove() takes no time. */
int loan_prepare(int64_t id, struct error *err);
/* The source took it from this process: from now on it opens the mailbox here. -ENOENT:
   it is not kept any more. */
int loan_prove(int64_t id, struct error *err);
/* What the account's folder is to say of where it lives (registry/residence.h). */
int loan_residence(struct arena *arena, struct str *ret, struct error *err);

#endif
