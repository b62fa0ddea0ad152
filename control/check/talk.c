/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/check/talk.h"

#include "control/check/dial.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <uv.h>

int talk_begin(struct talk *t, int fd, unsigned ms, size_t in_max)
{
	int r;

	*t = (struct talk){ .end = clock_monotonic_ms() + ms };
	buf_init(&t->in, in_max);
	if (fd < 0)
		return fd;
	r = stream_plain_new(NULL, fd, &t->stream);
	if (r < 0)
		fd_closep(&fd);
	return r;
}

int talk_dial(struct talk *t, const struct settings *s, enum service_id service,
	struct sockaddr_storage *to, unsigned ms, size_t in_max)
{
	int fd, r;

	dial_set_port(to, s, service);
	r = dial(to, &fd);
	return talk_begin(t, fd < 0 ? r : fd, ms, in_max);
}

void talk_end(struct talk *t)
{
	buf_fini(&t->in);
	stream_free(t->stream);
}

/* 0; -ETIMEDOUT. */
static int wait_for(struct talk *t, int wanted)
{
	uint64_t now = clock_monotonic_ms();
	int events;

	if (now >= t->end)
		return -ETIMEDOUT;
	stream_want(t->stream, wanted);
	(void)stream_wait(&t->stream, 1, (unsigned)(t->end - now), &events);
	return 0;
}

int talk_connected(struct talk *t)
{
	int r;

	while ((r = stream_connected(t->stream)) == -EINPROGRESS)
		if (wait_for(t, UV_READABLE | UV_WRITABLE) < 0)
			return -ETIMEDOUT;
	return r;
}

int talk_say(struct talk *t, struct str bytes)
{
	while (bytes.len) {
		ssize_t n = stream_write(t->stream, bytes, false);

		if (n < 0 && n != -EAGAIN)
			return (int)n;
		if (n == -EAGAIN && wait_for(t, UV_WRITABLE) < 0)
			return -ETIMEDOUT;
		bytes = str_skip(bytes, n > 0 ? (size_t)n : 0);
	}
	return 0;
}

int talk_read(struct talk *t, size_t most)
{
	for (;;) {
		ssize_t n = stream_read_buf(t->stream, &t->in, most);

		if (n == 0)
			return -ECONNRESET;
		if (n != -EAGAIN)
			return n < 0 ? (int)n : 0;
		if (wait_for(t, UV_READABLE) < 0)
			return -ETIMEDOUT;
	}
}

int talk_hear(struct talk *t, struct smtp_reply *ret)
{
	size_t used;
	int r = 0;

	while (r == 0) {
		switch (smtp_reply_next(buf_view(&t->in), ret, &used)) {
		case SMTP_REPLY_COMPLETE:
			return 0;
		case SMTP_REPLY_BROKEN:
			return -EPROTO;
		case SMTP_REPLY_NEED_MORE:
			break;
		}
		r = talk_read(t, SMTP_REPLY_LINE_MAX);
	}
	return r;
}

int talk_ask(struct talk *t, struct str line, struct smtp_reply *ret)
{
	int r;

	buf_clear(&t->in);
	r = talk_say(t, line);
	return r < 0 ? r : talk_hear(t, ret);
}
