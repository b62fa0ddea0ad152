/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_ACCOUNT_USE_H
#define CONTROL_ACCOUNTS_ACCOUNT_USE_H
/* How much mail an account has here, how much it may have, and what that takes on the
   disk: looked at by its user, while its process goes on. */
#include "control/accounts/store_folder.h"
#include "mailstore/store/quota.h"

struct account_use {
	struct quota_use mail;
	uint64_t percent; /* of the quota; 0: without one */
	uint64_t disk;    /* bytes of its folder: bodies, index, room that nobody needs */
};

/* An error's sentence may have been printed already (store_folder_run()). */
int account_use(
	struct control *c, const struct store_folder *folder, struct account_use *ret);

/* Whether it has a quota of its own here (`quota USER --set`); -ENOENT: no mail of it is
   here. */
int account_has_quota(struct control *c, struct str account, bool *ret);

#endif
