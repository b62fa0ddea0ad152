/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WIRE_POP3_SESSION_H
#define WIRE_POP3_SESSION_H
/*
 * A POP3 server after login (RFC 1939, 5 and 6; RFC 2449): bytes of the client in,
 * replies out, over a maildrop that somebody else keeps.
 *
 * The maildrop does not change while the session lasts (RFC 1939, 8: new mail is seen by
 * the next one), so messages are numbers 1..count. What DELE marks is kept here; the
 * maildrop hears of it once, at QUIT. A connection that ends otherwise deletes nothing.
 *
 * Bodies and listings are not collected: pop3_session_next() writes a portion and says
 * SEND; send what there is and ask again. While it does so it takes no input.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "wire/dots.h"

/* A portion of a body or listing: some TCP segments, and little memory for each session.
 */
#define POP3_SESSION_PORTION 32768
/* One call adds no more than this to `reply`, were every byte a dot. */
#define POP3_SESSION_REPLY_MAX (3 * POP3_SESSION_PORTION)

struct pop3_session;

struct pop3_maildrop_ops {
	/* Messages, and their sizes as LIST shows them. Asked at the beginning and often.
	 */
	uint32_t (*count)(void *context);
	uint64_t (*size)(void *context, uint32_t number);
	/* 1 to 70 bytes of 0x21..0x7e, or what the source had. Valid until the next call.
	 */
	struct str (*uidl)(void *context, uint32_t number);
	/* A piece of the body from offset on, of any length, valid until the next call;
	   empty: the body ends here. 0 or -errno. */
	int (*read)(
		void *context, uint32_t number, uint64_t offset, struct str *ret_piece);
	/* RETR has sent all of it (servers differ in setting \Seen then). May be NULL. */
	void (*retrieved)(void *context, uint32_t number);
	/* QUIT: removes every message for which pop3_session_is_deleted(); durable when
	   it returns 0. Not called when there is none. */
	int (*commit)(void *context, const struct pop3_session *s);
};

enum pop3_session_state {
	POP3_SESSION_IN_COMMAND,
	POP3_SESSION_IN_LIST,
	POP3_SESSION_IN_BODY,
	POP3_SESSION_CLOSED,
	POP3_SESSION_STATE_COUNT
};

enum pop3_session_action {
	POP3_SESSION_NEED_MORE,
	POP3_SESSION_AGAIN, /* a command was answered: consume, send, ask again */
	POP3_SESSION_SEND,  /* there is more to come: send what there is, ask again */
	POP3_SESSION_QUIT,  /* send what there is, then close */
	POP3_SESSION_FAILED /* `error`; close at once: what was begun cannot be finished
	                     */
};

struct pop3_session {
	enum pop3_session_state state;
	const struct pop3_maildrop_ops *ops;
	void *context;
	uint8_t *deleted; /* a bit for each message; in the arena */
	uint32_t count;
	unsigned bad; /* commands nobody could make sense of, in a row */
	int error;    /* of FAILED: -errno */

	uint32_t number; /* in LIST: the next; in BODY: the message */
	bool uidls;      /* in LIST: UIDL */
	uint64_t offset; /* in BODY: read so far */
	bool only_top;   /* in BODY: TOP */
	bool in_header;  /* of TOP */
	bool line_empty; /* of TOP: no byte but CR on this line yet */
	uint32_t lines;  /* of TOP: of the body, still wanted */
	struct dots dots;
};

/* arena must outlive the session. 0, -ENOMEM, -EOVERFLOW. The login's "+OK" is the
   caller's. */
int pop3_session_init(struct pop3_session *s, const struct pop3_maildrop_ops *ops,
	void *context, struct arena *arena);
const char *pop3_session_state_name(enum pop3_session_state s);

enum pop3_session_action pop3_session_next(
	struct pop3_session *s, struct str input, size_t *ret_used, struct buf *reply);

bool pop3_session_is_deleted(const struct pop3_session *s, uint32_t number);
/* Those not deleted: for the login's "+OK ... 2 messages" and for STAT. */
void pop3_session_stat(
	const struct pop3_session *s, uint32_t *ret_count, uint64_t *ret_octets);

#endif
