/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_SMTP_PROXY_H
#define WIRE_SMTP_PROXY_H
/*
 * An SMTP proxy between a client and the source, which takes out the recipients that
 * live here (RFC 5321; RFC 2920 for pipelining). Bytes of both sides in, bytes for both
 * and one action out.
 */
// clang-format off
/*
 *             ┌── replies of the source, ours between them, in order ──┐
 *   client ──►│ pipeline: one slot for each command without its answer │──► client
 *             └──────────┬───────────────────────────────▲─────────────┘
 *                        └─► source (most commands) ─────┘
 */
// clang-format on
/*
 * Every command goes to the source unchanged and its answer comes back unchanged, but:
 *   - RCPT: the caller is asked whose address it is (ROUTE). BUSY and REFUSED (a mailbox
 *     that is full) are refused, and the source does not see them. LOCAL is answered by
 *     us; with offer->policy only when the source has been asked and does not refuse the
 *     client or the sender, as many servers do at RCPT and no earlier. What it says of
 *     the mailbox does not count. It is not asked when the caller remembers that it was
 *     (LOCAL_KNOWN, REMEMBER).
 *   - MAIL: of a sender who is remembered likewise (KNOWN_SENDER) it is answered by us,
 *     and told to the source before the first recipient that the source must hear of.
 *     Refused then, the whole transaction is (FORGET). So it is where the source was only
 *     asked: its first own recipient comes behind RSET and MAIL (STARTING_OVER), once
 *     in a transaction. One that refuses RSET gets no more.
 *   - DATA: with local recipients the message is staged (STAGE_BEGIN, STAGE_BYTES,
 *     STAGE_END: on disk then). With recipients on both sides it goes to the source as it
 *     comes, but for its final dot, which the source gets when the copy is staged. Its
 *     answer decides: COMMIT and 250, or ABORT and the source's own refusal. With local
 *     ones alone the source gets RSET: it saw MAIL, and may have refused the client or
 *     the sender by then. When it has accepted local ones behind its own (it was only
 *     asked), it gets RSET, MAIL and its own recipients again before DATA (REPEATING).
 *   - BDAT (RFC 3030): chunks for the source alone pass as they are. With local ones
 *     they are a message as that of DATA is: staged as they came, and in chunks to the
 *     source, which gets an empty last one in the place of the final dot. One that
 *     takes no chunks (a smart host, or it has changed) gets DATA. A chunk that is
 *     refused is read to its end first, and undone at the source by RSET.
 *   - extensions and commands that we do not speak are not shown (smtp/reply.h) and
 *     refused, once somebody lives here. Until then (offer->nobody_here) those of the
 *     source pass, as far as we can follow them: its recipients must be known when an
 *     account switches. A client that was offered them and then names somebody who
 *     lives here gets 421, and comes again.
 *   - what would blind us is refused; while nobody lives here the source gets the most of
 *     it and says so itself (smtp/command.h), and taking it is the end of the session.
 *   - AUTH PLAIN and LOGIN: we ask the client for it, and then the caller whose word
 *     counts (CHECK). Of somebody at the source it is the source's, which gets the same
 *     lines. Somebody who lives here is let in by the caller alone; the source gets the
 *     lines all the same, so that it relays what they send; one that refuses them is
 *     left, and nobody hears of that. Other mechanisms are between client and source.
 *   - behind such a login without the source a smart host takes its place (offer->relay):
 *     there is no other way to it, so that nobody sends elsewhere who has not logged in.
 *     One that speaks LMTP answers for each recipient; we have one answer. Only when all
 *     are taken it is 250. Else it is a refusal, so that nothing is lost in silence: a
 *     permanent one if there is one, as a client that repeats the message for that one's
 *     sake would give it to the others each time; else the temporary one.
 *   - STARTTLS, where TLS ends here (offer->tls): the source does not see it, and its
 *     connection stays. Bytes in clear behind it end the session, and so they do where
 *     TLS is the source's.
 *   - a command that comes before the greeting goes on at once: some servers refuse
 *     clients that cannot wait (postscreen, Exim), and must see it. So do commands that
 *     wait for no answer where PIPELINING was not offered, and their MAIL is never held.
 *   - DSN (RFC 3461), where the caller can send reports (offer->reports) and the client
 *     was shown it, which the source may do for some clients only: recipients here for
 *     whom NOTIFY=SUCCESS was said are listed (transaction.reported), and reported by the
 *     caller when it has delivered. Failure and delay are answers. The source gets all
 *     parameters as they are; a smart host without DSN gets none of them, and what it
 *     takes is reported, too, as relayed (REPORT, or with the delivery).
 *   - without the source, local recipients are served and others get 451 4.4.1; or, once
 *     it is retired, what the caller says of them: UNKNOWN, ELSEWHERE.
 *   - a source that refuses and hangs up refuses the client: nobody is served any more,
 *     and the client gets the source's words, if it has not had them, and the end. One
 *     that hangs up instead of a greeting (tcpserver, libwrap) refuses it for now.
 *
 * Order of events for one message on both sides: staged → final dot → the source's 250 →
 * COMMIT done → 250 to the client. Whatever is lost before the last one, the client still
 * has the message and repeats it.
 */
