/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_POP3_SOURCE_H
#define TRANSFER_POP3_SOURCE_H
/*
 * The POP3 reader, for a source without IMAP: INBOX is all there is, and neither flags
 * nor dates can be seen.
 *
 * POP3 has no UIDs. We give them, in the maildrop's order, and the destination remembers
 * which unique-id has which: so it is asked first, and what is here is never fetched
 * again. A size that is another one by now is another message (mailutils writes what was
 * read into the message itself: those come twice).
 *
 * The maildrop is one session's at a time and does not change while that lasts, so a
 * session is no longer than the work: it begins with connect() (or run()), and run()
 * ends it.
 *
 *   LIST, UIDL ─► RETR, RETR … ─► RSET, QUIT
 *
 * DELE is never said. Nothing else can be done against a server that notes what RETR has
 * read; where it does so at QUIT (Dovecot's \Seen) RSET makes it forget, and where QUIT
 * is not reached at all it does not.
 */
#include "transfer/read/pop3_listing.h"

#include <sys/socket.h>

#define POP3_SOURCE_ADDRESSES_MAX 16

struct pop3_source_options {
	const struct sockaddr_storage *addresses; /* with ports; tried in order; copied */
	size_t n_addresses;
	struct str login, password;  /* copied, wiped at the end */
	struct known_inbox known;    /* what is here already */
	struct source_dialer dialer; /* {0}: by TCP */
	const char *spool_folder;    /* for long messages on their way; copied */
	/* A server without UIDL: its messages are told apart by their headers (TOP). */
	bool may_lack_uidls;
};

/* -ENOMEM. ret->ops->free() ends it. */
int pop3_source_new(
	const struct pop3_source_options *options, struct source *ret, struct error *err);

#endif
