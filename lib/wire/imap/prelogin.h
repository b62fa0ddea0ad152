/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_IMAP_PRELOGIN_H
#define WIRE_IMAP_PRELOGIN_H
/*
 * An IMAP server before login (RFC 3501, 6.1 and 6.2): bytes of the client in, replies
 * and one action out. It knows no account and checks no password: who may log in is the
 * caller's business, who calls imap_prelogin_answered() when it is known.
 *
 *   COMMAND ──LOGIN, AUTHENTICATE PLAIN/LOGIN──► (RESPONSE ─►) ATTEMPT ──answered──┐
 *    ▲      ──AUTHENTICATE other──► EXCHANGE ──────────────────────────answered────┤
 *    │                              │      ▲                                       │
 *    │                              │      └──line──────────┐                      │
 *    │                              └──challenged──► CHALLENGED                    │
 *    │      ──STARTTLS──► STARTTLS ────────────────────────────────────answered────┤
 *    └─────────────────────────────────────────────────────────────────────────────┘
 *
 * What a client sends while it is not its turn waits unread.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "wire/imap/frame.h"
#include "wire/prelogin.h"

/* What a client sees before login; the caller's, and alive as long as the machine. */
struct imap_offer {
	struct str greeting;   /* "* OK ..." without CRLF */
	struct str capability; /* "IMAP4rev1 SASL-IR ..." */
	struct str id;         /* "(...)" or "NIL": our answer to ID */
	bool starttls;         /* STARTTLS is the caller's to carry out */
	bool tls_first; /* the client is in clear and the server would not see it: what it
	                   does not offer in clear is refused here */
	bool from_us;   /* the server sees us, and may believe what we say of others: what
	                   a client says of itself in x-… fields does not get there */
};

enum imap_prelogin_state {
	IMAP_PRELOGIN_IN_COMMAND,
	IMAP_PRELOGIN_IN_RESPONSE,   /* a SASL answer is awaited */
	IMAP_PRELOGIN_IN_ATTEMPT,    /* the caller is looking at `login` */
	IMAP_PRELOGIN_IN_EXCHANGE,   /* somebody else has the word */
	IMAP_PRELOGIN_IN_CHALLENGED, /* the client has it, for one line */
	IMAP_PRELOGIN_IN_STARTTLS,
	IMAP_PRELOGIN_CLOSED,
	IMAP_PRELOGIN_STATE_COUNT
};

struct imap_prelogin {
	enum imap_prelogin_state state;
	const struct imap_offer *offer;
	struct arena *arena; /* the caller's: what a login is made of is copied there */
	struct imap_framer framer;
	size_t command_max; /* longest command with its literals */
	unsigned waits;     /* literals of this command for which the client waited */
	unsigned bad;       /* commands nobody could make sense of */
	struct str id;      /* what the client said of itself, "(...)"; empty: nothing */
	struct wire_login login;
	struct str line; /* of EXCHANGE_LINE: base64 or "*", no line end */
};

/* offer and arena must outlive the machine. */
void imap_prelogin_init(struct imap_prelogin *p, const struct imap_offer *offer,
	struct arena *arena, size_t command_max);
const char *imap_prelogin_state_name(enum imap_prelogin_state s);

/* input: unread bytes, from where the last call's *ret_used ended. Replies are appended
   to `reply`. While an attempt is being looked at, it answers NEED_MORE. */
enum prelogin_action imap_prelogin_next(
	struct imap_prelogin *p, struct str input, size_t *ret_used, struct buf *reply);

/* In EXCHANGE: the client was given a challenge, and may answer it. */
void imap_prelogin_challenged(struct imap_prelogin *p);
/* The caller has answered the attempt, exchange or STARTTLS; the client may go on. A
   password that it showed is overwritten. */
void imap_prelogin_answered(struct imap_prelogin *p);

/* What may be shown before login of the capabilities of another server, appended to
   `out`. Unknown ones are dropped: a client may use what it saw without asking again. */
int imap_capability_filter(struct str capability, bool starttls, struct buf *out);
/* The same for a greeting line: only the list inside its [CAPABILITY ...] is touched. */
int imap_greeting_filter(struct str greeting, bool starttls, struct buf *out);
/* What of the list is still true for a client that has logged in. */
int imap_capability_after(struct str capability, struct buf *out);
/* The list in a response code or in an untagged CAPABILITY response; false: none. */
bool imap_capability_of(struct str line, struct str *ret_capability);

#endif
