/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/output.h"

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

static ssize_t write_piece(struct output *o, struct stream *s)
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

int output_send(struct output *o, struct stream *s)
{
	while (!output_is_empty(o)) {
		struct str text = next_text(o);
		ssize_t n = text.len ? stream_write(s, text, o->count != 0)
		                     : write_piece(o, s);

		if (n < 0)
			return (int)n;
		if (n == 0) /* the file ends before the body does */
			return -EIO;
		output_consume(o, (size_t)n);
	}
	return 0;
}
