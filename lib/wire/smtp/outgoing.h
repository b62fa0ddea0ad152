/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_OUTGOING_H
#define WIRE_SMTP_OUTGOING_H
/*
 * An SMTP or LMTP client with one message (RFC 5321, RFC 2033): bytes of the server in,
 * the next command and one event out. Commands go one at a time; the message's final dot
 * only when the caller says so, which is what its acceptance hangs on.
 *
 *   GREETING ─► HELLO (─► HELO) ─► MAIL ─► RCPT ─┬─► DATA ─► BODY ─► HELD ─dot─► FINAL ─┐
 *                                                └─ it was only asked ─────────────────┤
 *       any of them, refused or out of order ─► TELLING, each recipient in turn ◄──────┘
 *                                                  └─► OVER
 *
 * Each recipient is answered once: "" when it is taken (or would be), else with a reply
 * line for whoever gave us the message. Only what the server says of sender, recipient
 * and message is passed on as it said it; what it says of us (its greeting, EHLO, 421,
 * 530) is "try again later" to others.
 */
#include "base/buf.h"
#include "wire/smtp/data.h"

#define SMTP_OUTGOING_REPLY_MAX 256
/* No answer, or none that can be passed on. */
#define SMTP_OUTGOING_LATER "451 4.3.0 The mailbox cannot be reached now, try again later"

enum smtp_outgoing_state {
	SMTP_OUTGOING_GREETING,
	SMTP_OUTGOING_HELLO,
	SMTP_OUTGOING_HELO, /* it knows no EHLO */
	SMTP_OUTGOING_MAIL,
	SMTP_OUTGOING_RCPT,
	SMTP_OUTGOING_DATA,
	SMTP_OUTGOING_BODY, /* the caller gives it */
	SMTP_OUTGOING_HELD, /* all of it is there but the dot */
	SMTP_OUTGOING_FINAL,
	SMTP_OUTGOING_TELLING,
	SMTP_OUTGOING_OVER,
	SMTP_OUTGOING_STATE_COUNT
};

enum smtp_outgoing_event {
	SMTP_OUTGOING_NEED_MORE,
	SMTP_OUTGOING_AGAIN,
	SMTP_OUTGOING_ANSWER, /* o->nth has o->reply, valid until the next call */
	SMTP_OUTGOING_SEND,   /* smtp_outgoing_put(), then smtp_outgoing_hold() */
	SMTP_OUTGOING_DONE    /* all were answered; send what there is and close */
};

struct smtp_outgoing_recipient {
	struct str address; /* what <> hold */
	enum { SMTP_OUTGOING_NEW, SMTP_OUTGOING_ACCEPTED, SMTP_OUTGOING_ANSWERED } state;
};

/* The caller's, and alive as long as the machine. */
struct smtp_outgoing_mail {
	bool is_lmtp;
	bool asks;         /* only whether the recipients would be taken */
	struct str helo;   /* our name */
	struct str sender; /* what <> held */
	struct str params; /* of the client's MAIL: what the server knows is passed on */
	uint64_t size;     /* 0: not known */
	struct smtp_outgoing_recipient *recipients;
	size_t n;
};

struct smtp_outgoing {
	enum smtp_outgoing_state state;
	const struct smtp_outgoing_mail *mail;
	struct smtp_data data;
	size_t at;  /* of the recipient that is asked about, or told next */
	size_t nth; /* of ANSWER */
	bool has_size, has_8bit, has_utf8;
	struct str reply;
	char text[SMTP_OUTGOING_REPLY_MAX];
};

void smtp_outgoing_init(struct smtp_outgoing *o, const struct smtp_outgoing_mail *mail);
const char *smtp_outgoing_state_name(enum smtp_outgoing_state s);

/* Commands are appended to out. */
enum smtp_outgoing_event smtp_outgoing_next(
	struct smtp_outgoing *o, struct str input, size_t *ret_used, struct buf *out);
/* In BODY: a piece of the message. -EILSEQ: it cannot be said (smtp/data.h). 0 or as
   buf_append(). */
int smtp_outgoing_put(struct smtp_outgoing *o, struct str bytes, struct buf *out);
void smtp_outgoing_hold(struct smtp_outgoing *o);
/* In HELD: the dot. 0 or as buf_append(). */
int smtp_outgoing_end(struct smtp_outgoing *o, struct buf *out);
/* The connection is lost, or what was to be said cannot be: those that are not answered
   yet are told to try again; next() says so. */
void smtp_outgoing_fail(struct smtp_outgoing *o);

#endif
