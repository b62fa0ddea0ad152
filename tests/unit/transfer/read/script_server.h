/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_SCRIPT_SERVER_H
#define TEST_SCRIPT_SERVER_H
/*
 * A server that says what a table says: the first row whose text a command begins with.
 * Each connection is a thread on one end of a socket pair; the reader has the other end
 * as a stream of the test's choice.
 *
 *   { "LIST",  "* LIST () \"/\" INBOX\r\n@ OK done\r\n" }     '@': the command's tag
 *                                                            '#': the script's body
 */
#include "transfer/read/imap_source.h"
#include "transfer/read/source_connection.h"

#include <pthread.h>
#include <stdatomic.h>

#define SCRIPT_CONNECTIONS_MAX 16 /* until script_end() */
#define SCRIPT_PLAIN (-1)         /* stream_plain; else an enum oddity */

struct script_row {
	const char *command; /* behind the tag, if there are any; NULL: the table's end */
	const char *answer;
};

/* What happens to what it says, once on each connection, at one of its bytes. */
enum script_fault {
	SCRIPT_CUT,      /* nothing comes any more */
	SCRIPT_DROPPED,  /* the byte is not said */
	SCRIPT_DOUBLED,  /* it is said twice */
	SCRIPT_REPLACED, /* `with` is said instead */
	SCRIPT_INSERTED, /* `with` is said before it */
	SCRIPT_LINE,     /* `with` is said before the next line */
};

struct script {
	const char *greeting;
	const struct script_row *rows;
	bool has_tags;
	const char *body; /* longer than a string of C may be */
	int stream;
	unsigned connections; /* so many were made */
	size_t fault_at;      /* from 1; 0: none */
	enum script_fault fault;
	const char *with;
	/* Commands that a client must not give: words that they begin with, NULL behind.
	   Whether one came: script_end(). */
	const char *const *forbidden;

	/* its own */
	pthread_t threads[SCRIPT_CONNECTIONS_MAX];
	atomic_bool was_forbidden;
};

/* s: lives as long as the connections. */
struct source_dialer script_dialer(struct script *s);
/* Of an IMAP source over one such connection, as alice. */
struct imap_source_options script_imap(struct script *s);
/* Waits for the threads: their connections are closed. false: a forbidden command came
   to one. */
bool script_end(struct script *s);

#endif
