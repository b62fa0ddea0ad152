/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_OUTPUT_H
#define MAILSTORE_SERVE_OUTPUT_H
/*
 * What goes to a client: text that was gathered, then at most one piece of a body that
 * stays where it is (sent by sendfile, never copied). Who writes stops when it is full
 * and goes on when the client has taken it: a slow client costs us one buffer.
 */
#include "base/buf.h"
#include "mailstore/store/store.h"
#include "net/stream.h"

#define OUTPUT_FULL 65536 /* text for one or two writes; then we wait for the client */
#define OUTPUT_COPY_MAX                                                                  \
	16384 /* shorter pieces are copied: cheaper than a system call                   \
	       */

struct output {
	struct buf text;
	struct body body; /* holds the piece's bytes */
	size_t at, left;  /* of the piece in body.bytes; left 0: there is none */
	uint64_t sent;    /* bytes so far */
};

void output_init(struct output *o);
void output_fini(struct output *o);

/* Wait for the client before you write more (a piece is waiting, or much text). */
bool output_is_full(const struct output *o);
bool output_is_empty(const struct output *o);

/* After all text so far: that range of the body, which becomes the output's. There may
   be no other piece. It may be a body that is not read (store_body_to_send()). */
void output_piece(struct output *o, struct body *body, size_t at, size_t len);

/* The next bytes (none: they cannot be read); output_consume() takes them off. */
struct str output_view(struct output *o);
void output_consume(struct output *o, size_t len);

/* Writes what the stream takes. 0: all of it; -EAGAIN: wait until it is writable; else
   what broke the connection. */
int output_send(struct output *o, struct stream *s);

#endif
