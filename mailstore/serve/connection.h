/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_CONNECTION_H
#define MAILSTORE_SERVE_CONNECTION_H
/* Sessions on streams in the event loop: reading and sending when it can be done, turns
   for all, time-outs, the end. */
#include "event/loop.h"
#include "mailstore/serve/service.h"

#define CONNECTION_IDLE_MS (30 * 60 * 1000) /* RFC 3501, 5.4: at least half an hour */
/* NATs forget a connection after five minutes and more; those of phones sooner. */
#define CONNECTION_KEEPALIVE_MS (2 * 60 * 1000)

struct connection_end {
	struct str session; /* id */
	uint64_t bytes_in, bytes_out;
	const char *reason;
};

/* A session that another process goes on with (LOGIN_WOKEN). */
struct connection_sleep {
	struct str session, service, known;
	struct str keepalive; /* to be said to its client meanwhile; "": nothing */
	uint64_t due;         /* CLOCK_MONOTONIC: then it is said, or the session woken */
	uint64_t every;       /* ms, and then again; 0: it is woken */
};

#define CONNECTIONS_ASLEEP_MAX 24 /* with all they need they fit into a queue */

struct connections {
	struct loop *loop;
	unsigned keepalive_ms; /* CONNECTION_KEEPALIVE_MS; a test has less time */
	struct serve *serve;
	struct connection *first;
	struct timer *counts, *commit;
	void (*ended)(void *context, const struct connection_end *end);
	/* Bytes have passed since it was told last, some seconds ago. reason is NULL. The
	   whole may be NULL: nobody wants to know. */
	void (*passed)(void *context, const struct connection_end *so_far);
	/* Asked before anything is read; true: all were told good-bye. May be NULL. */
	bool (*is_over)(void *context);
	/* One that is put to sleep: takes the client's socket on success. May be NULL:
	   none is. 0 or -errno. */
	int (*sleeps)(void *context, const struct connection_sleep *sleep, int fd);
	uint64_t active_at; /* loop time: a client was heard, or told something */
	void *context;
};

/* Sets serve->wake; serve->context must be `all`. */
void connections_init(struct connections *all, struct loop *loop, struct serve *serve);

/* Takes the stream (net/stream.h), also when it fails (-errno). */
int connection_start(struct connections *all, const struct service_ops *ops,
	const struct login *login, struct stream *stream);

/* Says good-bye to all and closes them. */
void connections_bye(struct connections *all, const char *why);
/* The same for one of them, when it is there. */
void connections_kick(struct connections *all, struct str session, const char *why);
size_t connections_count(const struct connections *all);
/* Whether there are some, each between two commands or in IDLE, nothing under way. */
bool connections_can_sleep(const struct connections *all);
/* Puts all of them to sleep, or none (-EBUSY). Another -errno: some are. */
int connections_sleep(struct connections *all);
/* Ends whoever is left, at once. */
void connections_fini(struct connections *all);

#endif
