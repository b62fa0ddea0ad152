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
	bool is_readable;  /* says link_wait() */
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

/* Until one of them may be read or written, or `ms` have passed. -ETIMEDOUT when one was
   silent for patience_ms: all of them owe an answer. */
int link_wait(struct link *const *links, size_t n, unsigned ms, unsigned patience_ms,
	struct error *err);

#endif
