/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SESSION_HANDLER_H
#define INTERCEPTOR_SESSION_HANDLER_H
/*
 * What a protocol does with a session until that is relayed or given away: a row of
 * operations, one for login (IMAP and POP3), one for the SMTP proxy. The session never
 * asks which.
 *
 *   worker ── host.h ◄── session (two streams, four buffers) ── handler.h ──► login, smtp
 *
 * The session reads and writes; a handler looks at s->memory->from_client and
 * from_source, appends to to_client and to_source, and says what happens next
 * (session.h). What it has appended is written when it returns. An operation may end the
 * session: its memory stays until the operation returns, and session_is_handled() tells.
 *
 * Whoever calls a handler from elsewhere (a check has an answer, mail is staged) does it
 * between session_enter() and session_leave(), so that what is appended is written.
 */
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct handler;
struct session;

/* Why we end a connection. */
enum close_reason {
	CLOSE_TIMEOUT,
	CLOSE_TOO_MUCH, /* sent before login */
	CLOSE_CROWDED,  /* too many connections */
	CLOSE_UNAVAILABLE,
	CLOSE_MOVED,  /* a live session must end: the account goes elsewhere */
	CLOSE_KICKED, /* by the admin */
	CLOSE_REASON_COUNT
};

/* What a session has to do with an account that switches. */
enum quiesce {
	QUIESCE_NOTHING, /* or not any more */
	QUIESCE_ENDING,  /* it ends; is_ending() says for how long */
	QUIESCE_LEFT,    /* it is at the source and stays there: not forced */
};

/* UV_READABLE: new bytes are wanted; UV_DISCONNECT: only whether the peer is there. What
   is to be written is written in any case. */
struct session_events {
	int client, source;
};

/* Of a handler's table of steps; s->step is one of them. */
struct session_step {
	const char *name;
	unsigned next;               /* what may follow: bits */
	struct session_events wants; /* of client and source */
};

/*
 * Reads along what a relayed session says, so that it can change sides when its account
 * switches: then `crossing` handles it, until it is handed over or relayed again.
 */
struct follower {
	const struct follower_ops *ops;
	bool must_go;    /* its account switches whether it can cross or not */
	bool only_looks; /* `crossing` asks what its client knows; it is relayed again */
};

struct follower_ops {
	/* Bytes on their way, before they go on. */
	void (*client_says)(struct follower *f, struct str bytes);
	void (*source_says)(struct follower *f, struct str bytes);
	/* So many of the next bytes need not be given; source_skipped(): they were not.
	 */
	uint64_t (*client_skips)(const struct follower *f);
	uint64_t (*source_skips)(const struct follower *f);
	void (*source_skipped)(struct follower *f, uint64_t n);
	bool (*can_cross)(const struct follower *f);
	bool (*can_look)(const struct follower *f); /* and it saves time at the switch */
	void (*free)(struct follower *f);
	const struct handler *crossing;
};

struct handler {
	size_t state_size; /* of s->memory->state, zeroed */
	size_t read_size;  /* of one read */

	/* A client has connected. Nothing is allocated: session_memory() does it. */
	void (*begin)(struct session *s);
	/* s->memory is there, its buffers without limits: prepare the state. */
	void (*init)(struct session *s);
	/* s->memory goes: give back what the state holds. */
	void (*end)(struct session *s);
	/* Before login: nothing is under way. NULL: never so. */
	bool (*is_idle)(const struct session *s);
	struct session_events (*wants)(const struct session *s);

	/* Bytes are in from_client, or s->client_ended, or there is room again after
	   session_is_congested(), or session_again() was called. */
	void (*client_ready)(struct session *s);
	/* It takes no byte any more and sends none. NULL: the session is closed. */
	void (*client_lost)(struct session *s);

	/* session_connect() has succeeded. With a server that speaks first this is
	   noticed by its first bytes. */
	void (*source_connected)(struct session *s);
	void (*source_ready)(struct session *s);
	/* It cannot be reached, has closed (-ECONNRESET) or is broken; what it said last
	   is in from_source. Calls session_drop_source(). */
	void (*source_lost)(struct session *s, int code);

	/* s->deadline has passed. */
	void (*timeout)(struct session *s);
	/* About once a second while there is a deadline, and when the route of the
	   account has changed. NULL: nothing. */
	void (*tick)(struct session *s);

	/* It waits for the route of that account, which is not its own. NULL: never. */
	bool (*awaits)(const struct session *s, struct str account);
	/* Called for all sessions, of whatever account. force: do not leave it. */
	enum quiesce (*quiesce)(struct session *s, struct str account, bool force);
	/* Something of that account is still on its way. NULL: never. */
	bool (*is_ending)(const struct session *s, struct str account);
	/* The admin wants it out. NULL: said good-bye to, at once. */
	void (*kick)(struct session *s);

	/* A line to end a connection with, between two answers; may be "". protocol: of
	   struct service_handler. */
	struct str (*words)(const void *protocol, enum close_reason reason);
	/* For logs and flows. */
	const char *(*state_name)(const struct session *s);
};

/* Who handles the sessions of a service. */
struct service_handler {
	const struct handler *handler;
	const void *protocol; /* what the handler has to know of it: s->protocol */
};

#endif
