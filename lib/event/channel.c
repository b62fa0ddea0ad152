/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "event/channel.h"

#include "base/fd.h"
#include "event/timer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 64        /* messages of one channel, then the others have their turn */
#define READ_BATCHES 64 /* a socket holds fewer */
#define REST_MS 100     /* out of descriptors: new connections wait a little */

struct channel_entry {
	struct channel_entry *next;
	int fd;
	size_t len;
	char bytes[];
};

/* ---- sending ---- */

static void want(struct channel *c)
{
	if (!c->lost)
		watch_want(c->watch, UV_READABLE | (c->first ? UV_WRITABLE : 0));
}

static void drop_first(struct channel *c)
{
	struct channel_entry *e = c->first;

	c->first = e->next;
	if (!c->first)
		c->last = &c->first;
	c->bytes -= e->len;
	c->fds -= e->fd >= 0;
	fd_closep(&e->fd);
	explicit_bzero(e->bytes, e->len); /* a password, perhaps */
	free(e);
}

static int write_now(struct channel *c, struct str bytes, int fd)
{
	return ipc_send(c->watch->fd, bytes, &fd, fd >= 0 ? 1 : 0);
}

static int flush(struct channel *c)
{
	int r = 0;

	while (r == 0 && c->first) {
		struct channel_entry *e = c->first;

		r = write_now(c, str_of(e->bytes, e->len), e->fd);
		if (r == 0)
			drop_first(c);
	}
	return r == -EAGAIN ? 0 : r;
}

static int enqueue(struct channel *c, struct str bytes, int fd)
{
	struct channel_entry *e;

	if (c->bytes + bytes.len > c->ops->bytes_max ||
		(fd >= 0 && c->fds >= c->ops->fds_max))
		return -ENOBUFS;
	e = malloc(sizeof(*e) + bytes.len);
	if (!e)
		return -ENOMEM;
	e->next = NULL;
	e->fd = fd;
	e->len = bytes.len;
	memcpy(e->bytes, bytes.ptr, bytes.len);
	*c->last = e;
	c->last = &e->next;
	c->bytes += e->len;
	c->fds += fd >= 0;
	return 0;
}

static bool can_send(const struct channel *c)
{
	return c->watch && !c->shut && !c->lost;
}

int channel_send(struct channel *c, struct str bytes, int fd)
{
	int r = -ENOTCONN;

	if (can_send(c))
		r = c->first ? -EAGAIN : write_now(c, bytes, fd);
	if (r == 0)
		fd_closep(&fd);
	if (r != -EAGAIN)
		return r;
	r = enqueue(c, bytes, fd);
	if (r == 0)
		want(c);
	return r;
}

/* ---- receiving ---- */

static void lose(struct channel *c, int code)
{
	c->lost = true;
	watch_want(c->watch, 0);
	c->ops->lost(c->context, c, code);
}

/* Not on the stack, each of whose pages would be touched in each turn: the space is the
   loop's, which has one from channel_open() on. Another one where a message's callback
   reads a channel, too; NULL: no memory for it. */
static char *take_space(struct loop *loop)
{
	char *space = loop->space;

	loop->space = NULL;
	return space ? space : malloc(IPC_MESSAGE_MAX);
}

static void give_space_back(struct loop *loop, char *space)
{
	if (loop->space)
		free(space);
	else
		loop->space = space;
}

/* One message. 0 or what ends the reading. */
static ssize_t receive_one(struct channel *c, char bytes[static IPC_MESSAGE_MAX])
{
	struct packet p = { .n_fds = 0 };
	ssize_t n = ipc_receive(c->watch->fd, bytes, IPC_MESSAGE_MAX, p.fds, &p.n_fds);

	if (n <= 0)
		return n ? n : -ESHUTDOWN;
	p.bytes = str_of(bytes, (size_t)n);
	c->ops->message(c->context, c, &p);
	explicit_bzero(bytes, (size_t)n); /* a password, perhaps */
	while (p.n_fds)
		fd_closep(&p.fds[--p.n_fds]);
	return 0;
}

enum reading { READING_MORE, READING_EMPTY, READING_OVER };

/* OVER: the channel is closed or lost, and its memory may be gone. */
static enum reading receive(struct channel *c)
{
	struct loop *loop = c->watch->loop;
	char *space = take_space(loop);
	bool closed = false, *outer = c->closed;
	ssize_t r = 0;

