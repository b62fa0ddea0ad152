/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_DSN_REPORT_H
#define WIRE_SMTP_DSN_REPORT_H
/*
 * The report that a message was delivered, or relayed to a server that will not report
 * its delivery (RFC 3464), as a whole message: for people, for
 * programs, and the header of what was delivered (of a success no more is returned,
 * whatever RET says: RFC 3461, 4.3). All of it is ASCII but for the address in To.
 */
#include "wire/smtp/proxy.h"

#define DSN_RETURNED_MAX 32768 /* of a header; behind it whole lines are left out */
#define DSN_SENDER_MAX 320     /* RFC 5321, 4.5.3.1: 64 and 255 */

/* Nobody reports further of one that was relayed (RFC 3461, 5.2.2). */
struct dsn_report_recipient {
	const struct smtp_recipient *to;
	bool is_relayed;
};

struct dsn_report {
	struct str by;     /* this server's name */
	struct str to;     /* the sender of the message */
	struct str id;     /* nobody else's; of letters, digits, '.' and '-' */
	struct str params; /* of the message's MAIL */
	const struct dsn_report_recipient *recipients;
	size_t n;
	struct str message; /* "": it is not here any more */
	int64_t at;         /* seconds since 1970 */
	int16_t zone;       /* minutes east */
};

/* 0 or as buf_append(). */
int dsn_report(const struct dsn_report *r, struct buf *out);

#endif
