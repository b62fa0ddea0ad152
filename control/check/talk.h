/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_CHECK_TALK_H
#define CONTROL_CHECK_TALK_H
/* A command asks a server a few questions, one after the other. */
#include "base/buf.h"
#include "net/stream.h"
#include "settings/settings.h"
#include "wire/smtp/reply.h"

struct talk {
	struct stream *stream;
	struct buf in;
	uint64_t end; /* monotonic */
};

/* Over a socket that is connected or on its way (or -errno), for so many ms; `in` holds
   so many bytes. 0: the socket is the talk's; or -errno. */
int talk_begin(struct talk *t, int fd, unsigned ms, size_t in_max);
/* The same, to the port on which the source has that service; *to gets it. */
int talk_dial(struct talk *t, const struct settings *s, enum service_id service,
	struct sockaddr_storage *to, unsigned ms, size_t in_max);
void talk_end(struct talk *t);

/* Each waits until `end`: 0, -ETIMEDOUT, or what the stream says. */
int talk_connected(struct talk *t);
int talk_say(struct talk *t, struct str bytes);
/* Reads something, of `most` bytes at the most, into `in`. */
int talk_read(struct talk *t, size_t most);

/* The next reply of an SMTP server, a view until more is read. */
int talk_hear(struct talk *t, struct smtp_reply *ret);
/* Says that and hears the reply: what was heard before is forgotten. */
int talk_ask(struct talk *t, struct str line, struct smtp_reply *ret);

#endif