// clang-format off
/*
 * There are two machines. The dialogue (smtp_proxy_state) says who is awaited:
 *
 *   COMMAND ◄──► ROUTING ─► STARTING_OVER ─► COMMAND
 *      │ ◄──► AUTH_LINE ◄─► AUTH_CHECK ─► AUTH_REPLY
 *      │ ◄──► TLS_REPLY ─► BLIND
 *      │ ◄──► TLS_HELLO ─► TLS_REPLY
 *      ▼
 *   STAGING ─► RESETTING ─► REPEATING ─► DATA_REPLY ─► DATA ─► ENDING ─► FINAL_REPLY
 *                                                        │           └─► COMMITTING
 *                                                        └─► DISCARD (it was refused)
 *   COMMAND ─► RELAYED_CHUNK, SKIPPED_CHUNK ─► COMMAND
 *   COMMAND ─► as for DATA ─► CHUNK ──► CHUNK_REPLY ──► ENDING as above
 *                              ▲             ▼
 *                              └─── BETWEEN_CHUNKS
 *
 * The staged copy (smtp_copy_state) says what is to become of it:
 *
 *   NONE ─► HELD ─► COMMIT_DUE ─► NONE
 *             └───► ABORT_DUE ──► NONE
 */
// clang-format on
/*
 * Usage: fill in io (client and source: unread bytes; give none of a side that must
 * wait), call smtp_proxy_next(), consume what it used, send what it wrote, act, call
 * again until NEED_MORE. Actions marked (!) are answered before anything else of this
 * client goes on; the answer may come at once or later. Back-pressure: a call writes at
 * most SMTP_PROXY_PORTION to the source; when to_source is fuller than you like, give no
 * bytes of the client.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "wire/smtp/command.h"
#include "wire/smtp/data.h"
#include "wire/smtp/reply.h"

/* RFC 5321, 4.5.3.1.4: 512, more with extensions. Servers take 2048 with the line's end
   and may break longer lines in two, with an answer to each (older Postfix, Sendmail). */
#define SMTP_COMMAND_MAX 2000
#define SMTP_WHOLE_LINE_MAX                                                              \
	510 /* one line to any server: RFC 5321, 4.5.3.1.4, less CRLF */
#define SMTP_AUTH_LINE_MAX 12288 /* RFC 4954, 4 */
#define SMTP_AUTH_LINES_MAX 3    /* AUTH LOGIN, a name, a password */
#define SMTP_RECIPIENTS_MAX 1000 /* local ones of a transaction; RFC 5321 wants 100 */
#define SMTP_REPORTED_MAX 100    /* of those, to be reported in one report */
#define SMTP_SLOTS_MAX 32 /* commands on their way; more of them wait in the input */
/* Servers slow down and at last close a session that names many unknown recipients
   (Postfix from 10 and 20 on): recipients known only here must not bring it there. */
