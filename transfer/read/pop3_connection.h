/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_POP3_CONNECTION_H
#define TRANSFER_POP3_CONNECTION_H
/*
 * A POP3 dialogue with the source: questions out, answers in, in order. Never DELE.
 *
 * Several questions may be under way when the source says PIPELINING (RFC 2449, 6.6).
 */
#include "transfer/read/source_connection.h"
#include "wire/pop3/response.h"

struct pop3_connection {
	struct source_connection net;
	bool is_greeted;             /* connected, and not logged in */
	unsigned greeting_ms;        /* it took so long */
	struct source_dialer dialer; /* {0}: by TCP */
	bool pipelining;
	/* What may be under way: about half a second of what comes, so that the maildrop
	   can be left that soon. */
	uint64_t most_bytes, came, came_since;
	unsigned patience_ms;
	int (*tick)(void *context); /* while waiting; non-zero ends and is returned */
	void *context;
};

void pop3_connection_init(struct pop3_connection *t, unsigned patience_ms,
	int (*tick)(void *context), void *context);
/* RSET and QUIT if they can still be said, then closes. After RSET a server has nothing
   to do at QUIT: Dovecot, too, forgets then which messages RETR has read. */
void pop3_connection_end(struct pop3_connection *t);

/* Connects and hears the greeting, which is waited for as long as a client would: the
   login is for later. Nothing when that is done already. */
int pop3_connection_greet(
	struct pop3_connection *t, const struct sockaddr_storage *to, struct error *err);
/* Connects, unless that is done, and logs in. -ECONNREFUSED: nobody serves POP3 there.
   -EACCES: the login is refused. -EAGAIN: not now ([IN-USE], [SYS/TEMP], [LOGIN-DELAY],
   "maildrop is locked"). Else the connection. */
int pop3_connection_login(struct pop3_connection *t, const struct sockaddr_storage *to,
	struct str login, struct str password, struct error *err);

/* n questions: ask() appends question i with its CRLF to out; answer() is called with
   each step of its answer. All of them are asked, whatever the answers are. */
struct pop3_questions {
	size_t n;
	enum pop3_expect expect;
	int (*ask)(void *context, size_t i, struct buf *out);
	int (*answer)(void *context, size_t i, enum pop3_read what, struct str bytes);
	uint32_t (*size)(void *context, size_t i); /* of its answer, about; NULL: small */
	void *context;
};
int pop3_connection_ask(
	struct pop3_connection *t, const struct pop3_questions *q, struct error *err);

#endif
