/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_UPSTREAM_H
#define WIRE_IMAP_UPSTREAM_H
/*
 * An IMAP client up to the answer of its login: bytes of the server in, the client's next
 * step and one event out. The login is a replay of what another client sent (see
 * wire/prelogin.h): the same mechanism under the same tag, step by step.
 *
 *   GREETING ──* OK──► READY ──imap_upstream_login()──► LOGIN ──tagged answer──► READY
 *
 * The probe is the same up to READY, and asks what the server shows to everybody.
 */
#include "base/buf.h"
#include "wire/imap/frame.h"
#include "wire/imap/prelogin.h"

#define IMAP_RESPONSE_MAX 65536 /* before login; a capability list takes some hundred */

enum imap_upstream_state {
	IMAP_UPSTREAM_IN_GREETING,
	IMAP_UPSTREAM_IN_READY,
	IMAP_UPSTREAM_IN_LOGIN,    /* "+" asks for the next step */
	IMAP_UPSTREAM_IN_EXCHANGE, /* "+" is somebody else's to answer */
	IMAP_UPSTREAM_CLOSED,
	IMAP_UPSTREAM_STATE_COUNT
};

struct imap_upstream {
	enum imap_upstream_state state;
	struct imap_framer framer;
	const struct wire_login *login; /* the caller's, until it is answered */
	size_t step;                    /* the next one to send */
};

void imap_upstream_init(struct imap_upstream *u);
const char *imap_upstream_state_name(enum imap_upstream_state s);

/* In READY: sends the first step. exchange: challenges are given out (CONTINUE) and
   answered by the caller. 0 or as buf_append(). */
int imap_upstream_login(struct imap_upstream *u, const struct wire_login *login,
	bool exchange, struct buf *to_server);

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
	struct wire_login question; /* the command being asked, as a login of one step */
	struct str greeting;        /* without CRLF; all three as the server sent them */
	struct str capability;
	struct str id; /* "NIL" when it has none */
};

void imap_probe_init(struct imap_probe *p, struct arena *arena);
enum imap_probe_event imap_probe_next(struct imap_probe *p, struct str input,
	struct str *ret_response, size_t *ret_used, struct buf *to_server);

#endif
