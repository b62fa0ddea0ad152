/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SESSION_SESSION_H
#define INTERCEPTOR_SESSION_SESSION_H
/*
 * A client's connection, from accept to its end: two streams, what is read and to be
 * written, and a handler (handler.h) that knows the protocol.
 *
 *   HANDLED ─┬─► RELAY ─► DRAINING ─┬─► GONE      RELAY ─► HANDLED: it crosses
 *            ├─► LOCAL ─────────────┤             (handler.h, struct follower)
 *            └─► CLOSING ─► LINGERING
 *
 * `memory` is made with the first byte, so that a connection that sends nothing uses one
 * descriptor and no buffer, and is wiped when the relay or the mailstore takes over: it
 * holds passwords.
 */
#include "base/arena.h"
#include "interceptor/session/handler.h"
#include "interceptor/session/host.h"
#include "interceptor/sockets/endpoint.h"
#include "tls/stream_tls.h"
#include "wire/introduction.h"

enum session_state {
	SESSION_HANDLED,   /* the handler has it */
	SESSION_RELAY,     /* bytes pass */
	SESSION_DRAINING,  /* the client is off; the source finishes what it was told */
	SESSION_LOCAL,     /* with the mailstore: no descriptor is left here */
	SESSION_CLOSING,   /* last words are on their way */
	SESSION_LINGERING, /* they are said; the client is to close */
	SESSION_GONE,
	SESSION_STATE_COUNT
};

enum source_state { SOURCE_NONE, SOURCE_CONNECTING, SOURCE_OPEN };

/* Who is on the source's side of a session. */
enum session_server {
	SERVER_SOURCE,
	SERVER_SMART_HOST,  /* takes what users here send elsewhere */
	SERVER_DESTINATION, /* serves this user, who has moved there */
	SERVER_COUNT
};

/* The mailstore has it, behind our TLS: source is a socket pair. Its end is no end: the
   kernel closes what a process that is killed has open. The mailstore says which it is,
   and a client that was cut off gets no close_notify. */
enum bridge {
	BRIDGE_NONE,
	BRIDGE_LIVE,
	BRIDGE_ORPHANED, /* the mailstore's master is gone: nobody will say it */
};

struct session_memory {
	struct arena arena;
	struct buf from_client, to_client, from_source, to_source;
	void *state; /* the handler's */
};

struct session {
	LIST_ENTRY(session) all;
	LIST_ENTRY(session) timed;     /* those with a deadline */
	LIST_ENTRY(session) numbered;  /* with the mailstore, by number */
	TAILQ_ENTRY(session) unproven; /* while it is_unproven */
	struct host *host;
	const struct handler *handler;
	const void *protocol;          /* the handler's */
	struct session_memory *memory; /* NULL: nothing came yet, or it is over */
	struct relay *relay;           /* in RELAY and DRAINING */
	struct follower *follower;     /* owned; NULL: nobody reads along */
	struct unseen_flow *unseen;    /* the host's; NULL: its bytes are seen */
	struct stream *client, *source;
	char *account;                  /* owned; NULL: not known */
	int64_t account_id;             /* 0: not known */
	const char *why;                /* it ends, once that is decided; a constant */
	uint64_t started_ms;            /* wall time */
	uint64_t accepted_at;           /* loop time */
	uint64_t deadline;              /* loop time; 0: none */
	uint64_t held_at;               /* loop time; 0: it is not held, or was counted */
	uint64_t bytes_in, bytes_out;   /* when they are no longer counted by the relay */
	uint64_t served_in, served_out; /* by the mailstore so far, as it told last */
	uint32_t number;
	struct client_networks networks;
	unsigned places;                   /* of the memory before login */
	struct introduction *introduction; /* in the arena; NULL: not begun */
	enum introduction_kind introduces; /* us to the source, for this client */
	unsigned step;                     /* of the handler: its own enum */
	unsigned calls;                    /* of the handler on the stack */
	enum service_id service;
	enum session_state state;
	enum source_state source_state;
	enum session_server connects_to; /* session_connect(); what `source` is */
	enum route route;                /* ROUTE_COUNT: not decided yet */
	bool is_unproven;                /* it has not logged in */
	bool waiting;                    /* counted as not logged in, for its networks */
	bool is_from_known;              /* network, as it was when it came */
	bool live;         /* the master counts it as this account's session */
	bool client_ended; /* it has sent its last byte */
	bool client_dead;  /* and takes none any more */
	bool was_relayed;  /* bytes_in, bytes_out are what the relay has counted */
	bool hung_up;      /* it hung up while we were not reading */
	bool again;        /* the handler is called for the client once more */
	bool is_secure;    /* the client's TLS ends here */
	bool is_upgraded;  /* by STARTTLS: it has been greeted */
	bool is_unseen;    /* its TLS is the source's: the leg there is in clear, too */
	bool connects_in_clear; /* to the source: the client's TLS may yet pass there */
	bool ends_at_switch; /* unseen, it may carry mail for any account that switches */
	enum bridge bridge;
	struct service_handler next; /* takes it over from this handler; NULLs: none */
	union endpoint peer, destination; /* the client, and where it wanted to go */
};

