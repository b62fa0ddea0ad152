/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_APPEND_H
#define MAILSTORE_SERVE_APPEND_H
/*
 * Messages of an APPEND or REPLACE on their way into the store (cmd_append.c reads the
 * command). One that is a single literal goes to its place as it comes. One that is put
 * together (CATENATE) or may hold NULs (literal8) is gathered in a spool, since its
 * length is known only at its end.
 */
#include "mailstore/serve/imap_session.h"
#include "mailstore/store/spool.h"
#include "wire/imap/date.h"

struct append_message {
	unsigned flags;
	struct str keywords;
	struct imap_date date;
	bool binary;   /* NULs are allowed */
	bool catenate; /* of parts */
	uint64_t size;
	bool in_memory;
	struct buf bytes;          /* in_memory */
	struct body_writer writer; /* else */
	bool begun, added;
	struct append_message *next;
};

enum append_state {
	APPEND_DATA, /* flags, date, and the message are next */
	APPEND_PART, /* in CATENATE: a part */
	APPEND_AFTER_PART,
	APPEND_AFTER_MESSAGE,
};

struct append {
	struct imap *session;
	struct mailbox to;
	bool replace;
	uint32_t replaced; /* UID in the selected mailbox */
	struct append_message *first, **last;
	struct append_message *current;
	enum append_state state;
	bool in_parentheses; /* of "UTF8 (": a ")" comes behind the literal */
	bool in_url;         /* the literal is a URL */
	struct str url;
	struct spool spool; /* of the current one */
	size_t count, in_memory;
	uint64_t bytes;  /* of those that are begun */
	uint64_t looked; /* bytes of messages that URLs name */
	uint64_t left;   /* of the literal, still to come */
	bool refused;
	struct error refusal; /* code 0: the text is the answer */
	uint32_t uid;         /* of the first one */
	/* of the queue (append_queue.h) */
	struct arena arena; /* of the command */
	struct str tag;
	struct append *next;
};
void append_free(struct append *a);

/* The first reason stays. */
void append_refuse(struct append *a, const char *answer);
void append_refuse_error(struct append *a, const struct error *err);

/* Those of one command have to fit together, each before it is written. */
void append_check_quota(struct imap *s, struct append *a, uint64_t size);
/* Of a message whose size is known. */
void append_begin_body(struct imap *s, struct append *a, struct append_message *m);
void append_take(struct imap *s, struct append *a, struct str bytes);
/* All of the current one came: it is ready to be added, or refused. */
void append_end_message(struct imap *s, struct append *a);

/* catenate.c: the bytes that a URL means, to the current message. */
void append_take_url(struct imap *s, struct append *a, struct str url);

#endif
