/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_CONNECTION_PARTS_H
#define MAILSTORE_SERVE_CONNECTION_PARTS_H
/* One connection: what connection.c and connection_sleep.c share. */
#include "mailstore/serve/connection.h"

enum connection_state {
	CONNECTION_LIVE,
	CONNECTION_ENDING, /* only its last output is sent */
	CONNECTION_STATE_COUNT
};

struct connection {
	struct session session;
	struct connections *all;
	enum connection_state state;
	struct stream *stream;
	bool wants_turn; /* it has work to do, or something to say */
	struct timer *timer;
	uint64_t timed_at;  /* loop time when its timer was started */
	uint64_t silent_ms; /* until then, since the client was heard, but for kept alive
	                       ones */
	uint64_t bytes_in;
	uint64_t told; /* bytes, both ways */
	struct connection *next, **place;
};

/* connection.c: its timer, from now on. */
void connection_time(struct connection *c, uint64_t ms);
/* It is nobody's any more; its client hears nothing. */
void connection_drop(struct connection *c);

/* connection_sleep.c: the connection part of what connections_sleep() wrote is taken off,
   and used by the latter, when the session goes on. */
struct connection_past {
	uint64_t bytes_in, bytes_out; /* when it went to sleep */
	uint64_t silent_ms, slept_at; /* CLOCK_MONOTONIC */
	uint64_t due, every, line; /* how it was to be kept alive: with so many bytes */
};
void connection_past_take(struct str *known, struct connection_past *ret);
void connection_past_use(
	struct connection *c, const struct connection_past *past, uint64_t due);

#endif
