/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_TICKETS_H
#define MAILSTORE_TICKETS_H
/* A mailbox is opened for a ticket of the vault and for nothing else: a worker that asks
   without one did not see the right password. */
#include "messages/message.h"
#include "messages/ticket.h"
#include "settings/settings.h"

struct tickets {
	const struct settings *settings;
	struct ticket_key key;
	struct ticket_window window;
	uint64_t again_at; /* monotonic: the vault is not asked before */
};

/* Takes the ticket of a SERVE. 0 or -errno (messages/ticket.h); -ENOTCONN: the vault did
   not say how to check one. */
int tickets_use(struct tickets *t, const struct message *m);

#endif
