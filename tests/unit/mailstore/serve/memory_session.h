/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef UNIT_MAILSTORE_SERVE_MEMORY_SESSION_H
#define UNIT_MAILSTORE_SERVE_MEMORY_SESSION_H
/* Sessions of the server without sockets: bytes in, bytes out, on a store that the test
   has filled. What is written is taken at once, so nothing ever waits for a client. */
#include "mailstore/serve/service.h"

#define MEMORY_SESSIONS 4

struct memory_session {
	struct session session;
	struct buf output;
	bool open, woken;
};

struct memory_server {
	struct serve serve;
	struct memory_session sessions[MEMORY_SESSIONS];
	/* made by memory_server_open(), removed at the end; "": the store is another's */
	char folder[64];
};

/* The store: INBOX (UIDVALIDITY 1000) with four messages, Sent, Trash, Archive and
   Archive/2024, "&AMQ-rger", and Empty which cannot be selected. 0 or -errno. */
int memory_server_open(struct memory_server *m);
/* On a store that stays the caller's, and open. */
void memory_server_begin(struct memory_server *m, struct store *store);
void memory_server_close(struct memory_server *m);

/* Of a test (cmocka): *state is a server with one session. */
int memory_server_set_up(void **state);
int memory_server_tear_down(void **state);

/* The tag of its login is "login". */
int memory_session_open(struct memory_server *m, size_t index, struct str payload);
/* One that was at the source so far. */
int memory_session_resume(
	struct memory_server *m, size_t index, struct str tag, struct str known);
/* One that another process has left asleep. */
int memory_session_wake(struct memory_server *m, size_t index, struct str known);
/* Sessions that can are written down, closed, and made anew of what was written; when
   they were all, the store is opened anew in between. How many they were, or -errno. */
int memory_server_sleep(struct memory_server *m);
/* Bytes of its client, and all that follows from them in all sessions. */
int memory_session_feed(struct memory_server *m, size_t index, struct str bytes);
/* "t COMMAND", and what is said then: a view of the session's output. */
int memory_session_say(
	struct memory_server *m, size_t index, const char *command, struct str *ret_said);

#endif
