/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_STATUS_H
#define MAILSTORE_SERVE_STATUS_H
/* The items of STATUS, asked for by two commands. */
#include "mailstore/serve/service.h"
#include "wire/imap/cursor.h"

enum status_item { /* bits */
	STATUS_MESSAGES = 1 << 0,
	STATUS_RECENT = 1 << 1,
	STATUS_UIDNEXT = 1 << 2,
	STATUS_UIDVALIDITY = 1 << 3,
	STATUS_UNSEEN = 1 << 4,
	STATUS_SIZE = 1 << 5,
	STATUS_DELETED = 1 << 6,
	STATUS_HIGHESTMODSEQ = 1 << 7,
	STATUS_APPENDLIMIT = 1 << 8,
	STATUS_MAILBOXID = 1 << 9,
};

/* "(MESSAGES UNSEEN)" */
bool status_items(struct imap_cursor *c, unsigned *ret_items);
/* "* STATUS name (…)" */
int status_put(struct buf *out, const struct serve *serve, const struct mailbox *m,
	unsigned items);

#endif
