/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_REFUSAL_H
#define WIRE_SMTP_REFUSAL_H
/*
 * What a source means by refusing RCPT: that mailbox, or the client and the sender.
 *
 * For a recipient that lives here only the second counts: whether the source still knows
 * the mailbox does not matter any more. In this order:
 *
 *   1. Enhanced codes (RFC 3463) that say it: X.1.1 and its likes are the mailbox, X.1.7
 *      and X.1.8 the sender, 421 is the connection, X.3 and X.4 are the source's own
 *      troubles.
 *   2. For all others (no such code, X.1.0, X.7.x, …): the same words that the source has
 *      for a recipient that cannot exist (smtp/probe.h).
 *   3. Words that servers use for unknown users, full mailboxes and "no relaying", unless
 *      the client may have put them there (as its name, as the sender).
 *   4. Else it is the client's.
 */
#include "base/buf.h"
#include "wire/smtp/reply.h"

#define SMTP_REFUSAL_WORDS_MAX 1024 /* more is no "no such user" */

enum smtp_refusal {
	SMTP_REFUSAL_OF_CLIENT, /* or of the sender, or of what it does */
	SMTP_REFUSAL_OF_MAILBOX,
	SMTP_REFUSAL_COUNT
};

struct smtp_envelope {
	struct str recipient, sender, helo; /* as the client spelt them */
};

/* unknown_user: as smtp_refusal_words() gave it; "": not known. */
enum smtp_refusal smtp_refusal_of(const struct smtp_reply *reply,
	const struct smtp_envelope *envelope, struct str unknown_user);

/* The words of a reply, appended to `out`: without codes, case, addresses, names of hosts
   and the recipient, so that two replies can be compared. 0 or what buf_append() says. */
int smtp_refusal_words(
	const struct smtp_reply *reply, struct str recipient, struct buf *out);

#endif
