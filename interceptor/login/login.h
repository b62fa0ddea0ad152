/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_LOGIN_LOGIN_H
#define INTERCEPTOR_LOGIN_LOGIN_H
/*
 * From a login to its answer: who is served where, and what is learnt on the way. The
 * session's handler for IMAP and POP3.
 *
 *   handler.c        bytes between the session and the protocol's two machines
 *   attempt.c        whose mailbox a client wants, and who has proved it
 *   login.c          the decision, by the account's route
 *   elsewhere.c      a login of a user who has moved to another server
 *   proof.c          what a login that the source accepted teaches
 *   maildrop_wait.c  a login that waits until the transfer has left the maildrop
 *   starttls.c       STARTTLS: TLS ends here, or goes on to the source unseen
 *   imap.c, pop3.c   the protocols (protocol.h)
 *
 *   GREETING ─► PRELOGIN ─► LOGGING_IN ─► (PROVED) ─► the session is relayed
 *                 ▲  │ └──► EXCHANGE ──────────────►┘
 *                 │  ├────► BUSY ─► LOGGING_IN or VERIFYING
 *                 │  └────► VERIFYING ───────────► the session is given away
 *                 └─ REFUSING ◄──┘
 */
#include "interceptor/login/protocol.h"
#include "interceptor/session/session.h"
#include "wire/challenge.h"
#include "wire/tls/hello.h"

/* For the source to answer: some delay a failed login long, and a mechanism may ask a
   person. */
#define LOGIN_ANSWER_MS 120000
#define LOGIN_REFUSE_MS 2000 /* before a wrong password is answered by us */

enum login_step {
	LOGIN_IN_GREETING,   /* what the source shows is not known: it is asked first */
	LOGIN_IN_PRELOGIN,   /* we speak with the client */
	LOGIN_IN_HELLO,      /* the client was told to begin TLS */
	LOGIN_IN_UPGRADING,  /* the source has the client's STARTTLS */
	LOGIN_IN_RECORDING,  /* it goes on unseen once the registry knows of it */
	LOGIN_IN_LOGGING_IN, /* the source has the attempt, or is being connected for it
	                      */
	LOGIN_IN_EXCHANGE, /* a mechanism between client and source, which we pass; for an
	                   account that lives here its answer is judged, if it can be */
	LOGIN_IN_PROVED,   /* the source said OK; held, since the account is moving */
	LOGIN_IN_BUSY,     /* held, since the account is switching */
	LOGIN_IN_VERIFYING, /* the password is being compared */
	LOGIN_IN_REFUSING,  /* it was wrong; the answer waits a little */
	LOGIN_STEP_COUNT
};

/* why_not of a login that proves somebody else than whose mailbox it is for. */
#define LOGIN_BY_MASTER STR_LIT("master user")

/* As the protocol understood it; strings in the session's arena. */
struct attempt {
	struct str user;     /* ptr NULL: the mechanism does not show it */
	struct str account;  /* whose mailbox it is for: user, or a part of it */
	struct str prover;   /* whose proof it is when not the user's own; or "" */
	struct str password; /* ptr NULL: nor that */
	struct challenge_proof proof; /* that it shows instead; kind NONE: none */
	struct str why_not; /* why the password cannot be captured: "CRAM-MD5"; else "" */
	struct str tag;     /* what the mailstore needs to answer it; may be "" */
};

/* The handler's state, while the session has memory. */
struct login {
	struct offer *offer; /* a reference; NULL while it is not known */
	struct buf answer;   /* the source's, until it may be shown */
	struct attempt attempt;
	struct str challenge; /* the source's in an exchange: its line */
	bool is_challenged;   /* the greeting is that of the connection to the source */
	uint64_t wait_ends;   /* maildrop_wait.h; 0: it does not wait */
	struct str ticket;    /* for the mailstore, once the password was right */
	/* The attempt as the destination gets it; kind NONE: it goes to the source, or
	   is judged here. */
	struct wire_login elsewhere;
	struct str conclusion;         /* the destination's OK, until its capabilities are
	                          known; ptr NULL: they are not asked for */
	void *machine;                 /* of the protocol */
	struct tls_hello_reader hello; /* in HELLO */
	size_t hello_seen;             /* bytes of from_client */
	bool is_tls_promised; /* the client was told to begin: no word in clear may come
	                       */
	bool is_source_ready; /* the source was: only the name is looked at */
	struct str tls_name;  /* that the client asks for; a C string, or ptr NULL */
};

