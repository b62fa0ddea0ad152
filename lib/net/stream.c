/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "net/stream.h"

#include "base/fd.h"
#include "event/loop.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

bool stream_has_pending(const struct stream *s)
{
	return s->ops->pending && s->ops->pending(s);
}

bool stream_holds_back(const struct stream *s)
{
	return s->ops->holds_back && s->ops->holds_back(s);
}

static int events_of_descriptor(const struct stream *s)
{
	return s->ops->wants ? s->ops->wants(s, s->wanted) : s->wanted;
}

/* The one with the descriptor. */
static struct stream *bottom_of(struct stream *s)
{
	while (s->below)
		s = s->below;
	return s;
}

static void call_soon(struct stream *s, int events)
{
	struct watch *watch = bottom_of(s)->watch;

	if (watch)
		watch_soon(watch, events);
}

/* After anything that may have changed what a kind waits for. */
static void rearm(struct stream *s)
{
	if (s->below)
		stream_want(s->below, events_of_descriptor(s));
	else if (s->watch)
		watch_want(s->watch, events_of_descriptor(s));
	if (s->wanted & UV_READABLE && stream_has_pending(s))
		call_soon(s, UV_READABLE);
}

static void on_event(void *context, int events, int error)
{
	struct stream *s = context;
	bool advances = s->ops->advance; /* which may make it another kind */

	if (advances)
		s->ops->advance(s);
	if (error)
		s->wanted = 0;
	else if (s->ops->is_opening && s->ops->is_opening(s))
		events &= UV_DISCONNECT;
	else if (s->ops->wants)
		events |= UV_READABLE | UV_WRITABLE;
	/* less may be wanted since it was called for; a stream above knows itself */
	if (!s->is_below)
		events &= s->wanted;
	if (advances && !events)
		rearm(s);
	if (!events && !error)
		return;
	/* when the owner leaves pending bytes, the loop calls again: it is armed before,
	   as s may be freed in there */
	rearm(s);
	s->ready(s->context, events, error);
}

int stream_init(struct stream *s, const struct stream_ops *ops, struct loop *loop, int fd)
{
	int r = loop ? watch_new(loop, fd, on_event, s, &s->watch) : 0;

	if (r < 0)
		return r;
	s->ops = ops;
	s->fd = fd;
	return 0;
}

void stream_init_over(
	struct stream *s, const struct stream_ops *ops, struct stream *below)
{
	s->ops = ops;
	s->fd = -1;
	s->below = below;
	below->is_below = true;
	stream_set_owner(below, on_event, s);
}

void stream_put_between(struct stream *s, struct stream *between)
{
	s->below = between;
	between->is_below = true;
	stream_set_owner(between, on_event, s);
}

void stream_set_owner(struct stream *s, stream_ready_fn *ready, void *context)
{
	s->ready = ready;
	s->context = context;
}

void stream_want(struct stream *s, int events)
{
	if (!s)
		return;
	s->wanted = events;
	rearm(s);
}

void stream_wake(struct stream *s)
{
	call_soon(s, UV_READABLE | UV_WRITABLE);
}

/* ---- bytes ---- */

ssize_t stream_read(struct stream *s, void *space, size_t size)
{
	ssize_t n = s->ops->read(s, space, size);

	if (s->ops->wants || s->ops->pending)
		rearm(s);
	return n;
}

ssize_t stream_write(struct stream *s, struct str bytes, bool more)
{
	ssize_t n = s->ops->write(s, bytes, more);

	if (s->ops->wants)
		rearm(s);
	return n;
}

ssize_t stream_write_last(struct stream *s, struct str bytes)
{
	return stream_write(s, bytes, s->ops->joins_end);
}

ssize_t stream_read_buf(struct stream *s, struct buf *b, size_t max)
{
	char *space;
	ssize_t n = buf_reserve(b, max, &space);

	if (n < 0)
		return n;
	n = stream_read(s, space, max);
	if (n > 0)
		buf_commit(b, (size_t)n);
	return n;
}