#define SMTP_PROBES_REFUSED_MAX 3 /* then local recipients are asked about no more */
#define SMTP_PROBES_MAX 6         /* on their way; the others wait in the input */
/* RSETs of ours in one session at the source, then it gets a new one: Exim ends a session
   with 10 commands that are no mail (smtp_accept_max_nonmail), EHLO being one, Postfix
   slows down one with 100 (smtpd_junk_command_limit). */
#define SMTP_RESETS_MAX 8
#define SMTP_PROXY_PORTION 32768 /* of a message, in one call */
#define SMTP_HELO_MAX 255        /* RFC 5321: a domain */
/* What the addresses of one transaction may take: 1,000 of usual length take 100 KB. */
#define SMTP_TRANSACTION_MAX 1048576

/* What becomes of STARTTLS. */
enum smtp_tls {
	SMTP_TLS_NONE, /* it is neither shown nor accepted */
	SMTP_TLS_PASS, /* it is the source's: the caller relays blindly then */
	SMTP_TLS_HERE, /* it ends here, whether the source has it or not */
};

/* A smart host, and what it speaks. */
enum smtp_relay { SMTP_RELAY_BY_NONE, SMTP_RELAY_BY_SMTP, SMTP_RELAY_BY_LMTP };

/* What is said in the source's place while it cannot be reached; the caller's, and alive
   as long as the machine. */
struct smtp_offer {
	struct str greeting; /* a whole reply with CRLF; "": a plain one with our name */
	struct str ehlo;     /* the same, filtered */
	struct str name;     /* of this server */
	struct str unknown_user; /* the source's words for nobody: smtp/refusal.h */
	enum smtp_tls tls;       /* of a client that is in clear */
	bool source_is_secure;   /* by TLS of ours: what it shows is not for the clear */
	bool nobody_here;        /* nobody lives here: the source's own offer stands */
	bool policy;             /* the source is asked about local recipients, too */
	bool reports;            /* deliveries can be reported (DSN) */
	enum smtp_relay relay;   /* who takes what users here send elsewhere */
	bool is_secure;          /* the client is, from the beginning */
	bool retired;            /* there is no source any more */
	bool from_us; /* the source sees us, and may believe what we say of others: what
	                 only a trusted client may say does not get there */
	uint64_t size_max; /* of a local message; 0: no limit */
};

enum smtp_route {
	SMTP_ROUTE_SOURCE,
	SMTP_ROUTE_LOCAL,
	SMTP_ROUTE_LOCAL_KNOWN, /* the same, and the source need not be asked */
	SMTP_ROUTE_BUSY,        /* 450 4.2.1: the account switches */
	SMTP_ROUTE_LATER,       /* 451 4.3.0: we cannot say now */
	SMTP_ROUTE_UNKNOWN,     /* 550 5.1.1: nobody's, and there is no source to ask */
	SMTP_ROUTE_ELSEWHERE,   /* 550 5.7.1: likewise, and we relay for nobody */
	SMTP_ROUTE_UNREADABLE,  /* 553 5.1.3: it cannot be told whose it is */
	SMTP_ROUTE_REFUSED,     /* with the caller's own reply: a full mailbox */
	SMTP_ROUTE_COUNT
};

/* Whose word on a login counts, and what it is. */
enum smtp_check {
	SMTP_CHECK_SOURCE,
	SMTP_CHECK_RIGHT, /* it lives here */
	SMTP_CHECK_WRONG,
	SMTP_CHECK_LATER, /* 454 4.7.0: we cannot say now */
	SMTP_CHECK_COUNT
};

struct smtp_recipient {
	struct smtp_recipient *next;
	struct str address; /* as the client spelt it, what <> hold */
	struct str params;  /* of RCPT: NOTIFY=, ORCPT= */
	struct str account; /* as routed */
	struct str line;    /* the whole command */
	struct smtp_recipient *next_reported;
};

struct smtp_recipient_list {
	struct smtp_recipient *first, **last;
	size_t n;
};

