/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_STATUS_H
#define MAILSTORE_SERVE_STATUS_H
/* The items of STATUS, asked for by two commands. */
#include "mailstore/serve/imap_session.h"
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
	STATUS_DELETED_STORAGE = 1 << 10,
};

/* "(MESSAGES UNSEEN)" */
bool status_items(struct imap_cursor *c, unsigned *ret_items);
/* "* STATUS name (…)" */
int status_put(struct imap *s, const struct mailbox *m, unsigned items);

#endif
