/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_TRASH_H
#define CONTROL_ACCOUNTS_TRASH_H
/* Mail folders of accounts that were removed: kept for `trash_days` in state_dir/trash,
   as "<folder>.<seconds since 1970>", where root alone reaches them. */
#include "control/terminal/control.h"

/* The account's mail folder, which nobody has open any more. *ret_kept false: there
   was none. */
int trash_put(struct control *c, struct str account, bool *ret_kept);
/* Erases what has lain long enough, now and then by `up`; how many: *ret_count. */
int trash_empty(
	const struct settings *s, uint64_t now_s, unsigned *ret_count, struct error *err);

#endif
