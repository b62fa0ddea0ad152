/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_DSN_H
#define WIRE_SMTP_DSN_H
/*
 * What a sender wants to hear of a delivery (RFC 3461): parameters of MAIL and RCPT.
 * Those of other extensions are passed over.
 */
#include "base/buf.h"

/* RFC 3461, 4.2 and 4.4, has 500 for ORCPT and 100 for ENVID. Longer ones are no reason
   to refuse mail, but no more is shown. */
#define DSN_SHOWN_MAX 500
#define DSN_TYPE_MAX 100

enum dsn_notify {
	DSN_NOTIFY_NEVER = 1,
	DSN_NOTIFY_SUCCESS = 2,
	DSN_NOTIFY_FAILURE = 4,
	DSN_NOTIFY_DELAY = 8
};

/* Views into the parameters. */
struct dsn_rcpt {
	unsigned notify;     /* of enum dsn_notify; 0: not said */
	struct str type;     /* of ORCPT, "rfc822"; ptr NULL: there is none */
	struct str original; /* as it was sent */
};

/* false: something is not as RFC 3461 has it, and the answer is 501. */
bool dsn_mail_parse(struct str params, struct str *ret_envid); /* still as xtext */
bool dsn_rcpt_parse(struct str params, struct dsn_rcpt *ret);
/* RET, ENVID, NOTIFY, ORCPT. */
bool dsn_is_param(struct str name);

/* ORCPT of an address of RFC 6533; its text is no xtext. */
bool dsn_is_utf8(struct str type);

/* Appends what xtext stands for; what cannot be shown becomes '?'. 0 or as buf_append().
 */
int dsn_xtext_put(struct str xtext, struct buf *out);

#endif
