/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_RELAY_H
#define INTERCEPTOR_RELAY_H
/*
 * Two sockets, two directions, bytes unchanged.
 *
 *   client ──── up ────► source      copy:   read(2) and write(2), for the small talk
 *          ◄─── down ───             splice: through a lent pipe, once it turns bulky
 *
 * A direction reads only when all it read before is written: that is the back-pressure,
 * and it bounds the memory. An idle direction holds no pipe and no buffer. End of file
 * travels on as a half-close; the relay is over when both directions are.
 */
#include "base/buf.h"
#include "event/loop.h"
#include "interceptor/pipes.h"

#include <stdbool.h>
#include <stdint.h>

#define RELAY_SCRATCH 65536 /* one read; what is left over of it is kept */

/* One for each loop. */
struct relay_shared {
	struct pipes pipes;
	char *scratch;
};

enum way_state {
	WAY_OPEN,
	WAY_DRAINING, /* nothing more to read, something left to write */
	WAY_DONE,     /* all of it is written, and the end of file too */
	WAY_CUT,      /* nobody takes it any more */
};

enum way_mode { WAY_COPY, WAY_SPLICE };

struct relay_way {
	int from, to;
	enum way_state state;
	enum way_mode mode;
	unsigned bulky; /* large reads in a row */
	struct pipe_ends *pipe;
	struct buf left;   /* read and not written */
	uint64_t bytes;    /* written */
	uint64_t moved_at; /* loop time of the last byte */
	bool ends_line;    /* the last byte seen was LF; not known after a splice */
};

struct relay {
	struct relay_shared *shared;
	struct watch *client, *source; /* the caller's */
	struct relay_way up, down;
};

enum relay_result { RELAY_GOES_ON, RELAY_OVER };

int relay_shared_init(struct relay_shared *shared);
void relay_shared_fini(struct relay_shared *shared);

/* to_source and to_client: bytes that go first; taken over, empty afterwards. Call
   relay_start() next. */
void relay_begin(struct relay *r, struct relay_shared *shared, struct watch *client,
	struct watch *source, struct buf *to_source, struct buf *to_client);
enum relay_result relay_start(struct relay *r, uint64_t now);
void relay_fini(struct relay *r);

/* An event of one of the two watches. now: loop time in ms. */
enum relay_result relay_event(
	struct relay *r, const struct watch *which, int events, int error, uint64_t now);

/* One side has ended and the other has not yet. */
bool relay_half_closed(const struct relay *r);
/* The source has ended, and the client has all that it said. */
bool relay_source_ended(const struct relay *r);
/* Nothing is under way to the client, and the last that he got was a whole line. */
bool relay_between_lines(const struct relay *r, uint64_t now);

#endif
