/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_LOOP_H
#define WIRE_SMTP_LOOP_H
/*
 * Whether a message goes round and round (RFC 5321, 6.3): it says that it was delivered
 * to that very address before (Delivered-To, as Postfix and qmail have it; RFC 9228), or
 * it has come through too many servers. A forward elsewhere that leads back would fill
 * the mailbox otherwise.
 */
#include "wire/smtp/proxy.h"

#define SMTP_HOPS_MAX 100 /* RFC 5321, 6.3: at least that many */
/* Compared with each recipient; real messages have a few. */
#define SMTP_DELIVERED_TO_MAX 1000

enum smtp_loop { SMTP_LOOP_NONE, SMTP_LOOP_DELIVERED, SMTP_LOOP_HOPS };

/* Of the whole message, for any of them. */
enum smtp_loop smtp_loop_find(
	struct str message, const struct smtp_recipient *recipients);

#endif