/* What the dialogue waits for. */
enum smtp_proxy_state {
	SMTP_PROXY_COMMAND,
	SMTP_PROXY_ROUTING,       /* smtp_proxy_routed() */
	SMTP_PROXY_STARTING_OVER, /* the source's answers, before its own recipient */
	SMTP_PROXY_RECALLING,     /* smtp_proxy_sender_known() */
	SMTP_PROXY_AUTH_REPLY,    /* the source's next challenge, or its answer */
	SMTP_PROXY_AUTH_LINE,     /* the client's next answer */
	SMTP_PROXY_AUTH_CHECK,    /* smtp_proxy_checked() */
	SMTP_PROXY_TLS_REPLY,
	SMTP_PROXY_TLS_HELLO,  /* smtp_proxy_tls_begun(), smtp_proxy_tls_passes() */
	SMTP_PROXY_STAGING,    /* smtp_proxy_done(): STAGE_BEGIN */
	SMTP_PROXY_RESETTING,  /* the source's answer to RSET, before REPEATING */
	SMTP_PROXY_REPEATING,  /* its answer to MAIL or to one of its recipients */
	SMTP_PROXY_DATA_REPLY, /* the source's 354 */
	SMTP_PROXY_DATA,
	SMTP_PROXY_ENDING,            /* smtp_proxy_done(): STAGE_END */
	SMTP_PROXY_FINAL_REPLY,       /* the source's word on the message */
	SMTP_PROXY_COMMITTING,        /* smtp_proxy_done(): COMMIT, REPORT */
	SMTP_PROXY_DISCARD,           /* the rest of a message that is refused */
	SMTP_PROXY_DISCARD_AND_CLOSE, /* the same, and no command after it */
	SMTP_PROXY_SKIP_LINE,         /* the rest of a line that is too long */
	SMTP_PROXY_RELAYED_CHUNK,     /* the bytes behind BDAT, for the source alone */
	SMTP_PROXY_SKIPPED_CHUNK,     /* the same, for nobody; then message.reply */
	SMTP_PROXY_CHUNK,             /* the same, of a message that we look after */
	SMTP_PROXY_CHUNK_REPLY,       /* the source's word on that chunk */
	SMTP_PROXY_BETWEEN_CHUNKS,    /* BDAT, RSET, NOOP or QUIT */
	SMTP_PROXY_LEAVING,           /* the last answers, then the end */
	SMTP_PROXY_QUIT,              /* the source's goodbye */
	SMTP_PROXY_BLIND,             /* TLS from now on: relay, do not look */
	SMTP_PROXY_CLOSED,
	SMTP_PROXY_STATE_COUNT
};

/* The copy of a message for those who live here. */
enum smtp_copy_state {
	SMTP_COPY_NONE,
	SMTP_COPY_HELD,       /* staging has begun */
	SMTP_COPY_COMMIT_DUE, /* the next action */
	SMTP_COPY_ABORT_DUE,
	SMTP_COPY_STATE_COUNT
};

/* The smart host; it takes the source's place behind a login that counts here alone. */
enum smtp_relay_state {
	SMTP_RELAY_NONE,
	SMTP_RELAY_DUE,      /* the next action */
	SMTP_RELAY_GREETING, /* it is to greet, */
	SMTP_RELAY_EHLO,     /* to answer our EHLO, */
	SMTP_RELAY_READY,    /* and gets what the client says */
	SMTP_RELAY_STATE_COUNT
};

/* A new session at the source, of which the client learns nothing. */
enum smtp_renewal {
	SMTP_RENEWAL_NONE,
	SMTP_RENEWAL_DUE,      /* the next action */
	SMTP_RENEWAL_GREETING, /* it is to greet, */
	SMTP_RENEWAL_HELLO,    /* and to answer the client's EHLO, said by us */
	SMTP_RENEWAL_COUNT
};

enum smtp_peer_state {
	SMTP_PEER_PRESENT,
	SMTP_PEER_DROP_DUE, /* the source alone: the next action closes its connection */
	SMTP_PEER_HUNG_UP,  /* the source alone: it refused, and closed */
	SMTP_PEER_GONE,
	SMTP_PEER_STATE_COUNT
};

enum smtp_destination { SMTP_TO_SOURCE, SMTP_TO_LOCAL, SMTP_TO_BOTH };

/* How a message comes, and how the source gets it. */
enum smtp_form {
	SMTP_FORM_DATA,
	SMTP_FORM_CHUNKS,
	SMTP_FORM_CHUNKS_AS_DATA /* it does not take chunks */
};