/* The handler's own name while it is handled. */
const char *session_state_name(const struct session *s);
/* "source", "smart-host", "destination": events in logs. */
const char *session_server_name(enum session_server server);
/* "4d2-1f": unique on this host; in logs, messages and flows. */
#define SESSION_ID_MAX 24
const char *session_id(const struct session *s, char id[static SESSION_ID_MAX]);
bool session_is_handled(const struct session *s);
bool session_is_of(const struct session *s, struct str account);

/* ---- for the host ---- */

struct arrival {
	enum service_id service;
	struct client_networks networks;
	bool is_from_known; /* a network that somebody logged in from */
	union endpoint peer, destination;
};
/* The host has none yet. */
void session_host_init(struct host *h);
/* Takes the client, also when it fails: then the client is closed. */
void session_accept(struct host *h, const struct service_handler *service,
	const struct arrival *arrival, struct stream *client);
/* The loop's time passed s->deadline. */
void session_timeout(struct session *s);
/* handler.h: awaits, tick. */
bool session_awaits(const struct session *s, struct str account);
void session_tick(struct session *s);
/* The account will switch soon: what takes long of it and can be done before is done. */
void session_look(struct session *s, struct str account);
/* The account switches: ends, or takes from the source, what is on its way to it. */
enum quiesce session_quiesce(
	struct session *s, struct str account, enum switch_manner manner);
bool session_is_ending(const struct session *s, struct str account);
/* It is relayed to the source, for that account. */
bool session_is_at_source(const struct session *s, struct str account);
/* And could not change sides now. */
bool session_is_stuck(const struct session *s, struct str account);
/* The admin wants it out. One that the mailstore serves is ended there, by the host. */
void session_kick(struct session *s);
/* The program that it is in is to end: likewise, but between two answers, unless that
   takes too long. May be said again. */
void session_retire(struct session *s, bool too_long);
/* Memory of a GONE session. */
void session_free(struct session *s);

/* ---- for handlers ---- */

/* Around everything that calls a handler from outside; may be nested. */
void session_enter(struct session *s);
void session_leave(struct session *s);
/* Calls client_ready() once more before it leaves. */
void session_again(struct session *s);

/* Makes s->memory; false: no memory, and the session was closed. */
bool session_memory(struct session *s);
/* 0: none. */
void session_set_deadline(struct session *s, uint64_t ms);
/* The only way from one step to another. ms: what it may take. */
void session_set_step(
	struct session *s, const struct session_step *steps, unsigned step, uint64_t ms);

/* To the client. */
void session_say(struct session *s, struct str bytes);
/* Writes to_client now. false: not all of it went. */
bool session_flush(struct session *s);
/* One of them is slow: 64 KiB and more are not written. A handler that goes on all the
   same meets the limits of its buffers. */
bool session_is_congested(const struct session *s);

/* The client speaks TLS from now on; what it has sent already is TLS, too. 0 or -errno.
 */
int session_start_tls(struct session *s, SSL_CTX *context);
/* Another handler has the session from the beginning, once this one returns. The memory
   of this one is wiped. */
void session_hand_to(struct session *s, struct service_handler next);

/* To the source: 0: on its way (or there already); else -errno. It has CONNECT_MS. */
int session_connect(struct session *s);
void session_drop_source(struct session *s);

/* Whose session it is; "" or NULL ptr: unknown. false: no memory, closed. */
bool session_set_account(struct session *s, struct str name, int64_t id);
void session_set_route(struct session *s, enum route route);
/* Not counted for its networks any more: it waits for us. */
void session_is_held(struct session *s);
/* Not counted any more among those who have not logged in. */
void session_is_known(struct session *s);
/* The same, since its login was right. */
void session_is_proven(struct session *s);
/* Its login was wrong, or never came. */
void session_has_failed(struct session *s);
/* The master is told, once, that this account has a live session here, or has none. */
void session_set_live(struct session *s, bool live);

/* The end of handling, one of these. Nothing happens when it has ended already. */
/* Now. why: for the log. */
void session_close(struct session *s, const char *why);
/* After the rest of to_client. */
void session_finish(struct session *s, const char *why);
/* With the handler's words for it. */
void session_say_bye(struct session *s, enum close_reason reason);
/* From now on bytes pass both ways, the rest of the buffers first. */
void session_relay(struct session *s);
/* Before it: reads along. Taken, whatever happens. */
void session_follow(struct session *s, struct follower *f);
/* The mailstore has the client: host_ops.hand_off() has succeeded. Where TLS ends here,
   it has the other end of a bridge, and the session goes on as a relay. */
void session_give_away(struct session *s);
/* For hand_off(): the near end of the bridge, taken. */
void session_bridge(struct session *s, struct stream *near_end);
/* What the mailstore says of it: the session has ended, or its process has died. */
void session_bridge_ended(struct session *s, bool cleanly);
/* It will say nothing any more. */
void session_bridge_orphaned(struct session *s);

#endif
