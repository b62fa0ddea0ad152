/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRANSFER_LINK_H
#define TRANSFER_LINK_H
/*
 * One connection to a server: what is to be sent, what has come, and how long it has been
 * silent. Knows no protocol. The process does nothing but this account, so whoever has
 * nothing else to do waits in link_wait().
 */
#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <sys/socket.h>

struct link {
	int fd; /* -1: closed */
	struct buf in, out;
	uint64_t heard_at; /* monotonic */
};

void link_init(struct link *l);
/* Waits until connected. 0 or -errno with the sentence. */
int link_connect(struct link *l, const struct sockaddr_storage *to, unsigned patience_ms,
	struct error *err);
void link_close(struct link *l); /* wipes what was sent: a password */

/* One read: 1 something came, 0 nothing is there, -ECONNRESET the server has left. */
int link_fill(struct link *l, struct error *err);
/* As much as the socket takes. */
int link_flush(struct link *l, struct error *err);

/* Until one of them may be read or written, or `ms` have passed (0 as well as 1: look).
   -ETIMEDOUT when one that owes an answer was silent for patience_ms. */
int link_wait(struct link *const *links, const bool *owes, size_t n, unsigned ms,
	unsigned patience_ms, struct error *err);

#endif
