/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/source_connection.h"

#include "base/clock.h"
#include "base/fd.h"
#include "settings/settings.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#define READ_SIZE 262144 /* a body's pieces go to the disk in writes of that size */
#define CONNECTIONS_MAX 8

void source_connection_init(struct source_connection *c)
{
	*c = (struct source_connection){ .fd = -1 };
	buf_init(&c->in, 0);
	buf_init(&c->out, 0);
}

void source_connection_close(struct source_connection *c)
{
	fd_closep(&c->fd);
	buf_fini(&c->in);
	buf_wipe(&c->out);
	buf_fini(&c->out);
	source_connection_init(c);
}

static int poll_one(int fd, short events, unsigned ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do
		n = poll(&p, 1, (int)ms);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
}

static int finish_connect(int fd, unsigned patience_ms)
{
	int failed = 0;
	socklen_t size = sizeof(failed);
	int r = poll_one(fd, POLLOUT, patience_ms);

	if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) < 0)
		r = -errno;
	return r < 0 ? r : -failed;
}

int source_connection_connect(struct source_connection *c,
	const struct sockaddr_storage *to, unsigned patience_ms, struct error *err)
{
	char where[ADDRESS_TEXT_MAX];
	socklen_t len = to->ss_family == AF_INET ? sizeof(struct sockaddr_in)
	                                         : sizeof(struct sockaddr_in6);
	CLEANUP(fd_closep)
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : 0, one = 1;

	address_port_text(to, where);
	if (r == 0) {
		/* a receive buffer set by hand would end the kernel's own tuning, which
		   lets the source go on for megabytes while we wait for the disk */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (connect(fd, (const struct sockaddr *)to, len) < 0)
			r = errno == EINPROGRESS ? finish_connect(fd, patience_ms)
			                         : -errno;
	}
	if (r < 0)
		return error_errno(err, r, "cannot connect to the source at %s", where);
	c->fd = fd_steal(&fd);
	c->heard_at = clock_monotonic_ms();
	return 0;
}

static int lost(struct error *err)
{
	return error_set(err, -ECONNRESET, "the source has closed the connection");
}

int source_connection_fill(struct source_connection *c, struct error *err)
{
	ssize_t n = buf_read(&c->in, c->fd, READ_SIZE);

	if (n == -EAGAIN)
		return 0;
	if (n == 0)
		return lost(err);
	if (n < 0)
		return error_errno(err, (int)n, "cannot read from the source");
	c->heard_at = clock_monotonic_ms();
	return 1;
}

int source_connection_flush(struct source_connection *c, struct error *err)
{
	while (buf_len(&c->out)) {
		ssize_t n = buf_write(&c->out, c->fd);

		if (n == -EAGAIN)
			return 0;
		if (n == -EPIPE || n == -ECONNRESET)
			return lost(err);
		if (n < 0)
			return error_errno(err, (int)n, "cannot write to the source");
	}
	return 0;
}

static int check_silence(struct source_connection *const *connections, size_t n,
	unsigned patience_ms, struct error *err)
{
	uint64_t now = clock_monotonic_ms();

	for (size_t i = 0; i < n; i++)
		if (now - connections[i]->heard_at > patience_ms)
			return error_set(err, -ETIMEDOUT,
				"the source has not answered for %u seconds",
				patience_ms / 1000);
	return 0;
}

int source_connection_wait(struct source_connection *const *connections, size_t n,
	unsigned ms, unsigned patience_ms, struct error *err)
{
	struct pollfd polls[CONNECTIONS_MAX];
	int ready;

	if (n > CONNECTIONS_MAX)
		return error_set(err, -EINVAL, "too many connections");
	for (size_t i = 0; i < n; i++)
		polls[i] = (struct pollfd){ .fd = connections[i]->fd,
			.events = (short)(buf_len(&connections[i]->out) ? POLLIN | POLLOUT
									: POLLIN) };
	ready = poll(polls, (nfds_t)n, (int)ms);
	if (ready < 0 && errno != EINTR)
		return error_errno(err, -errno, "cannot wait for the source");
	for (size_t i = 0; i < n; i++)
		connections[i]->is_readable =
			ready > 0 && (polls[i].revents & ~POLLOUT) != 0;
	return ready > 0 ? 0 : check_silence(connections, n, patience_ms, err);
}
