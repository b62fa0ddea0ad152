/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_POP3_UPSTREAM_H
#define WIRE_POP3_UPSTREAM_H
/*
 * A POP3 client up to the answer of one login: bytes of the server in, the client's next
 * step and one event out. What is sent is written here, from a decoded login (see
 * wire/prelogin.h), one line at a time.
 *
 * POP3's answers bear no tag: an answer belongs to the line before it, and that holds as
 * long as each line of ours is one command for the server, and is sent when nothing
 * of the server's is unread. Whatever comes beside that order ends the connection.
 *
 *   GREETING ──+OK──► READY ──pop3_upstream_login()──► LOGIN ──+OK──► DONE
 *                       │                                 └──-ERR──► CLOSED
 *                       │             ┌──"+"──► CHALLENGED ─pop3_upstream_answer()┐
 *                       └──exchange─► EXCHANGE ◄──────────────────────────────────┘
 *
 * STLS is a login of one step. The probe asks what the server shows to everybody.
 */
#include "base/buf.h"
#include "wire/pop3/prelogin.h"
#include "wire/pop3/response.h"

enum pop3_upstream_state {
	POP3_UPSTREAM_IN_GREETING,
	POP3_UPSTREAM_IN_READY,
	POP3_UPSTREAM_IN_LOGIN,      /* its answer asks for the next step */
	POP3_UPSTREAM_IN_EXCHANGE,   /* the server has the word */
	POP3_UPSTREAM_IN_CHALLENGED, /* the client has it */
	POP3_UPSTREAM_IN_CANCELLED, /* by us, as the server asks for more than there is */
	POP3_UPSTREAM_IN_DONE,      /* logged in */
	POP3_UPSTREAM_CLOSED,
	POP3_UPSTREAM_STATE_COUNT
};

struct pop3_upstream {
	enum pop3_upstream_state state;
	const struct wire_login *login; /* the caller's, until it is answered */
	unsigned step;                  /* the next one to send; EXCHANGE: lines sent */
};

void pop3_upstream_init(struct pop3_upstream *u);
const char *pop3_upstream_state_name(enum pop3_upstream_state s);

/* In READY: sends the first step. With login->kind EXCHANGE challenges are given out
   (CONTINUE) and answered by pop3_upstream_answer(). 0 or as buf_append(). */
int pop3_upstream_login(
	struct pop3_upstream *u, const struct wire_login *login, struct buf *to_server);
/* In CHALLENGED, once for each: the client's line, checked as sasl_exchange_line() does.
   -EPROTO in any other state. */
int pop3_upstream_answer(struct pop3_upstream *u, struct str line, struct buf *to_server);

/* One line a call, `response` with its CRLF, a view into input of *ret_used bytes. */
enum upstream_event pop3_upstream_next(struct pop3_upstream *u, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_server);

/* ---- what a server shows to everybody ---- */

enum pop3_probe_event {
	POP3_PROBE_NEED_MORE,
	POP3_PROBE_AGAIN, /* consume, send, ask again */
	POP3_PROBE_DONE,
	POP3_PROBE_BYE, /* it does not want us: response */
	POP3_PROBE_BROKEN
};

#define POP3_CAPABILITY_MAX 8192 /* some ten short lines in practice */

struct pop3_probe {
	struct pop3_upstream upstream;
	struct pop3_reader reader; /* of the answer to CAPA */
	struct arena *arena;
	struct str greeting;   /* without CRLF */
	struct str capability; /* lines with CRLF; "" when it has no CAPA */
};

void pop3_probe_init(struct pop3_probe *p, struct arena *arena);
enum pop3_probe_event pop3_probe_next(struct pop3_probe *p, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_server);

#endif
