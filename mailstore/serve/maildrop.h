/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_SERVE_MAILDROP_H
#define MAILSTORE_SERVE_MAILDROP_H
/*
 * INBOX as a POP3 maildrop: frozen when the session begins (RFC 1939, 8).
 *
 * Order: first the messages that the source showed, in its order; then all others by UID.
 * Unique-ids are the source's; a message that came here has "UID UIDVALIDITY" in hex, the
 * form of Dovecot's default, which nothing else in the mailbox can have by accident.
 */
#include "mailstore/store/store.h"
#include "wire/pop3/session.h"

struct maildrop_message {
	uint32_t uid, order;
	uint64_t size;
	size_t uidl, uidl_len; /* in uidls; len 0: made from the UID */
	bool retrieved;
};

struct maildrop {
	struct store *store;
	int64_t mailbox; /* 0: there is no INBOX, and so no message */
	uint32_t uidvalidity;
	struct maildrop_message *messages;
	uint32_t count, cap;
	struct buf uidls;
	char made[17];
	struct body body; /* of message `open` */
	uint32_t open;    /* number; 0: none */
};

int maildrop_open(struct maildrop *m, struct store *store, struct error *err);
/* Sets \Seen on what was retrieved (Dovecot and Courier do), durable or not at all. */
void maildrop_close(struct maildrop *m);

/* context: a struct maildrop. */
extern const struct pop3_maildrop_ops maildrop_ops;

#endif
