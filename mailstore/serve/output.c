/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailstore/serve/output.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#define SENDFILE_MAX 1048576 /* a call, so that other sessions have their turn */

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

struct str output_view(const struct output *o)
{
	if (buf_len(&o->text))
		return buf_view(&o->text);
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

static ssize_t send_text(const struct output *o, int socket)
{
	struct str text = buf_view(&o->text);

	return send(socket, text.ptr, text.len,
		MSG_NOSIGNAL | MSG_DONTWAIT | (o->left ? MSG_MORE : 0));
}

static ssize_t send_piece(const struct output *o, int socket)
{
	struct str bytes = str_take(output_view(o), SENDFILE_MAX);
	off_t offset = (off_t)(o->body.offset + o->at);

	if (o->body.fd >= 0)
		return sendfile(socket, o->body.fd, &offset, bytes.len);
	return send(socket, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int output_send(struct output *o, int socket)
{
	while (!output_is_empty(o)) {
		ssize_t n =
			buf_len(&o->text) ? send_text(o, socket) : send_piece(o, socket);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) /* the file ends before the body does */
			return -EIO;
		output_consume(o, (size_t)n);
	}
	return 0;
}