enum smtp_proxy_action {
	SMTP_PROXY_NEED_MORE,
	SMTP_PROXY_AGAIN,         /* consume, send, ask again */
	SMTP_PROXY_ROUTE,         /* (!) whose is p->routing? smtp_proxy_routed() */
	SMTP_PROXY_AT_SOURCE,     /* the source answered RCPT p->recipient with p->code */
	SMTP_PROXY_KNOWN_SENDER,  /* (!) is p->sender? smtp_proxy_sender_known() */
	SMTP_PROXY_REMEMBER,      /* the source takes p->sender, and p->recipient */
	SMTP_PROXY_FORGET,        /* it minds p->transaction.sender by now */
	SMTP_PROXY_RENEW_SOURCE,  /* QUIT there, connect: smtp_proxy_source_reopened() */
	SMTP_PROXY_STAGE_BEGIN,   /* (!) for p->transaction.local: smtp_proxy_done() */
	SMTP_PROXY_STAGE_BYTES,   /* p->bytes, valid until the next call */
	SMTP_PROXY_STAGE_END,     /* (!) all of it was given: make it durable */
	SMTP_PROXY_COMMIT,        /* (!) deliver what is staged */
	SMTP_PROXY_REPORT,        /* (!) the smart host took it; nothing is staged */
	SMTP_PROXY_ABORT,         /* forget what is staged */
	SMTP_PROXY_CHECK,         /* (!) p->login is complete: smtp_proxy_checked() */
	SMTP_PROXY_CONNECT_RELAY, /* to the smart host: smtp_proxy_relay_begun() */
	SMTP_PROXY_TRACE,         /* (!) append our Received line to to_source */
	SMTP_PROXY_AUTHENTICATED, /* the source accepted p->login, forgotten next */
	SMTP_PROXY_LOGIN_REFUSED, /* the source found p->login wrong; likewise */
	SMTP_PROXY_START_TLS,     /* (!) once all is written, the client speaks TLS */
	SMTP_PROXY_UPGRADE,       /* relay blindly */
	SMTP_PROXY_DROP_SOURCE,   /* close that connection at once, in the middle */
	SMTP_PROXY_CLOSE          /* send what there is, then close */
};

/* A command that is not answered yet. */
struct smtp_slot {
	enum smtp_slot_kind {
		SMTP_SLOT_SOURCE,
		SMTP_SLOT_OWN,
		SMTP_SLOT_LOCAL,
		SMTP_SLOT_PROBE,    /* LOCAL, and the source is asked */
		SMTP_SLOT_LATE_MAIL /* the client has its answer */
	} kind;
	enum smtp_verb verb;
	struct smtp_recipient *recipient; /* of RCPT */
	struct str args, line;            /* of MAIL, HELO, EHLO */
	const char *text;                 /* OWN: the answer, without CRLF */
	bool ends_message;                /* of BDAT: LAST */
	bool must_fail; /* taken by the source, it could not be followed: the end */
};

struct smtp_pipeline {
	struct smtp_slot slots[SMTP_SLOTS_MAX];
	size_t first, n;
	unsigned n_probing; /* slots of that kind */
	unsigned n_hidden;  /* replies to commands that the client never sent */
	bool awaits_reset;  /* one of them is to RSET */
	bool is_offered; /* by the source in EHLO: several commands may be on the way */
};

/* What the client said of itself. */
struct smtp_client {
	char helo[SMTP_HELO_MAX + 1];
	bool esmtp; /* EHLO, not HELO */
	bool authenticated;
	bool offered_more; /* than we speak ourselves */
	bool offered_dsn;  /* and deliveries here can be reported */
	bool secure;       /* inside TLS that ends here */
	bool must_greet;   /* TLS has just begun: what it said before is void */
	bool tls_promised; /* it was told to begin, and waits for the source's TLS */
	bool speaks_for_another; /* by XCLIENT */
};

