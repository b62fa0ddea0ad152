/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_POP3_UPSTREAM_H
#define WIRE_POP3_UPSTREAM_H
/*
 * A POP3 client up to the answer of its login: bytes of the server in, the client's next
 * step and one event out. The login is a replay of what another client sent (see
 * wire/prelogin.h), line by line: some old servers lose what is pipelined behind USER.
 *
 *   GREETING ──+OK──► READY ──pop3_upstream_login()──► LOGIN ──+OK or -ERR──► READY
 *
 * STLS is a login of one step. The probe asks what the server shows to everybody.
 */
#include "base/buf.h"
#include "wire/pop3/prelogin.h"
#include "wire/pop3/response.h"

enum pop3_upstream_state {
	POP3_UPSTREAM_IN_GREETING,
	POP3_UPSTREAM_IN_READY,
	POP3_UPSTREAM_IN_LOGIN,    /* "+" asks for the next step */
	POP3_UPSTREAM_IN_EXCHANGE, /* "+" is somebody else's to answer */
	POP3_UPSTREAM_CLOSED,
	POP3_UPSTREAM_STATE_COUNT
};

struct pop3_upstream {
	enum pop3_upstream_state state;
	const struct wire_login *login; /* the caller's, until it is answered */
	size_t step;                    /* the next one to send */
};

void pop3_upstream_init(struct pop3_upstream *u);
const char *pop3_upstream_state_name(enum pop3_upstream_state s);

/* In READY: sends the first step. exchange: challenges are given out (CONTINUE) and
   answered by the caller. 0 or as buf_append(). */
int pop3_upstream_login(struct pop3_upstream *u, const struct wire_login *login,
	bool exchange, struct buf *to_server);

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
