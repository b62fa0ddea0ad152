/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_SEND_H
#define WIRE_SMTP_SEND_H
/*
 * One message of ours to one recipient, from <> (RFC 5321; by LMTP: RFC 2033). Bytes of
 * the server in, bytes for it out; one command at a time.
 *
 *   GREETING ─► EHLO ─► MAIL ─► RCPT ─► DATA ─► FINAL ─► OVER
 *                 └─► HELO ─┘
 *
 * Whatever is refused for good when the server has not been told of the message yet is
 * the server's trouble: LATER, and is_of_host says that others would fare alike.
 */
#include "base/buf.h"

enum smtp_send_state {
	SMTP_SEND_GREETING,
	SMTP_SEND_EHLO,
	SMTP_SEND_HELO,
	SMTP_SEND_MAIL,
	SMTP_SEND_RCPT,
	SMTP_SEND_DATA,
	SMTP_SEND_FINAL,
	SMTP_SEND_OVER,
	SMTP_SEND_STATE_COUNT
};
const char *smtp_send_state_name(enum smtp_send_state s);

enum smtp_sent {
	SMTP_SENT_LATER,   /* not now */
	SMTP_SENT_TAKEN,   /* it is the server's */
	SMTP_SENT_REFUSED, /* it never will be */
};

#define SMTP_SEND_WORDS_MAX 200 /* of a reply, for the log */

struct smtp_send {
	enum smtp_send_state state;
	enum smtp_sent sent; /* of OVER, or if the connection ended now */
	bool is_of_host;
	bool is_lmtp;
	struct str name, recipient, message; /* the caller's, alive as long as this */
	char words[SMTP_SEND_WORDS_MAX];     /* why */
};

enum smtp_send_action { SMTP_SEND_NEED_MORE, SMTP_SEND_AGAIN, SMTP_SEND_DONE };

/* name: our own. recipient: what <> are to hold. Lines of the message may end anyhow. */
void smtp_send_init(struct smtp_send *s, bool is_lmtp, struct str name,
	struct str recipient, struct str message);
/* Consume what it used, send what it wrote, call again until NEED_MORE; DONE: send what
   it wrote and close. */
enum smtp_send_action smtp_send_next(
	struct smtp_send *s, struct str input, size_t *ret_used, struct buf *to_server);

#endif
