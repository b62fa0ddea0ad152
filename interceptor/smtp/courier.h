/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_SMTP_COURIER_H
#define INTERCEPTOR_SMTP_COURIER_H
/*
 * A connection to the server that takes mail for users who have moved there
 * (settings/destination.h): one message, or only the question whether it would be taken
 * (wire/smtp/outgoing.h). The message is sent but for its dot, and held so until it is
 * decided: what is dropped before that was never accepted.
 */
#include "base/str.h"
#include "wire/smtp/outgoing.h"

struct courier;
struct host;

/* What it tells its owner, never before courier_send() has returned. */
struct courier_ops {
	/* Of the nth recipient, once each. refusal: "" or a reply line, for the call. */
	void (*answered)(void *owner, size_t nth, struct str refusal);
	/* All is there but the dot. */
	void (*held)(void *owner);
};

/* Of one message; strings are copied, but for recipients, which are the owner's. */
struct courier_mail {
	struct smtp_outgoing_mail mail;
	const char *session_id; /* for logs */
	struct str header;      /* before what is in `file` */
	int file;               /* -1: it is only asked; else a duplicate is made */
	bool at_once;           /* the dot follows without courier_commit() */
};

/* NULL: no memory, or no connection can be begun. */
struct courier *courier_send(struct host *h, const struct courier_mail *mail,
	const struct courier_ops *ops, void *owner);
/* Behind held(): the dot. */
void courier_commit(struct courier *c);
/* Closes the connection where it is; NULL is fine. */
void courier_free(struct courier *c);

/* For the worker: time. */
void courier_tick(struct host *h);

#endif
