/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/output.h"

#include "mailstore/store/spool.h"

#include <errno.h>

#define PIECE_MAX 1048576 /* a call, so that other sessions have their turn */

void output_init(struct output *o)
{
	*o = (struct output){ .count = 0 };
	buf_init(&o->text, 0);
}

static struct output_piece *first_piece(struct output *o)
{
	return &o->pieces[o->first];
}

static void drop_piece(struct output *o)
{
	struct output_piece *p = first_piece(o);

	o->placed -= p->text;
	store_body_release(&p->body);
	o->first = (o->first + 1) % OUTPUT_PIECES;
	o->count--;
}

void output_fini(struct output *o)
{
	while (o->count)
		drop_piece(o);
	buf_fini(&o->text);
}

static const struct output_piece *last_piece(const struct output *o)
{
	return &o->pieces[(o->first + o->count - 1) % OUTPUT_PIECES];
}

bool output_is_full(const struct output *o)
{
	return buf_len(&o->text) >= OUTPUT_FULL || o->count == OUTPUT_PIECES ||
	       (o->count && last_piece(o)->body.bytes.ptr);
}

bool output_is_empty(const struct output *o)
{
	return !o->count && !buf_len(&o->text);
}

void output_piece(struct output *o, struct body *body, size_t at, size_t len)
{
	struct output_piece *p = &o->pieces[(o->first + o->count) % OUTPUT_PIECES];

	*p = (struct output_piece){ .body = *body,
		.at = at,
		.left = len,
		.text = buf_len(&o->text) - o->placed };
	o->placed += p->text;
	o->count++;
	*body = (struct body){ .bytes = STR(""), .fd = -1 };
}

void output_settle(struct output *o, struct store *store)
{
	struct str text = buf_view(&o->text), tail = str_skip(text, o->placed);
	struct body body;
	struct spool spool;
	struct buf before;
	int r;

	if (tail.len <= OUTPUT_HELD_MAX || o->count == OUTPUT_PIECES)
		return;
	spool_init(&spool);
	buf_init(&before, 0);
	r = buf_append(&before, str_take(text, o->placed));
	for (; tail.len && r == 0; tail = str_skip(tail, OUTPUT_FULL))
		r = spool_write(store, &spool, str_take(tail, OUTPUT_FULL), NULL);
	if (r == 0)
		r = spool_take(&spool, &body, NULL);
	if (r == 0) {
		buf_fini(&o->text);
		o->text = before;
		output_piece(o, &body, 0, body.bytes.len);
	} else {
		buf_fini(&before);
	}
	spool_fini(&spool);
}

/* What is to go before the next piece, or all. */
static struct str next_text(struct output *o)
{
	struct str text = buf_view(&o->text);

	return o->count ? str_take(text, first_piece(o)->text) : text;
}

struct str output_view(struct output *o)
{
	struct str text = next_text(o);
	struct output_piece *p = first_piece(o);

	if (text.len || !o->count)
		return text;
	if (store_body_read(&p->body) < 0)
		return STR_LIT("");
	return str_take(str_skip(p->body.bytes, p->at), p->left);
}

void output_consume(struct output *o, size_t len)
{
	struct output_piece *p = first_piece(o);
	bool is_text = next_text(o).len > 0;

	o->sent += len;
	if (is_text)
		buf_consume(&o->text, len);
	if (!o->count)
		return;
	if (is_text) {
		p->text -= len;
		o->placed -= len;
		return;
	}
	p->at += len;
	p->left -= len;
	if (!p->left)
		drop_piece(o);
}

/* ── sending ───────────────────────────────────────────────────────────────────────── */

#define PARTS_MAX (2 * OUTPUT_PIECES + 1)
_Static_assert(PARTS_MAX <= STREAM_PARTS_MAX, "they go in one call");

/* A piece's bytes, as many as can be sent beside others. */
static struct str bytes_of(struct output_piece *p, bool may_move)
{
	struct str all = p->body.bytes.ptr ? str_skip(p->body.bytes, p->at)
	                                   : store_body_see(&p->body, p->at, may_move);

	return str_take(all, p->left);
}

/* Text and pieces in turn, as far as they can be sent together. */
static size_t gather(struct output *o, struct str parts[static PARTS_MAX])
{
	struct str text = buf_view(&o->text);
	size_t n = 0, len = 0;

	for (unsigned i = 0; i < o->count; i++) {
		struct output_piece *p = &o->pieces[(o->first + i) % OUTPUT_PIECES];
		struct str bytes = bytes_of(p, i == 0);

		if (!bytes.ptr || len >= PIECE_MAX)
			return n;
		if (p->text)
			parts[n++] = str_take(text, p->text);
		text = str_skip(text, p->text);
		parts[n++] = bytes;
		len += bytes.len;
		if (bytes.len < p->left)
			return n;
	}
	if (text.len)
		parts[n++] = text;
	return n;
}

/* Where there are pieces. -EOPNOTSUPP: it has to be one after the other. */
static ssize_t write_together(struct output *o, struct stream *s)
{
	struct str parts[PARTS_MAX];
	size_t n = s->ops->writev ? gather(o, parts) : 0;
	ssize_t sent = n ? stream_writev(s, parts, n) : -EOPNOTSUPP;
	size_t left = sent > 0 ? (size_t)sent : 0;

	for (size_t i = 0; left; i++) {
		size_t part = str_take(parts[i], left).len;

		output_consume(o, part);
		left -= part;
	}
	return sent == -EFAULT ? -EIO : sent; /* the file ends before the body does */
}

static ssize_t send_piece(struct output *o, struct stream *s)
{
	struct output_piece *p = first_piece(o);
	size_t len = p->left < PIECE_MAX ? p->left : PIECE_MAX;
	off_t offset = (off_t)(p->body.offset + p->at);
	ssize_t n = -EOPNOTSUPP;

	if (p->body.fd >= 0)
		n = stream_sendfile(s, p->body.fd, offset, len);
	if (n != -EOPNOTSUPP)
		return n;
	if (store_body_read(&p->body) < 0)
		return -EIO;
	return stream_write(s, str_take(output_view(o), len), false);
}

static ssize_t write_text(const struct output *o, struct stream *s, struct str text)
{
	return o->ends && !o->count ? stream_write_last(s, text)
	                            : stream_write(s, text, o->count != 0);
}

static ssize_t write_next(struct output *o, struct stream *s)
{
	struct str text = next_text(o);
	ssize_t n = text.len ? write_text(o, s, text) : send_piece(o, s);

	if (n > 0)
		output_consume(o, (size_t)n);
	return n ? n : -EIO; /* the file ends before the body does */
}

int output_send(struct output *o, struct stream *s)
{
	while (!output_is_empty(o)) {
		ssize_t n = o->count ? write_together(o, s) : -EOPNOTSUPP;

		if (n == -EOPNOTSUPP)
			n = write_next(o, s);
		if (n < 0)
			return (int)n;
	}
	return 0;
}
