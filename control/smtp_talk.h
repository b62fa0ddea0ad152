/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CONTROL_SMTP_TALK_H
#define CONTROL_SMTP_TALK_H
/* A command asks an SMTP server a few questions, one after the other. */
#include "base/buf.h"
#include "net/stream.h"
#include "wire/smtp/reply.h"

struct smtp_talk {
	struct stream *stream;
	struct buf in;
	uint64_t end; /* monotonic */
};

/* Each waits until `end`: 0, -ETIMEDOUT, or what the stream says. */
int smtp_talk_connected(struct smtp_talk *t);
/* The next reply, a view until more is read. */
int smtp_talk_hear(struct smtp_talk *t, struct smtp_reply *ret);
int smtp_talk_say(struct smtp_talk *t, struct str line);
/* Both: what was heard before is forgotten. */
int smtp_talk_ask(struct smtp_talk *t, struct str line, struct smtp_reply *ret);

#endif
