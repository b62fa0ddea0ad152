/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef EVENT_CHANNEL_H
#define EVENT_CHANNEL_H
/*
 * One end of a message socket (base/ipc.h) in the loop, with a bounded queue for what
 * the other end is too slow to take. Descriptors travel in the queue too. Nothing here
 * ever waits. What the bytes mean: messages/exchange.h.
 */
#include "base/error.h"
#include "base/ipc.h"
#include "event/loop.h"

struct channel;

/* A message as it came. A descriptor that the callee wants is taken by fd_steal(); the
   others are closed afterwards. */
struct packet {
	struct str bytes; /* until the callback returns */
	int fds[IPC_FDS_MAX];
	size_t n_fds;
};

struct channel_ops {
	void (*message)(void *context, struct channel *c, struct packet *p);
	/* End of file (0) or an error: nothing more will come. The callee calls
	   channel_close(), here or later. */
	void (*lost)(void *context, struct channel *c, int code);
	size_t bytes_max; /* of the queue */
	size_t fds_max;   /* in the queue: each is one of ours until it is sent */
};

struct channel {
	struct watch *watch; /* NULL: closed */
	const struct channel_ops *ops;
	void *context;
	struct channel_entry *first, **last; /* queue */
	size_t bytes, fds;                   /* in it */
	bool shut, lost;
	bool *closed; /* while its messages are taken: to be set by channel_close() */
};

/* Takes fd on success. 0 or -errno. */
int channel_open(struct channel *c, struct loop *loop, int fd,
	const struct channel_ops *ops, void *context);
bool channel_is_open(const struct channel *c);
int channel_fd(const struct channel *c); /* stays the channel's; -1: closed */
/* Drops the queue. May be called twice, and in the channel's own callbacks; its memory
   may be freed afterwards. */
void channel_close(struct channel *c);

/* Ends the connection, drops the queue and takes no more; lost() tells it in a later turn
   of the loop, when nothing of the caller's is in the middle of something. */
void channel_shut(struct channel *c);

/* What has come in, without waiting for the loop to tell. */
void channel_read(struct channel *c);

/* One message. fd -1: none; on success it is the channel's (closed once sent).
   0, -ENOBUFS (the queue is full), -ENOTCONN (closed, shut or lost) or -errno. */
int channel_send(struct channel *c, struct str bytes, int fd);

/* ---- listening ---- */

struct channel_listener {
	struct watch *watch; /* NULL: closed */
	struct timer *rest;
	void (*accepted)(void *context, int fd);
	void *context;
};

/* Listens at path (ipc_listen()) and gives each connection to accepted(), which takes
   the descriptor. 0 or -errno with a sentence. */
int channel_listen(struct channel_listener *l, struct loop *loop, const char *path,
	unsigned mode, void (*accepted)(void *context, int fd), void *context,
	struct error *err);
/* The same on a socket that listens already, which it takes on success. */
int channel_listen_on(struct channel_listener *l, struct loop *loop, int fd,
	void (*accepted)(void *context, int fd), void *context);
int channel_listener_fd(const struct channel_listener *l); /* stays its; -1: closed */
void channel_listener_close(struct channel_listener *l);   /* may be called twice */

#endif