struct smtp_login {
	struct str mechanism;
	struct str user;     /* ptr NULL: the mechanism does not show it */
	struct str password; /* ptr NULL: nor that */
	struct str master;   /* whose password it is when not the user's own; else "" */
	/* what the source is to get, when we have asked for all of it */
	struct str lines[SMTP_AUTH_LINES_MAX];
	unsigned n_lines, next_line;
	unsigned responses; /* of the client, the initial one included */
	bool has_answered;  /* as in struct sasl_names */
	bool is_odd;        /* no base64 */
	bool is_given_up;   /* the source has got "*" */
	bool is_long;       /* it has got what may be several lines to it */
	bool is_asked_here; /* by us, not by the source */
	bool is_right_here; /* whatever the source says */
	bool is_refused;    /* by the source: to be forgotten */
};

/* Its strings lie in `arena`. */
struct smtp_transaction {
	struct arena arena;
	struct str mail_line; /* ptr NULL: no MAIL was accepted */
	struct str sender, mail_params;
	struct smtp_recipient_list local;  /* an account once */
	struct smtp_recipient_list remote; /* those that the source is to deliver */
	/* those whose delivery is to be reported, or, of `remote`, that a smart host
	   without DSN has taken them; the latest first */
	struct smtp_recipient *reported;
	size_t n_reported;
	size_t n_accepted; /* RCPTs for local ones that we accepted */
	size_t n_probed;   /* RCPTs that the source accepted and is not to deliver */
	bool is_untold;    /* the source knows nothing of it */
	bool is_refused;   /* by the source at last, with p->hidden_reply */
	bool is_in_chunks; /* the source has the beginning of its message */
	bool has_started_over;
};

/* The source's latest reply: a server that closes behind a refusal means both. */
enum smtp_last_reply {
	SMTP_LAST_REPLY_GOOD,    /* or there is no connection yet */
	SMTP_LAST_REPLY_AWAITED, /* the greeting; who is denied may get the end instead */
	SMTP_LAST_REPLY_BAD,     /* 4xx or 5xx, and the client has it */
	SMTP_LAST_REPLY_HIDDEN,  /* the same, but the client was told something else */
	SMTP_LAST_REPLY_COUNT
};

struct smtp_message {
	struct smtp_data data;
	enum smtp_form form;
	enum smtp_destination destination;
	uint64_t size;
	uint64_t chunk_size; /* of the latest */
	bool is_last_chunk;
	size_t n_replies; /* that still come for it (PRDR, LMTP) */
	struct buf reply; /* the client's, when all is done; of chunks: it is refused */
	unsigned code;    /* that of the reply that is kept, of several; 0: none yet */
};

struct smtp_proxy_io {
	struct str client, source;
	size_t client_used, source_used;
};

struct smtp_proxy {
	enum smtp_proxy_state state;
	enum smtp_copy_state copy;
	enum smtp_peer_state client_state, source_state;
	enum smtp_relay_state relay;
	enum smtp_renewal renewal;
	const struct smtp_offer *offer;
	struct buf *to_client, *to_source; /* the caller's */

	struct smtp_pipeline pipeline;
	struct smtp_client client;
	struct arena secrets; /* of one AUTH */
	struct smtp_login login;
	struct smtp_transaction transaction;
	struct smtp_message message;
	enum smtp_last_reply last_reply;
	struct buf hidden_reply;                  /* when it is HIDDEN */
	const struct smtp_recipient *repeat_next; /* in REPEATING */
	uint64_t chunk;                           /* bytes that are still to come */
	bool source_has_tls;                      /* it offered STARTTLS */
	bool source_has_auth;
	bool source_has_chunking;
	bool source_was_told; /* more than greetings: its OK to a login proves nothing */
	bool relay_has_dsn;
	uint64_t source_size_max;       /* of its SIZE; 0: not said */
	struct smtp_slot held_mail;     /* in RECALLING */
	struct smtp_recipient *routing; /* in ROUTING; replies to others may come */
	bool spares_source;             /* it was not told of a MAIL */
	unsigned n_resets;              /* of ours, in its session */
	unsigned probes_refused;        /* for the mailbox's sake, in this session */
	unsigned n_errors;              /* commands that we refused ourselves */

