/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transfer/read/source_connection.h"

#include "base/address.h"
#include "base/clock.h"
#include "base/fd.h"
#include "settings/settings.h"
#include "transfer/read/pace.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <uv.h>

#define READ_SIZE 262144 /* a body's pieces go to the disk in writes of that size */

void source_connection_init(struct source_connection *c)
{
	*c = (struct source_connection){ .stream = NULL };
	buf_init(&c->in, 0);
	buf_init(&c->out, 0);
}

void source_connection_close(struct source_connection *c)
{
	pace_give_back(c->pace, c->turn_messages, c->turn_bytes + c->paid);
	stream_free(c->stream);
	buf_fini(&c->in);
	buf_wipe(&c->out);
	buf_fini(&c->out);
	source_connection_init(c);
}

bool source_connection_is_open(const struct source_connection *c)
{
	return c->stream != NULL;
}

/* ---- connecting ---- */

static int begin(int fd, const struct sockaddr_storage *to)
{
	int one = 1;

	/* a receive buffer set by hand would end the kernel's own tuning, which lets the
	   source go on for megabytes while we wait for the disk */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)to, address_length(to)) < 0 &&
		errno != EINPROGRESS)
		return -errno;
	return 0;
}

int source_dial_finish(struct stream *s, unsigned patience_ms)
{
	uint64_t end = clock_monotonic_ms() + patience_ms, now;
	int r, events;

	while ((r = stream_connected(s)) == -EINPROGRESS) {
		now = clock_monotonic_ms();
		if (now >= end)
			return -ETIMEDOUT;
		stream_want(s, UV_WRITABLE);
		(void)stream_wait(&s, 1, (unsigned)(end - now), &events);
	}
	return r;
}

/* Takes fd, which may be -errno. */
static int dial(int fd, const struct sockaddr_storage *to, unsigned patience_ms,
	struct stream **ret)
{
	struct stream *s;
	int r = fd < 0 ? fd : begin(fd, to);

	if (r == 0)
		r = stream_plain_new(NULL, fd, &s);
	if (r < 0) {
		fd_closep(&fd);
		return r;
	}
	r = source_dial_finish(s, patience_ms);
	if (r < 0)
		stream_free(s);
	else
		*ret = s;
	return r;
}

int source_dial_plain(void *context, const struct sockaddr_storage *to,
	unsigned patience_ms, struct stream **ret)
{
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)context;
	return dial(fd < 0 ? -errno : fd, to, patience_ms, ret);
}

int source_dial_by(int fd, const struct sockaddr_storage *to, unsigned patience_ms,
	struct stream **ret)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return dial(copy < 0 ? -errno : copy, to, patience_ms, ret);
}

int source_connection_open(struct source_connection *c,
	const struct source_dialer *dialer, const struct sockaddr_storage *to,
	unsigned patience_ms, struct error *err)
{
	char where[ADDRESS_TEXT_MAX];
	int r = dialer->dial ? dialer->dial(dialer->context, to, patience_ms, &c->stream)
	                     : source_dial_plain(NULL, to, patience_ms, &c->stream);

	if (r < 0) {
		address_port_text(to, where);
		return error_errno(err, r, "cannot connect to the source at %s", where);
	}
	c->pace = dialer->pace;
	c->heard_at = clock_monotonic_ms();
	return 0;
}

/* ---- the pace ---- */

bool source_connection_may_ask(
	struct source_connection *c, uint64_t messages, uint64_t bytes)
{
	uint64_t now = clock_monotonic_ms();

	if (!pace_limits_reading(c->pace))
		return true;
	if (!c->turn_at) {
		c->turn_at = now + pace_take_reading(c->pace, messages, bytes, now);
		c->turn_messages = messages;
		c->turn_bytes = bytes;
	}
	c->heard_at = now; /* the source's silence is ours */
	return now >= c->turn_at;
}

static uint64_t beyond(uint64_t n, uint64_t other)
{
	return n > other ? n - other : 0;
}

/* While it waited, another connection may have asked for what the turn was taken for. */
void source_connection_asked(
	struct source_connection *c, uint64_t messages, uint64_t bytes)
{
	(void)pace_take_reading(c->pace, beyond(messages, c->turn_messages),
		beyond(bytes, c->turn_bytes), clock_monotonic_ms());
	pace_give_back(c->pace, beyond(c->turn_messages, messages),
		beyond(c->turn_bytes, bytes));
	c->turn_at = c->turn_messages = c->turn_bytes = 0;
	c->paid += bytes;
}

