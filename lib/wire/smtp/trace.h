/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_TRACE_H
#define WIRE_SMTP_TRACE_H
/* The lines that a delivery puts before a message (RFC 5321, 4.4): Return-Path, and
   Received with the client's true address. */
#include "base/buf.h"

struct smtp_trace {
	struct str sender; /* what <> held; "" for a bounce */
	struct str helo;   /* as the client said it */
	struct str client; /* its IP address as text; "": it has none */
	struct str by, id; /* this server, and what its log calls the message */
	struct str
		recipient; /* "": not named (there are several, and some may be blind) */
	bool esmtp, secure, authenticated;
	bool lmtp;       /* instead of those */
	bool is_relayed; /* no delivery: no Return-Path */
	int64_t at;      /* seconds since 1970 */
	int16_t zone;    /* minutes east */
};

/* Appends them, each with its CRLF. What would break a line or a comment becomes '?'.
   0 or what buf_append() says. */
int smtp_trace(const struct smtp_trace *t, struct buf *out);
/* The same lines, which begin with Return-Path, with Delivered-To behind that. */
int smtp_trace_delivered_to(struct str lines, struct str recipient, struct buf *out);

/* "Tue, 24 Nov 2026 12:12:12 +0000": seconds since 1970, minutes east. 0 or as
   buf_append(). */
int smtp_date(int64_t at, int16_t zone, struct buf *out);

#endif
