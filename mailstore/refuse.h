/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_REFUSE_H
#define MAILSTORE_REFUSE_H
/* How a login that cannot be served is refused: by the master and by account processes.
 */
#include "messages/message.h"

/* Tells the client of a SERVE that it cannot be served now, never that the password is
   wrong, and closes the socket. socket -1: it is gone. */
void refuse(const struct message *serve, int socket, const char *why);

#endif
