/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_FRONT_H
#define WIRE_SMTP_FRONT_H
/*
 * SMTP between a client and the source, with the recipients that live here taken out
 * (RFC 5321; 2920 for pipelining): bytes of both in, bytes for both and one action out.
 *
 *                     ┌── replies of the source, ours between them, in order ──┐
 *   client ──────────►│  slots: one for each command that is not answered yet  │──►
 * client └──────────────┬──────────────────────────▲──────────────┘ └──► source (most
 * commands)─┘
 *
 * Every command goes to the source unchanged and its answer comes back unchanged, but:
 *   - RCPT: the caller is asked whose address it is (ROUTE). BUSY is refused for now, and
 *     the source does not see it. LOCAL is answered by us; with offer->policy only when
 *     the source has been asked and does not refuse the client or the sender, as many
 *     servers do at RCPT and no earlier. What it says of the mailbox does not count.
 *   - DATA: with local recipients the message is staged (STAGE_BEGIN, STAGE_BYTES,
 *     STAGE_END: on disk then). With recipients on both sides it goes to the source as it
 *     comes, but for its final dot, which the source gets when the copy is staged. Its
 *     answer decides: COMMIT and 250, or ABORT and the source's own refusal. With local
 *     ones alone the source gets RSET: it saw MAIL, and may have refused the client or
 *     the sender by then. When it has accepted local ones (it was only asked), it gets
 *     RSET, MAIL and its own recipients again before DATA (REPEATING).
 *   - what would blind us is refused (smtp/command.h) and not shown (smtp/reply.h).
 *   - without the source, local recipients are served and others get 451 4.4.1; or, once
 *     it is retired, what the caller says of them: UNKNOWN, ELSEWHERE.
 *
 * Order of events for one message on both sides: staged → final dot → the source's 250 →
 * COMMIT done → 250 to the client. Whatever is lost before the last one, the client still
 * has the message and repeats it.
 *
 *   GREETING ─► COMMAND ◄──► ROUTING
 *                  │ ◄──► AUTH_REPLY ◄─► AUTH_LINE
 *                  │ ◄──► TLS_REPLY ─► BLIND
 *                  ▼
 *   STAGING ─► REPEATING ─► DATA_REPLY ─► DATA ─► ENDING ─► FINAL_REPLY ─► COMMITTING
 *                                           └───► SWALLOW (refused, its bytes come)
 *
 * Usage: fill in io (client and source: unread bytes; give none of a side that must
 * wait), call smtp_front_next(), consume what it used, send what it wrote, act, call
 * again until NEED_MORE. Actions marked (!) are answered before anything else of this
 * client goes on; the answer may come at once or later. Back-pressure: a call writes at
 * most SMTP_FRONT_PORTION to the source; when to_source is fuller than you like, give no
 * bytes of the client.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "wire/smtp/command.h"
#include "wire/smtp/data.h"
#include "wire/smtp/reply.h"

#define SMTP_COMMAND_MAX                                                                 \
	2048 /* RFC 5321, 4.5.3.1.4 says 512 and more with extensions                    \
	      */
#define SMTP_AUTH_LINE_MAX 12288 /* RFC 4954, 4 */
#define SMTP_RECIPIENTS_MAX 1000 /* local ones of a transaction; RFC 5321 wants 100 */
#define SMTP_SLOTS_MAX 32 /* commands on their way; more of them wait in the input */
/* Servers slow down and at last close a session that names many unknown recipients
   (Postfix from 10 and 20 on): who is known only here must not bring it there. */
#define SMTP_PROBES_REFUSED_MAX 3 /* then local recipients are asked about no more */
#define SMTP_PROBES_MAX 6         /* on their way; the others wait in the input */
#define SMTP_FRONT_PORTION 32768  /* of a message, in one call */
#define SMTP_HELO_MAX 255         /* RFC 5321: a domain */
/* What the addresses of one transaction may take: 1,000 of usual length take 100 KB. */
#define SMTP_TRANSACTION_MAX 1048576

/* What is said in the source's place while it cannot be reached; the caller's, and alive
   as long as the machine. */
