/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TEST_SCRIPT_SERVER_H
#define TEST_SCRIPT_SERVER_H
/*
 * A server that says what a table says: the first row whose text a command begins with.
 * Each connection is a child process on one end of a socket pair; the reader has the
 * other end as a stream of the test's choice.
 *
 *   { "LIST",  "* LIST () \"/\" INBOX\r\n@ OK done\r\n" }     '@': the command's tag
 *                                                            '#': the script's body
 */
#include "transfer/read/source_connection.h"

#define SCRIPT_PLAIN (-1) /* stream_plain; else an enum oddity */

struct script_row {
	const char *command; /* behind the tag, if there are any; NULL: the table's end */
	const char *answer;
};

struct script {
	const char *greeting;
	const struct script_row *rows;
	bool has_tags;
	const char *body; /* longer than a string of C may be */
	int stream;
	unsigned connections; /* so many were made */
};

/* s: lives as long as the connections. */
struct source_dialer script_dialer(struct script *s);
/* Waits for the children: their connections are closed. */
void script_end(struct script *s);

#endif
