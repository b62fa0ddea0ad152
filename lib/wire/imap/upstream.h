/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_UPSTREAM_H
#define WIRE_IMAP_UPSTREAM_H
/*
 * An IMAP client up to the answer of one login: bytes of the server in, the client's next
 * step and one event out. What is sent is written here, from a decoded login (see
 * wire/prelogin.h): by the same mechanism, under a tag of our own that the client cannot
 * guess, with no literal but such as wait for "+". So no bytes that a client chose can
 * bring forth an answer that is taken for that of a login.
 *
 *   GREETING ──* OK──► READY ──imap_upstream_login()──► (PREFACE, ID ─►) LOGIN ──► DONE
 *                        │                                                 └─NO──► CLOSED
 *                        │             ┌──"+"──► CHALLENGED ─imap_upstream_answer()┐
 *                        ├──exchange─► EXCHANGE ◄──────────────────────────────────┘
 *                        └──imap_upstream_ask()──► ASKED ──answer──► READY
 *                     DONE ──imap_upstream_ask_behind()──► ASKED ──answer──► DONE
 *
 * The probe is the same up to READY, and asks what the server shows to everybody.
 */
#include "base/buf.h"
#include "wire/imap/frame.h"
#include "wire/imap/prelogin.h"

#define IMAP_RESPONSE_MAX 65536 /* before login; a capability list takes some hundred */
#define IMAP_LOGIN_QUOTED_MAX 1000 /* longer ones go as literals: servers cap a line */
#define IMAP_UNIQUE_MAX 32

enum imap_upstream_state {
	IMAP_UPSTREAM_IN_GREETING,
	IMAP_UPSTREAM_IN_READY,
	IMAP_UPSTREAM_IN_ASKED,      /* a question of ours */
	IMAP_UPSTREAM_IN_PREFACE,    /* the client's ID; its login comes next */
	IMAP_UPSTREAM_IN_LOGIN,      /* "+" asks for the next step */
	IMAP_UPSTREAM_IN_EXCHANGE,   /* the server has the word */
	IMAP_UPSTREAM_IN_CHALLENGED, /* the client has it */
	IMAP_UPSTREAM_IN_CANCELLED, /* by us, as the server asks for more than there is */
	IMAP_UPSTREAM_IN_DONE,      /* logged in */
	IMAP_UPSTREAM_CLOSED,
	IMAP_UPSTREAM_STATE_COUNT
};

struct imap_upstream {
	enum imap_upstream_state state;
	struct imap_framer framer;
	const struct wire_login *login; /* the caller's, until it is answered */
	unsigned step;                  /* the next one to send; EXCHANGE: lines sent */
	unsigned commands;              /* sent so far */
	enum imap_upstream_state asked_in; /* where an answer to a question leads back */
	char unique[IMAP_UNIQUE_MAX];      /* each tag begins with it */
	size_t unique_len;
};

/* unique: letters and digits that no client can guess (at most IMAP_UNIQUE_MAX). */
void imap_upstream_init(struct imap_upstream *u, struct str unique);
const char *imap_upstream_state_name(enum imap_upstream_state s);

/* In READY: a command without arguments, or with such as are ours; OK or NO is the
   answer. 0 or as buf_append(). */
int imap_upstream_ask(struct imap_upstream *u, struct str command, struct buf *to_server);
/* In DONE: the same, behind the login; it is DONE again with the answer. */
int imap_upstream_ask_behind(
	struct imap_upstream *u, struct str command, struct buf *to_server);
/* In READY: sends the first step. With login->kind EXCHANGE challenges are given out
   (CONTINUE) and answered by imap_upstream_answer(). 0 or as buf_append(). */
int imap_upstream_login(
	struct imap_upstream *u, const struct wire_login *login, struct buf *to_server);
/* In CHALLENGED, once for each: the client's line, checked as sasl_exchange_line() does.
   -EPROTO in any other state. */
int imap_upstream_answer(struct imap_upstream *u, struct str line, struct buf *to_server);

/* One response a call, `response` with its CRLF, a view into input of *ret_used bytes. */
enum upstream_event imap_upstream_next(struct imap_upstream *u, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_server);

/* ---- what a server shows to everybody ---- */

enum imap_probe_event {
	IMAP_PROBE_NEED_MORE,
	IMAP_PROBE_AGAIN, /* consume, send, ask again */
	IMAP_PROBE_DONE,
	IMAP_PROBE_BYE, /* it does not want us: response */
	IMAP_PROBE_BROKEN
};

struct imap_probe {
	struct imap_upstream upstream;
	struct arena *arena;
	bool asked_id;
	struct str greeting; /* without CRLF; all three as the server sent them */
	struct str capability;
	struct str id; /* "NIL" when it has none */
};

void imap_probe_init(struct imap_probe *p, struct arena *arena);
enum imap_probe_event imap_probe_next(struct imap_probe *p, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_server);

#endif
