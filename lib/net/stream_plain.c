/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A socket as it is. */
#include "net/stream.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <uv.h>

struct plain {
	struct stream stream;
	struct opening *opening; /* of what goes first; NULL: nothing, or it has gone */
	bool waits;              /* the last bytes were written with `more` */
};

static ssize_t plain_read(struct stream *s, void *space, size_t size)
{
	ssize_t n;

	do
		n = recv(s->fd, space, size, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t plain_write(struct stream *s, struct str bytes, bool more)
{
	ssize_t n;

	do
		n = send(s->fd, bytes.ptr, bytes.len,
			MSG_NOSIGNAL | (more ? MSG_MORE : 0));
	while (n < 0 && errno == EINTR);
	if (n > 0)
		((struct plain *)s)->waits = more;
	return n < 0 ? -errno : n;
}

static ssize_t plain_writev(struct stream *s, const struct str *parts, size_t count)
{
	struct iovec bytes[STREAM_PARTS_MAX];
	struct msghdr message = { .msg_iov = bytes, .msg_iovlen = count };
	ssize_t n;

	assert(count <= STREAM_PARTS_MAX);
	for (size_t i = 0; i < count; i++)
		bytes[i] =
			(struct iovec){ (void *)(uintptr_t)parts[i].ptr, parts[i].len };
	do
		n = sendmsg(s->fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* EAGAIN: the socket or the pipe; the caller knows whether the pipe is empty or full.
   EINVAL: no socket that can be spliced. */
static ssize_t plain_splice(int from, int to, size_t len)
{
	ssize_t n;

	do
		n = splice(from, NULL, to, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t plain_splice_in(struct stream *s, int pipe, size_t max)
{
	return plain_splice(s->fd, pipe, max);
}

static ssize_t plain_splice_out(struct stream *s, int pipe, size_t len)
{
	return plain_splice(pipe, s->fd, len);
}

static ssize_t plain_sendfile(struct stream *s, int file, off_t offset, size_t len)
{
	ssize_t n;

	do
		n = sendfile(s->fd, file, &offset, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int plain_connected(struct stream *s)
{
	struct sockaddr_storage there;
	socklen_t len = sizeof(there), size = sizeof(int);
	int code = 0;

	if (getpeername(s->fd, (struct sockaddr *)&there, &len) == 0)
		return 0;
	(void)getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &code, &size);
	return code ? -code : -EINPROGRESS;
}

static void plain_shutdown(struct stream *s, int how)
{
	((struct plain *)s)->waits = false;
	(void)shutdown(s->fd, how); /* ENOTCONN: it is gone already */
}

static int plain_share(struct stream *s)
{
	int fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);

	((struct plain *)s)->waits = false; /* its end is another's */
	return fd < 0 ? -errno : fd;
}

/* With unread bytes in the socket close() is a reset, and what waits would be thrown
   away. */
static void plain_free(struct stream *s)
{
	struct plain *p = (struct plain *)s;

	if (p->waits)
		plain_shutdown(s, SHUT_WR);
	free(p->opening);
	free(p);
}

static const struct stream_ops plain_ops = {
	.kind = "plain",
	.read = plain_read,
	.write = plain_write,
	.joins_end = true,
	.writev = plain_writev,
	.splice_in = plain_splice_in,
	.splice_out = plain_splice_out,
	.sendfile = plain_sendfile,
	.connected = plain_connected,
	.shutdown = plain_shutdown,
	.share = plain_share,
	.free = plain_free,
};

/* ---- with bytes that go first ---- */

struct opening {
	int code; /* why they could not be sent */
	size_t len;
	char bytes[STREAM_OPENING_MAX];
};

/* 0: they have gone, and it is a socket as it is from then on. */
static int send_opening(struct stream *s)
{
	struct plain *p = (struct plain *)s;
	struct opening *o = p->opening;
	ssize_t n;

	if (o->code)
		return o->code;
	n = plain_write(s, str_of(o->bytes, o->len), false);
	if (n == -EAGAIN)
		return -EAGAIN;
	if (n != (ssize_t)o->len)
		return o->code = n < 0 ? (int)n : -EPIPE;
	free(o);
	p->opening = NULL;
	s->ops = &plain_ops;
	return 0;
}

static ssize_t opening_read(struct stream *s, void *space, size_t size)
{
	int r = send_opening(s);

	return r < 0 ? r : plain_read(s, space, size);
}

static ssize_t opening_write(struct stream *s, struct str bytes, bool more)
{
	int r = send_opening(s);

	return r < 0 ? r : plain_write(s, bytes, more);
}

static int opening_wants(const struct stream *s, int wanted)
{
	(void)s;
	return wanted | UV_WRITABLE;
}

static void opening_advance(struct stream *s)
{
	(void)send_opening(s); /* what is wrong is said by the next call */
}

static int opening_connected(struct stream *s)
{
	int r = plain_connected(s);

	if (r == 0)
		r = send_opening(s);
	return r == -EAGAIN ? -EINPROGRESS : r;
}

static const struct stream_ops opening_ops = {
	.kind = "opening",
	.read = opening_read,
	.write = opening_write,
	.wants = opening_wants,
	.advance = opening_advance,
	.connected = opening_connected,
	.shutdown = plain_shutdown,
	.free = plain_free,
};

int stream_plain_open_with(struct stream *s, struct str bytes)
{
	struct plain *p = (struct plain *)s;
	struct opening *o;

	if (s->ops != &plain_ops || bytes.len > sizeof(o->bytes))
		return -EINVAL;
	o = malloc(sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->code = 0;
	o->len = bytes.len;
	memcpy(o->bytes, bytes.ptr, bytes.len);
	p->opening = o;
	s->ops = &opening_ops;
	return 0;
}

int stream_plain_new(struct loop *loop, int fd, struct stream **ret)
{
	struct plain *p = calloc(1, sizeof(*p));
	int r = p ? stream_init(&p->stream, &plain_ops, loop, fd) : -ENOMEM;

	if (r < 0)
		free(p);
	else
		*ret = &p->stream;
	return r;
}
