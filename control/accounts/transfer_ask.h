/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_ACCOUNTS_TRANSFER_ASK_H
#define CONTROL_ACCOUNTS_TRANSFER_ASK_H
/* A question to the transfer service that takes long to answer. */
#include "control/terminal/control.h"
#include "messages/ask.h"

/* As ask(). A service that is started again meanwhile is asked again; -ECONNREFUSED: it
   does not run. */
int transfer_ask(struct control *c, const struct message *m, enum message_type answer,
	const struct patience *p);

#endif
