/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/output.h"

#include <errno.h>

#define PIECE_MAX 1048576 /* a call, so that other sessions have their turn */

void output_init(struct output *o)
{
	*o = (struct output){ .body = { .bytes = STR(""), .fd = -1 } };
	buf_init(&o->text, 0);
}

void output_fini(struct output *o)
{
	store_body_release(&o->body);
	buf_fini(&o->text);
	o->left = 0;
}

bool output_is_full(const struct output *o)
{
	return o->left || buf_len(&o->text) >= OUTPUT_FULL;
}

bool output_is_empty(const struct output *o)
{
	return !o->left && !buf_len(&o->text);
}

void output_piece(struct output *o, struct body *body, size_t at, size_t len)
{
	o->body = *body;
	o->at = at;
	o->left = len;
	*body = (struct body){ .bytes = STR(""), .fd = -1 };
}

struct str output_view(struct output *o)
{
	if (buf_len(&o->text))
		return buf_view(&o->text);
	if (o->left && store_body_read(&o->body) < 0)
		return STR_LIT("");
	return str_take(str_skip(o->body.bytes, o->at), o->left);
}

void output_consume(struct output *o, size_t len)
{
	o->sent += len;
	if (buf_len(&o->text)) {
		buf_consume(&o->text, len);
		return;
	}
	o->at += len;
	o->left -= len;
	if (!o->left)
		store_body_release(&o->body);
}

static ssize_t write_piece(struct output *o, struct stream *s)
{
	size_t len = o->left < PIECE_MAX ? o->left : PIECE_MAX;
	off_t offset = (off_t)(o->body.offset + o->at);
	ssize_t n = -EOPNOTSUPP;

	if (o->body.fd >= 0)
		n = stream_sendfile(s, o->body.fd, offset, len);
	if (n != -EOPNOTSUPP)
		return n;
	if (store_body_read(&o->body) < 0)
		return -EIO;
	return stream_write(s, str_take(output_view(o), len), false);
}

int output_send(struct output *o, struct stream *s)
{
	while (!output_is_empty(o)) {
		ssize_t n = buf_len(&o->text)
		                    ? stream_write(s, buf_view(&o->text), o->left != 0)
		                    : write_piece(o, s);

		if (n < 0)
			return (int)n;
		if (n == 0) /* the file ends before the body does */
			return -EIO;
		output_consume(o, (size_t)n);
	}
	return 0;
}
