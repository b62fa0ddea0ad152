/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_INTERCEPTOR_SESSION_SCRIPT_H
#define TEST_INTERCEPTOR_SESSION_SCRIPT_H
/*
 * A session without sockets: the test is the client, the source and the worker. What they
 * say and see is a list of lines:
 *
 *   C text    the client sends the text and CRLF     c text   the client has received it
 *   S text    the source does                        s text   the source has
 *
 *   H name    the client begins TLS and asks for that name, "-" for none; `handshake` goes
 *             on with it
 *   h name    the source has received that beginning as it was, and nothing else
 *   T text    the client sends it by TLS             t text   it has received it by TLS
 *
 * In s and S a first word `%` is any word, and `$` is what the last `%` was (IMAP's tag
 * towards the source cannot be guessed). The line `plain`, the first, has the row run
 * only over a stream that is not odd. All other lines name something that happens, or
 * that must be so: the tables in script.c. At the end nothing may be left that was not
 * expected.
 */
#include "interceptor/session/session.h"
#include "support/odd_stream.h"

struct script_row {
	const char *name;
	enum service_id service;
	const char *account; /* of those that script_accounts() makes; NULL: none */
	const char *lines[56];
};

/* How a row is run. */
struct script_way {
	enum oddity oddity; /* of both streams */
	size_t split; /* what the client and the source send is cut there; 0: is not */
};

struct script_setup {
	const char *greeting; /* of the source, as it was learnt; NULL: not yet */
	enum strategy strategy;
	bool live;        /* sessions change sides */
	bool elsewhere;   /* accounts move to another server, 192.0.2.30 */
	bool nobody_here; /* all accounts are at the source, and none is moving */
};

struct script;

/* The rows' registry, with its accounts:
     alice     at the source, password "secret" known     bob      switching (busy)
     carol     here                                       dora     at the source, moving
 */
struct script *script_new(
	const struct service_handler *handlers, const struct script_setup *setup);
void script_free(struct script *s);

/* What the settings say from now on. */
void script_destination(struct script *s, const char *text);
/* Fails the test with the name of the row, the way and the line. */
void script_run(struct script *s, const struct script_row *row, struct script_way way);
/* In every way: over each odd stream, and split at every byte. */
void script_run_all(struct script *s, const struct script_row *rows, size_t n);

#endif
