/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef NET_RELAY_H
#define NET_RELAY_H
/*
 * Two streams, two directions, bytes unchanged.
 *
 *   client ──── up ────► source      copy:   read and write, for dialogue
 *          ◄─── down ───             splice: through a lent pipe, for bulk, where both
 *                                            streams can
 *
 * A direction reads only when all it read before is written: that is the back-pressure,
 * and it bounds the memory: RELAY_READ for one whose reader is slow, STREAM_BULK at the
 * moment when it becomes slow. An idle direction holds no pipe and no buffer. End of file
 * travels on as a half-close; the relay is over when both directions are.
 */
#include "base/buf.h"
#include "net/pipes.h"
#include "net/stream.h"

#include <stdbool.h>
#include <stdint.h>

#define RELAY_READ 16384 /* one read, but of bulk: what is left over of it is kept */

/* One for each loop. */
struct relay_shared {
	struct pipes pipes;
	char *scratch; /* [STREAM_BULK] */
};

enum way_state {
	WAY_OPEN,
	WAY_DRAINING, /* nothing more to read, something left to write */
	WAY_DONE,     /* all of it is written, and the end of file too */
	WAY_CUT,      /* nobody takes it any more */
};

enum way_mode { WAY_COPY, WAY_SPLICE };

/* Sees a direction's bytes, in their order, as they go on. */
struct relay_reader {
	void (*saw)(void *context, struct str bytes);
	/* So many of the next bytes need not be seen, and may be spliced. */
	uint64_t (*skips)(void *context);
	void (*skipped)(void *context, uint64_t n);
	void *context;
};

struct relay_way {
	struct stream *from, *to; /* the caller's */
	enum way_state state;
	enum way_mode mode;
	unsigned bulky; /* large reads in a row */
	struct pipe_ends *pipe;
	struct buf left;   /* read and not written */
	uint64_t bytes;    /* written */
	uint64_t moved_at; /* loop time of the last byte */
	bool ends_line;    /* the last byte seen was LF; not known after a splice */
	bool can_splice;
	bool has_hung_up;           /* `from` says nothing after what waits in it */
	bool holds_end;             /* relay_hold_source_end() */
	bool is_broken;             /* `from` broke: it has no end that could go on */
	struct relay_reader reader; /* saw NULL: there is none */
};

struct relay {
	struct relay_shared *shared;
	struct relay_way up, down;
};

enum relay_result { RELAY_GOES_ON, RELAY_OVER };

int relay_shared_init(struct relay_shared *shared);
void relay_shared_fini(struct relay_shared *shared);

/* to_source and to_client: bytes that go first; taken over, empty afterwards. Call
   relay_start() next. */
void relay_begin(struct relay *r, struct relay_shared *shared, struct stream *client,
	struct stream *source, struct buf *to_source, struct buf *to_client);
/* Before it starts: that the source's bytes end does not tell whether all have come, and
   the client is told no end until somebody else says so. */
void relay_hold_source_end(struct relay *r);
/* Before it starts. */
void relay_read_along(
	struct relay *r, const struct relay_reader *up, const struct relay_reader *down);
enum relay_result relay_start(struct relay *r, uint64_t now);
void relay_fini(struct relay *r);
/* Nothing has ended, the source has all that was read of the client, and nothing is in a
   pipe: the relay can be given up, and begun again, without a byte lost. */
bool relay_can_pause(const struct relay *r);
/* Then: what the client has not taken yet goes to the end of to_client. 0 or as
   buf_append(). relay_fini() is next. */
int relay_pause(struct relay *r, struct buf *to_client);

/* An event of one of the two streams. now: loop time in ms. */
enum relay_result relay_event(
	struct relay *r, const struct stream *which, int events, int error, uint64_t now);

/* They have, or will: their end is told after the last of them. */
enum relay_result relay_pass_source_end(struct relay *r, uint64_t now);

/* One side has ended and the other has not yet. */
bool relay_half_closed(const struct relay *r);
/* The source has ended, and the client has all that it said. */
bool relay_source_ended(const struct relay *r);
/* The source's bytes have ended, and the client has them all; it may not be told yet. */
bool relay_source_drained(const struct relay *r);
/* Nothing is under way to the client, and the last that it got was a whole line. */
bool relay_between_lines(const struct relay *r, uint64_t now);

#endif
