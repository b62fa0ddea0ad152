/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls/stream_starttls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define READ_SIZE 4096

enum phase { PHASE_CLEAR, PHASE_TLS, PHASE_FAILED };

struct stream_starttls {
	struct stream stream; /* first: it is one */
	struct starttls machine;
	enum phase phase;
	int code; /* why it failed */
	SSL_CTX *context;
	char *name;
	struct buf in, out, greeting;
};

static struct stream_starttls *of(struct stream *s)
{
	return (struct stream_starttls *)s;
}

static const struct stream_starttls *seen(const struct stream *s)
{
	return (const struct stream_starttls *)s;
}

static void fail(struct stream_starttls *t, int code)
{
	t->phase = PHASE_FAILED;
	t->code = code;
}

static void begin_tls(struct stream_starttls *t)
{
	struct stream *tls;
	int r = stream_tls_connect(t->stream.below, t->context, t->name, &tls);

	if (r < 0) {
		fail(t, r);
		return;
	}
	t->phase = PHASE_TLS;
	stream_put_between(&t->stream, tls);
}

static void write_out(struct stream_starttls *t)
{
	ssize_t n = 1;

	while (buf_len(&t->out) && n > 0)
		n = stream_write_buf(t->stream.below, &t->out);
	if (n < 0 && n != -EAGAIN)
		fail(t, (int)n);
}

static void judge(struct stream_starttls *t)
{
	size_t used;

	switch (starttls_next(
		&t->machine, buf_view(&t->in), &used, &t->out, &t->greeting)) {
	case STARTTLS_NEED_MORE:
		break;
	case STARTTLS_GO:
		begin_tls(t);
		break;
	case STARTTLS_REFUSED:
		fail(t, -EPROTONOSUPPORT);
		break;
	case STARTTLS_BROKEN:
		fail(t, -EPROTO);
		break;
	}
	buf_consume(&t->in, used);
}

/* As far as it goes now. */
static void advance(struct stream *s)
{
	struct stream_starttls *t = of(s);
	ssize_t n = 1;

	while (t->phase == PHASE_CLEAR && n > 0) {
		write_out(t);
		if (t->phase != PHASE_CLEAR)
			return;
		n = stream_read_buf(s->below, &t->in, READ_SIZE);
		if (n > 0)
			judge(t);
		else if (n != -EAGAIN)
			fail(t, n == 0 ? -ECONNRESET : (int)n);
	}
	if (t->phase == PHASE_CLEAR)
		write_out(t);
}

static ssize_t give_greeting(struct stream_starttls *t, void *space, size_t size)
{
	struct str bytes = str_take(buf_view(&t->greeting), size);

	memcpy(space, bytes.ptr, bytes.len);
	buf_consume(&t->greeting, bytes.len);
	if (!buf_len(&t->greeting))
		buf_fini(&t->greeting);
	return (ssize_t)bytes.len;
}

/* The greeting when TLS is there, or when that is all there will be. */
static ssize_t starttls_read(struct stream *s, void *space, size_t size)
{
	struct stream_starttls *t = of(s);
	int r;

	advance(s);
	if (t->phase == PHASE_CLEAR)
		return -EAGAIN;
	r = t->phase == PHASE_TLS ? stream_connected(s->below) : 0;
	if (r < 0)
		return r == -EINPROGRESS ? -EAGAIN : r;
	if (buf_len(&t->greeting))
		return give_greeting(t, space, size);
	return t->phase == PHASE_FAILED ? t->code : stream_read(s->below, space, size);
}

static ssize_t starttls_write(struct stream *s, struct str bytes, bool more)
{
	struct stream_starttls *t = of(s);

	advance(s);
	if (t->phase == PHASE_FAILED)
		return t->code;
	return t->phase == PHASE_TLS ? stream_write(s->below, bytes, more) : -EAGAIN;
}

static bool starttls_pending(const struct stream *s)
{
	const struct stream_starttls *t = seen(s);

	if (t->phase == PHASE_TLS)
		return (buf_len(&t->greeting) && stream_connected(s->below) == 0) ||
		       stream_has_pending(s->below);
	return t->phase == PHASE_FAILED;
}

static bool starttls_holds_back(const struct stream *s)
{
	return stream_holds_back(s->below);
}

static int starttls_wants(const struct stream *s, int wanted)
{
	const struct stream_starttls *t = seen(s);

	if (t->phase != PHASE_CLEAR)
		return wanted;
	return (wanted & UV_DISCONNECT) | UV_READABLE |
	       (buf_len(&t->out) ? UV_WRITABLE : 0);
}

static int starttls_connected(struct stream *s)
{
	struct stream_starttls *t = of(s);

	advance(s);
	if (t->phase == PHASE_FAILED)
		return buf_len(&t->greeting) ? 0 : t->code;
	return t->phase == PHASE_TLS ? stream_connected(s->below) : -EINPROGRESS;
}

static void starttls_shutdown(struct stream *s, int how)
{
	stream_shutdown(s->below, how);
}

static void starttls_free(struct stream *s)
{
	struct stream_starttls *t = of(s);

	SSL_CTX_free(t->context);
	free(t->name);
	buf_fini(&t->in);
	buf_fini(&t->out);
	buf_fini(&t->greeting);
	free(t);
}

static const struct stream_ops starttls_ops = {
	.kind = "starttls",
	.read = starttls_read,
	.write = starttls_write,
	.pending = starttls_pending,
	.holds_back = starttls_holds_back,
	.wants = starttls_wants,
	.advance = advance,
	.connected = starttls_connected,
	.shutdown = starttls_shutdown,
	.free = starttls_free,
};

int stream_starttls_connect(struct stream *below, SSL_CTX *context, const char *name,
	enum starttls_protocol protocol, struct stream **ret)
{
	struct stream_starttls *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->name = name ? str_dup_c(str_from(name)) : NULL;
	if (name && !t->name) {
		free(t);
		return -ENOMEM;
	}
	SSL_CTX_up_ref(context);
	t->context = context;
	t->machine.protocol = protocol;
	buf_init(&t->in, STARTTLS_LINE_MAX + READ_SIZE);
	buf_init(&t->out, 0);
	buf_init(&t->greeting, 0);
	stream_init_over(&t->stream, &starttls_ops, below);
	*ret = &t->stream;
	return 0;
}

int stream_starttls_offload(struct stream **s)
{
	struct stream_starttls *t = of(*s);
	struct stream *below;
	int r;

	if ((*s)->ops != &starttls_ops)
		return stream_tls_offload(s);
	if (t->phase != PHASE_TLS || buf_len(&t->greeting))
		return -EAGAIN;
	r = stream_tls_offload(&t->stream.below);
	if (r < 0)
		return r;
	below = t->stream.below;
	below->is_below = false;
	stream_set_owner(below, t->stream.ready, t->stream.context);
	t->stream.below = NULL;
	stream_free(&t->stream);
	*s = below;
	return 0;
}
