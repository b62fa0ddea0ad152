/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_PRELOGIN_H
#define WIRE_PRELOGIN_H
/*
 * What the machines of IMAP and POP3 before login have in common, so that who drives them
 * need not know which it is: imap/prelogin.h and pop3/prelogin.h towards the client,
 * imap/upstream.h and pop3/upstream.h towards the server.
 */
#include "wire/challenge.h"

#define WIRE_LOGIN_STEPS_MAX 3 /* LOGIN {n} {n}; AUTH LOGIN, user, password */

/* A login, kept twice: decoded, and as the very bytes the client sent, cut into steps
   where he waited for an answer (or, pipelining, did not), so that it can be replayed to
   another server by the same mechanism. */
struct wire_login {
	struct str tag;       /* IMAP's; else empty */
	struct str mechanism; /* "LOGIN" (IMAP's command), "USER", "AUTH PLAIN", "APOP" */
	struct str user;      /* ptr NULL: not known (yet) */
	struct str password;  /* ptr NULL: the mechanism does not show it */
	struct challenge_proof proof; /* that it shows instead; NONE: none, or not yet */
	struct str master; /* whose password it is when not the user's own; else empty */
	struct str steps[WIRE_LOGIN_STEPS_MAX]; /* each ends in CRLF */
	size_t n_steps;
};

/* What the client's bytes led to. */
enum prelogin_action {
	PRELOGIN_NEED_MORE,
	PRELOGIN_AGAIN,         /* something was dealt with: consume, send, ask again */
	PRELOGIN_LOGIN,         /* `login` is complete */
	PRELOGIN_EXCHANGE,      /* `login`: a mechanism that only the server can do */
	PRELOGIN_EXCHANGE_LINE, /* `line`: the client's next answer in it */
	PRELOGIN_STARTTLS,
	PRELOGIN_CLOSE /* send what there is, then close */
};

/* What the server's bytes say. */
enum upstream_event {
	UPSTREAM_NEED_MORE,
	UPSTREAM_GREETED,
	UPSTREAM_AGAIN,    /* the next step is in to_server: go on */
	UPSTREAM_UNTAGGED, /* IMAP: a response that belongs to the answer */
	UPSTREAM_CONTINUE, /* in an exchange: a challenge */
	UPSTREAM_OK,       /* the answer */
	UPSTREAM_NO,
	UPSTREAM_BYE,   /* the server ends it, instead of a greeting or unasked */
	UPSTREAM_BROKEN /* not what its protocol says */
};

#endif