unsigned source_connection_until_turn(const struct source_connection *c, unsigned ms)
{
	uint64_t now = clock_monotonic_ms();

	if (!c->turn_at || now >= c->turn_at || c->turn_at - now >= ms)
		return ms;
	return (unsigned)(c->turn_at - now);
}

static void pay(struct source_connection *c, uint64_t n)
{
	uint64_t paid = n < c->paid ? n : c->paid;

	c->paid -= paid;
	if (n > paid)
		c->read_at =
			c->heard_at + pace_pay(c->pace, PACE_BYTE, n - paid, c->heard_at);
}

/* ---- bytes ---- */

static int lost(struct error *err)
{
	return error_set(err, -ECONNRESET, "the source has closed the connection");
}

int source_connection_fill(struct source_connection *c, struct error *err)
{
	ssize_t n = stream_read_buf(c->stream, &c->in, READ_SIZE);

	if (n == -EAGAIN)
		return 0;
	if (n == 0)
		return lost(err);
	if (n < 0)
		return error_errno(err, (int)n, "cannot read from the source");
	c->heard_at = clock_monotonic_ms();
	pay(c, (uint64_t)n);
	return 1;
}

int source_connection_flush(struct source_connection *c, struct error *err)
{
	while (buf_len(&c->out)) {
		ssize_t n = stream_write_buf(c->stream, &c->out);

		if (n == -EAGAIN)
			return 0;
		if (n == -EPIPE || n == -ECONNRESET)
			return lost(err);
		if (n < 0)
			return error_errno(err, (int)n, "cannot write to the source");
		/* who takes a long message is there */
		c->heard_at = clock_monotonic_ms();
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

/* Those of them that may be read now; *ms: until another one may. Of one that may not,
   the source's silence is ours. */
static size_t choose(struct source_connection *const *connections, size_t n,
	struct source_connection **ret, unsigned *ms)
{
	uint64_t now = clock_monotonic_ms();
	size_t chosen = 0;

	for (size_t i = 0; i < n; i++) {
		struct source_connection *c = connections[i];

		c->is_readable = false;
		if (now >= c->read_at || !pace_limits_reading(c->pace)) {
			ret[chosen++] = c;
			continue;
		}
		c->heard_at = now;
		if (c->read_at - now < *ms)
			*ms = (unsigned)(c->read_at - now);
	}
	return chosen;
}

int source_connection_wait(struct source_connection *const *connections, size_t n,
	unsigned ms, unsigned patience_ms, struct error *err)
{
	struct source_connection *chosen[STREAM_WAIT_MAX];
	struct stream *streams[STREAM_WAIT_MAX] = { NULL };
	int events[STREAM_WAIT_MAX] = { 0 }, r;

	if (n > STREAM_WAIT_MAX)
		return error_set(err, -EINVAL, "too many connections");
	n = choose(connections, n, chosen, &ms);
	for (size_t i = 0; i < n; i++) {
		streams[i] = chosen[i]->stream;
		stream_want(streams[i],
			UV_READABLE | (buf_len(&chosen[i]->out) ? UV_WRITABLE : 0));
	}
	r = stream_wait(streams, n, ms, events);
	if (r == -ETIMEDOUT)
		return check_silence(chosen, n, patience_ms, err);
	if (r < 0 && r != -EINTR)
		return error_errno(err, r, "cannot wait for the source");
	for (size_t i = 0; r == 0 && i < n; i++)
		chosen[i]->is_readable = events[i] & UV_READABLE;
	return 0;
}

/* ---- leaving ---- */

void source_connection_leave(struct source_connection *c, unsigned most_ms)
{
	uint64_t end = clock_monotonic_ms() + most_ms, now = end - most_ms;
	struct error err;
	int r = source_connection_is_open(c) ? 1 : -ENOTCONN;

	if (r == 1) {
		buf_wipe(&c->out);
		stream_shutdown(c->stream, SHUT_WR);
	}
	while (r >= 0 && now < end) {
		struct stream *streams[] = { c->stream };
		int events[] = { 0 };

		buf_clear(&c->in);
		stream_want(c->stream, UV_READABLE);
		r = stream_wait(streams, 1, (unsigned)(end - now), events);
		if (r == 0 || r == -EINTR)
			r = source_connection_fill(c, &err);
		now = clock_monotonic_ms();
	}
	source_connection_close(c);
}
