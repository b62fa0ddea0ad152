/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 *   write ─► deflate ─► out ─► below        below ─► in ─► inflate ─► read
 *
 * `out` holds what the stream below did not take: until it has, the write that it came of
 * is answered with -EAGAIN, so it stays as small as one piece, and an owner that was told
 * that all is written may close. What cannot be inflated ends the connection (-EPROTO).
 */
#include "net/stream_deflate.h"

#include "net/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <uv.h>
#include <zlib.h>

#define WINDOW_BITS (-15) /* raw deflate: RFC 4978, 3 */
#define MEMORY_LEVEL 8
#define READ_SIZE 16384
#define PIECE 65536 /* compressed at a time */
/* Of input in one call that nothing comes of: empty blocks can be sent without end. */
#define READS_MAX 16

struct stream_deflate {
	struct stream stream; /* first: it is one */
	z_stream deflate, inflate;
	struct buf in;  /* compressed, not yet inflated */
	struct buf out; /* compressed, not yet taken */
	bool has_more;  /* inflate() may have more without more input */
	/* Of the owner's bytes: compressed, but not reported as written, because the
	   stream below has not taken all that came of them. They come again. */
	size_t accepted;
};

static struct stream_deflate *of(struct stream *s)
{
	return (struct stream_deflate *)s;
}

static const struct stream_deflate *seen(const struct stream *s)
{
	return (const struct stream_deflate *)s;
}

/* ── reading ───────────────────────────────────────────────────────────────────────── */

/* Bytes made; 0: it needs more input. */
static ssize_t inflate_some(struct stream_deflate *d, void *space, size_t size)
{
	struct str in = buf_view(&d->in);
	int r;

	d->inflate.next_in = (Bytef *)(uintptr_t)in.ptr;
	d->inflate.avail_in = (uInt)in.len;
	d->inflate.next_out = space;
	d->inflate.avail_out = (uInt)(size < PIECE ? size : PIECE);
	size = d->inflate.avail_out;
	r = inflate(&d->inflate, Z_SYNC_FLUSH);
	buf_consume(&d->in, in.len - d->inflate.avail_in);
	if (!buf_len(&d->in))
		buf_fini(&d->in); /* an idle session holds no buffer */
	if (r != Z_OK && r != Z_BUF_ERROR)
		return -EPROTO;
	d->has_more = !d->inflate.avail_out;
	return (ssize_t)(size - d->inflate.avail_out);
}

static ssize_t deflate_read(struct stream *s, void *space, size_t size)
{
	struct stream_deflate *d = of(s);
	ssize_t n = 0;

	for (int reads = 0; n == 0; reads++) {
		if (buf_len(&d->in) || d->has_more)
			n = inflate_some(d, space, size);
		if (n == 0 && reads == READS_MAX)
			return -EAGAIN; /* the stream below calls again */
		if (n == 0) {
			ssize_t got = stream_read_buf(s->below, &d->in, READ_SIZE);

			if (got <= 0) {
				if (!buf_len(&d->in))
					buf_fini(&d->in);
				return got;
			}
		}
	}
	return n;
}

static bool deflate_holds_back(const struct stream *s)
{
	return stream_holds_back(s->below);
}

static bool deflate_pending(const struct stream *s)
{
	const struct stream_deflate *d = seen(s);

	return buf_len(&d->in) || d->has_more || stream_has_pending(s->below);
}

/* ── writing ───────────────────────────────────────────────────────────────────────── */

/* 0: all is taken. */
static int send_out(struct stream_deflate *d)
{
	while (buf_len(&d->out)) {
		ssize_t n = stream_write_buf(d->stream.below, &d->out);

		if (n < 0)
			return (int)n;
	}
	buf_fini(&d->out);
	return 0;
}

static int deflate_piece(struct stream_deflate *d, struct str bytes, bool flush)
{
	d->deflate.next_in = (Bytef *)(uintptr_t)bytes.ptr;
	d->deflate.avail_in = (uInt)bytes.len;
	do {
		char *space;
		int r = buf_reserve(&d->out, READ_SIZE, &space);

		if (r < 0)
			return r;
		d->deflate.next_out = (Bytef *)space;
		d->deflate.avail_out = READ_SIZE;
		(void)deflate(&d->deflate, flush ? Z_SYNC_FLUSH : Z_NO_FLUSH);
		buf_commit(&d->out, READ_SIZE - d->deflate.avail_out);
	} while (!d->deflate.avail_out);
	return 0;
}

static ssize_t deflate_write(struct stream *s, struct str bytes, bool more)
{
	struct stream_deflate *d = of(s);
	struct str piece = str_take(bytes, PIECE);
	int r = 0;

	if (!d->accepted) {
		r = deflate_piece(d, piece, !more && piece.len == bytes.len);
		d->accepted = piece.len;
	}
	if (r == 0)
		r = send_out(d);
	if (r < 0)
		return r;
	piece.len = d->accepted;
	d->accepted = 0;
	return (ssize_t)piece.len;
}

static int deflate_wants(const struct stream *s, int wanted)
{
	return wanted | (buf_len(&seen(s)->out) ? UV_WRITABLE : 0);
}

static void deflate_advance(struct stream *s)
{
	(void)send_out(of(s)); /* what is wrong shows with the next read or write */
}

/* ── the connection ────────────────────────────────────────────────────────────────── */

static void deflate_shutdown(struct stream *s, int how)
{
	stream_shutdown(s->below, how);
}

static int deflate_connected(struct stream *s)
{
	return stream_connected(s->below);
}

static void deflate_free(struct stream *s)
{
	struct stream_deflate *d = of(s);

	(void)deflateEnd(&d->deflate);
	(void)inflateEnd(&d->inflate);
	buf_fini(&d->in);
	buf_fini(&d->out);
	free(d);
}

static const struct stream_ops deflate_ops = {
	.kind = "deflate",
	.read = deflate_read,
	.write = deflate_write,
	.pending = deflate_pending,
	.holds_back = deflate_holds_back,
	.wants = deflate_wants,
	.advance = deflate_advance,
	.connected = deflate_connected,
	.shutdown = deflate_shutdown,
	.free = deflate_free,
};

int stream_deflate_new(struct stream *below, struct str received, struct stream **ret)
{
	struct stream_deflate *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	buf_init(&d->in, 0);
	buf_init(&d->out, 0);
	r = buf_append(&d->in, received);
	if (r == 0 && deflateInit2(&d->deflate, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
			      WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		r = -ENOMEM;
	if (r == 0 && inflateInit2(&d->inflate, WINDOW_BITS) != Z_OK)
		r = -ENOMEM;
	if (r < 0) {
		deflate_free(&d->stream);
		return r;
	}
	stream_init_over(&d->stream, &deflate_ops, below);
	*ret = &d->stream;
	return 0;
}
