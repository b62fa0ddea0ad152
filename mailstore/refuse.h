/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef MAILSTORE_REFUSE_H
#define MAILSTORE_REFUSE_H
/* What master and account processes both do with messages and sockets. */
#include "messages/message.h"

/* Tells the client of a SERVE that he cannot be served now, never that his password is
   wrong, and closes the socket. socket -1: it is gone. */
void refuse(const struct message *serve, int socket, const char *why);

/* As message_send(), but waits a moment for a peer that is busy. */
int message_send_patiently(int socket, const struct message *m, int fd_to_pass);

#endif