	/* of the action */
	struct smtp_recipient *recipient; /* of REMEMBER, NULL: it was told none */
	struct str sender;
	unsigned code;
	struct str bytes;
};

/* All three live as long as the machine. */
void smtp_proxy_init(struct smtp_proxy *p, const struct smtp_offer *offer,
	struct buf *to_client, struct buf *to_source);
void smtp_proxy_fini(struct smtp_proxy *p);
const char *smtp_proxy_state_name(enum smtp_proxy_state s);
const char *smtp_copy_state_name(enum smtp_copy_state s);
const char *smtp_peer_state_name(enum smtp_peer_state s);
const char *smtp_relay_state_name(enum smtp_relay_state r);
const char *smtp_renewal_name(enum smtp_renewal r);
const char *smtp_last_reply_name(enum smtp_last_reply r);

enum smtp_proxy_action smtp_proxy_next(struct smtp_proxy *p, struct smtp_proxy_io *io);

/* Whether an answer of the source to RCPT p->recipient that was given before counts: not
   behind a login, nor while the sender is not settled. Else LOCAL_KNOWN is LOCAL. */
bool smtp_proxy_may_recall(const struct smtp_proxy *p);
/* Answers KNOWN_SENDER: the source has accepted it lately, from this client. */
void smtp_proxy_sender_known(struct smtp_proxy *p, bool known);
/* Answers RENEW_SOURCE: a new connection is on its way. */
void smtp_proxy_source_reopened(struct smtp_proxy *p);
/* Answers ROUTE. text: of LOCAL the account, of REFUSED the reply, without CRLF; copied.
 */
void smtp_proxy_routed(struct smtp_proxy *p, enum smtp_route route, struct str text);
/* The SIZE of the message that the recipient in ROUTE is of, as its MAIL declares it; 0:
   it does not. */
uint64_t smtp_proxy_declared_size(const struct smtp_proxy *p);
/* The smart host is being connected to. Its end is smtp_proxy_source_lost(). */
void smtp_proxy_relay_begun(struct smtp_proxy *p);
/* Answers CHECK. */
void smtp_proxy_checked(struct smtp_proxy *p, enum smtp_check check);
/* Answers STAGE_BEGIN, STAGE_END, COMMIT, REPORT. refusal: "" when it went well, else the reply
   that the client is to get, without CRLF ("452 4.3.1 ..."; a constant, or alive until
   smtp_proxy_next()). Also at any time in DATA, when a write failed: then the rest of the
   message is discarded. */
void smtp_proxy_done(struct smtp_proxy *p, struct str refusal);

/* Answers START_TLS: TLS ends here. The session is as after the greeting (RFC 3207, 4.2).
 */
void smtp_proxy_tls_begun(struct smtp_proxy *p);
/* Behind it: the source is connected to anew, since it shows something else inside TLS.
   Its greeting is not for the client, which comes next with EHLO. */
void smtp_proxy_source_renewed(struct smtp_proxy *p);
/* Answers START_TLS for a name that is not ours: the source shall have it, which must be
   reached in clear. */
void smtp_proxy_tls_passes(struct smtp_proxy *p);

/* The source has accepted the connection. */
void smtp_proxy_source_connected(struct smtp_proxy *p);
/* The source could not be reached, or its connection ended: after smtp_proxy_next() has
   seen what it said last. */
void smtp_proxy_source_lost(struct smtp_proxy *p);
/* The client's connection ended. What is complete goes on; what is not, is undone. */
void smtp_proxy_client_gone(struct smtp_proxy *p);

/* Between two commands with nothing on its way: all that the client said is done. */
bool smtp_proxy_is_idle(const struct smtp_proxy *p);
/* Whether it is the client's turn, and nothing that it sent waits for an answer. */
bool smtp_proxy_awaits_client(const struct smtp_proxy *p);
/* What the client says, and what the source gets, may be a password. */
bool smtp_proxy_is_logging_in(const struct smtp_proxy *p);
/* A message is coming. */
bool smtp_proxy_is_receiving(const struct smtp_proxy *p);
/* The message is complete, and it is not decided yet whether it is taken. */
bool smtp_proxy_is_deciding(const struct smtp_proxy *p);

#endif
