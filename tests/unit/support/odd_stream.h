/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_ODD_STREAM_H
#define TEST_ODD_STREAM_H
/*
 * Streams that behave as real ones do on bad days. Whatever runs over a stream is tested
 * over each of them: ODD_COUNT kinds in a loop.
 *
 * Two sorts: over a socket, in a loop or with stream_wait(); and in memory, where the
 * test is the peer (odd_say(), odd_attach()) and the loop (odd_call()).
 */
#include "net/stream.h"

enum oddity {
	ODD_NONE,    /* a plain stream without splice */
	ODD_TRICKLE, /* one byte at a time, both ways */
	ODD_STUTTER, /* every second read and write would block */
	ODD_PENDING, /* takes all from the socket at once and gives seven bytes a read */
	ODD_HANDSHAKE, /* must write three times before it can read or write */
	ODD_COUNT
};
const char *odd_name(enum oddity oddity);

/* Takes fd on success. 0 or -errno. */
int odd_stream_new(struct loop *loop, int fd, enum oddity oddity, struct stream **ret);

/* ---- in memory ---- */

struct stream *odd_memory_new(enum oddity oddity);
/* The peer's words, its end, and a connection that breaks (code: -ECONNRESET...). */
void odd_say(struct stream *s, const char *words);
void odd_say_bytes(struct stream *s, struct str bytes);
void odd_end(struct stream *s);
void odd_break(struct stream *s, int code);
/* connected() is -EINPROGRESS, and nothing moves, until odd_connect(). */
void odd_connecting(struct stream *s);
void odd_connect(struct stream *s);
/* The peer takes nothing any more, until it does again. */
void odd_block(struct stream *s, bool blocked);
/* As stream_wake() does it in a loop: the owner is called once for all it wants. */
void odd_wake(struct stream *s);
bool odd_heard_end(const struct stream *s);
/* What the owner has not read yet is added to b. */
void odd_unread(const struct stream *s, struct buf *b);
/* Calls the owner for what it wants and can do. false: there was nothing. */
bool odd_call(struct stream *s);
/* *place is s, and NULL when s is freed; what comes to the peer is added to *heard, which
   outlives s. */
void odd_attach(struct stream *s, struct stream **place, struct buf *heard);

#endif
