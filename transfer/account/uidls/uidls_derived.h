/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_UIDLS_DERIVED_H
#define TRANSFER_UIDLS_DERIVED_H
/*
 * What is known of the source's maildrop without another login there, so that nobody
 * waits for one: after a reading, while the user was served, that proved all of INBOX.
 *
 *   INBOX lost messages     the others have the unique-ids they had (RFC 1939, 7)
 *   INBOX got new ones      where all unique-ids have one form, theirs too (uidl_form.h)
 *
 * Only where the maildrop was INBOX, message by message in the order of the UIDs. And
 * only while nothing hints that it has become another one:
 *
 *   no keyword has changed     Dovecot's pop3_deleted_flag hides messages by one
 *   each new UID is there      a server that counts its maildrop by itself never counted
 *                              a message that came and went
 *   no new header has X-UIDL   a unique-id of its own (Dovecot's pop3_reuse_xuidl)
 *
 * With uidls = "require" everything is read again instead.
 */
#include "transfer/account/job/job.h"
#include "transfer/account/uidls/uidl_match.h"

/* It was read, and applied to the destination's INBOX. */
int uidls_remember(struct job *j, const struct uidl_match *m);
/* *ret_done: j->uidls says how the maildrop is now; else it has to be read. */
int uidls_derive(struct job *j, bool *ret_done);

#endif
