/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_SWEEP_CHANGES_H
#define TRANSFER_SWEEP_CHANGES_H
/*
 * Whether somebody uses the old mailbox of an account that has moved: nothing of ours
 * changes it, so what STATUS says of a folder may only grow by new mail. Messages that
 * are gone, or were read, or have other flags: somebody was there past us.
 *
 * Each look is compared with the one before. Folders that servers empty by themselves
 * (trash, junk) say nothing. Somebody who only looks at messages that were read before
 * changes nothing, and is not seen.
 */
#include "base/str.h"
#include "transfer/read/source.h"

struct sweep_was {
	bool is_known;
	struct source_status looks;
};

#define SWEEP_CHANGE_MAX 64 /* "messages removed there: 4294967295" */

struct sweep_change {
	uint64_t at;                 /* wall milliseconds; 0: none yet */
	char text[SWEEP_CHANGE_MAX]; /* what, the last time */
};

/* That is emptied without anybody. special_use: "\\Trash", "" */
bool sweep_expires(struct str name, struct str special_use);
/* now: as it is; a uidvalidity of 0: it is not there any more. */
void sweep_compare(struct sweep_was *was, const struct source_status *now,
	uint64_t now_ms, struct sweep_change *change);

#endif
