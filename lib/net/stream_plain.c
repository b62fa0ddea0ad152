/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A socket as it is. */
#include "net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

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
	(void)shutdown(s->fd, how); /* ENOTCONN: it is gone already */
}

static int plain_share(struct stream *s)
{
	int fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static void plain_free(struct stream *s)
{
	free(s);
}

static const struct stream_ops plain_ops = {
	.kind = "plain",
	.read = plain_read,
	.write = plain_write,
	.splice_in = plain_splice_in,
	.splice_out = plain_splice_out,
	.sendfile = plain_sendfile,
	.connected = plain_connected,
	.shutdown = plain_shutdown,
	.share = plain_share,
	.free = plain_free,
};

int stream_plain_new(struct loop *loop, int fd, struct stream **ret)
{
	struct stream *s = calloc(1, sizeof(*s));
	int r = s ? stream_init(s, &plain_ops, loop, fd) : -ENOMEM;

	if (r < 0)
		free(s);
	else
		*ret = s;
	return r;
}
