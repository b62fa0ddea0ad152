/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interceptor/peer.h"

#include "base/fd.h"
#include "base/ipc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 64        /* messages of one peer, then the others have their turn */
#define HEAR_BATCHES 64 /* a socket holds fewer */

struct peer_entry {
	struct peer_entry *next;
	int fd;
	size_t len;
	char bytes[];
};

static void want(struct peer *p)
{
	watch_want(
		p->watch, (p->paused ? 0 : UV_READABLE) | (p->first ? UV_WRITABLE : 0));
}

static void drop_first(struct peer *p)
{
	struct peer_entry *e = p->first;

	p->first = e->next;
	if (!p->first)
		p->last = &p->first;
	p->queued -= e->len;
	fd_closep(&e->fd);
	free(e);
}

static int flush(struct peer *p)
{
	int r = 0;

	while (r == 0 && p->first) {
		struct peer_entry *e = p->first;

		r = ipc_send(p->watch->fd, str_of(e->bytes, e->len), &e->fd,
			e->fd >= 0 ? 1 : 0);
		if (r == 0)
			drop_first(p);
	}
	return r == -EAGAIN ? 0 : r;
}

/* Whether there may be more. */
static bool receive(struct peer *p)
{
	char bytes[IPC_MESSAGE_MAX];

	for (int i = 0; i < BATCH && p->watch; i++) {
		int fds[IPC_FDS_MAX];
		size_t n_fds = 0;
		struct message m;
		ssize_t n = ipc_receive(p->watch->fd, bytes, sizeof(bytes), fds, &n_fds);

		if (n == -EAGAIN)
			return false;
		if (n <= 0) {
			p->ops->lost(p->context, p, (int)n);
			return false;
		}
		while (n_fds > 1)
			fd_closep(&fds[--n_fds]);
		if (message_decode(str_of(bytes, (size_t)n), &m) < 0) {
			if (n_fds)
				fd_closep(&fds[0]);
			p->ops->lost(p->context, p, -EBADMSG);
			return false;
		}
		p->ops->message(p->context, p, &m, n_fds ? fds[0] : -1);
	}
	return p->watch != NULL;
}

static void ready(void *context, int events, int error)
{
	struct peer *p = context;
	int r = 0;

	if (!error && events & UV_WRITABLE)
		r = flush(p);
	if (r < 0) {
		p->ops->lost(p->context, p, r);
		return;
	}
	if (error || events & UV_READABLE)
		(void)receive(p);
	if (p->watch)
		want(p);
}

int peer_open(struct peer *p, struct loop *loop, int fd, const struct peer_ops *ops,
	void *context)
{
	int r;

	*p = (struct peer){ .ops = ops, .context = context };
	p->last = &p->first;
	r = watch_new(loop, fd, ready, p, &p->watch);
	if (r == 0)
		want(p);
	return r;
}

void peer_pause(struct peer *p, bool paused)
{
	p->paused = paused;
	want(p);
}

void peer_hear(struct peer *p)
{
	for (int i = 0; p->watch && i < HEAR_BATCHES && receive(p); i++)
		;
}

bool peer_is_open(const struct peer *p)
{
	return p->watch != NULL;
}

void peer_close(struct peer *p)
{
	while (p->first)
		drop_first(p);
	watch_free(p->watch);
	p->watch = NULL;
}

static int enqueue(struct peer *p, struct str bytes, int fd)
{
	struct peer_entry *e;

	if (p->queued + bytes.len > PEER_QUEUE_MAX)
		return -ENOBUFS;
	e = malloc(sizeof(*e) + bytes.len);
	if (!e)
		return -ENOMEM;
	e->next = NULL;
	e->fd = fd;
	e->len = bytes.len;
	memcpy(e->bytes, bytes.ptr, bytes.len);
	*p->last = e;
	p->last = &e->next;
	p->queued += e->len;
	return 0;
}

/* The message as bytes. 0 or -errno. */
static int encode(const struct peer *p, const struct message *m,
	char bytes[static IPC_MESSAGE_MAX], struct str *ret)
{
	ssize_t len = message_encode(m, bytes, IPC_MESSAGE_MAX);

	if (len < 0)
		return (int)len;
	if (!p->watch)
		return -ENOTCONN;
	*ret = str_of(bytes, (size_t)len);
	return 0;
}

int peer_post(struct peer *p, const struct message *m)
{
	char space[IPC_MESSAGE_MAX];
	struct str bytes;
	int r = encode(p, m, space, &bytes);

	if (r == 0)
		r = enqueue(p, bytes, -1);
	if (r == 0)
		watch_soon(p->watch, UV_WRITABLE);
	return r;
}

int peer_send(struct peer *p, const struct message *m, int fd)
{
	char space[IPC_MESSAGE_MAX];
	struct str bytes;
	int r = encode(p, m, space, &bytes);

	if (r < 0)
		return r;
	r = p->first ? -EAGAIN : ipc_send(p->watch->fd, bytes, &fd, fd >= 0 ? 1 : 0);
	if (r == 0)
		fd_closep(&fd);
	if (r != -EAGAIN)
		return r;
	r = enqueue(p, bytes, fd);
	if (r == 0)
		want(p);
	return r;
}
