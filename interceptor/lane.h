/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_LANE_H
#define INTERCEPTOR_LANE_H
/*
 * What a protocol has to be able to do to be intercepted: one `const struct lane` in its
 * front_*.c, one row in lanes.c. Everything else (session.c, login.c, the probe) calls
 * these and never asks which protocol it is.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "settings/settings.h"
#include "wire/challenge.h"

struct front_ops;
struct session;
struct stream;

/* What a source shows to everybody before login, as it sent it. Empty: the protocol has
   no such thing, or it is not known. */
struct learnt {
	struct str greeting, capability, id;
};

/* Why a login is answered by us with a refusal. */
enum refusal {
	REFUSAL_BUSY,           /* the account is switching, and did so for too long */
	REFUSAL_UNAVAILABLE,    /* the source, the mailstore or the registry is away */
	REFUSAL_WRONG_PASSWORD, /* in the source's own words when they are known */
	REFUSAL_MECHANISM, /* the account lives here, where this one cannot be checked */
	REFUSAL_COUNT
};

/* Why we end a connection. */
enum farewell {
	FAREWELL_TIMEOUT,
	FAREWELL_TOO_MUCH, /* sent before login */
	FAREWELL_CROWDED,  /* too many connections */
	FAREWELL_UNAVAILABLE,
	FAREWELL_MOVED, /* a live session must end: the account goes elsewhere */
	FAREWELL_COUNT
};

/* A login as the front understood it; in the arena of struct pre. */
struct attempt {
	struct str user;              /* ptr NULL: the mechanism does not show it */
	struct str password;          /* ptr NULL: nor that */
	struct challenge_proof proof; /* that it shows instead; kind NONE: none */
	struct str why_not; /* why the password cannot be captured: "CRAM-MD5"; else "" */
	struct str tag;     /* what the mailstore needs to answer it; may be "" */
};

enum lane_probe {
	LANE_PROBE_NEED_MORE,
	LANE_PROBE_AGAIN,
	LANE_PROBE_DONE,
	LANE_PROBE_FAILED,
};

/* A front that stands between client and source for the whole session, not only before a
   login (SMTP). Its sessions are in SESSION_TALKING until they end or are relayed. */
struct talk_ops {
	void (*begin)(struct session *s);
	/* An event of s->client or s->upstream, as watch_fn has it. */
	void (*ready)(
		struct session *s, const struct stream *which, int events, int error);
	void (*want_events)(struct session *s);
	void (*timeout)(struct session *s);
	/* pre->front goes: give back what it holds. */
	void (*end)(struct session *s);
	/* The account switches: end what is on its way to it. true: has_business() goes
	   on for a moment; worker_check_quiesced() says when it is over. */
	bool (*quiesce)(struct session *s, struct str account);
	bool (*has_business)(const struct session *s, struct str account);
};

struct lane {
	const char *name;

	/* ---- asking the source what it shows; probe: probe_size zeroed bytes ---- */
	size_t probe_size;
	void (*probe_begin)(void *probe, struct arena *arena);
	/* Consumes *ret_used bytes, writes its next question to to_source. */
	enum lane_probe (*probe_bytes)(
		void *probe, struct str input, size_t *ret_used, struct buf *to_source);
	struct learnt (*probe_result)(const void *probe);
	struct str probe_goodbye;
	/* What of it may be shown to clients; strings in arena. 0 or -errno. */
	int (*show)(const struct learnt *learnt, enum service_tls tls,
		struct arena *arena, struct learnt *ret_shown);

	/* A greeting that is good for one connection only (APOP's timestamp): each client
	   is shown that of his own connection to the source. NULL: never. */
	bool (*is_personal)(const struct learnt *shown);
	/* The same greeting, made good for one connection by ourselves, when the source
	   is away; is_retired: for good, and no password opens any more. NULL where
	   is_personal is. 0 or -errno. */
	int (*own_greeting)(struct str greeting, bool is_retired, struct buf *out);

	/* ---- a client's connection; pre->front: front_size zeroed bytes ---- */
	const struct front_ops *front; /* when front.c drives it; else NULL */
	const struct talk_ops *talk;   /* NULL: it ends with the login */
	size_t front_size;
	void (*front_begin)(struct session *s);
	/* The offer is known: greet him. May run without s->pre. */
	void (*greet)(struct session *s);
	/* Bytes lie in from_client / from_upstream, or the session resumes. */
	void (*client_bytes)(struct session *s);
	void (*upstream_bytes)(struct session *s);

	/* A new upstream connection begins. */
	void (*upstream_begin)(struct session *s);

	/* ---- what login.c needs said; not with `talk` ---- */
	/* The upstream connection is there (perhaps not yet ready: then the front waits):
	   give it the attempt. */
	void (*send_attempt)(struct session *s);
	/* Answers the attempt, appended to to_client; the client may try again. */
	void (*refuse)(struct session *s, enum refusal why);
	/* The attempt was answered with what the source said; the client may try again.
	 */
	void (*answered)(struct session *s);
	/* A line to end a connection with, between two answers. */
	struct str (*farewell)(enum farewell why);
	/* Whether the source refused because it lets one session in at a time. NULL: it
	   lets in any number. */
	bool (*is_in_use)(struct str answer);
	/* The part of the source's refusal that says "wrong password" to anybody; false:
	   it says something else, or speaks of this user. */
	bool (*refusal_text)(struct str answer, struct str user, struct str *ret_text);
};

extern const struct lane lane_imap, lane_pop3, lane_smtp;

/* NULL: this service has no lane (yet): it is not listened on. */
const struct lane *lane_of(enum service_id service);

#endif
