/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_DELIVERY_MESSAGE_H
#define MAILSTORE_DELIVERY_MESSAGE_H
#include "mailstore/serve/delivery.h"
#include "messages/message.h"

/* What ROOM, STAGE, SWEEP, MEND, DELIVER or DISCARD asks for; views into m. fd: the file
   that came with it, or -1. -EBADMSG with the sentence in ret: the date or the zone of
   what was swept is no number. */
int delivery_of(const struct message *m, int fd, struct delivery *ret);

#endif
