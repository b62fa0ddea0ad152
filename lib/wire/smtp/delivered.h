/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_DELIVERED_H
#define WIRE_SMTP_DELIVERED_H
/*
 * To which addresses the last server took a message for the mailbox that it lies in, as
 * that server itself wrote down. What the sender wrote says nothing: a server puts its
 * own lines on top, and each begins with Received, so only this is looked at:
 *
 *   Return-Path, X-Original-To,      by who delivers, above the first Received
 *   Delivered-To, Envelope-To
 *   Received: … by … for <info@…>    of that server (Postfix, Exim, Sendmail, OpenSMTPD)
 *   Received: … by … for <info@…>    the next one, when the first is of LMTP: there the
 *                                    same site's server had it before
 *   everything else                  the sender's, perhaps
 *
 * An owner who puts messages into the mailbox by hand can write all of it.
 */
#include "base/str.h"

#define SMTP_DELIVERED_HEAD                                                              \
	16384 /* of a message that is looked at; these lines are short */
#define SMTP_DELIVERED_MAX 4

struct smtp_delivered {
	struct str
		to[SMTP_DELIVERED_MAX]; /* views of the head, each once (case ignored) */
	size_t n;
};

/* head: a message from its beginning, as much as there is. Without a Received there is
   nothing. */
void smtp_delivered_to(struct str head, struct smtp_delivered *ret);

#endif