	if (!space)
		return READING_EMPTY; /* in a later turn */
	c->closed = &closed;
	for (int i = 0; i < BATCH && r == 0 && !closed && !c->lost; i++)
		r = receive_one(c, space);
	give_space_back(loop, space);
	/* the memory of c may be gone when it is closed */
	if (closed) {
		if (outer)
			*outer = true;
		return READING_OVER;
	}
	c->closed = outer;
	if (r == 0)
		return c->lost ? READING_OVER : READING_MORE;
	if (r == -EAGAIN)
		return READING_EMPTY;
	lose(c, r == -ESHUTDOWN ? 0 : (int)r);
	return READING_OVER;
}

static enum reading read_all(struct channel *c)
{
	enum reading r = READING_MORE;

	for (int i = 0; i < READ_BATCHES && r == READING_MORE; i++)
		r = receive(c);
	return r;
}

void channel_read(struct channel *c)
{
	if (c->watch && !c->lost)
		(void)read_all(c);
}

static void ready(void *context, int events, int error)
{
	struct channel *c = context;
	int r = error || !(events & UV_WRITABLE) ? 0 : flush(c);

	if (r < 0) {
		/* what the other end said before it ended */
		if (read_all(c) != READING_OVER)
			lose(c, r);
		return;
	}
	if ((error || events & UV_READABLE) && receive(c) == READING_OVER)
		return;
	want(c);
}

/* ---- one of them ---- */

int channel_open(struct channel *c, struct loop *loop, int fd,
	const struct channel_ops *ops, void *context)
{
	int r;

	*c = (struct channel){ .ops = ops, .context = context };
	c->last = &c->first;
	if (!loop->space && !(loop->space = malloc(IPC_MESSAGE_MAX)))
		return -ENOMEM;
	r = watch_new(loop, fd, ready, c, &c->watch);
	if (r == 0)
		want(c);
	return r;
}

bool channel_is_open(const struct channel *c)
{
	return c->watch != NULL;
}

int channel_fd(const struct channel *c)
{
	return c->watch ? c->watch->fd : -1;
}

static void drop_queue(struct channel *c)
{
	while (c->first)
		drop_first(c);
}

void channel_shut(struct channel *c)
{
	if (!can_send(c))
		return;
	c->shut = true;
	drop_queue(c);
	(void)shutdown(c->watch->fd, SHUT_RDWR); /* the end of file is read later */
	want(c);
}

void channel_close(struct channel *c)
{
	if (!c->watch)
		return;
	drop_queue(c);
	watch_free(c->watch);
	c->watch = NULL;
	if (c->closed)
		*c->closed = true;
}

/* ---- listening ---- */

/* Nobody waits, or that client is gone again. */
static bool passes_by_itself(int code)
{
	return code == -EAGAIN || code == -ECONNABORTED || code == -EINTR;
}

static void accept_ready(void *context, int events, int error)
{
	struct channel_listener *l = context;
	int fd = ipc_accept(l->watch->fd);

	(void)events;
	(void)error;
	if (fd >= 0) {
		l->accepted(l->context, fd);
	} else if (!passes_by_itself(fd)) {
		watch_want(l->watch, 0);
		timer_start(l->rest, REST_MS);
	}
}

static void on_rested(void *context)
{
	struct channel_listener *l = context;

	watch_want(l->watch, UV_READABLE);
}

int channel_listen_on(struct channel_listener *l, struct loop *loop, int fd,
	void (*accepted)(void *context, int fd), void *context)
{
	int r;

	*l = (struct channel_listener){ .accepted = accepted, .context = context };
	r = timer_new(loop, on_rested, l, &l->rest);
	if (r == 0)
		r = watch_new(loop, fd, accept_ready, l, &l->watch);
	if (r < 0)
		channel_listener_close(l);
	else
		watch_want(l->watch, UV_READABLE);
	return r;
}

int channel_listen(struct channel_listener *l, struct loop *loop, const char *path,
	unsigned mode, void (*accepted)(void *context, int fd), void *context,
	struct error *err)
{
	CLEANUP(fd_closep) int fd = ipc_listen(path, mode, err);
	int r;

	*l = (struct channel_listener){ 0 };
	if (fd < 0)
		return fd;
	r = channel_listen_on(l, loop, fd, accepted, context);
	if (r < 0)
		return error_errno(err, r, "cannot watch %s", path);
	(void)fd_steal(&fd);
	return 0;
}

int channel_listener_fd(const struct channel_listener *l)
{
	return l->watch ? l->watch->fd : -1;
}

void channel_listener_close(struct channel_listener *l)
{
	int fd = l->watch ? watch_take(l->watch) : -1;

	fd_closep(&fd); /* another process may have it, too */
	timer_free(l->rest);
	l->rest = NULL;
	l->watch = NULL;
}
