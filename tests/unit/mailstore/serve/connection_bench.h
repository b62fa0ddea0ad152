/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef UNIT_MAILSTORE_SERVE_CONNECTION_BENCH_H
#define UNIT_MAILSTORE_SERVE_CONNECTION_BENCH_H
/* Sessions in the event loop, and the clients at the other ends of their streams. */
#include "mailstore/serve/connection.h"
#include "mailstore/serve/memory_session.h"
#include "support/odd_stream.h"

#include <zlib.h>

#define CLIENTS 2
#define TURNS_MAX 2000000

struct client {
	int fd;
	struct buf to_say, heard;
	bool ended;
	const char *reason;
	bool deflated; /* after COMPRESS */
	z_stream deflate, inflate;
};

struct bench {
	struct loop loop;
	struct timer *pulse;
	struct memory_server server; /* for its store */
	struct connections all;
	struct client clients[CLIENTS];
	unsigned ended;
	char reason[64];
	uint64_t bytes_in, bytes_out;
};

void bench_open(struct bench *b);
void bench_close(struct bench *b);

/* It logs in; "first OK" answers what follows that. */
void bench_connect(struct bench *b, size_t i, enum oddity oddity);
/* Over the plain stream of the program; the session is called "0" or "1". */
void bench_connect_plain(struct bench *b, size_t i);
void bench_start_plain(struct bench *b, const struct login *login, int fd);
/* After COMPRESS. */
void bench_begin_deflate(struct client *c);
void bench_end_deflate(struct client *c);

void bench_turn(struct bench *b);
void bench_say(struct bench *b, size_t i, const char *text);
/* Until that client has heard it. */
void bench_hear(struct bench *b, size_t i, const char *text);

#endif
