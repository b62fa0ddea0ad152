/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_SOURCE_CONNECTION_H
#define TRANSFER_SOURCE_CONNECTION_H
/*
 * One connection to a server: what is to be sent, what has come, and how long it has been
 * silent. Knows no protocol. The process does nothing but this account, so whoever has
 * nothing else to do waits in source_connection_wait().
 */
#include "base/buf.h"
#include "base/error.h"
#include "net/stream.h"

#include <stdbool.h>
#include <sys/socket.h>

struct pace;

struct source_connection {
	struct stream *stream; /* NULL: closed */
	struct buf in, out;
	uint64_t heard_at; /* or it took something; monotonic */
	bool is_readable;  /* says source_connection_wait() */
	struct pace *pace; /* how fast it may be read; NULL: as fast as it comes */
	uint64_t
		turn_at; /* the next question for messages; monotonic, 0: not taken yet */
	uint64_t turn_messages, turn_bytes; /* what was taken for it */
	uint64_t paid;    /* bytes that were taken with questions, and have not come */
	uint64_t read_at; /* what came beyond them has had its time; monotonic */
};

/* How connections to the source are made. */
struct source_dialer {
	/* A stream in no loop, connected within patience_ms. NULL: source_dial_plain() */
	int (*dial)(void *context, const struct sockaddr_storage *to,
		unsigned patience_ms, struct stream **ret);
	void *context;
	struct pace *pace; /* of its connections; NULL: none */
};
int source_dial_plain(void *context, const struct sockaddr_storage *to,
	unsigned patience_ms, struct stream **ret); /* by TCP; 0 or -errno */
/* The same by a socket that is bound already, of which the stream gets a copy. */
int source_dial_by(int fd, const struct sockaddr_storage *to, unsigned patience_ms,
	struct stream **ret);
/* For a dialer that has put the stream inside another: until it is connected. */
int source_dial_finish(struct stream *s, unsigned patience_ms);

void source_connection_init(struct source_connection *c);
/* Waits until connected. 0 or -errno with the sentence. */
int source_connection_open(struct source_connection *c,
	const struct source_dialer *dialer, const struct sockaddr_storage *to,
	unsigned patience_ms, struct error *err);
bool source_connection_is_open(const struct source_connection *c);
/* Wipes what was sent: a password. */
void source_connection_close(struct source_connection *c);
/* The same when the server is still answering: asks for no more (half-close), throws away
   what comes until the server closes, at most most_ms, and closes then. A reset in the
   middle of an answer is what Dovecot 2.3's pop3 may miss: it keeps the maildrop's lock
   for ten minutes. */
void source_connection_leave(struct source_connection *c, unsigned most_ms);

/* One read: 1 something came, 0 nothing is there, -ECONNRESET the server has left. */
int source_connection_fill(struct source_connection *c, struct error *err);
/* As much as the socket takes. */
int source_connection_flush(struct source_connection *c, struct error *err);

/* A question that will bring so much: whether it may be asked now. It takes its turn when
   it is asked for the first time, and source_connection_asked() ends that: what counts is
   what was asked for then. */
bool source_connection_may_ask(
	struct source_connection *c, uint64_t messages, uint64_t bytes);
void source_connection_asked(
	struct source_connection *c, uint64_t messages, uint64_t bytes);
/* `ms`, or less when its turn comes before. */
unsigned source_connection_until_turn(const struct source_connection *c, unsigned ms);

/* Until one of them may be read or written, or `ms` have passed; one is not readable
   while the pace wants it to wait. -ETIMEDOUT when one was silent for patience_ms: all of
   them owe an answer. */
int source_connection_wait(struct source_connection *const *connections, size_t n,
	unsigned ms, unsigned patience_ms, struct error *err);

#endif