ssize_t stream_write_buf(struct stream *s, struct buf *b)
{
	ssize_t n = stream_write(s, buf_view(b), false);

	if (n > 0)
		buf_consume(b, (size_t)n);
	return n;
}

bool stream_can_splice(const struct stream *from, const struct stream *to)
{
	return from->ops->splice_in && to->ops->splice_out;
}

ssize_t stream_splice_in(struct stream *s, int pipe, size_t max)
{
	return s->ops->splice_in(s, pipe, max);
}

ssize_t stream_splice_out(struct stream *s, int pipe, size_t len)
{
	return s->ops->splice_out(s, pipe, len);
}

ssize_t stream_sendfile(struct stream *s, int file, off_t offset, size_t len)
{
	return s->ops->sendfile ? s->ops->sendfile(s, file, offset, len) : -EOPNOTSUPP;
}

ssize_t stream_writev(struct stream *s, const struct str *parts, size_t n)
{
	return s->ops->writev ? s->ops->writev(s, parts, n) : -EOPNOTSUPP;
}

/* ---- the connection ---- */

int stream_connected(struct stream *s)
{
	return s->ops->connected ? s->ops->connected(s) : 0;
}

void stream_shutdown(struct stream *s, int how)
{
	s->ops->shutdown(s, how);
}

int stream_share(struct stream *s)
{
	int fd = s->ops->share ? s->ops->share(s) : -EOPNOTSUPP;

	if (fd >= 0 && s->watch)
		s->watch->is_shared = true;
	return fd;
}

void stream_mark(struct stream *s, uint32_t mark)
{
	s = bottom_of(s);
	if (s->fd >= 0)
		(void)setsockopt(s->fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

void stream_free(struct stream *s)
{
	struct stream *below;
	struct watch *watch;
	int fd;

	if (!s)
		return;
	below = s->below;
	watch = s->watch;
	fd = s->fd;
	s->ops->free(s);
	if (below)
		stream_free(below);
	else if (watch)
		watch_free(watch);
	else
		fd_closep(&fd);
}

/* ---- without a loop ---- */

static short to_poll(int events)
{
	return (short)((events & UV_READABLE ? POLLIN : 0) |
		       (events & UV_WRITABLE ? POLLOUT : 0) |
		       (events & UV_DISCONNECT ? POLLRDHUP : 0));
}

/* An error and a hang-up let it do all that it wants: it will hear then. */
static int from_poll(const struct stream *s, short revents)
{
	int events = (revents & POLLIN ? UV_READABLE : 0) |
	             (revents & POLLOUT ? UV_WRITABLE : 0) |
	             (revents & POLLRDHUP ? UV_DISCONNECT : 0);

	if (revents & (POLLERR | POLLHUP | POLLNVAL) || (revents && s->ops->wants))
		return s->wanted;
	return events & s->wanted;
}

int stream_wait(struct stream *const *streams, size_t n, unsigned ms, int *ret_events)
{
	struct pollfd polls[STREAM_WAIT_MAX];
	bool any = false;

	if (n > STREAM_WAIT_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		const struct stream *s = streams[i];
		const struct stream *bottom = bottom_of(streams[i]);

		polls[i] = (struct pollfd){ .fd = bottom->fd,
			.events = to_poll(events_of_descriptor(bottom)) };
		ret_events[i] = s->wanted & UV_READABLE && stream_has_pending(s)
		                        ? UV_READABLE
		                        : 0;
		any |= ret_events[i] != 0;
	}
	if (poll(polls, (nfds_t)n, any ? 0 : (int)ms) < 0)
		return errno == EINTR && any ? 0 : -errno;
	for (size_t i = 0; i < n; i++) {
		if (polls[i].revents && streams[i]->ops->advance)
			streams[i]->ops->advance(streams[i]);
		ret_events[i] |= from_poll(streams[i], polls[i].revents);
		any |= ret_events[i] != 0;
	}
	return any ? 0 : -ETIMEDOUT;
}
