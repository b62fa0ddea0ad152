/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_TICKETS_H
#define MAILSTORE_TICKETS_H
/* A mailbox is opened for a ticket of the vault and for nothing else: a worker that asks
   without one did not see the right password. */
#include "messages/message.h"
#include "messages/ticket.h"
#include "settings/settings.h"

#define TICKETS_HANDED "tickets" /* messages/takeover.h */

/* A key, and which of its tickets were used. */
struct ticket_book {
	struct ticket_key key;
	struct ticket_window window;
};

/* The vault's key, and the one before it: a ticket may be on its way while the vault is
   started again. */
#define TICKET_BOOKS 2

struct tickets {
	const struct settings *settings;
	struct ticket_book books[TICKET_BOOKS]; /* the newest first */
	uint64_t again_at; /* monotonic: the vault is not asked before */
	bool is_given;     /* to the mailstore after this one, which alone takes them */
};

/* Takes the ticket of a SERVE. 0 or -errno (messages/ticket.h); -ENOTCONN: the vault did
   not say how to check one; -ESTALE: the next mailstore has to. */
int tickets_use(struct tickets *t, const struct message *m);

/* ---- what one mailstore hands over to the next: no ticket is good at both ---- */

/* The message of one book, with a view of it. */
struct message tickets_book_message(const struct tickets *t, size_t book);
void tickets_give_away(struct tickets *t); /* they are forgotten here */
/* 0 or -EBADMSG. */
int tickets_take_book(struct tickets *t, const struct message *m);

#endif
