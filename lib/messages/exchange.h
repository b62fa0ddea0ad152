/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MESSAGES_EXCHANGE_H
#define MESSAGES_EXCHANGE_H
/* Messages over a channel of the event loop: sending, and a table of what is handled. */
#include "event/channel.h"
#include "messages/message.h"

/* As channel_send(), and -EMSGSIZE for one that is too long. */
int message_send(struct channel *c, const struct message *m, int fd);

/* What one end of a channel understands. */
struct message_row {
	enum message_type type;
	bool has_fd; /* one descriptor comes with it, or none */
	/* m's views live until it returns. It takes fd (-1: none). */
	void (*handle)(void *context, const struct message *m, int fd);
};

/* Lets the row of the message's type handle it. -EBADMSG with a sentence: it makes no
   sense, no row is for it, or its descriptors are not those of the row. The sender alone
   is then ended: it has a bug, or is not our program any more. */
int message_handle(const struct message_row *rows, size_t n, struct packet *p,
	void *context, struct error *err);

#endif
