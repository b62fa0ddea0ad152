/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_LMTP_H
#define WIRE_SMTP_LMTP_H
/*
 * An LMTP server (RFC 2033): a mail server with a queue hands over mail for accounts that
 * live here. It is SMTP with LHLO and one answer for each recipient behind the message,
 * since what cannot be delivered stays in the client's queue, recipient by recipient.
 *
 *   GREETING ─► COMMAND ◄──► ROUTING
 *                  │ ▲
 *                  │ └──────────── ENDING (deliveries are under way)
 *                  ├─► DATA ───────► ENDING
 *                  │    └─► DISCARD ─► COMMAND (refused: the rest is thrown away)
 *                  ├─► CHUNK ◄─► BETWEEN_CHUNKS (COMMAND with a message that has begun)
 *                  │    └─► ENDING
 *                  └─► SKIP_CHUNK, SKIP_LINE ─► COMMAND
 *
 * Extensions: PIPELINING, ENHANCEDSTATUSCODES, 8BITMIME, SIZE, CHUNKING (RFC 3030),
 * SMTPUTF8. Neither AUTH nor STARTTLS: who may connect is decided before.
 *
 * Usage: lmtp_next() with what the client has sent, consume *ret_used, send what was
 * written, act, call again until NEED_MORE. Actions marked (!) are answered before the
 * next call. ENDING alone may be answered later; lmtp_next() takes nothing until then.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "wire/smtp/command.h"
#include "wire/smtp/data.h"
#include "wire/smtp/proxy.h"

struct lmtp_offer {
	struct str name;   /* of this server */
	uint64_t size_max; /* of a message; 0: no limit */
};

enum lmtp_action {
	LMTP_NEED_MORE,
	LMTP_AGAIN,  /* consume, send, ask again */
	LMTP_ROUTE,  /* (!) whose is p->recipient? lmtp_routed() */
	LMTP_BEGIN,  /* (!) a message for p->deliveries: lmtp_begun() */
	LMTP_BYTES,  /* p->bytes of it, valid until the next call; lmtp_write_failed() */
	LMTP_END,    /* all of it was given: lmtp_answer() for each, lmtp_done() */
	LMTP_FORGET, /* it is not to be delivered */
	LMTP_CLOSE
};

/* What is said to RCPT. */
enum lmtp_route {
	LMTP_ROUTE_LOCAL,
	LMTP_ROUTE_BUSY,       /* 450 4.2.1: the account switches */
	LMTP_ROUTE_SOURCE,     /* 450 4.2.1: it lives at the old server */
	LMTP_ROUTE_NOT_YET,    /* 450 4.1.1: not known here, but the old server is still
	                          there and may know it */
	LMTP_ROUTE_LATER,      /* 451 4.3.0: we cannot say now */
	LMTP_ROUTE_UNKNOWN,    /* 550 5.1.1: nobody's, and there is no other server */
	LMTP_ROUTE_ELSEWHERE,  /* 550 5.1.2: no domain of ours */
	LMTP_ROUTE_UNREADABLE, /* 553 5.1.3: it cannot be told whose it is */
	LMTP_ROUTE_COUNT
};

enum lmtp_state {
	LMTP_GREETING,
	LMTP_COMMAND,
	LMTP_ROUTING,
	LMTP_DATA,
	LMTP_DISCARD,
	LMTP_CHUNK,
	LMTP_BETWEEN_CHUNKS,
	LMTP_SKIP_CHUNK,
	LMTP_SKIP_LINE,
	LMTP_ENDING,
	LMTP_CLOSED,
	LMTP_STATE_COUNT
};
const char *lmtp_state_name(enum lmtp_state s);

/* An accepted RCPT; several may be of one account, which gets the message once. */
struct lmtp_accepted {
	struct lmtp_accepted *next;
	size_t delivery; /* its place in `deliveries` */
};

struct lmtp {
	struct lmtp_offer offer;
	struct buf *to_client;
	enum lmtp_state state;
	char helo[SMTP_HELO_MAX + 1]; /* "": it has not said LHLO */
	unsigned n_errors;

	/* of the transaction; its strings are in the arena */
	struct arena arena;
	struct str sender;                /* what <> held; ptr NULL: there is none yet */
	struct smtp_recipient *recipient; /* that is being routed */
	struct lmtp_accepted *accepted, **last_accepted;
	size_t n_accepted;
	struct smtp_recipient_list deliveries; /* one for each account */
	struct str *answers;                   /* of the deliveries, behind the message */

	/* of the message */
	struct smtp_data data;
	uint64_t size, chunk; /* that has come; of this chunk yet to come */
	bool is_begun;        /* the caller knows of it */
	bool is_last_chunk;
	const char *refusal; /* of all of it: for each recipient; NULL: none */
	struct str bytes;    /* of BYTES */
};

/* offer.name: alive as long as the machine. */
void lmtp_init(struct lmtp *p, const struct lmtp_offer *offer, struct buf *to_client);
void lmtp_fini(struct lmtp *p);

enum lmtp_action lmtp_next(struct lmtp *p, struct str input, size_t *ret_used);

/* Answers ROUTE. account: of LOCAL; copied. */
void lmtp_routed(struct lmtp *p, enum lmtp_route route, struct str account);
/* Answers BEGIN. refusal: NULL, or a constant that each recipient is answered with,
   without CRLF. */
void lmtp_begun(struct lmtp *p, const char *refusal);
/* BYTES could not be kept: likewise, and the rest is thrown away. FORGET follows. */
void lmtp_write_failed(struct lmtp *p, const char *refusal);
/* Answers END for the nth of `deliveries`: "" or a refusal; copied. */
void lmtp_answer(struct lmtp *p, size_t nth, struct str refusal);
/* All of them are answered: the client hears it. */
void lmtp_done(struct lmtp *p);

/* No message is coming or being delivered. */
bool lmtp_is_idle(const struct lmtp *p);

#endif
