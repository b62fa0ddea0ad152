/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_RESUMPTION_H
#define WIRE_IMAP_RESUMPTION_H
/*
 * What the client of an IMAP session knows that was at the source so far: the payload of
 * SERVE when the mailstore goes on with it.
 *
 *   "none", "examine" or "select" | UIDVALIDITY | enabled | mailbox | UIDs, NUL between
 */
#include "base/buf.h"

struct resumption {
	bool is_selected;
	bool read_only; /* by EXAMINE, or so the source says */
	uint32_t uidvalidity;
	struct str enabled; /* "CONDSTORE QRESYNC", as ENABLE has them */
	struct str mailbox; /* as the client names it */
	struct str uids;    /* of the messages that it knows of: a set, or "" */
};

/* Appends. 0 or as buf_append(). */
int resumption_encode(const struct resumption *r, struct buf *out);
/* Views into bytes. 0 or -EBADMSG. */
int resumption_decode(struct str bytes, struct resumption *ret);

#endif
