/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_OUTPUT_H
#define MAILSTORE_SERVE_OUTPUT_H
/*
 * What goes to a client: text that was gathered, and between it pieces of bodies that
 * stay where they are. They go together, from where their files are mapped: a system call
 * for many messages, and large packets. Who writes stops when it is full and goes on when
 * the client has taken it: a slow client costs us one buffer.
 *
 * Several pieces wait at once only of bodies that are not read: they hold no memory.
 */
#include "base/buf.h"
#include "mailstore/store/store.h"
#include "net/stream.h"

#define OUTPUT_FULL 65536 /* text for one or two writes; then we wait for the client */
#define OUTPUT_COPY_MAX                                                                  \
	16384 /* shorter pieces are copied: cheaper than a system call                   \
	       */

#define OUTPUT_READ_MAX 2048 /* shorter bodies are read: less than what a piece costs */
#define OUTPUT_PIECES 16
#define OUTPUT_HELD_MAX 1048576 /* of text in memory for a client that does not take it */

struct output_piece {
	struct body body; /* holds its bytes */
	size_t at, left;  /* of body.bytes */
	size_t text;      /* that goes before it, and behind the piece before it */
};

struct output {
	struct buf text; /* all of it, in order */
	struct output_piece pieces[OUTPUT_PIECES];
	unsigned first, count; /* a ring */
	size_t placed;         /* text that goes before some piece */
	uint64_t sent;         /* bytes so far */
	bool ends;             /* the connection is shut down behind it: one packet */
};

void output_init(struct output *o);
void output_fini(struct output *o);

/* Wait for the client before you write more: there is much text, there are many pieces,
   or one that is in memory. */
bool output_is_full(const struct output *o);
bool output_is_empty(const struct output *o);

/* After all text so far: that range of the body, which becomes the output's. Not when it
   is full. It may be a body that is not read (store_body_to_send()). */
void output_piece(struct output *o, struct body *body, size_t at, size_t len);

/* The client does not take what waits: long text becomes a piece in a file of the
   store's, when there is room, so that what is asked for and not read costs no memory. */
void output_settle(struct output *o, struct store *store);

/* The next bytes (none: they cannot be read); output_consume() takes them off. */
struct str output_view(struct output *o);
void output_consume(struct output *o, size_t len);

/* Writes what the stream takes. 0: all of it; -EAGAIN: wait until it is writable; else
   what broke the connection. */
int output_send(struct output *o, struct stream *s);

#endif
