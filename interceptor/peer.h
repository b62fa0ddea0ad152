/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef INTERCEPTOR_PEER_H
#define INTERCEPTOR_PEER_H
/*
 * One end of a message socket (messages/message.h) in the loop, with a queue for what the
 * other end is too slow to take. Descriptors travel in the queue too.
 */
#include "event/loop.h"
#include "messages/message.h"

#define PEER_QUEUE_MAX (64u << 20) /* bytes; a listing of 100,000 flows takes 40 MB */

struct peer;

struct peer_ops {
	/* m's views live until it returns; fd (or -1) becomes the callee's. */
	void (*message)(void *context, struct peer *p, const struct message *m, int fd);
	/* End of file, an error, or (code -EBADMSG) a message that makes no sense. The
	   callee calls peer_close(). */
	void (*lost)(void *context, struct peer *p, int code);
};

struct peer {
	struct watch *watch; /* NULL: closed */
	const struct peer_ops *ops;
	void *context;
	struct peer_entry *first, **last; /* queue */
	size_t queued;
	bool paused;
};

/* Takes fd on success. */
int peer_open(struct peer *p, struct loop *loop, int fd, const struct peer_ops *ops,
	void *context);
bool peer_is_open(const struct peer *p);
void peer_close(struct peer *p); /* and drops the queue; may be called twice */

/* While it is paused, what comes in waits in the socket; peer_hear() takes it all the
   same. */
void peer_pause(struct peer *p, bool paused);
void peer_hear(struct peer *p);

/* Before the loop sleeps: several of one turn wake the other end once. A failure is told
   by lost(). 0 or -errno. */
int peer_post(struct peer *p, const struct message *m);
/* fd -1: none. On success it is the peer's (closed once sent). 0 or -errno. */
int peer_send(struct peer *p, const struct message *m, int fd);

#endif
