/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_IMAP_ANSWERS_H
#define TRANSFER_IMAP_ANSWERS_H
/* What the answers on a imap mean, for the command at the head of its queue: from
   responses to the reader's events. */
#include "transfer/read/imap_connection.h"

struct imap_answers {
	const struct source_events *events;
	bool *ret_careful; /* set when the server cannot take commands ahead of answers */
};

/* Everything that has come on this connection so far. 0, -errno, or what an event
 * returned. */
int imap_answers_take(const struct imap_answers *a, struct imap_connection *imap,
	unsigned number, struct error *err);

#endif
