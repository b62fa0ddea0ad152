/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_STORE_EXPORT_H
#define MAILSTORE_STORE_EXPORT_H
/*
 * An account as Maildir++, as Dovecot keeps it: a Dovecot that opens it shows the same
 * UIDs, flags, dates and POP3 unique-ids.
 *
 *   cur, new, tmp            INBOX; .Sent, .Archive.2019: the others
 *     dovecot-uidlist        UIDVALIDITY, UIDNEXT, a UID (P, O: POP3's) for each file
 *     dovecot-keywords       a letter of file names for each of 26 keywords
 *   subscriptions
 *
 * What such files cannot say is told: messages whose bodies are lost ("lost"), keywords
 * beyond 26 in a mailbox ("keyword"), names that only Dovecot's listescape plugin shows
 * as they were ("name"), messages that the source's POP3 did not show ("hidden").
 */
#include "mailstore/store/inspect.h"

struct store_exported {
	uint64_t mailboxes, messages, bytes;
	uint64_t lost, notes; /* of all: what was told */
	char separator;       /* of names, as clients know them */
};

/* Into the empty folder `to`, on the disk when it returns. As the account is at one
   moment, while its process goes on. */
int store_export(const char *folder, int to, store_finding_fn *each, void *context,
	struct store_exported *ret, struct error *err);

#endif
