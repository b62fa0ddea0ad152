/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_PRELOGIN_H
#define WIRE_PRELOGIN_H
/*
 * What the machines of IMAP and POP3 before login have in common, so that the code that
 * drives them need not know which it is: imap/prelogin.h and pop3/prelogin.h towards the
 * client, imap/upstream.h and pop3/upstream.h towards the server.
 *
 * The server's answer belongs to the attempt that it answers, or to nobody. So no byte of
 * the client reaches the server as it came: the client's machine decodes a login, and the
 * server's machine writes it anew, from the decoded values. What it writes is always one
 * command, and each further line waits for the server's request for it. In a mechanism
 * that we cannot do (EXCHANGE) each line of the client is base64 or "*", one for each
 * challenge. A connection to the server is good for one attempt.
 */
#include "wire/challenge.h"

enum login_kind {
	LOGIN_NONE,
	LOGIN_PASSWORD, /* IMAP's LOGIN; POP3's USER and PASS */
	LOGIN_APOP,
	LOGIN_SASL_PLAIN,
	LOGIN_SASL_LOGIN,
	LOGIN_EXCHANGE, /* a mechanism that only the server can do */
	LOGIN_STARTTLS  /* no login, but the same way to the server */
};

/* A login, decoded. Strings are in the machine's arena. */
struct wire_login {
	enum login_kind kind;
	struct str tag;       /* the client's, in IMAP; else empty */
	struct str id;        /* IMAP: what the client said of itself by ID, "(...)" */
	struct str mechanism; /* "LOGIN" (IMAP's command), "USER", "AUTH PLAIN", "APOP",
	                         "CRAM-MD5" */
	struct str authzid;   /* SASL PLAIN: as the client gave it, usually empty */
	struct str user;      /* ptr NULL: not known (yet) */
	struct str password;  /* ptr NULL: the mechanism does not show it */
	struct challenge_proof proof; /* that it shows instead; NONE: none, or not yet */
	struct str
		master; /* whose proof it is, when it is not the user's own; else empty */
	struct str initial; /* EXCHANGE: the initial response, base64; ptr NULL: none */
	bool has_initial;   /* the client gave its first answer with the command */
	bool has_answered;  /* EXCHANGE: as in struct sasl_names */
	bool user_literal, password_literal; /* IMAP: how the client spelt them */
};

/* What the client's bytes led to. */
enum prelogin_action {
	PRELOGIN_NEED_MORE,
	PRELOGIN_AGAIN,         /* something was dealt with: consume, send, ask again */
	PRELOGIN_LOGIN,         /* `login` is complete */
	PRELOGIN_EXCHANGE,      /* `login`: a mechanism that only the server can do */
	PRELOGIN_EXCHANGE_LINE, /* `line`: the client's answer to the challenge */
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
	UPSTREAM_OK,    /* the answer; IMAP: without the tag, which is not the client's */
	UPSTREAM_NO,    /* the same; nothing more may be sent over this connection */
	UPSTREAM_BYE,   /* the server ends it, instead of a greeting or unasked */
	UPSTREAM_BROKEN /* not what was asked for: the answer belongs to nobody */
};

#endif