struct smtp_offer {
	struct str greeting; /* a whole reply with CRLF; "": a plain one with our name */
	struct str ehlo;     /* the same, filtered */
	struct str name;     /* of this server */
	bool starttls;       /* STARTTLS passes: the caller relays blindly then */
	bool dsn;            /* the source's DSN (RFC 3461) is shown: nobody lives here */
	bool policy;         /* the source is asked about local recipients, too */
	bool retired;        /* there is no source any more */
	uint64_t size_max;   /* of a local message; 0: no limit */
};

enum smtp_route {
	SMTP_ROUTE_SOURCE,
	SMTP_ROUTE_LOCAL,
	SMTP_ROUTE_BUSY,     /* 450 4.2.1: the account switches */
	SMTP_ROUTE_LATER,    /* 451 4.3.0: we cannot say now */
	SMTP_ROUTE_UNKNOWN,  /* 550 5.1.1: nobody's, and there is no source to ask */
	SMTP_ROUTE_ELSEWHERE /* 550 5.7.1: likewise, and we relay for nobody */
};

struct smtp_recipient {
	struct smtp_recipient *next;
	struct str address; /* as the client spelt it, what <> hold */
	struct str params;  /* of RCPT: NOTIFY=, ORCPT= */
	struct str account; /* as routed */
	struct str line;    /* the whole command */
};

enum smtp_front_state {
	SMTP_FRONT_IN_GREETING,
	SMTP_FRONT_IN_COMMAND,
	SMTP_FRONT_IN_ROUTING,    /* smtp_front_routed() is awaited */
	SMTP_FRONT_IN_AUTH_REPLY, /* the source's next challenge, or its answer */
	SMTP_FRONT_IN_AUTH_LINE,  /* the client's next answer */
	SMTP_FRONT_IN_TLS_REPLY,
	SMTP_FRONT_IN_STAGING,    /* smtp_front_done() is awaited: STAGE_BEGIN */
	SMTP_FRONT_IN_REPEATING,  /* its answer to one of RSET, MAIL, RCPT ... */
	SMTP_FRONT_IN_DATA_REPLY, /* the source's 354 */
	SMTP_FRONT_IN_DATA,
	SMTP_FRONT_IN_ENDING,      /* smtp_front_done() is awaited: STAGE_END */
	SMTP_FRONT_IN_FINAL_REPLY, /* the source's word on the message */
	SMTP_FRONT_IN_COMMITTING,  /* smtp_front_done() is awaited: COMMIT */
	SMTP_FRONT_IN_SWALLOW,     /* a message that is refused already */
	SMTP_FRONT_IN_SKIP_LINE,   /* the rest of a line that is too long */
	SMTP_FRONT_IN_SKIP_BYTES,  /* a chunk of BDAT */
	SMTP_FRONT_IN_QUIT,        /* the source's goodbye */
	SMTP_FRONT_BLIND,          /* TLS from now on: relay, do not look */
	SMTP_FRONT_CLOSED,
	SMTP_FRONT_STATE_COUNT
};

enum smtp_front_action {
	SMTP_FRONT_NEED_MORE,
	SMTP_FRONT_AGAIN,         /* consume, send, ask again */
	SMTP_FRONT_ROUTE,         /* (!) whose is f->recipient? smtp_front_routed() */
	SMTP_FRONT_AT_SOURCE,     /* the source answered RCPT f->recipient with f->code */
	SMTP_FRONT_STAGE_BEGIN,   /* (!) a message for f->recipients: smtp_front_done() */
	SMTP_FRONT_STAGE_BYTES,   /* f->bytes, valid until the next call */
	SMTP_FRONT_STAGE_END,     /* (!) all of it was given: make it durable */
	SMTP_FRONT_COMMIT,        /* (!) deliver what is staged */
	SMTP_FRONT_ABORT,         /* forget what is staged */
	SMTP_FRONT_AUTHENTICATED, /* the source accepted f->login */
	SMTP_FRONT_UPGRADE,       /* relay blindly; unread bytes of the client are void */
	SMTP_FRONT_DROP_SOURCE,   /* close that connection at once, in the middle */
	SMTP_FRONT_CLOSE          /* send what there is, then close */
};

