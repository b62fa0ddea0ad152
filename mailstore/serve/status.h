/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_STATUS_H
#define MAILSTORE_SERVE_STATUS_H
/* The items of STATUS, asked for by two commands. */
#include "mailstore/store/store.h"
#include "wire/imap/cursor.h"

enum status_item { /* bits */
	STATUS_MESSAGES = 1 << 0,
	STATUS_RECENT = 1 << 1,
	STATUS_UIDNEXT = 1 << 2,
	STATUS_UIDVALIDITY = 1 << 3,
	STATUS_UNSEEN = 1 << 4,
};

/* "(MESSAGES UNSEEN)" */
bool status_items(struct imap_cursor *c, unsigned *ret_items);
/* "* STATUS name (…)" */
int status_put(struct buf *out, const struct mailbox *m, unsigned items);

#endif
