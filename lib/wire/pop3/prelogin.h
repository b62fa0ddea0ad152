/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_POP3_PRELOGIN_H
#define WIRE_POP3_PRELOGIN_H
/*
 * A POP3 server before login (RFC 1939, 4; RFC 5034 for AUTH; RFC 2595 for STLS): bytes
 * of the client in, replies and one action out. It knows no account and checks no
 * password: that is the caller's, who calls pop3_prelogin_answered() when it is known.
 *
 *   COMMAND ──USER, PASS; APOP; AUTH PLAIN/LOGIN─► (RESPONSE ─►) ATTEMPT ──answered──►
 *           ──AUTH other──► EXCHANGE ──answered──►
 *                           │      ▲
 *                           └──challenged──► CHALLENGED ──line──┘
 *           ──STLS──► STARTTLS ──answered──►                                    COMMAND
 *
 * What a client sends while it is not its turn waits unread.
 *
 * The greeting is the caller's to send. One with a timestamp (APOP) is good for the one
 * connection to the source that said it: show that connection's, and log in over it; or
 * show it without (pop3_greeting_put()).
 */
#include "base/arena.h"
#include "base/buf.h"
#include "wire/prelogin.h"

/* A server that cuts a line takes the rest for a command and answers it, too. So no line
   is longer than what all take: RFC 2449, 4 has 255 bytes; passwords, of which nothing
   follows but the end of the login, may have what 1024 leave. */
#define POP3_NAME_MAX 247
#define POP3_PASSWORD_MAX 1000
#define POP3_DIGEST_MAX 64

/* What a client sees before login; the caller's, and alive as long as the machine. */
struct pop3_offer {
	struct str greeting; /* "+OK ..." without CRLF */
	struct str
		capability; /* lines of CAPA, each with CRLF; "": CAPA is unknown here */
	bool starttls;      /* STLS is the caller's to carry out */
	bool tls_first; /* the client is in clear and the server would not see it: what it
	                   does not offer in clear is refused here */
};

enum pop3_prelogin_state {
	POP3_PRELOGIN_IN_COMMAND,
	POP3_PRELOGIN_IN_RESPONSE,   /* a SASL answer is awaited */
	POP3_PRELOGIN_IN_ATTEMPT,    /* the caller is looking at `login` */
	POP3_PRELOGIN_IN_EXCHANGE,   /* somebody else has the word */
	POP3_PRELOGIN_IN_CHALLENGED, /* the client has it, for one line */
	POP3_PRELOGIN_IN_STARTTLS,
	POP3_PRELOGIN_CLOSED,
	POP3_PRELOGIN_STATE_COUNT
};

struct pop3_prelogin {
	enum pop3_prelogin_state state;
	const struct pop3_offer *offer;
	struct arena *arena; /* the caller's: what a login is made of is copied there */
	size_t command_max;  /* longest line */
	unsigned bad;        /* commands nobody could make sense of */
	struct wire_login login;
	struct str line; /* of EXCHANGE_LINE: base64 or "*", no line end */
};

/* offer and arena must outlive the machine. */
void pop3_prelogin_init(struct pop3_prelogin *p, const struct pop3_offer *offer,
	struct arena *arena, size_t command_max);
const char *pop3_prelogin_state_name(enum pop3_prelogin_state s);

/* input: unread bytes, from where the last call's *ret_used ended. Replies are appended
   to `reply`. While an attempt is being looked at, it answers NEED_MORE. */
enum prelogin_action pop3_prelogin_next(
	struct pop3_prelogin *p, struct str input, size_t *ret_used, struct buf *reply);

/* In EXCHANGE: the client was given a challenge, and may answer it. */
void pop3_prelogin_challenged(struct pop3_prelogin *p);
/* The caller has answered the attempt, exchange or STLS; the client may go on. */
void pop3_prelogin_answered(struct pop3_prelogin *p);

/* What may be shown before login of another server's CAPA lines (each with CRLF),
   appended to `out` in the same form. */
int pop3_capability_filter(struct str capability, bool starttls, struct buf *out);
bool pop3_capability_has(struct str capability, struct str name);
/* What stands behind the name in its line: the mechanisms of SASL. false: no such line.
 */
bool pop3_capability_args(struct str capability, struct str name, struct str *ret_args);

/* The timestamp "<...@...>" of a greeting, brackets included (RFC 1939, 7). */
bool pop3_greeting_timestamp(struct str greeting, struct str *ret_timestamp);
/* The greeting without it: no client tries APOP then. */
int pop3_greeting_put(struct str greeting, struct buf *out);
/* The greeting with another one: "<" unique, and the "@...>" it has. unique: never said
   before, to nobody. */
int pop3_greeting_stamp(struct str greeting, struct str unique, struct buf *out);

#endif