static inline struct login *login_of(const struct session *s)
{
	return s->memory->state;
}

static inline const struct login_protocol *login_protocol_of(const struct session *s)
{
	return s->protocol;
}

/* As the protocol's machine has decoded it. */
static inline const struct wire_login *login_wire(const struct session *s)
{
	return (const void *)((const char *)login_of(s)->machine +
			      login_protocol_of(s)->wire_login);
}

extern const struct handler login_handler;

/* The only way from one step to another. ms: what it may take. */
void login_set_step(struct session *s, enum login_step step, uint64_t ms);

/* ---- attempt.c ---- */

/* From the protocol's machine into login_of(s)->attempt. */
void login_take_attempt(struct session *s);

/* ---- login.c ---- */

/* login_of(s)->attempt is complete. */
void login_attempt(struct session *s);
/* For a mechanism that only passes: before the next answer of the client goes to the
   source, what is known of the user by now is looked at. false: it was refused. */
bool login_exchange_allowed(struct session *s);
/* The source has answered; its whole answer is in `answer`. */
void login_answered(struct session *s, bool ok);
/* The connection to the source failed or ended in the middle. */
void login_source_lost(struct session *s, int code);
/* Held sessions (BUSY, PROVED): looks at the route again. expired: the hold is over. */
void login_recheck(struct session *s, bool expired);
/* The account switches now: what the source is being told of this login is void. */
void login_hold(struct session *s);
/* Says why, and lets the client try again. */
void login_refuse(struct session *s, enum refusal_reason why);

/* Whose mailbox, and where it is. 0 or -errno, logged; who has no account is at the
   source. */
int login_look_up(struct session *s, struct account_route *ret);
/* What that route says, with the attempt as it is. */
void login_go(struct session *s, const struct account_route *route);
/* A login was wrong. */
void login_count_refusal(struct session *s);

/* ---- elsewhere.c ---- */

/* The account's home is another server (registry.h), which judges the attempt. */
void login_elsewhere(struct session *s, const struct account_route *route);
static inline bool login_is_elsewhere(const struct session *s)
{
	return s->step == LOGIN_IN_LOGGING_IN &&
	       login_of(s)->elsewhere.kind != LOGIN_NONE;
}
/* Its OK is the client's once it is known what can be told with it. false: *response and
   *ok are the answer to the login. */
bool login_waits_for_capability(struct session *s, struct str *response, bool *ok);
/* It has answered; all that it said is in `answer`. */
void login_elsewhere_answered(struct session *s, bool ok);

/* ---- starttls.c ---- */

/* The client wants TLS. */
void login_starttls(struct session *s);
/* In HELLO: the client has sent more of its first message, or has left. */
void login_read_hello(struct session *s);
/* In RECORDING: tries again. */
void login_record_unseen(struct session *s);
/* In UPGRADING: the source has answered, the answer is in `answer`. */
void login_upgraded(struct session *s, bool ok);

/* ---- handler.c ---- */

/* To the source: now, or when it is connected and ready. */
void login_send(struct session *s);
/* The same, when it has not been looked at whether there is a source. */
void login_send_if_open(struct session *s);
/* The client may try again; what it has sent already is read. */
void login_resume(struct session *s);
/* In GREETING, and the source is away: the client is greeted all the same, since its
   account may live here. false: what to show is not known. */
bool login_greet_alone(struct session *s);

#endif
