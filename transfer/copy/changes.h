/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_CHANGES_H
#define TRANSFER_CHANGES_H
/*
 * A folder of which the destination has exactly what the source showed a pass ago: only
 * what changed since is asked for (RFC 7162), so that a pass costs in proportion to it.
 *
 *   whole listing, HIGHESTMODSEQ read before it ─► all of it is here: the folder is known
 *   next pass: EXAMINE, rows CHANGEDSINCE that number, the UIDs of all messages
 *
 * What proves what: the set of UIDs is listed each time. Flags and keywords of a message
 * that does not come as changed are those that were listed, as far as the server keeps
 * RFC 7162; date and size of a UID never change. The number counts only
 *  - in the session in which it was read: indexes that are deleted or rebuilt meanwhile
 *    make servers count anew, and the same number may come again;
 *  - in the user's own name space: flags that each reader of a shared folder has apart
 *    need not move it (Dovecot's INDEXPVT);
 *  - read by EXAMINE, which looks at the mailbox. STATUS may be answered from a list of
 *    mailboxes that is older, and shows an open mailbox as its session knows it (Dovecot
 *    does both);
 *  - while it does not contradict what comes: it falls, it stays although there is new
 *    mail, it rises and nothing shows why, a new UID comes without its row.
 * Else the folder is listed as a whole, as is each one that was not copied completely, or
 * of which a message came otherwise than it was listed.
 */
#include "transfer/copy/sync.h"

/* Of a folder that is there: asks for its changes when that is enough. *ret_asked:
   it was done. */
int changes_ask(struct sync *s, struct folder *f, bool *ret_asked);
/* What came: applies it. *ret_whole: it cannot be trusted, list it as a whole. */
int changes_compare(struct sync *s, struct folder *f, bool *ret_whole);
/* After a whole listing: its UIDs. */
int changes_keep_listing(struct sync *s, struct folder *f);
/* What a row says of a message, its UID apart, in one number: the row that comes with a
   body has to say what the listing said, since it is not listed again. */
uint64_t changes_of_row(const struct mail *m);
/* At the end of a pass that is durable: which folders are known. */
void changes_settle(struct sync *s);

#endif
