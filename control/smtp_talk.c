/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/smtp_talk.h"

#include "base/clock.h"

#include <errno.h>
#include <uv.h>

/* 0; -ETIMEDOUT. */
static int wait_for(struct smtp_talk *t, int wanted)
{
	uint64_t now = clock_monotonic_ms();
	int events;

	if (now >= t->end)
		return -ETIMEDOUT;
	stream_want(t->stream, wanted);
	(void)stream_wait(&t->stream, 1, (unsigned)(t->end - now), &events);
	return 0;
}

int smtp_talk_connected(struct smtp_talk *t)
{
	int r;

	while ((r = stream_connected(t->stream)) == -EINPROGRESS)
		if (wait_for(t, UV_READABLE | UV_WRITABLE) < 0)
			return -ETIMEDOUT;
	return r;
}

int smtp_talk_hear(struct smtp_talk *t, struct smtp_reply *ret)
{
	size_t used;

	for (;;) {
		ssize_t n;

		switch (smtp_reply_next(buf_view(&t->in), ret, &used)) {
		case SMTP_REPLY_COMPLETE:
			return 0;
		case SMTP_REPLY_BROKEN:
			return -EPROTO;
		case SMTP_REPLY_NEED_MORE:
			break;
		}
		n = stream_read_buf(t->stream, &t->in, SMTP_REPLY_LINE_MAX);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && n != -EAGAIN)
			return (int)n;
		if (n == -EAGAIN && wait_for(t, UV_READABLE) < 0)
			return -ETIMEDOUT;
	}
}

int smtp_talk_say(struct smtp_talk *t, struct str line)
{
	while (line.len) {
		ssize_t n = stream_write(t->stream, line, false);

		if (n < 0 && n != -EAGAIN)
			return (int)n;
		if (n == -EAGAIN && wait_for(t, UV_WRITABLE) < 0)
			return -ETIMEDOUT;
		line = str_skip(line, n > 0 ? (size_t)n : 0);
	}
	return 0;
}

int smtp_talk_ask(struct smtp_talk *t, struct str line, struct smtp_reply *ret)
{
	int r;

	buf_clear(&t->in);
	r = smtp_talk_say(t, line);
	return r < 0 ? r : smtp_talk_hear(t, ret);
}