enum smtp_source { SMTP_SOURCE_UP, SMTP_SOURCE_AWAY };

/* A command that is not answered yet. */
struct smtp_slot {
	enum {
		SMTP_SLOT_SOURCE,
		SMTP_SLOT_OWN,
		SMTP_SLOT_LOCAL,
		SMTP_SLOT_PROBE /* LOCAL, and the source is asked */
	} kind;
	enum smtp_verb verb;
	struct smtp_recipient *recipient; /* of RCPT */
	struct str args, line;            /* of MAIL, HELO, EHLO */
	const char *text;                 /* OWN: the answer, without CRLF */
};

struct smtp_login {
	struct str mechanism;
	struct str user;     /* ptr NULL: the mechanism does not show it */
	struct str password; /* ptr NULL: nor that */
	struct str master;   /* whose password it is when not the user's own; else "" */
};

struct smtp_front_io {
	struct str client, source;
	size_t client_used, source_used;
	struct buf *to_client, *to_source;
};

struct smtp_front {
	enum smtp_front_state state;
	enum smtp_source source;
	const struct smtp_offer *offer;

	struct smtp_slot slots[SMTP_SLOTS_MAX];
	size_t first_slot, n_slots;
	unsigned n_swallow; /* replies of the source to commands that the client never
	                       sent */
	bool pipelining; /* the source says so in EHLO: several commands may be on the way
	                  */
	unsigned n_probing;      /* slots of that kind */
	unsigned probes_refused; /* for the mailbox's sake, in this session */
	unsigned bad;            /* commands that we refused ourselves */
	unsigned owed;           /* what must still be written or said: front_parts.h */
	struct str line;         /* of RCPT, while its route is asked */

	/* the session */
	char helo[SMTP_HELO_MAX + 1];
	bool esmtp; /* EHLO, not HELO */
	bool authenticated;
	struct arena secrets; /* of one AUTH */
	struct smtp_login login;

	/* the transaction */
	struct arena arena;
	bool mail; /* MAIL was accepted */
	struct str sender, mail_params, mail_line;
	struct smtp_recipient *recipients, **last; /* the local ones, an account once */
	size_t n_local;                            /* RCPTs that we accepted */
	struct smtp_recipient *at_source, **last_at_source;
	size_t n_source; /* RCPTs that the source accepted and is to deliver */
	size_t n_probed; /* those that it is not */
	const struct smtp_recipient *repeating; /* the next RCPT of REPEATING */
	bool mail_repeated;

	/* the message */
	struct smtp_data data;
	bool staged;        /* a staging has begun and is neither committed nor aborted */
	bool to_source_too; /* the source gets it as well */
	bool client_gone;
	uint64_t size;
	uint64_t skip;      /* bytes of BDAT */
	struct buf held;    /* the source's 250, until COMMIT is done */
	struct str refusal; /* in SWALLOW: what is said at its end; "": held */
	bool close_after_swallow;

	/* of the action */
	const struct smtp_recipient *recipient;
	unsigned code;
	struct str bytes;
};

void smtp_front_init(struct smtp_front *f, const struct smtp_offer *offer);
void smtp_front_fini(struct smtp_front *f);
const char *smtp_front_state_name(enum smtp_front_state s);

enum smtp_front_action smtp_front_next(struct smtp_front *f, struct smtp_front_io *io);

/* Answers ROUTE. account: of LOCAL; copied. */
void smtp_front_routed(struct smtp_front *f, enum smtp_route route, struct str account);
/* Answers STAGE_BEGIN, STAGE_END, COMMIT. refusal: "" when it went well, else the reply
   that the client is to get, without CRLF ("452 4.3.1 ..."; static). Also at any time in
   DATA, when a write failed: then the rest of the message is swallowed. */
void smtp_front_done(struct smtp_front *f, struct str refusal);

/* The source could not be reached, or its connection ended: after smtp_front_next() has
   seen what it said last. */
void smtp_front_source_lost(struct smtp_front *f);
/* The client's connection ended. What is complete goes on; what is not, is undone. */
void smtp_front_client_gone(struct smtp_front *f);

#endif
