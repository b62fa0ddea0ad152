/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_STARTTLS_H
#define WIRE_STARTTLS_H
/*
 * The client's words up to TLS, in each protocol: bytes of the server in, our commands
 * out; no socket.
 *
 *   GREETING ─► (EHLO ─►) ANSWER ─► TLS
 *
 * What the server says before TLS proves nothing. Its greeting is kept, since the
 * protocols send none behind STARTTLS and whoever speaks inside TLS waits for one; less
 * the capabilities of an IMAP server, which are those that it has in clear.
 */
#include "base/buf.h"

enum starttls_protocol { STARTTLS_IMAP, STARTTLS_POP3, STARTTLS_SMTP };

enum starttls_result {
	STARTTLS_NEED_MORE,
	STARTTLS_GO,      /* the next byte of either side is TLS */
	STARTTLS_REFUSED, /* the server does not, or its greeting is a refusal */
	STARTTLS_BROKEN,  /* not what its protocol says, or bytes in clear behind its word
	                   */
};

enum starttls_step { STARTTLS_IN_GREETING, STARTTLS_IN_EHLO, STARTTLS_IN_ANSWER };

struct starttls {
	enum starttls_protocol protocol;
	enum starttls_step step;
};

#define STARTTLS_LINE_MAX                                                                \
	8192 /* of the server; RFC 5321 has 512, IMAP greetings 1 KiB  \
	                        */

/* input: what is unread; *ret_used of it is to be consumed. Commands are appended to
   to_server, the greeting with its line end to greeting. */
enum starttls_result starttls_next(struct starttls *t, struct str input, size_t *ret_used,
	struct buf *to_server, struct buf *greeting);

#endif
