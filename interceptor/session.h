/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SESSION_H
#define INTERCEPTOR_SESSION_H
/*
 * A client's connection, from accept to its end.
 *
 *   GREETING ─► PRELOGIN ─► LOGGING_IN ─► (PROVED) ─► RELAY ─► (DRAINING) ─► GONE
 *                  ▲  │ └──► EXCHANGE ────────────────►┘
 *                  │  ├────► BUSY ───► LOGGING_IN or VERIFYING
 *                  │  └────► VERIFYING ───────────────► LOCAL ─► GONE
 *                  └─ REFUSING ◄──┘
 *
 * With a front for the whole session (SMTP) it is TALKING from the beginning.
 *
 * Until it is known where he goes, a session has `pre`: buffers, the front's state and
 * the arena with the password. It is made with the first byte, so that who only connects
 * costs a descriptor, and wiped when the relay or the mailstore takes over.
 */
#include "interceptor/lane.h"
#include "interceptor/offer.h"
#include "net/relay.h"
#include "registry/registry.h"

#include <netinet/in.h>
#include <sys/queue.h>

struct worker;

/* For the source to answer: some delay a failed login long, and a mechanism may ask a
   person. */
#define SESSION_ANSWER_MS 120000

enum session_state {
	SESSION_GREETING,   /* what the source shows is not known: it is asked first */
	SESSION_PRELOGIN,   /* the front speaks with the client */
	SESSION_UPGRADING,  /* the source has the client's STARTTLS */
	SESSION_LOGGING_IN, /* the source has the attempt, or is being connected for it */
	SESSION_EXCHANGE,  /* a mechanism between client and source, which we pass; of who
	                      lives here the answer is judged, if it can be */
	SESSION_PROVED,    /* the source said OK; held, since his account is moving */
	SESSION_BUSY,      /* held, since his account is switching */
	SESSION_VERIFYING, /* his password is being compared */
	SESSION_REFUSING,  /* it was wrong; the answer waits a little */
	SESSION_TALKING,   /* the lane's front is between them for good: talk_ops */
	SESSION_RELAY,
	SESSION_DRAINING,  /* the client is off; the source finishes what it was told */
	SESSION_LOCAL,     /* with the mailstore: no descriptor is left here */
	SESSION_CLOSING,   /* last words are on their way */
	SESSION_LINGERING, /* they are said; it is for the client to close */
	SESSION_GONE,
	SESSION_STATE_COUNT
};

enum upstream_state { UPSTREAM_NONE, UPSTREAM_CONNECTING, UPSTREAM_OPEN };

union endpoint {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct pre {
	struct arena arena;
	struct offer *offer; /* a reference; NULL while it is not known */
	struct buf from_client, to_client, from_upstream, to_upstream;
	struct buf answer; /* the source's, until it may be shown */
	struct attempt attempt;
	struct str challenge;    /* the source's in an exchange: its line */
	bool is_challenged;      /* the greeting is that of the upstream connection */
	unsigned upstream_tries; /* attempts that this upstream connection has seen */
	uint64_t turn_ends;      /* login_turn.h; 0: he does not wait */
	bool in_front;           /* the front is running: it goes on by itself */
	void *front;
};

struct session {
	LIST_ENTRY(session) all;
	LIST_ENTRY(session) timed;    /* those with a deadline */
	LIST_ENTRY(session) numbered; /* with the mailstore, by number */
	struct worker *worker;
	const struct lane *lane;
	struct pre *pre;     /* NULL: nothing came yet, or it is over */
	struct relay *relay; /* in RELAY and DRAINING */
	struct stream *client, *upstream;
	char *account;       /* owned; NULL: not known */
	int64_t account_id;  /* 0: not known */
	const char *why;     /* it ends, once that is decided; a constant */
	uint64_t started_ms; /* wall time */
	uint64_t deadline;   /* loop time; 0: none */
	uint64_t login_deadline;
	uint64_t bytes_in, bytes_out; /* when they are no longer counted by the relay */
	uint32_t number;
	uint32_t bucket;   /* of the tally */
	uint32_t received; /* bytes before login */
	enum service_id service;
	enum session_state state;
	enum upstream_state upstream_state;
	enum route route; /* ROUTE_COUNT: not decided yet */
	bool waiting;     /* counted as not logged in */
	bool live;        /* the master counts it as this account's session */
	bool ended;       /* the client has sent his last byte */
	bool hung;        /* he hung up while we were not reading */
	union endpoint peer, destination; /* the client, and where he wanted to go */
};

const char *session_state_name(enum session_state s);
/* "4d2-1f": unique on this host; in logs, messages and flows. */
#define SESSION_ID_MAX 24
const char *session_id(const struct session *s, char id[static SESSION_ID_MAX]);

/* Takes fd. Greets, or closes when there are too many. */
void session_accept(struct worker *w, enum service_id service, int fd,
	const union endpoint *peer, const union endpoint *destination);

/* Ends it now; memory is given back after the current callback. why: for the log. */
void session_close(struct session *s, const char *why);
/* Says the rest of to_client first. */
void session_finish(struct session *s, const char *why);
void session_farewell(struct session *s, enum farewell why);

/* Makes s->pre; false: no memory, and the session was closed. */
bool session_want_pre(struct session *s);
/* The front's part of it. */
void *session_front(struct session *s);

/* To the client. */
void session_say(struct session *s, struct str bytes);
/* After something was appended to a buffer of pre: writes what goes, asks for events. */
void session_flush(struct session *s);

void session_set_state(struct session *s, enum session_state state, uint64_t timeout_ms);
/* Back to PRELOGIN; the front reads on (unless it is running already). */
void session_resume(struct session *s);
/* The front reads what the client has sent already (unless it is running). */
void session_run_front(struct session *s);

/* To the source, unless it is retired. 0: on its way (or there already); else -errno. */
int session_connect_upstream(struct session *s);
/* The same, for who knows already that it is not. */
int session_reach_source(struct session *s);
/* The time to connect is over, but it has connected: it gets the time to answer. */
bool session_upstream_only_slow(struct session *s);
void session_drop_upstream(struct session *s);

/* Whose session it is; "" or NULL ptr: unknown. false: no memory, closed. */
bool session_set_account(struct session *s, struct str name, int64_t id);
void session_set_route(struct session *s, enum route route);
/* No stranger any more: not counted among those who have not logged in. */
void session_is_known(struct session *s);
/* Tells the master, once, that this account has a live session. */
void session_goes_live(struct session *s);
/* And that it has none any more; once, too. */
void session_goes_off(struct session *s);

/* From now on bytes pass both ways: pre's answer and the rest of its buffers first. */
void session_relay(struct session *s);
/* Ends a relay so that the source finishes what it was told: then GONE. */
void session_drain(struct session *s, enum farewell why);
/* The mailstore has the client's socket. */
void session_give_away(struct session *s);

/* The loop's time passed s->deadline. */
void session_timeout(struct session *s);
/* Memory of a GONE session. */
void session_free(struct session *s);

#endif
